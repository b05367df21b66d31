//! How sure a score is: percentile intervals of the bootstrap (Efron and Tibshirani 1993).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::Score;

/// How often clips are drawn.
const DRAWS: usize = 1000;

/// Where a score lies in 95 % of the draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// By how much a score is above another of the same clips.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Of all clips.
    pub difference: f64,
    /// Over draws of clips that are the same for both.
    #[serde(flatten)]
    pub interval: Interval,
}

/// Clips drawn with replacement, the same for every score.
///
/// ```
/// use echoic::metrics::{Bootstrap, Score};
///
/// let score = Score::mean(vec![0.0, 0.0, 1.0, 1.0]);
/// let interval = Bootstrap::of(&[0, 1, 2, 3], 1).interval(&score).unwrap();
/// assert!(interval.low < 0.5 && interval.high > 0.5);
/// ```
#[derive(Debug, Clone)]
pub struct Bootstrap {
    draws: Vec<Vec<u32>>,
}

impl Bootstrap {
    /// Draws clips. What has one number in `groups`, an entry a clip, is drawn together: captions of one sound say little more than one of them.
    pub fn of(groups: &[usize], seed: u64) -> Self {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); groups.iter().max().map_or(0, |last| last + 1)];
        for (clip, group) in groups.iter().enumerate() {
            members[*group].push(clip as u32);
        }
        members.retain(|clips| !clips.is_empty());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |_| {
            let groups = (0..members.len()).flat_map(|_| &members[rng.random_range(0..members.len())]);
            groups.copied().collect()
        };
        Self { draws: (0..DRAWS).map(&mut draw).collect() }
    }

    /// The interval of a score; `None` where it does not follow from those of clips.
    pub fn interval(&self, score: &Score) -> Option<Interval> {
        self.percentiles(|draw| score.over(draw))
    }

    /// By how much `score` is above `other`; an interval without 0 in it tells them apart.
    pub fn difference(&self, score: &Score, other: &Score) -> Option<Difference> {
        let interval = self.percentiles(|draw| Some(score.over(draw)? - other.over(draw)?))?;
        Some(Difference { difference: score.corpus - other.corpus, interval })
    }

    /// What lies between 2.5 and 97.5 % of the draws.
    fn percentiles(&self, of: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Interval> {
        let mut values: Vec<f64> = self.draws.par_iter().map(|draw| of(draw)).collect::<Option<_>>()?;
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values.get(((values.len() - 1) as f64 * share).round() as usize).copied();
        Some(Interval { low: at(0.025)?, high: at(0.975)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_that_of_its_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let groups: Vec<usize> = (0..400).collect();
        let score = Score::mean(values);
        let interval = Bootstrap::of(&groups, 3).interval(&score).unwrap();
        // The standard deviation of 0 to 19 is 5.77.
        let half = 1.96 * 5.77 / 20.0;
        assert!(
            (interval.low - (9.5 - half)).abs() < 0.1 && (interval.high - (9.5 + half)).abs() < 0.1,
            "{interval:?}"
        );
    }

    #[test]
    fn clips_of_a_group_come_together_and_widen_the_interval() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i / 5 % 20)).collect();
        let width = |groups: Vec<usize>| {
            let interval = Bootstrap::of(&groups, 3).interval(&Score::mean(values.clone())).unwrap();
            interval.high - interval.low
        };
        let (apart, together) = (width((0..400).collect()), width((0..400).map(|i| i / 5).collect()));
        assert!(together > 1.8 * apart, "{together} {apart}");
    }

    #[test]
    fn a_constant_difference_is_certain() {
        let groups: Vec<usize> = (0..50).collect();
        let (low, high) = ((0..50).map(f64::from).collect(), (0..50).map(|i| f64::from(i) + 0.5).collect());
        let told = Bootstrap::of(&groups, 1).difference(&Score::mean(high), &Score::mean(low)).unwrap();
        assert_eq!((told.difference, told.interval), (0.5, Interval { low: 0.5, high: 0.5 }));
    }
}

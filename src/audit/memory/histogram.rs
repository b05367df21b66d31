//! Counts in bins that grow, quartiles, and the skewness of counts.

use crate::bridge::Histogram;

impl Histogram {
    /// Numbers of things in bins that grow with them: 0, 1, 2, 3, 4-5, 6-7, 8-11, 12-15, and so on.
    pub(super) fn of_counts(values: impl Iterator<Item = usize>) -> Self {
        let mut edges: Vec<usize> = vec![0, 1];
        let mut counts = vec![0u64];
        for value in values {
            while edges.last().is_some_and(|last| *last <= value) {
                edges.push(next_edge(&edges));
                counts.push(0);
            }
            counts[edges.partition_point(|edge| *edge <= value) - 1] += 1;
        }
        Self::trimmed(&edges.into_iter().map(|edge| edge as f64).collect::<Vec<_>>(), &counts)
    }
}

fn next_edge(edges: &[usize]) -> usize {
    let last = edges.last().copied().unwrap_or(0);
    last + (last.next_power_of_two().max(2) / if last.is_power_of_two() { 2 } else { 4 }).max(1)
}

/// The quartiles of values that are sorted: the first, the median and the third, between neighbours in proportion.
pub(super) fn quartiles(sorted: &[f32]) -> Option<[f32; 3]> {
    let last = sorted.len().checked_sub(1)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * (place - place.floor()) as f32
    };
    Some([at(0.25), at(0.5), at(0.75)])
}

/// The outer fence below values: three interquartile ranges under the first quartile (Tukey, Exploratory Data Analysis, 1977). `None` for so
/// few values that their quartiles say nothing.
pub(super) fn lower_fence(values: &[f32]) -> Option<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let [first, _, third] = quartiles(&sorted).filter(|_| sorted.len() >= FEWEST)?;
    // Where all are equal, rounding is no distance.
    Some(first - (3.0 * (third - first)).max(1e-4))
}

/// Values below which quartiles say nothing.
const FEWEST: usize = 12;

/// The third standardised moment: mean of ((x - mean) / standard deviation)³, the deviation being that of the whole population; 0 where all are
/// equal.
pub(super) fn skewness(counts: &[u32]) -> f64 {
    let count = counts.len() as f64;
    let mean = counts.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let moment = |power: i32| counts.iter().map(|x| (f64::from(*x) - mean).powi(power)).sum::<f64>() / count;
    let variance = moment(2);
    if variance > 0.0 { moment(3) / variance.powf(1.5) } else { 0.0 }
}

/// Standard deviation of the whole population.
pub(super) fn deviation(counts: &[u32], mean: f64) -> f64 {
    (counts.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / counts.len() as f64).sqrt()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `scipy.stats.skew` of the same numbers.
    #[test]
    fn the_skewness_is_that_of_scipy() {
        let near = |counts: &[u32], expected: f64| {
            assert!((skewness(counts) - expected).abs() < 1e-12, "{counts:?}: {}", skewness(counts));
        };
        near(&[1, 2, 3, 4, 5], 0.0);
        near(&[2, 8, 0, 4, 1, 9, 9, 0], 0.265_055_412_269_857_3);
        near(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 10], 2.666_666_666_666_666_5);
        near(&[7, 7, 7], 0.0);
    }

    #[test]
    fn counts_fall_into_bins_that_grow() {
        let histogram = Histogram::of_counts([0, 0, 1, 3, 5, 6, 11, 12].into_iter());
        assert_eq!(histogram.edges, [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0]);
        assert_eq!(histogram.counts, [2, 1, 0, 1, 1, 1, 1, 1]);
        assert_eq!(Histogram::of_counts([9].into_iter()).edges, [8.0, 12.0]);
    }

    #[test]
    fn a_fence_stands_far_below() {
        let mut values: Vec<f32> = (0..=100).map(|i| 0.5 + i as f32 / 1000.0).collect();
        assert!((lower_fence(&values).unwrap() - 0.375).abs() < 1e-5);
        values.truncate(11);
        assert_eq!(lower_fence(&values), None);
        assert!(lower_fence(&[0.7; 20]).unwrap() < 0.7);
    }
}

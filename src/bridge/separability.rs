//! Whether a plane tells two sets of vectors apart: Fisher's linear discriminant, tested on what it was not fitted to.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cloud::Centroid;
use crate::embedding::dot;

/// How far the scatter within the sets is drawn towards that of a ball, so that few vectors in many dimensions have a direction at all.
const SHRINKAGE: f64 = 0.1;
/// Steps of conjugate gradients at most; each would be enough for one direction of the scatter.
const STEPS: usize = 200;
/// Rows that are summed together, whatever the number of threads.
const ROWS: usize = 512;

/// How well a plane tells texts and sounds apart that took no part in finding it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Separability {
    /// The mean of the shares of texts and of sounds that lie on their side, in 0..=1; 0.5 is chance, 1 a gap that a plane fits into.
    pub accuracy: f64,
    /// Vectors of both kinds that were tested: all, as each half is tested with the plane of the other.
    pub tested: u64,
}

/// One modality: its vectors, and which half each is in.
#[derive(Clone, Copy)]
pub(crate) struct Halved<'a> {
    pub vectors: &'a [&'a [f32]],
    /// True for those of the second half. What belongs together is in one half on both sides.
    pub second: &'a [bool],
}

impl<'a> Halved<'a> {
    fn half(&self, second: bool) -> Vec<&'a [f32]> {
        let all = self.vectors.iter().zip(self.second);
        all.filter(|(_, half)| **half == second).map(|(vector, _)| *vector).collect()
    }
}

/// Fits a plane to each half and tests it on the other; `None` where a half of a side is empty.
pub(crate) fn separability(one: Halved<'_>, other: Halved<'_>) -> Option<Separability> {
    let (mut right, mut tested) = ([0u64; 2], [0u64; 2]);
    for fitted in [false, true] {
        let plane = Plane::between(&one.half(fitted), &other.half(fitted))?;
        for (side, set) in [one.half(!fitted), other.half(!fitted)].iter().enumerate() {
            tested[side] += set.len() as u64;
            right[side] += set.iter().filter(|vector| plane.is_beyond(vector) == (side == 0)).count() as u64;
        }
    }
    let share = |side: usize| right[side] as f64 / tested[side] as f64;
    tested
        .iter()
        .all(|n| *n > 0)
        .then(|| Separability { accuracy: (share(0) + share(1)) / 2.0, tested: tested.iter().sum() })
}

/// A direction, and how far along it the plane lies.
struct Plane {
    direction: Vec<f32>,
    place: f32,
}

impl Plane {
    /// The plane half way between the means, across Fisher's direction: the difference of the means, divided by the scatter within the sets.
    fn between(one: &[&[f32]], other: &[&[f32]]) -> Option<Self> {
        let dim = one.first().or(other.first())?.len();
        if one.is_empty() || other.is_empty() {
            return None;
        }
        let (a, b) = (Centroid::of(dim, one.iter().copied()).mean(), Centroid::of(dim, other.iter().copied()).mean());
        let difference: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let scatter = Scatter::of([(one, &a), (other, &b)]);
        let direction: Vec<f32> = scatter.divided(&difference).iter().map(|x| *x as f32).collect();
        let middle: Vec<f32> = a.iter().zip(&b).map(|(a, b)| ((a + b) / 2.0) as f32).collect();
        Some(Self { place: dot(&direction, &middle), direction })
    }

    fn is_beyond(&self, vector: &[f32]) -> bool {
        dot(&self.direction, vector) > self.place
    }
}

/// The scatter within both sets, each of which counts the same, as what it does to a vector: it is never written down.
struct Scatter<'a> {
    sets: [(&'a [&'a [f32]], &'a [f64]); 2],
    /// What the ball that it is drawn towards adds.
    ball: f64,
}

impl<'a> Scatter<'a> {
    fn of(sets: [(&'a [&'a [f32]], &'a Vec<f64>); 2]) -> Self {
        let sets = sets.map(|(vectors, mean)| (vectors, &mean[..]));
        let spread = |(vectors, mean): &(&[&[f32]], &[f64])| {
            let square = |row: &&[f32]| row.iter().zip(*mean).map(|(x, m)| (f64::from(*x) - m).powi(2)).sum::<f64>();
            vectors.iter().map(square).sum::<f64>() / vectors.len() as f64
        };
        let trace = sets.iter().map(spread).sum::<f64>() / 2.0;
        // Sets of one vector each have no scatter, and then any ball does.
        Self { sets, ball: (SHRINKAGE * trace / sets[0].1.len() as f64).max(1e-12) }
    }

    /// What it makes of `v`.
    fn times(&self, v: &[f64]) -> Vec<f64> {
        let mut whole: Vec<f64> = v.iter().map(|x| self.ball * x).collect();
        for (vectors, mean) in self.sets {
            let along: f64 = mean.iter().zip(v).map(|(m, v)| m * v).sum();
            let scale = (1.0 - SHRINKAGE) / (2.0 * vectors.len() as f64);
            let part = |rows: &[&[f32]]| {
                let mut sum = vec![0f64; v.len()];
                for row in rows {
                    let length = row.iter().zip(v).map(|(x, v)| f64::from(*x) * v).sum::<f64>() - along;
                    sum.iter_mut().zip(*row).zip(mean).for_each(|((s, x), m)| *s += length * (f64::from(*x) - m));
                }
                sum
            };
            for sum in vectors.par_chunks(ROWS).map(part).collect::<Vec<_>>() {
                whole.iter_mut().zip(sum).for_each(|(whole, x)| *whole += scale * x);
            }
        }
        whole
    }

    /// `x` such that the scatter makes `b` of it, by conjugate gradients.
    fn divided(&self, b: &[f64]) -> Vec<f64> {
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let mut x = vec![0f64; b.len()];
        let (mut rest, mut step) = (b.to_vec(), b.to_vec());
        let mut left = product(&rest, &rest);
        let enough = left * 1e-10;
        for _ in 0..STEPS {
            if left <= enough {
                break;
            }
            let there = self.times(&step);
            let length = left / product(&step, &there);
            x.iter_mut().zip(&step).for_each(|(x, s)| *x += length * s);
            rest.iter_mut().zip(&there).for_each(|(r, t)| *r -= length * t);
            let now = product(&rest, &rest);
            step.iter_mut().zip(&rest).for_each(|(s, r)| *s = r + now / left * *s);
            left = now;
        }
        x
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn drawn(count: usize, dim: usize, seed: u64, bend: impl Fn(&mut [f32])) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let one = |_| {
            let mut row: Vec<f32> = (0..dim).map(|_| rng.random::<f32>() - 0.5).collect();
            bend(&mut row);
            row
        };
        (0..count).map(one).collect()
    }

    fn accuracy(one: &[Vec<f32>], other: &[Vec<f32>]) -> f64 {
        let halves = |set: &[Vec<f32>]| (0..set.len()).map(|row| row % 2 == 1).collect::<Vec<bool>>();
        let (a, b): (Vec<&[f32]>, Vec<&[f32]>) =
            (one.iter().map(Vec::as_slice).collect(), other.iter().map(Vec::as_slice).collect());
        let (first, second) = (halves(one), halves(other));
        let found = separability(Halved { vectors: &a, second: &first }, Halved { vectors: &b, second: &second });
        found.unwrap().accuracy
    }

    #[test]
    fn a_gap_that_a_plane_fits_into_is_found() {
        let one = drawn(60, 8, 1, |row| row[0] += 2.0);
        let other = drawn(90, 8, 2, |row| row[0] -= 2.0);
        assert_eq!(accuracy(&one, &other), 1.0);
        assert_eq!(accuracy(&other, &one), 1.0);
    }

    /// The means differ little beside the scatter; only what weighs directions by it tells them apart.
    #[test]
    fn a_thin_gap_beside_a_wide_spread_is_found() {
        let wide = |shift: f32| {
            move |row: &mut [f32]| (row[0], row[1]) = (row[0] * 20.0, row[0] * 20.0 + row[1] * 0.1 + shift)
        };
        let (one, other) = (drawn(400, 2, 1, wide(0.3)), drawn(400, 2, 2, wide(-0.3)));
        // The shrinkage blurs a direction that is a twenty-thousandth of the scatter.
        assert!(accuracy(&one, &other) > 0.5, "{}", accuracy(&one, &other));
        let less =
            |shift: f32| move |row: &mut [f32]| (row[0], row[1]) = (row[0] * 2.0, row[0] * 2.0 + row[1] * 0.6 + shift);
        let (one, other) = (drawn(400, 2, 1, less(0.5)), drawn(400, 2, 2, less(-0.5)));
        assert!(accuracy(&one, &other) > 0.95, "{}", accuracy(&one, &other));
    }

    #[test]
    fn what_is_alike_is_told_apart_by_chance() {
        let (one, other) = (drawn(2000, 8, 1, |_| ()), drawn(2000, 8, 2, |_| ()));
        assert!((accuracy(&one, &other) - 0.5).abs() < 0.04, "{}", accuracy(&one, &other));
    }

    #[test]
    fn a_side_without_a_half_tells_nothing() {
        let row: &[f32] = &[1.0];
        let alone = Halved { vectors: &[row], second: &[false] };
        assert_eq!(separability(alone, alone), None);
    }
}

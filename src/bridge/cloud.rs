//! Vectors of one modality as a whole: where they lie, how closely, and in how many directions.

use rayon::prelude::*;

use crate::embedding::dot_in_lanes;

/// The sum of unit vectors, and what follows from it about all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Centroid {
    /// How many were added.
    pub count: u64,
    sum: Vec<f64>,
}

impl Centroid {
    /// Of vectors whose sum is known.
    pub(crate) fn of_sum(sum: Vec<f64>, count: u64) -> Self {
        Self { count, sum }
    }

    /// Of these vectors, each of `dim` components.
    pub(crate) fn of<'a>(dim: usize, vectors: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let mut whole = Self { count: 0, sum: vec![0.0; dim] };
        for vector in vectors {
            whole.count += 1;
            whole.sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        whole
    }

    /// Their mean `[dim]`.
    pub(crate) fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|x| x / self.count.max(1) as f64).collect()
    }

    /// Length of their mean: 1 where all point the same way.
    pub(crate) fn length(&self) -> f64 {
        self.square().sqrt() / self.count.max(1) as f64
    }

    /// Mean cosine of two of them, of all pairs; `None` where there is but one.
    pub(crate) fn within(&self) -> Option<f64> {
        let n = self.count as f64;
        // The square of the sum is that of all pairs and of each with itself.
        (self.count > 1).then(|| (self.square() - n) / (n * (n - 1.0)))
    }

    /// Mean cosine of one of these and one of others, of all pairs.
    pub(crate) fn across(&self, other: &Self) -> f64 {
        let products: f64 = self.sum.iter().zip(&other.sum).map(|(a, b)| a * b).sum();
        products / (self.count.max(1) as f64 * other.count.max(1) as f64)
    }

    /// The distance of two means: the modality gap (Liang et al.: Mind the Gap, NeurIPS 2022).
    pub(crate) fn distance(&self, other: &Self) -> f64 {
        self.mean().iter().zip(other.mean()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    fn square(&self) -> f64 {
        self.sum.iter().map(|x| x * x).sum()
    }
}

/// In how many directions vectors spread: (Σλ)² / Σλ², λ being the eigenvalues of their covariance. 1 on a line, d where all of d directions
/// are alike. `None` where there are less than two vectors, or no two differ.
///
/// No eigenvalue is needed: Σλ is the trace of the covariance C, and Σλ² that of C². Of n vectors it is at most n - 1.
pub(crate) fn participation_ratio(vectors: &[&[f32]]) -> Option<f64> {
    let dim = vectors.first()?.len();
    let mean: Vec<f32> = Centroid::of(dim, vectors.iter().copied()).mean().iter().map(|x| *x as f32).collect();
    let centred = |vector: &&[f32]| vector.iter().zip(&mean).map(|(x, mean)| x - mean).collect::<Vec<f32>>();
    let rows: Vec<Vec<f32>> = vectors.iter().map(centred).collect();
    // XᵀX and XXᵀ have one trace, and so have their squares: the smaller of the two is summed.
    let sides = if rows.len() < dim { rows } else { transposed(&rows, dim) };
    let trace: f64 = sides.iter().map(|side| product(side, side)).sum();
    let row = |(at, side): (usize, &Vec<f32>)| {
        let beside: f64 = sides[at + 1..].iter().map(|other| product(side, other).powi(2)).sum();
        product(side, side).powi(2) + 2.0 * beside
    };
    // In the order of the rows, whatever the number of threads.
    let squares: f64 = sides.par_iter().enumerate().map(row).collect::<Vec<f64>>().iter().sum();
    // Rounding is no spread.
    (trace > 1e-9 * vectors.len() as f64).then(|| trace * trace / squares)
}

fn transposed(rows: &[Vec<f32>], dim: usize) -> Vec<Vec<f32>> {
    (0..dim).into_par_iter().map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

/// In pieces, so that a long sum rounds as little as a short one.
fn product(a: &[f32], b: &[f32]) -> f64 {
    a.chunks(1024).zip(b.chunks(1024)).map(|(a, b)| f64::from(dot_in_lanes::<32>(a, b))).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{found}, not {expected}");
    }

    #[test]
    fn directions_are_counted() {
        let axis = |at: usize, sign: f32| (0..4).map(|i| if i == at { sign } else { 0.0 }).collect::<Vec<f32>>();
        let rows: Vec<Vec<f32>> = (0..3).flat_map(|at| [axis(at, 1.0), axis(at, -1.0)]).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        near(participation_ratio(&rows).unwrap(), 3.0);
        near(participation_ratio(&rows[..2]).unwrap(), 1.0);
        assert_eq!(participation_ratio(&rows[..1]), None);
        assert_eq!(participation_ratio(&[rows[0], rows[0]]), None);
        assert_eq!(participation_ratio(&[]), None);
    }

    proptest! {
        #[test]
        fn traces_are_those_of_the_covariance(
            (dim, numbers) in (1usize..6).prop_flat_map(|dim| (Just(dim), prop::collection::vec(-1.0f32..1.0, dim * 2..dim * 12))),
        ) {
            let rows: Vec<&[f32]> = numbers.chunks_exact(dim).collect();
            let n = rows.len() as f64;
            let at = |row: &[f32], i: usize| f64::from(row[i]);
            let mean: Vec<f64> = (0..dim).map(|i| rows.iter().map(|row| at(row, i)).sum::<f64>() / n).collect();
            let covariance = |i: usize, j: usize| {
                rows.iter().map(|row| (at(row, i) - mean[i]) * (at(row, j) - mean[j])).sum::<f64>() / n
            };
            let trace: f64 = (0..dim).map(|i| covariance(i, i)).sum();
            let squares: f64 = (0..dim).flat_map(|i| (0..dim).map(move |j| (i, j))).map(|(i, j)| covariance(i, j).powi(2)).sum();
            prop_assume!(trace > 1e-3);
            let found = participation_ratio(&rows).unwrap();
            prop_assert!((found - trace * trace / squares).abs() < 1e-3, "{} {}", found, trace * trace / squares);
        }
    }

    #[test]
    fn means_tell_of_all_pairs() {
        let rows = [[0.6f32, 0.8], [1.0, 0.0], [0.0, 1.0]];
        let whole = Centroid::of(2, rows.iter().map(|row| &row[..]));
        near(whole.within().unwrap(), (0.6 + 0.8 + 0.0) / 3.0);
        near(whole.length(), (1.6f64.powi(2) + 1.8f64.powi(2)).sqrt() / 3.0);
        let other = Centroid::of(2, [&[0.0f32, -1.0][..]]);
        near(whole.across(&other), -0.6);
        near(whole.distance(&other), ((1.6f64 / 3.0).powi(2) + 1.6f64.powi(2)).sqrt());
        assert_eq!(other.within(), None);
    }
}

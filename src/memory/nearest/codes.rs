//! Vectors as one byte a component, for a first look that reads a quarter of the memory.
//!
//! Component d of a vector x is coded as `c = round(x_d / s_d)` in -127..=127, with a scale `s_d` for each dimension. A query q is coded
//! against them as 16-bit numbers `n_d = round(q_d s_d / t)`, so that `q·x ≈ t Σ n_d c_d`, summed in integers. What a row lost by rounding,
//! `|x - s c|`, is stored, and bounds the error for every unit query: `|q·x - t Σ n c| ≤ |x - s c| + rounding`. A scan with that bound is exact.

use rayon::prelude::*;

use crate::simd::Kernels;

/// The largest code.
const LARGEST: f32 = 127.0;
/// A scale reaches this many times the root mean square of its dimension; the few components beyond are clipped, and the row's error says so.
const REACH: f32 = 4.0;
/// A dimension that reaches no further holds nothing.
const NOTHING: f32 = 1e-12;
/// Rows that one task codes.
const TASK_ROWS: usize = 4096;

/// Coded vectors, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes<'a> {
    /// `rows × dim` codes.
    pub codes: &'a [i8],
    /// `dim` scales.
    pub scales: &'a [f32],
    /// What each row lost by rounding.
    pub errors: &'a [f32],
}

/// Coded vectors in memory, as they are built.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnedCodes {
    pub codes: Vec<i8>,
    pub scales: Vec<f32>,
    pub errors: Vec<f32>,
}

/// A query, coded against the scales of one segment.
#[derive(Debug, Clone)]
pub(crate) struct CodedQuery {
    numbers: Vec<i16>,
    unit: f32,
    rounding: f32,
}

impl OwnedCodes {
    /// Codes unit vectors of `dim`. The same codes on any number of threads.
    pub(crate) fn of(vectors: &[f32], dim: usize) -> Self {
        let scales = scales_of(vectors, dim);
        let mut codes = vec![0i8; vectors.len()];
        let mut errors = vec![0f32; vectors.len() / dim];
        let tasks = codes.par_chunks_mut(TASK_ROWS * dim).zip(errors.par_chunks_mut(TASK_ROWS));
        tasks.zip(vectors.par_chunks(TASK_ROWS * dim)).for_each(|((codes, errors), vectors)| {
            let rows = codes.chunks_exact_mut(dim).zip(vectors.chunks_exact(dim));
            for ((codes, vector), error) in rows.zip(errors) {
                *error = code_row(vector, &scales, codes);
            }
        });
        Self { codes, scales, errors }
    }

    pub(crate) fn view(&self) -> Codes<'_> {
        Codes { codes: &self.codes, scales: &self.scales, errors: &self.errors }
    }
}

fn scales_of(vectors: &[f32], dim: usize) -> Vec<f32> {
    // Sums of each task are added in order, so that they do not depend on threads.
    let parts: Vec<(Vec<f64>, Vec<f32>)> = vectors
        .par_chunks(TASK_ROWS * dim)
        .map(|rows| {
            let (mut squares, mut most) = (vec![0f64; dim], vec![0f32; dim]);
            for row in rows.chunks_exact(dim) {
                for ((square, most), x) in squares.iter_mut().zip(&mut most).zip(row) {
                    *square += f64::from(x * x);
                    *most = most.max(x.abs());
                }
            }
            (squares, most)
        })
        .collect();
    let rows = (vectors.len() / dim).max(1) as f64;
    let scale = |d: usize| {
        let square: f64 = parts.iter().map(|part| part.0[d]).sum();
        let most = parts.iter().map(|part| part.1[d]).fold(0.0, f32::max);
        let reach = most.min(REACH * (square / rows).sqrt() as f32);
        // A dimension that is 0 everywhere, or as good as 0 (MiniLM has two), has codes of 0.
        if reach > NOTHING { reach / LARGEST } else { 0.0 }
    };
    (0..dim).map(scale).collect()
}

/// Codes a row and returns the length of what rounding lost, rounded up.
fn code_row(vector: &[f32], scales: &[f32], codes: &mut [i8]) -> f32 {
    let mut lost = 0f64;
    for ((code, x), scale) in codes.iter_mut().zip(vector).zip(scales) {
        let steps = if *scale > 0.0 { x / scale } else { 0.0 };
        // Adding a half and cutting rounds as well, and is an instruction instead of a call.
        let rounded = (steps.clamp(-LARGEST, LARGEST) + 0.5f32.copysign(*x)) as i32 as f32;
        *code = rounded as i8;
        lost += f64::from(x - rounded * scale).powi(2);
    }
    (lost.sqrt() * 1.000_001) as f32 + f32::EPSILON
}

impl<'a> Codes<'a> {
    pub(crate) fn dim(&self) -> usize {
        self.scales.len()
    }

    /// The codes of a row; none of a row that is not there.
    pub(crate) fn row(&self, row: u32) -> &'a [i8] {
        let start = row as usize * self.dim();
        self.codes.get(start..start + self.dim()).unwrap_or_default()
    }

    /// Codes a query of unit length.
    pub(crate) fn query(&self, query: &[f32]) -> CodedQuery {
        self.coded(query.iter().zip(self.scales).map(|(x, scale)| x * scale).collect())
    }

    fn coded(&self, weighted: Vec<f32>) -> CodedQuery {
        let dim = self.dim();
        // The sum of `dim` products of numbers and codes must fit an i32.
        let limit = f32::from(i16::MAX).min((i32::MAX as f32 * 0.999) / (LARGEST * dim as f32)).floor();
        let most = weighted.iter().fold(0f32, |most, x| most.max(x.abs()));
        let unit = if most > 0.0 { most / limit } else { 1.0 };
        let numbers: Vec<i16> = weighted.iter().map(|x| (x / unit + 0.5f32.copysign(*x)) as i16).collect();
        let lost: f32 = weighted.iter().zip(&numbers).map(|(x, n)| (x - f32::from(*n) * unit).abs()).sum();
        // What the query lost, and how far the f32 sum that the bound is compared with may be from the true one.
        let rounding = LARGEST * lost * 1.001 + dim as f32 * 2.0 * f32::EPSILON;
        CodedQuery { numbers, unit, rounding }
    }
}

/// Makes queries of stored rows, in integers from code to number: a builder asks millions of times.
#[derive(Debug)]
pub(crate) struct RowQueries<'a> {
    codes: Codes<'a>,
    /// `s_d²`, the largest as 2¹⁵ - 1.
    weights: Vec<i16>,
    shift: u32,
    unit: f32,
}

impl<'a> RowQueries<'a> {
    pub(crate) fn new(codes: Codes<'a>) -> Self {
        let squares = || codes.scales.iter().map(|scale| scale * scale);
        let most = squares().fold(f32::MIN_POSITIVE, f32::max);
        let weights = squares().map(|square| (square / most * f32::from(i16::MAX)).round() as i16).collect();
        // The sum of `dim` products of numbers and codes must fit an i32.
        let limit = i32::MAX / (127 * codes.dim().max(1) as i32);
        let shift =
            (7..32).find(|shift| (127 * i32::from(i16::MAX)) >> shift < limit.min(i32::from(i16::MAX))).unwrap_or(31);
        let unit = most / f32::from(i16::MAX) * (1u64 << shift) as f32;
        Self { codes, weights, shift, unit }
    }

    pub(crate) fn codes(&self) -> Codes<'a> {
        self.codes
    }

    /// A stored row as a query.
    pub(crate) fn query(&self, row: u32) -> CodedQuery {
        let half = 1 << (self.shift - 1);
        let number =
            |(code, weight): (&i8, &i16)| ((i32::from(*code) * i32::from(*weight) + half) >> self.shift) as i16;
        let numbers = self.codes.row(row).iter().zip(&self.weights).map(number).collect();
        CodedQuery { numbers, unit: self.unit, rounding: 0.0 }
    }
}

impl CodedQuery {
    pub(crate) fn numbers(&self) -> &[i16] {
        &self.numbers
    }

    /// The most that the similarity of a row with this integer sum and error can be.
    pub(crate) fn most(&self, sum: i32, error: f32) -> f32 {
        sum as f32 * self.unit + error + self.rounding
    }

    /// The integer sums of rows, by name.
    pub(crate) fn gather(&self, codes: Codes<'_>, rows: &[u32], sums: &mut [i32]) {
        Kernels::get().gather(&self.numbers, codes.codes, rows, sums);
    }

    /// What one of the integer sums counts.
    pub(crate) fn unit(&self) -> f32 {
        self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::{dot, normalize};

    fn unit_rows(rows: usize, dim: usize, seed: u32) -> Vec<f32> {
        let mut all = crate::testing::noise(rows * dim, seed);
        for (index, row) in all.chunks_exact_mut(dim).enumerate() {
            // One dimension far larger than the others, as some models have it, and one that is always 0.
            row[0] *= 9.0;
            row[dim - 1] = 0.0;
            if index == 7 {
                row[1] = 50.0;
            }
            normalize(row);
        }
        all
    }

    #[test]
    fn a_stored_row_asks_as_its_vector_does() {
        for dim in [100, 384, 8192] {
            let rows = unit_rows(40, dim, 3);
            let coded = OwnedCodes::of(&rows, dim);
            let queries = RowQueries::new(coded.view());
            for row in 8..40 {
                let query = queries.query(row);
                let mut sums = vec![0; 40];
                query.gather(coded.view(), &(0..40).collect::<Vec<_>>(), &mut sums);
                for (other, sum) in sums.into_iter().enumerate().filter(|(other, _)| *other != 7) {
                    let vector = |row: usize| &rows[row * dim..(row + 1) * dim];
                    let similarity = dot(vector(row as usize), vector(other));
                    let found = sum as f32 * query.unit();
                    assert!((similarity - found).abs() < 0.02, "{found} for {similarity} in {dim} dimensions");
                }
            }
        }
    }

    #[test]
    fn no_similarity_exceeds_its_bound() {
        for dim in [2, 8, 100, 384, 8192] {
            let rows = unit_rows(40, dim, 3);
            let coded = OwnedCodes::of(&rows, dim);
            for query in unit_rows(20, dim, 4).chunks_exact(dim) {
                let code = coded.view().query(query);
                let mut sums = vec![0; 40];
                code.gather(coded.view(), &(0..40).collect::<Vec<_>>(), &mut sums);
                for (row, sum) in sums.into_iter().enumerate() {
                    let true_one = dot(query, &rows[row * dim..(row + 1) * dim]);
                    let most = code.most(sum, coded.errors[row]);
                    assert!(true_one <= most, "{true_one} > {most} in {dim} dimensions");
                    // In very many dimensions numbers get coarse, lest their sum overflow: a loose bound, but one.
                    let is_close = most - true_one < 0.06;
                    assert!(
                        is_close || row == 7 || !(100..2000).contains(&dim),
                        "a bound of no use: {most} for {true_one}"
                    );
                }
            }
        }
    }
}

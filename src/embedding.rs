//! Embeddings: unit vectors in row-major order, and the identity of the space that they live in.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The identity of an embedding space: vectors of different spaces must never be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingSpace {
    /// The model's name, as `echoic models list` shows it; `external` where the user brings embeddings.
    pub model: String,
    /// SHA-256 over the weights that make embeddings, in lower-case hexadecimal; empty for `external`.
    pub sha256: String,
    /// Components of each vector.
    pub dim: usize,
}

impl EmbeddingSpace {
    /// The model name of a store whose embeddings the user brings.
    pub const EXTERNAL: &str = "external";

    /// A space of embeddings that the user brings.
    pub fn external(dim: usize) -> Self {
        Self { model: Self::EXTERNAL.to_owned(), sha256: String::new(), dim }
    }

    /// True where the user brings the embeddings, and Echoic has no tower for them.
    pub fn is_external(&self) -> bool {
        self.model == Self::EXTERNAL
    }
}

impl std::fmt::Display for EmbeddingSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} dimensions", self.model, self.dim)?;
        if let Some(short) = self.sha256.get(..12) {
            write!(f, ", weights {short}")?;
        }
        f.write_str(")")
    }
}

/// A matrix of embeddings, one a row: shape `[len, dim]`, `f32`.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    dim: usize,
    data: Vec<f32>,
}

impl Embeddings {
    /// An empty matrix whose rows will have `dim` components.
    pub fn new(dim: usize) -> Self {
        Self { dim, data: Vec::new() }
    }

    /// As [`Embeddings::new`], with room for `rows`.
    pub fn with_capacity(dim: usize, rows: usize) -> Self {
        Self { dim, data: Vec::with_capacity(dim.saturating_mul(rows)) }
    }

    /// Wraps row-major data.
    ///
    /// # Errors
    /// [`Error::Input`] when the length is no multiple of `dim`, or `dim` is 0.
    pub fn from_vec(dim: usize, data: Vec<f32>) -> Result<Self> {
        if dim == 0 || !data.len().is_multiple_of(dim) {
            let found = format!("{} numbers in rows of {dim}", data.len());
            return Err(Error::input("the embeddings", found, "whole rows of at least one component"));
        }
        Ok(Self { dim, data })
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.dim.max(1)
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The rows in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.dim.max(1))
    }

    /// Row `index`, or `None` past the end.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.data.get(index * self.dim..(index + 1) * self.dim)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`Error::Dimension`] when the row has another number of components.
    pub fn push(&mut self, row: &[f32]) -> Result<()> {
        if row.len() != self.dim {
            return Err(Error::Dimension { subject: "a row".into(), found: row.len(), expected: self.dim });
        }
        self.data.extend_from_slice(row);
        Ok(())
    }

    /// Keeps the rows that `keep` is true for; the others make room.
    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let (dim, mut kept) = (self.dim, 0);
        for row in (0..self.len()).filter(|row| keep(*row)) {
            if kept != row {
                self.data.copy_within(row * dim..(row + 1) * dim, kept * dim);
            }
            kept += 1;
        }
        self.data.truncate(kept * dim);
    }

    /// Scales every row to unit length, in parallel; for each, whether it has a direction. See [`normalize`].
    pub(crate) fn normalize(&mut self) -> Vec<bool> {
        self.data.par_chunks_exact_mut(self.dim.max(1)).with_min_len(256).map(|row| normalize(row) > 0.0).collect()
    }

    /// The numbers, for readers that append whole rows.
    pub(crate) fn data_mut(&mut self) -> &mut Vec<f32> {
        &mut self.data
    }

    /// All numbers, row after row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// Gives the numbers away, row after row.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }
}

/// Embeddings that are read row after row, such as those of a file.
pub trait EmbeddingRows {
    /// Components of a row.
    fn dim(&self) -> usize;

    /// Rows in all.
    fn rows(&self) -> u64;

    /// The next `count` rows, fewer at the end.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when they cannot be read.
    fn next_rows(&mut self, count: usize) -> Result<Embeddings>;

    /// Where they come from, such as a file, for errors.
    fn name(&self) -> String {
        "the embeddings".into()
    }
}

impl<R: EmbeddingRows + ?Sized> EmbeddingRows for Box<R> {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn rows(&self) -> u64 {
        (**self).rows()
    }

    fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        (**self).next_rows(count)
    }

    fn name(&self) -> String {
        (**self).name()
    }
}

/// A matrix gives its rows from the first to the last, and keeps none of them.
impl EmbeddingRows for Embeddings {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> u64 {
        self.len() as u64
    }

    fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        let numbers = count.saturating_mul(self.dim).min(self.data.len());
        Self::from_vec(self.dim, self.data.drain(..numbers).collect())
    }
}

/// Scales `vector` to unit length in place; returns its former length.
///
/// A vector of length zero, or with a component that is not finite, is left as it is and 0 is returned. So is one whose length differs
/// from 1 by no more than rounding a unit vector to `f32` can cause: to normalise twice changes nothing.
pub fn normalize(vector: &mut [f32]) -> f32 {
    let norm = norm(vector);
    if !norm.is_finite() || norm == 0.0 {
        return 0.0;
    }
    if is_unit(norm) {
        return 1.0;
    }
    for x in vector.iter_mut() {
        *x = (f64::from(*x) / norm) as f32;
    }
    norm as f32
}

/// The length of a vector, summed in `f64`.
pub(crate) fn norm(vector: &[f32]) -> f64 {
    // Running sums in a fixed order, as in `dot`.
    let mut lanes = [0f64; 8];
    let (chunks, rest) = vector.as_chunks::<8>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*x) * f64::from(*x);
        }
    }
    let rest: f64 = rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    (lanes.iter().sum::<f64>() + rest).sqrt()
}

/// True for a length that differs from 1 by no more than rounding a unit vector to `f32` can cause.
pub(crate) fn is_unit(norm: f64) -> bool {
    (norm - 1.0).abs() <= 0.501 * f64::from(f32::EPSILON)
}

/// The dot product of two vectors of the same length: their cosine, where both have unit length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_in_lanes::<8>(a, b)
}

/// The dot product with so many running sums, which let the compiler use SIMD registers; the order of additions is fixed, so results repeat.
#[inline(always)]
pub(crate) fn dot_in_lanes<const LANES: usize>(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len());
    let mut lanes = [0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_to_unit_length_and_leaves_zero_alone() {
        let mut v = vec![3.0, 4.0];
        assert_eq!(normalize(&mut v), 5.0);
        assert_eq!(v, [0.6, 0.8]);
        let mut zero = vec![0.0; 4];
        assert_eq!(normalize(&mut zero), 0.0);
        assert_eq!(zero, [0.0; 4]);
        let mut bad = vec![f32::NAN, 1.0];
        assert_eq!(normalize(&mut bad), 0.0);
    }

    #[test]
    fn normalizing_twice_changes_nothing() {
        for seed in 0..2000u32 {
            let dim = 1 + seed as usize % 40;
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1u32 << 24) as f32 - 0.5
            };
            let mut once: Vec<f32> = (0..dim).map(|_| next()).collect();
            normalize(&mut once);
            let mut twice = once.clone();
            normalize(&mut twice);
            assert_eq!(once, twice);
        }
    }

    #[test]
    fn dot_agrees_with_the_plain_sum_at_every_length() {
        for len in 0..40 {
            let a: Vec<f32> = (0..len).map(|i| i as f32 * 0.5 - 3.0).collect();
            let b: Vec<f32> = (0..len).map(|i| 1.0 - i as f32 * 0.25).collect();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(x * y)).sum();
            assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-3, "length {len}");
        }
    }
}

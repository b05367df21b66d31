//! Projection onto the whole memory: one pass over blocks of vectors with a running softmax.

use rayon::prelude::*;

use super::{check_temperature, unit};
use crate::error::{Hint, Topic};
use crate::simd::Kernels;
use crate::{Error, Result};

/// Below this exponent relative to the best similarity so far a row is left out of the softmax: exp(-40) = 4e-18, so even 10⁹ such rows
/// together hold less than the rounding of the f32 result.
const NEGLIGIBLE: f64 = -40.0;

/// Below this share of the softmax so far a row is counted, but its vector is not added: a million such rows together move the sum by less
/// than its rounding to f32.
const FAINT: f64 = 1e-14;

/// Rows whose similarities are taken together, before any is added.
const STRIDE_ROWS: usize = 128;

/// Rows of one parallel task in [`project_all`]; fixed, so that the result does not depend on the number of threads.
pub(super) const BLOCK_ROWS: usize = 4096;

/// Sums `Σ m_i exp(s_i/τ) z_i` over any number of blocks (WSAC eq. 4-5 over the whole memory), in one pass and without
/// overflow: a running maximum is kept, and earlier sums are rescaled when it rises.
///
/// Sums are f64. The order of [`ExactProjector::add`] and [`ExactProjector::merge`] fixes the result bit by bit, so merge
/// partial projectors in the order of their blocks, as [`project_all`] does.
#[derive(Debug, Clone)]
pub struct ExactProjector {
    tau: f64,
    max: f64,
    total: f64,
    /// `Σ t ln t` over the terms t that `total` sums: what the entropy of the softmax is had from.
    spread: f64,
    sum: Vec<f64>,
    occurrences: u64,
}

/// A query projected onto the whole memory.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExactProjection {
    /// The prefix embedding `[dim]`, of unit length.
    pub embedding: Vec<f32>,
    /// `ln Σ m_i exp(s_i/τ)` over the whole memory.
    pub log_sum_exp: f64,
    /// How many texts spoke: the exponential of the entropy of their weights, at least 1 and at most their number.
    pub effective_texts: f64,
    /// Occurrences summed: the sum of multiplicities.
    pub occurrences: u64,
    /// The temperature used.
    pub temperature: f32,
}

impl ExactProjection {
    /// The softmax share, in [0, 1], of a stored text with this similarity and multiplicity.
    pub fn weight(&self, similarity: f32, multiplicity: u32) -> f32 {
        let exponent = f64::from(similarity) / f64::from(self.temperature) - self.log_sum_exp;
        (f64::from(multiplicity) * exponent.exp()).min(1.0) as f32
    }
}

impl ExactProjector {
    /// An empty sum for vectors of `dim` components.
    ///
    /// # Errors
    /// When the temperature is not positive and finite, or `dim` is 0.
    pub fn new(dim: usize, temperature: f32) -> Result<Self> {
        let tau = check_temperature(temperature)?;
        if dim == 0 {
            return Err(Error::Internal("a projector of 0 dimensions".into()));
        }
        Ok(Self { tau, max: f64::NEG_INFINITY, total: 0.0, spread: 0.0, sum: vec![0.0; dim], occurrences: 0 })
    }

    /// Adds a block of row-major vectors `[rows, dim]` of unit length. `multiplicity` is given the row's index in the
    /// block; 0 leaves the row out (a tombstone, another domain).
    ///
    /// # Errors
    /// When the block is no whole number of rows, the query has another length, or a similarity is not finite.
    pub fn add(&mut self, block: &[f32], multiplicity: impl Fn(usize) -> u32, query: &[f32]) -> Result<()> {
        self.add_telling(block, multiplicity, query, |_, _| ())
    }

    /// [`ExactProjector::add`] that gives `tell` each row that is not left out, by its index in the block, with its similarity.
    ///
    /// # Errors
    /// As [`ExactProjector::add`].
    pub fn add_telling(
        &mut self,
        block: &[f32],
        multiplicity: impl Fn(usize) -> u32,
        query: &[f32],
        mut tell: impl FnMut(usize, f32),
    ) -> Result<()> {
        let dim = self.sum.len();
        if query.len() != dim || !block.len().is_multiple_of(dim) {
            return Err(Error::Internal(format!(
                "a query of {} and a block of {} numbers in {dim} dimensions",
                query.len(),
                block.len()
            )));
        }
        let mut similarities = [0f32; STRIDE_ROWS];
        for (stride, rows) in block.chunks(STRIDE_ROWS * dim).enumerate() {
            let similarities = &mut similarities[..rows.len() / dim];
            Kernels::get().dots(query, rows, similarities);
            for (index, (row, similarity)) in rows.chunks_exact(dim).zip(&*similarities).enumerate() {
                let index = stride * STRIDE_ROWS + index;
                let copies = multiplicity(index);
                if copies > 0 {
                    self.add_row(row, copies, *similarity)?;
                    tell(index, *similarity);
                }
            }
        }
        Ok(())
    }

    /// Components of a vector.
    pub(super) fn dim(&self) -> usize {
        self.sum.len()
    }

    /// The temperature.
    pub(super) fn tau(&self) -> f64 {
        self.tau
    }

    /// An empty sum for the same vectors and temperature.
    pub(super) fn emptied(&self) -> Self {
        Self { max: f64::NEG_INFINITY, total: 0.0, spread: 0.0, sum: vec![0.0; self.dim()], occurrences: 0, ..*self }
    }

    /// Counts occurrences that weigh nothing.
    pub(super) fn count(&mut self, occurrences: u64) {
        self.occurrences += occurrences;
    }

    /// Adds a row whose similarity is known.
    #[inline]
    pub(super) fn add_row(&mut self, row: &[f32], copies: u32, similarity: f32) -> Result<()> {
        if !similarity.is_finite() {
            return Err(Error::input("similarity", similarity, "a finite cosine")
                .with_hint("the query or a stored embedding holds numbers that are not finite"));
        }
        self.occurrences += u64::from(copies);
        let logit = f64::from(similarity) / self.tau;
        if logit - self.max < NEGLIGIBLE {
            return Ok(());
        }
        if logit > self.max {
            self.rescale_to(logit);
        }
        let term = f64::from(copies) * (logit - self.max).exp();
        self.total += term;
        // Most texts occur once, and the logarithm of 1 is not worth taking.
        let log_copies = if copies == 1 { 0.0 } else { f64::from(copies).ln() };
        self.spread += term * (log_copies + logit - self.max);
        if term > self.total * FAINT {
            Kernels::get().add_scaled(&mut self.sum, term, row);
        }
        Ok(())
    }

    fn rescale_to(&mut self, max: f64) {
        // The first maximum comes with empty sums: exp(-inf) = 0 leaves them empty.
        let factor = (self.max - max).exp();
        if self.total > 0.0 {
            self.spread = factor * (self.spread + (self.max - max) * self.total);
        }
        self.total *= factor;
        self.sum.iter_mut().for_each(|x| *x *= factor);
        self.max = max;
    }

    /// Adds what another projector of the same query and temperature has summed over later blocks.
    ///
    /// # Errors
    /// When the two differ in dimension or temperature.
    pub fn merge(&mut self, later: &Self) -> Result<()> {
        if later.sum.len() != self.sum.len() || later.tau != self.tau {
            return Err(Error::Internal("projectors of different dimension or temperature".into()));
        }
        if later.occurrences == 0 {
            return Ok(());
        }
        if later.max > self.max {
            self.rescale_to(later.max);
        }
        // Both may have counted only what weighs nothing.
        let factor = if later.total > 0.0 { (later.max - self.max).exp() } else { 0.0 };
        if later.total > 0.0 {
            self.spread += factor * (later.spread + (later.max - self.max) * later.total);
        }
        self.total += later.total * factor;
        for (sum, x) in self.sum.iter_mut().zip(&later.sum) {
            *sum += x * factor;
        }
        self.occurrences += later.occurrences;
        Ok(())
    }

    /// The projection of everything added.
    ///
    /// # Errors
    /// When nothing was added, or the weighted embeddings cancel out.
    pub fn finish(self) -> Result<ExactProjection> {
        if self.occurrences == 0 {
            return Err(Error::input("memory", "no stored text to project onto", "at least one")
                .with_hint(Hint::about(Topic::Ingest, "ingest captions first, or name another domain")));
        }
        Ok(ExactProjection {
            embedding: unit(&self.sum)?,
            log_sum_exp: self.max + self.total.ln(),
            effective_texts: (self.total.ln() - self.spread / self.total).exp().max(1.0),
            occurrences: self.occurrences,
            temperature: self.tau as f32,
        })
    }
}

/// Projects `query` `[dim]` onto all rows of `vectors` `[rows, dim]` in parallel; the result is the same for any number of
/// threads. `multiplicity` is given the row's index; 0 leaves the row out.
///
/// # Errors
/// As [`ExactProjector::add`] and [`ExactProjector::finish`].
pub fn project_all(
    vectors: &[f32],
    multiplicity: impl Fn(usize) -> u32 + Sync,
    query: &[f32],
    temperature: f32,
) -> Result<ExactProjection> {
    let mut whole = ExactProjector::new(query.len(), temperature)?;
    let blocks = vectors.par_chunks(BLOCK_ROWS * query.len()).enumerate().map(|(index, block)| {
        let mut part = ExactProjector::new(query.len(), temperature)?;
        part.add(block, |row| multiplicity(index * BLOCK_ROWS + row), query)?;
        Ok(part)
    });
    for part in blocks.collect::<Result<Vec<_>>>()? {
        whole.merge(&part)?;
    }
    whole.finish()
}

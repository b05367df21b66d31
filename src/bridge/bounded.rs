//! Projection onto rows whose similarities are bounded: what weighs nothing is never read.

use rayon::prelude::*;

use super::exact::{BLOCK_ROWS, ExactProjector};
use crate::simd::{Kernels, prefetch};
use crate::{Error, Result};

/// The share of the softmax that rows left out hold at most, all together: 2⁻²⁷. As embeddings have unit length, the weighted sum is off by
/// no more than twice that, which is less than the rounding of a sum of length 1 to `f32`, 2⁻²⁵.
const LEFT_OUT: f64 = 1.0 / (1u64 << 27) as f64;

/// Rows are told apart by how many whole temperatures their bound lies below the best similarity, up to so many.
const STEPS: usize = 64;

impl ExactProjector {
    /// Adds rows as [`ExactProjector::add`] does, in parallel, where it is known of each that its similarity does not exceed
    /// `bounds[row]`. The rows of which that proves that they hold at most 2⁻²⁷ of the softmax together are counted and
    /// not read. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// As [`ExactProjector::add`], and when there is not one bound a row.
    pub fn add_bounded(
        &mut self,
        rows: &[f32],
        bounds: &[f32],
        multiplicity: impl Fn(usize) -> u32 + Sync,
        query: &[f32],
    ) -> Result<()> {
        let dim = query.len();
        if dim != self.dim() || rows.len() != bounds.len() * dim {
            let found = format!("{} bounds and {} numbers in {dim} dimensions", bounds.len(), rows.len());
            return Err(Error::Internal(found));
        }
        let row = |index: usize| &rows[index * dim..(index + 1) * dim];
        let copies: Vec<u32> = (0..bounds.len()).into_par_iter().with_min_len(BLOCK_ROWS).map(&multiplicity).collect();
        let best = (0..bounds.len()).filter(|row| copies[*row] > 0).max_by(|a, b| bounds[*a].total_cmp(&bounds[*b]));
        let Some(best) = best else { return Ok(()) };
        // Whatever the best bound belongs to, the softmax is at least its share.
        let steps = Steps { top: Kernels::get().dot(query, row(best)), tau: self.tau() };
        let last = steps.last_that_counts(bounds, &copies);
        let parts = bounds.par_chunks(BLOCK_ROWS).zip(copies.par_chunks(BLOCK_ROWS)).enumerate();
        let parts = parts.map(|(block, (bounds, copies))| {
            let counts = |at: &usize| copies[*at] > 0 && steps.of(bounds[*at]) <= last;
            let mut chosen = (0..bounds.len()).filter(counts).peekable();
            let mut part = self.emptied();
            while let Some(at) = chosen.next() {
                if let Some(next) = chosen.peek() {
                    prefetch(row(block * BLOCK_ROWS + next));
                }
                let embedding = row(block * BLOCK_ROWS + at);
                part.add_row(embedding, copies[at], Kernels::get().dot(query, embedding))?;
            }
            let left_out = (0..bounds.len()).filter(|at| !counts(at)).map(|at| u64::from(copies[at]));
            part.count(left_out.sum());
            Ok(part)
        });
        parts.collect::<Result<Vec<_>>>()?.iter().try_for_each(|part| self.merge(part))
    }
}

/// How far below the best a bound lies, in whole temperatures, rounded down.
#[derive(Clone, Copy)]
struct Steps {
    top: f32,
    tau: f64,
}

impl Steps {
    /// A bound that is not a number counts as the best, so that its row is looked at.
    fn of(self, bound: f32) -> usize {
        let below = (f64::from(self.top) - f64::from(bound)) / self.tau;
        (below.max(0.0) as usize).min(STEPS)
    }

    /// The last step whose rows must be read: those beyond hold at most [`LEFT_OUT`].
    fn last_that_counts(self, bounds: &[f32], copies: &[u32]) -> usize {
        let mut occurrences = [0u64; STEPS + 1];
        for (bound, copies) in bounds.iter().zip(copies) {
            occurrences[self.of(*bound)] += u64::from(*copies);
        }
        let mut left_out = 0.0;
        for (step, occurrences) in occurrences.iter().enumerate().rev() {
            // The softmax, relative to the best, is at least 1.
            left_out += *occurrences as f64 * (-(step as f64)).exp();
            if left_out > LEFT_OUT {
                return step;
            }
        }
        0
    }
}

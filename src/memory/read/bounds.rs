//! What the similarity of a row does not exceed, by the codes of its segment's graph.

use rayon::prelude::*;

use super::snapshot::Block;
use crate::memory::nearest::scan::STRIDE;
use crate::simd::Kernels;

impl Block<'_> {
    /// For each row, a number that its cosine to `query`, of unit length, does not exceed; found in a quarter of the time that the cosines
    /// take. `None` where the segment has no graph, or one whose codes are damaged.
    pub fn bounds(&self, query: &[f32]) -> Option<Vec<f32>> {
        let graph = self.segment().graph().filter(|_| query.len() == self.segment().vectors.dim())?;
        let (codes, dim) = (graph.codes(), query.len());
        let coded = codes.query(query);
        let mut bounds = vec![0f32; self.len()];
        let sound = bounds.par_chunks_mut(STRIDE).enumerate().with_min_len(16).all(|(stride, bounds)| {
            let rows = stride * STRIDE..stride * STRIDE + bounds.len();
            if !graph.codes_are_sound(rows.clone()) {
                return false;
            }
            let mut sums = [0i32; STRIDE];
            let sums = &mut sums[..bounds.len()];
            Kernels::get().code_dots(coded.numbers(), &codes.codes[rows.start * dim..rows.end * dim], sums);
            for ((bound, sum), error) in bounds.iter_mut().zip(sums).zip(&codes.errors[rows]) {
                *bound = coded.most(*sum, *error);
            }
            true
        });
        sound.then_some(bounds)
    }
}

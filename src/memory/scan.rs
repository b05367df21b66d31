//! The exact scan: every row of a segment compared with the query.

use rayon::prelude::*;

use super::top::{Scored, Top};
use crate::embedding::dot;

/// Rows that one task compares: large enough to hide the cost of a task, small enough to share out a small segment.
const TASK_ROWS: usize = 2048;

/// The `k` most similar of `vectors` (rows of `dim`), best first.
pub(super) fn scan(vectors: &[f32], dim: usize, query: &[f32], k: usize) -> Vec<Scored> {
    let task = |(index, chunk): (usize, &[f32])| {
        let mut top = Top::new(k);
        for (offset, row) in chunk.chunks_exact(dim).enumerate() {
            let row_number = (index * TASK_ROWS + offset) as u32;
            top.offer(Scored { similarity: dot(query, row), row: row_number });
        }
        top
    };
    let tasks = vectors.par_chunks(TASK_ROWS * dim).enumerate();
    tasks.map(task).reduce(|| Top::new(k), Top::merge).into_sorted()
}

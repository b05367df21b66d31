//! The projection onto every stored text of a local store, and the nearest of them.

use rayon::prelude::*;

use super::store::Match;
use crate::bridge::{ExactProjection, ExactProjector};
use crate::memory::{Block, Effort, Scope, Snapshot};
use crate::{Embeddings, Result};

/// Rows of one parallel task; fixed, so that the sum is the same on any number of threads.
const TASK_ROWS: usize = 4096;

/// A row of a block, and its similarity to the query.
type Ranked = (usize, f32);

/// The projection of a unit vector onto every stored text that takes part (WSAC eq. 4-5). Where a segment has a graph, its codes
/// tell which rows weigh nothing; see [`ExactProjector::add_bounded`].
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) for an unknown domain, and what [`ExactProjector`] refuses.
pub fn project_on_all(memory: &Snapshot, query: &[f32], scope: &Scope, temperature: f32) -> Result<ExactProjection> {
    nearest_and_projection(memory, query, 0, scope, temperature).map(|(_, projection)| projection)
}

/// The `k` nearest texts, best first, equals by their ids, and the projection onto all. A segment without codes is read once for both.
///
/// # Errors
/// As [`project_on_all`].
pub fn nearest_and_projection<'a>(
    memory: &'a Snapshot,
    query: &[f32],
    k: usize,
    scope: &Scope,
    temperature: f32,
) -> Result<(Vec<Match<'a>>, ExactProjection)> {
    let dim = memory.space().dim;
    let parts = memory.blocks(scope)?.into_par_iter().map(|block| {
        let (part, ranked) = of_block(&block, query, k, temperature)?;
        let matches = ranked.into_iter().map(|(row, similarity)| {
            let (id, multiplicity) = (block.id(row), block.multiplicity(row));
            // Rounding may carry the cosine of a vector with itself past 1.
            Match::new(id, similarity.clamp(-1.0, 1.0), multiplicity, &block.vectors()[row * dim..(row + 1) * dim])
        });
        Ok((part, matches.collect::<Vec<_>>()))
    });
    let (mut whole, mut nearest) = (ExactProjector::new(dim, temperature)?, Vec::new());
    for (part, matches) in parts.collect::<Result<Vec<_>>>()? {
        whole.merge(&part)?;
        nearest.extend(matches);
    }
    nearest.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id)));
    nearest.truncate(k);
    Ok((nearest, whole.finish()?))
}

/// The sum over a block, and its `k` best rows in no order.
fn of_block(block: &Block<'_>, query: &[f32], k: usize, temperature: f32) -> Result<(ExactProjector, Vec<Ranked>)> {
    let dim = query.len();
    let mut whole = ExactProjector::new(dim, temperature)?;
    if let Some(bounds) = block.bounds(query) {
        whole.add_bounded(block.vectors(), &bounds, |row| block.multiplicity(row), query)?;
        let queries = Embeddings::from_vec(dim, query.to_vec())?;
        let ranked = if k == 0 { Vec::new() } else { block.nearest(&queries, k, Effort::EXACT)?.concat() };
        return Ok((whole, ranked));
    }
    let tasks = block.vectors().par_chunks(TASK_ROWS * dim).enumerate().map(|(task, rows)| {
        let mut part = ExactProjector::new(dim, temperature)?;
        let (first, mut ranked) = (task * TASK_ROWS, Vec::new());
        let tell = |row: usize, similarity: f32| ranked.extend((k > 0).then_some((first + row, similarity)));
        part.add_telling(rows, |row| block.multiplicity(first + row), query, tell)?;
        Ok((part, best(ranked, k)))
    });
    let mut ranked = Vec::new();
    for (part, of_task) in tasks.collect::<Result<Vec<_>>>()? {
        whole.merge(&part)?;
        ranked.extend(of_task);
    }
    Ok((whole, best(ranked, k)))
}

/// The `k` best rows, the first of equals: within a block their ids ascend.
fn best(mut ranked: Vec<Ranked>, k: usize) -> Vec<Ranked> {
    if k > 0 && k < ranked.len() {
        ranked.select_nth_unstable_by(k - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    ranked.truncate(k);
    ranked
}

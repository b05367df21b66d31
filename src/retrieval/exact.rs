//! The projection onto every stored text of a local store.

use rayon::prelude::*;

use crate::Result;
use crate::bridge::{ExactProjection, ExactProjector};
use crate::memory::{Scope, Snapshot};

/// Rows of one parallel task; fixed, so that the sum is the same on any number of threads.
const TASK_ROWS: usize = 4096;

/// The projection of a unit vector onto every stored text that takes part (WSAC eq. 4-5). Where a segment has a graph, its codes
/// tell which rows weigh nothing; see [`ExactProjector::add_bounded`].
///
/// # Errors
/// [`Error::NotFound`](crate::Error::NotFound) for an unknown domain, and what [`ExactProjector`] refuses.
pub fn project_on_all(memory: &Snapshot, query: &[f32], scope: &Scope, temperature: f32) -> Result<ExactProjection> {
    let dim = memory.space().dim;
    let parts = memory.blocks(scope)?.into_par_iter().map(|block| {
        let mut whole = ExactProjector::new(dim, temperature)?;
        if let Some(bounds) = block.bounds(query) {
            whole.add_bounded(block.vectors(), &bounds, |row| block.multiplicity(row), query)?;
            return Ok(whole);
        }
        let tasks = block.vectors().par_chunks(TASK_ROWS * dim).enumerate().map(|(task, rows)| {
            let mut part = ExactProjector::new(dim, temperature)?;
            part.add(rows, |row| block.multiplicity(task * TASK_ROWS + row), query)?;
            Ok(part)
        });
        tasks.collect::<Result<Vec<_>>>()?.iter().try_for_each(|part| whole.merge(part))?;
        Ok(whole)
    });
    let mut whole = ExactProjector::new(dim, temperature)?;
    parts.collect::<Result<Vec<_>>>()?.iter().try_for_each(|part| whole.merge(part))?;
    whole.finish()
}

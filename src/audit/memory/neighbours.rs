//! The nearest stored rows of many queries, batch after batch.

use rayon::prelude::*;

use super::rows::Rows;
use crate::memory::Effort;
use crate::progress::Control;
use crate::{Embeddings, Result};

/// Queries that are asked together; two batches of the search, so that what is read is read for many.
const BATCH: usize = 512;

/// A row that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub row: usize,
    pub similarity: f32,
}

/// What one query found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Neighbours {
    /// The nearest of all, best first; equals in ascending order of ids.
    pub nearest: Vec<Found>,
    /// The similarity of the nearest row of each domain; `None` where a domain has no other row.
    pub by_domain: Vec<Option<f32>>,
}

/// Searches for the neighbours of stored rows, none of which finds itself, and hands them over in the order of `numbers`.
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted) where it is stopped.
pub(super) fn of_rows(
    rows: &Rows<'_>,
    numbers: &[usize],
    k: usize,
    control: &Control<'_>,
    mut visit: impl FnMut(usize, &Neighbours),
) -> Result<()> {
    let _phase = control.begin("asking with texts", Some(numbers.len() as u64));
    for batch in numbers.chunks(BATCH) {
        control.check()?;
        let found = search(rows, &rows.vectors(batch), Some(batch), k)?;
        batch.iter().zip(&found).for_each(|(number, neighbours)| visit(*number, neighbours));
        control.advance(batch.len() as u64);
    }
    Ok(())
}

/// Searches for the neighbours of other vectors.
///
/// # Errors
/// As [`of_rows`]; [`Error::Input`](crate::Error::Input) for one without a direction.
pub(super) fn of_queries(
    rows: &Rows<'_>,
    queries: &Embeddings,
    k: usize,
    control: &Control<'_>,
) -> Result<Vec<Neighbours>> {
    let _phase = control.begin("asking with sounds", Some(queries.len() as u64));
    let mut all = Vec::with_capacity(queries.len());
    for batch in queries.as_slice().chunks(BATCH * queries.dim()) {
        control.check()?;
        let batch = Embeddings::from_vec(queries.dim(), batch.to_vec())?;
        all.extend(search(rows, &batch, None, k)?);
        control.advance(batch.len() as u64);
    }
    Ok(all)
}

/// For each query, rows of a block and their similarities.
type Lists = Vec<Vec<(usize, f32)>>;

/// The neighbours of a batch of queries; query i is the row `own[i]`, where they are rows.
fn search(rows: &Rows<'_>, queries: &Embeddings, own: Option<&[usize]>, k: usize) -> Result<Vec<Neighbours>> {
    // One more, because a row finds itself.
    let wanted = k + usize::from(own.is_some());
    let of_block = |(number, block): (usize, &crate::memory::Block<'_>)| {
        let found = block.nearest(queries, wanted, Effort::default())?;
        Ok((number, found))
    };
    let found: Vec<(usize, Lists)> = rows.blocks.par_iter().enumerate().map(of_block).collect::<Result<_>>()?;
    let merged = (0..queries.len()).into_par_iter().map(|query| {
        let myself = own.map(|own| own[query]);
        let mut by_domain = vec![None; rows.domains.len()];
        let mut nearest = Vec::new();
        for (block, found) in &found {
            let found = found[query].iter().map(|(row, similarity)| (rows.number(*block, *row), *similarity));
            let others = found.filter(|(row, _)| Some(*row) != myself);
            for (at, (row, similarity)) in others.enumerate() {
                if at == 0 {
                    let best: &mut Option<f32> = &mut by_domain[rows.domain_of_block(*block)];
                    *best = Some(best.map_or(similarity, |best| best.max(similarity)));
                }
                nearest.push((Found { row, similarity }, rows.id(row)));
            }
        }
        nearest.sort_unstable_by(|(a, a_id), (b, b_id)| b.similarity.total_cmp(&a.similarity).then(a_id.cmp(b_id)));
        nearest.truncate(k);
        Neighbours { nearest: nearest.into_iter().map(|(found, _)| found).collect(), by_domain }
    });
    Ok(merged.collect())
}

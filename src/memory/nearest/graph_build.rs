//! Building a graph: hnsw_rs makes the hierarchy and first neighbours, we flatten them, look again (`graph_refine`), and make sure that
//! every row can be found.

use std::collections::HashMap;

use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;

use super::calibrate::calibrate;
use super::candidates::with_scratch;
use super::codes::{Codes, OwnedCodes, RowQueries};
use super::graph::{Calibrated, FlatGraph, NONE};
use super::graph_refine::{Choice, refine};
use super::walk::walk;
use super::width::{LEAST_MARGIN, SearchWidth};
use crate::memory::format::mapping::bytes_of;
use crate::progress::Control;
use crate::simd::Kernels;
use crate::{Error, Result};

/// Neighbours that hnsw_rs keeps on the upper levels; twice as many on level 0.
const UPPER_DEGREE: usize = 15;
/// Slots on level 0: two cache lines. Two more than are filled, so that a row that no walk finds can be linked to.
const DEGREE: usize = 2 * UPPER_DEGREE + 2;
/// Candidates while hnsw_rs builds: few, because `graph_refine` looks again and does so for less.
const EF_CONSTRUCTION: usize = 16;
/// How neighbours are chosen in the second look. Picked on the captions of `benches/peers` by audio queries with 80 candidates, one build each:
/// recall@10 is 0.958 with these, 0.927 with alpha 1, 0.936 with 64 candidates and alpha 1.1, 0.950 after a second pass.
const CHOICE: Choice = Choice { ef: 100, degree: 2 * UPPER_DEGREE, alpha: 1.2 };
/// Rows between two looks at the stop request.
const BATCH: usize = 1024;
const MAX_LEVELS: usize = 16;

/// 1 - cosine of unit vectors. The crate's own `DistDot` asserts that no product exceeds 1.000002, which rounding may.
#[derive(Clone, Copy)]
struct UnitDistance(&'static Kernels);

impl Distance<f32> for UnitDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - self.0.dot(a, b)).max(0.0)
    }
}

/// A graph with the codes that walks over it compare.
pub(crate) struct Built {
    pub graph: FlatGraph,
    pub codes: OwnedCodes,
    pub calibration: Vec<Calibrated>,
}

/// Builds the graph of `vectors` (unit rows of `dim`).
///
/// # Errors
/// [`Error::Interrupted`] when stopped; nothing is left behind.
pub(crate) fn build(vectors: &[f32], dim: usize, control: &Control<'_>) -> Result<Built> {
    let rows = vectors.len() / dim;
    let (distinct, duplicates) = split_duplicates(vectors, dim);
    let phase = control.begin("building the graph", Some(rows as u64));
    let distance = UnitDistance(Kernels::get());
    let hnsw = Hnsw::new(UPPER_DEGREE, distinct.len(), MAX_LEVELS, EF_CONSTRUCTION, distance);
    for batch in distinct.chunks(BATCH) {
        control.check()?;
        let batch: Vec<(&[f32], usize)> =
            batch.iter().map(|row| (&vectors[*row as usize * dim..(*row as usize + 1) * dim], *row as usize)).collect();
        hnsw.parallel_insert_slice(&batch);
        control.advance(batch.len() as u64);
    }
    phase.end();
    let mut graph = flatten(&hnsw, rows)?;
    drop(hnsw);
    graph.duplicates = duplicates;
    let codes = OwnedCodes::of(vectors, dim);
    let queries = RowQueries::new(codes.view());
    refine(&mut graph, &queries, &distinct, CHOICE, control)?;
    make_findable(&mut graph, codes.view(), vectors, &distinct, control)?;
    let calibration = calibrate(&graph, codes.view(), vectors);
    Ok(Built { graph, codes, calibration })
}

/// The rows that go into the graph, and those that have the same vector as one of them. Many copies of one vector would fill each
/// other's neighbour lists and cut the graph into pieces.
fn split_duplicates(vectors: &[f32], dim: usize) -> (Vec<u32>, Vec<(u32, u32)>) {
    let mut first = HashMap::with_capacity(vectors.len() / dim);
    let (mut distinct, mut duplicates) = (Vec::new(), Vec::new());
    for (row, vector) in vectors.chunks_exact(dim).enumerate() {
        let row = row as u32;
        let original = *first.entry(bytes_of(vector)).or_insert(row);
        if original == row { distinct.push(row) } else { duplicates.push((original, row)) }
    }
    duplicates.sort_unstable();
    (distinct, duplicates)
}

/// Copies the neighbour lists out of hnsw_rs.
fn flatten(hnsw: &Hnsw<'_, f32, UnitDistance>, rows: usize) -> Result<FlatGraph> {
    let mut base = vec![NONE; rows * DEGREE];
    let levels = hnsw.get_max_level_observed() as usize;
    let mut upper: Vec<Vec<(u32, Vec<u32>)>> = vec![Vec::new(); levels];
    let mut level_of = vec![0u8; rows];
    let points = hnsw.get_point_indexation();
    let mut entry = None;
    for point in points {
        let row = point.get_origin_id();
        level_of[row] = point.get_point_id().0;
        if usize::from(level_of[row]) == levels && entry.is_none_or(|best| row < best as usize) {
            entry = Some(row as u32);
        }
    }
    for point in points {
        let row = point.get_origin_id();
        for (level, list) in point.get_neighborhood_id().into_iter().enumerate().take(usize::from(level_of[row]) + 1) {
            // hnsw_rs may name a neighbour that does not reach this level; a walk would find nothing there.
            let ids = list
                .iter()
                .map(|n| n.d_id as u32)
                .filter(|id| *id as usize != row && usize::from(level_of[*id as usize]) >= level);
            if level == 0 {
                let slots = &mut base[row * DEGREE..(row + 1) * DEGREE];
                slots.iter_mut().zip(ids.take(2 * UPPER_DEGREE)).for_each(|(slot, id)| *slot = id);
            } else {
                upper[level - 1].push((row as u32, ids.take(UPPER_DEGREE).collect()));
            }
        }
    }
    let upper = upper.into_iter().map(|mut rows| {
        rows.sort_unstable();
        let ids = rows.iter().map(|(row, _)| *row).collect();
        let pad = |list: Vec<u32>| list.into_iter().chain(std::iter::repeat(NONE)).take(UPPER_DEGREE);
        (ids, rows.into_iter().flat_map(|(_, list)| pad(list)).collect())
    });
    let entry = entry.ok_or_else(|| Error::Internal("a graph without a row".into()))?;
    Ok(FlatGraph {
        degree: DEGREE,
        upper_degree: UPPER_DEGREE,
        entry,
        base,
        upper: upper.collect(),
        duplicates: Vec::new(),
    })
}

/// How a row is looked for: first with few candidates, which is enough for most, then as widely as a question looks that names no effort.
const LOOKS: [SearchWidth; 2] = [SearchWidth::Candidates(16), SearchWidth::Margin(LEAST_MARGIN)];

/// Walks to every row, and links those that are not found to the nearest that are.
///
/// A full list drops a neighbour without asking whether it was the last way to that row.
fn make_findable(
    graph: &mut FlatGraph,
    codes: Codes<'_>,
    vectors: &[f32],
    distinct: &[u32],
    control: &Control<'_>,
) -> Result<()> {
    // A new link can lead a walk elsewhere than before, so what was found is looked at again; it settles at once or nearly so.
    for round in 0..4 {
        let _phase = control.begin("probing the graph", Some(distinct.len() as u64));
        let mut lost = 0;
        for batch in distinct.chunks(BATCH) {
            control.check()?;
            let missing: Vec<_> = batch.par_iter().filter_map(|row| miss(graph, codes, vectors, *row)).collect();
            for (row, found) in &missing {
                lost += 1;
                if !found.iter().any(|near| graph.link(*near, *row)) {
                    tracing::debug!("row {row} cannot be linked");
                }
            }
            control.advance(batch.len() as u64);
        }
        tracing::debug!("round {round}: {lost} of {} rows were not found by a walk", distinct.len());
        if lost == 0 {
            break;
        }
    }
    Ok(())
}

/// What walks find that look for a row, as a search for its vector would, and do not find it; `None` when one does.
fn miss(graph: &FlatGraph, codes: Codes<'_>, vectors: &[f32], row: u32) -> Option<(u32, Vec<u32>)> {
    let query = codes.query(&vectors[row as usize * codes.dim()..][..codes.dim()]);
    with_scratch(|scratch| {
        for search_width in LOOKS {
            walk(graph, codes, &query, search_width, 1, scratch);
            if scratch.queue.rows().any(|near| near == row) {
                return None;
            }
        }
        Some((row, scratch.queue.rows().collect()))
    })
}

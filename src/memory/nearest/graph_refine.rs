//! A second look at every row's neighbours, by walking the finished graph.
//!
//! hnsw_rs links a row with what it finds at the time it comes. Its walks are costly, so it is asked for few candidates; here each row walks
//! the flat graph, where a walk costs a tenth, and takes the best of what it meets and of the neighbours it has. Rows are taken in
//! batches: those of one batch walk the graph as the batch before left it, so the outcome does not depend on threads.

use rayon::prelude::*;

use super::candidates::with_scratch;
use super::codes::RowQueries;
use super::graph::{FlatGraph, NONE, duplicates_of, filled};
use super::links::Links;
use super::walk::walk;
use super::width::SearchWidth;
use crate::Result;
use crate::progress::Control;

/// How neighbours are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// Candidates of each walk.
    pub ef: usize,
    /// Neighbours at most.
    pub degree: usize,
    /// A candidate is dropped when a chosen neighbour is nearer to it than `1/alpha` of its distance to the row: what is left leads
    /// into different directions.
    pub alpha: f32,
}

/// A row and its distance, 1 - cosine.
type Near = (f32, u32);

/// Batches of one pass.
const BATCHES: usize = 16;

/// Chooses the neighbours of all `rows` anew.
pub(crate) fn refine(
    graph: &mut FlatGraph,
    queries: &RowQueries<'_>,
    rows: &[u32],
    choice: Choice,
    control: &Control<'_>,
) -> Result<()> {
    let _phase = control.begin("refining the graph", Some(rows.len() as u64));
    for batch in rows.chunks(rows.len().div_ceil(BATCHES).max(1)) {
        control.check()?;
        let seen: &FlatGraph = graph;
        let lists: Vec<Vec<Near>> = batch.par_iter().map(|row| neighbours(seen, queries, *row, choice)).collect();
        for (row, list) in batch.iter().zip(&lists) {
            put(graph.slots_mut(*row), list.iter().map(|near| near.1));
        }
        link_back(graph, queries, batch, &lists, choice);
        control.advance(batch.len() as u64);
    }
    Ok(())
}

fn put(slots: &mut [u32], rows: impl Iterator<Item = u32>) {
    slots.fill(NONE);
    slots.iter_mut().zip(rows).for_each(|(slot, row)| *slot = row);
}

fn neighbours(graph: &FlatGraph, queries: &RowQueries<'_>, row: u32, choice: Choice) -> Vec<Near> {
    let query = queries.query(row);
    let mut found: Vec<u32> = with_scratch(|scratch| {
        walk(graph, queries.codes(), &query, SearchWidth::Candidates(choice.ef), 1, scratch);
        scratch.queue.rows().filter(|near| *near != row).collect()
    });
    found.extend_from_slice(graph.base(row));
    select(queries, row, found, choice)
}

/// Of `candidates`, those that become neighbours of `row`: from near to far, each unless one that was taken occludes it.
fn select(queries: &RowQueries<'_>, row: u32, mut candidates: Vec<u32>, choice: Choice) -> Vec<Near> {
    candidates.sort_unstable();
    candidates.dedup();
    let mut sums = Vec::new();
    let mut open: Vec<Near> = distances(queries, row, &candidates, &mut sums).collect();
    open.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<Near> = Vec::with_capacity(choice.degree);
    while let Some(best) = open.first().copied() {
        chosen.push(best);
        if chosen.len() == choice.degree {
            break;
        }
        candidates.clear();
        candidates.extend(open[1..].iter().map(|near| near.1));
        let mut from_best = distances(queries, best.1, &candidates, &mut sums);
        let mut first = true;
        open.retain(|near| {
            if std::mem::take(&mut first) {
                return false;
            }
            from_best.next().is_some_and(|(distance, _)| choice.alpha * distance > near.0)
        });
    }
    chosen
}

fn distances<'a>(
    queries: &RowQueries<'_>,
    from: u32,
    to: &'a [u32],
    sums: &'a mut Vec<i32>,
) -> impl Iterator<Item = Near> + use<'a> {
    let query = queries.query(from);
    sums.resize(to.len(), 0);
    query.gather(queries.codes(), to, sums);
    let unit = query.unit();
    sums.iter().zip(to).map(move |(sum, row)| (1.0 - *sum as f32 * unit, *row))
}

/// Makes the links of a batch lead back as well; lists that grow too long are chosen anew.
fn link_back(graph: &mut FlatGraph, queries: &RowQueries<'_>, batch: &[u32], lists: &[Vec<Near>], choice: Choice) {
    let forward = batch.iter().zip(lists).flat_map(|(row, list)| list.iter().map(move |near| (near.1, *row)));
    let mut back: Vec<(u32, u32)> = forward.collect();
    back.par_sort_unstable();
    let groups: Vec<&[(u32, u32)]> = back.chunk_by(|a, b| a.0 == b.0).collect();
    let seen: &FlatGraph = graph;
    let grown: Vec<(u32, Vec<u32>)> = groups
        .par_iter()
        .filter_map(|group| {
            let to = group.first()?.0;
            let mut list = seen.base(to).to_vec();
            let before = list.len();
            list.extend(group.iter().map(|link| link.1).filter(|from| !seen.base(to).contains(from)));
            if list.len() == before {
                return None;
            }
            if list.len() > choice.degree {
                list = select(queries, to, list, choice).into_iter().map(|near| near.1).collect();
            }
            Some((to, list))
        })
        .collect();
    for (row, list) in grown {
        put(graph.slots_mut(row), list.into_iter());
    }
}

impl FlatGraph {
    fn slots_mut(&mut self, row: u32) -> &mut [u32] {
        &mut self.base[row as usize * self.degree..(row as usize + 1) * self.degree]
    }

    /// Adds a neighbour on level 0 if there is a free slot.
    pub(crate) fn link(&mut self, from: u32, to: u32) -> bool {
        match self.slots_mut(from).iter_mut().find(|slot| **slot == NONE) {
            Some(slot) => {
                *slot = to;
                true
            }
            None => false,
        }
    }
}

impl Links for FlatGraph {
    fn rows(&self) -> usize {
        self.base.len() / self.degree
    }
    fn entry(&self) -> u32 {
        self.entry
    }
    fn levels(&self) -> usize {
        self.upper.len()
    }
    fn base(&self, row: u32) -> &[u32] {
        filled(&self.base[row as usize * self.degree..(row as usize + 1) * self.degree])
    }
    fn duplicates(&self, row: u32) -> impl Iterator<Item = u32> {
        duplicates_of(&self.duplicates, row, |pair| pair.0).map(|pair| pair.1)
    }
    fn upper(&self, level: usize, row: u32) -> &[u32] {
        let (rows, neighbours) = &self.upper[level - 1];
        match rows.binary_search(&row) {
            Ok(index) => filled(&neighbours[index * self.upper_degree..(index + 1) * self.upper_degree]),
            Err(_) => &[],
        }
    }
}

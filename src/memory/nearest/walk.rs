//! The best-first walk over a graph: from the entry down the levels, then outward on level 0 while anything gets nearer.
//!
//! A walk compares codes, which are a quarter of the vectors; [`search`] then compares the best of what it found with the vectors
//! themselves.

use super::candidates::{MOST_NEIGHBOURS, Scratch, with_scratch};
use super::codes::{CodedQuery, Codes};
use super::graph::Graph;
use super::links::Links;
use super::top::{Scored, Top};
use super::width::SearchWidth;
use crate::memory::format::tombstones::Tombstones;
use crate::simd::{Kernels, prefetch};

/// The `k` most similar rows that a walk finds, best first, duplicates included and `removed` rows left out; `None` when
/// the graph turns out to be damaged, or to lead to fewer than `k` rows.
pub(crate) fn search(
    graph: &Graph,
    vectors: &[f32],
    query: &[f32],
    k: usize,
    search_width: SearchWidth,
    removed: Option<&Tombstones>,
) -> Option<Vec<Scored>> {
    let (top, _) = walk_and_rescore(graph, graph.codes(), vectors, query, k, search_width, removed);
    let enough = top.len() >= k.min(graph.rows() - removed.map_or(0, |removed| removed.len()));
    (enough && !graph.is_broken()).then(|| top.into_sorted())
}

/// Rows that are compared with the vectors beyond as many as are wanted. With 3 the recall of `benches/peers` was what it is with 42.
const SPARE: usize = 16;

/// The `k` best by vectors among the best by codes that a walk finds, and the rows whose codes it compared. Codes order nearly as vectors do.
pub(crate) fn walk_and_rescore(
    links: &impl Links,
    codes: Codes<'_>,
    vectors: &[f32],
    query: &[f32],
    k: usize,
    search_width: SearchWidth,
    removed: Option<&Tombstones>,
) -> (Top, usize) {
    let is_live = |row: &u32| removed.is_none_or(|removed| !removed.contains(*row as usize));
    let coded = codes.query(query);
    let vector = |row: u32| &vectors[row as usize * query.len()..][..query.len()];
    let mut top = Top::new(k);
    with_scratch(|scratch| {
        match (search_width, removed) {
            (SearchWidth::Margin(_), Some(_)) => {
                walk_past_removed(links, codes, &coded, search_width, k, is_live, scratch)
            }
            _ => walk(links, codes, &coded, search_width, k, scratch),
        }
        let Scratch { queue, fresh, .. } = scratch;
        let with_duplicates = queue.rows().flat_map(|row| std::iter::once(row).chain(links.duplicates(row)));
        fresh.clear();
        fresh.extend(with_duplicates.filter(is_live).take(k + SPARE));
        for (index, row) in fresh.iter().enumerate() {
            if let Some(next) = fresh.get(index + 2) {
                prefetch(vector(*next));
            }
            top.offer(Scored { similarity: Kernels::get().dot(query, vector(*row)), row: *row });
        }
        (top, scratch.compared)
    })
}

/// A walk whose end is told by how far the k-th **live** row is: more are looked for while too few of the first live. Where the removed are so
/// many that a scan is quicker, it finds nothing.
fn walk_past_removed(
    links: &impl Links,
    codes: Codes<'_>,
    query: &CodedQuery,
    search_width: SearchWidth,
    k: usize,
    is_live: impl Fn(&u32) -> bool,
    scratch: &mut Scratch,
) {
    let mut rank = k;
    loop {
        walk(links, codes, query, search_width, rank, scratch);
        let (mut seen, mut live) = (0, 0);
        for row in scratch.queue.rows().take(rank) {
            seen += 1;
            live += usize::from(is_live(&row));
        }
        if live >= k || seen < rank {
            return;
        }
        rank *= 2;
        if rank > MOST_NEIGHBOURS {
            scratch.queue.clear();
            return;
        }
    }
}

/// Leaves the best rows on the way, `k` at least if it meets so many, in the queue of `scratch`.
pub(crate) fn walk(
    links: &impl Links,
    codes: Codes<'_>,
    query: &CodedQuery,
    search_width: SearchWidth,
    k: usize,
    scratch: &mut Scratch,
) {
    scratch.begin(links.rows(), search_width, k, query.unit());
    if links.rows() == 0 || !links.is_sound(links.entry()) {
        return;
    }
    let entry = descend(links, codes, query, scratch);
    scratch.visited.insert(entry.1);
    scratch.queue.offer(entry.0, entry.1);
    while let Some(row) = scratch.queue.next() {
        let rows = links.rows();
        scratch.fresh.clear();
        for &near in links.base(row) {
            if (near as usize) < rows && scratch.visited.insert(near) && links.is_sound(near) {
                prefetch(codes.row(near));
                scratch.fresh.push(near);
            }
        }
        offer_fresh(codes, query, scratch);
        if let Some(next) = scratch.queue.peek() {
            links.prefetch(next);
        }
    }
}

fn offer_fresh(codes: Codes<'_>, query: &CodedQuery, scratch: &mut Scratch) {
    let Scratch { queue, fresh, sums, compared, .. } = scratch;
    *compared += fresh.len();
    sums.resize(fresh.len(), 0);
    query.gather(codes, fresh, sums);
    for (row, sum) in fresh.iter().zip(sums.iter()) {
        queue.offer(*sum, *row);
    }
}

/// The nearest row, and its sum, that greedy steps through the upper levels lead to.
fn descend(links: &impl Links, codes: Codes<'_>, query: &CodedQuery, scratch: &mut Scratch) -> (i32, u32) {
    let Scratch { fresh, sums, .. } = scratch;
    let mut sum = [0];
    query.gather(codes, &[links.entry()], &mut sum);
    let mut best = (sum[0], links.entry());
    for level in (1..=links.levels()).rev() {
        // Each step is strictly better, so this ends.
        loop {
            fresh.clear();
            let near = links.upper(level, best.1).iter().copied();
            fresh.extend(near.filter(|row| (*row as usize) < links.rows() && links.is_sound(*row)));
            sums.resize(fresh.len(), 0);
            query.gather(codes, fresh, sums);
            match sums.iter().copied().zip(fresh.iter().copied()).max_by_key(|(sum, row)| (*sum, !*row)) {
                Some(next) if next.0 > best.0 => best = next,
                _ => break,
            }
        }
    }
    best
}

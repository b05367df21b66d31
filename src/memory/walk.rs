//! The best-first walk over a graph: from the entry down the levels, then outward on level 0 while anything gets nearer.

use std::collections::BinaryHeap;

use super::graph::Graph;
use super::top::{Scored, Top};
use super::visited::{Visited, with_visited};
use crate::embedding::dot;

/// What a walk needs to know of a graph; the builder walks its graph before it is a file.
pub(super) trait Links {
    /// Rows of the segment.
    fn rows(&self) -> usize;
    /// Where to begin.
    fn entry(&self) -> u32;
    /// Levels above level 0.
    fn levels(&self) -> usize;
    /// Neighbours on level 0.
    fn base(&self, row: u32) -> &[u32];
    /// Neighbours on a level above 0.
    fn upper(&self, level: usize, row: u32) -> &[u32];
}

impl Links for Graph {
    fn rows(&self) -> usize {
        self.rows()
    }
    fn entry(&self) -> u32 {
        self.entry
    }
    fn levels(&self) -> usize {
        self.levels()
    }
    fn base(&self, row: u32) -> &[u32] {
        self.neighbours(row)
    }
    fn upper(&self, level: usize, row: u32) -> &[u32] {
        self.upper_neighbours(level, row)
    }
}

/// The `k` most similar rows that a walk with `ef` candidates finds, best first, twins included.
pub(super) fn search(graph: &Graph, vectors: &[f32], dim: usize, query: &[f32], k: usize, ef: usize) -> Vec<Scored> {
    let mut top = Top::new(k);
    for scored in walk(graph, vectors, dim, query, ef.max(k)) {
        top.offer(scored);
        for row in graph.twins(scored.row) {
            top.offer(Scored { row, ..scored });
        }
    }
    top.into_sorted()
}

/// The best `ef` rows on the way, best first.
pub(super) fn walk(links: &impl Links, vectors: &[f32], dim: usize, query: &[f32], ef: usize) -> Vec<Scored> {
    if links.rows() == 0 {
        return Vec::new();
    }
    let score = |row: u32| {
        let start = row as usize * dim;
        Scored { similarity: dot(query, &vectors[start..start + dim]), row }
    };
    let mut best = score(links.entry());
    for level in (1..=links.levels()).rev() {
        // Each step is strictly better, so this ends.
        while let Some(next) =
            links.upper(level, best.row).iter().map(|row| score(*row)).max().filter(|next| *next > best)
        {
            best = next;
        }
    }
    with_visited(links.rows(), |visited| outward(links, &score, best, ef, visited))
}

fn outward(
    links: &impl Links,
    score: &impl Fn(u32) -> Scored,
    start: Scored,
    ef: usize,
    visited: &mut Visited,
) -> Vec<Scored> {
    let mut found = Top::new(ef);
    let mut frontier = BinaryHeap::with_capacity(ef);
    visited.insert(start.row);
    found.offer(start);
    frontier.push(start);
    while let Some(nearest) = frontier.pop() {
        if found.is_behind(&nearest) {
            break;
        }
        for &row in links.base(nearest.row) {
            if visited.insert(row) {
                let candidate = score(row);
                if found.admits(&candidate) {
                    found.offer(candidate);
                    frontier.push(candidate);
                }
            }
        }
    }
    found.into_sorted()
}

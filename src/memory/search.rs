//! Search: each segment answers by scan or walk, the answers are merged, and the winners' captions are read.

use rayon::prelude::*;
use serde::Serialize;

use super::planner::{self, Method};
use super::scan::scan;
use super::segment::Segment;
use super::snapshot::{Memory, unit_query};
use super::walk;
use crate::{Embeddings, Error, Result};

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchOptions {
    /// How many neighbours.
    pub k: usize,
    /// Only these domains; all when `None`.
    pub domains: Option<Vec<String>>,
    /// Compare with every vector, even where there is a graph.
    pub exact: bool,
    /// Candidates that a walk keeps; more finds more and takes longer.
    pub ef: Option<usize>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { k: 10, domains: None, exact: false, ef: None }
    }
}

/// A stored caption near a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbour {
    /// The caption's id.
    pub id: u64,
    /// Its domain.
    pub domain: String,
    /// Its text.
    pub caption: String,
    /// Cosine of the angle between query and caption.
    pub similarity: f32,
    /// How many ingested rows carry this text.
    pub multiplicity: u32,
    /// The clip that it was first seen with.
    pub clip: Option<String>,
}

impl Memory {
    /// The captions nearest to `query`, best first; equals come in ascending order of ids. The query need not have unit length.
    ///
    /// # Errors
    /// [`Error::Input`] for a query of another dimension, of length zero or not finite, or for `k` = 0; [`Error::NotFound`] for an
    /// unknown domain; [`Error::Damaged`] when the record of a winner is.
    pub fn search(&self, query: &[f32], options: &SearchOptions) -> Result<Vec<Neighbour>> {
        let segments = self.prepare(options)?;
        self.answer(&segments, &unit_query(query, self.space().dim)?, options)
    }

    /// [`Memory::search`] for many queries, in parallel.
    ///
    /// # Errors
    /// As [`Memory::search`], for the first query that has one.
    pub fn search_batch(&self, queries: &Embeddings, options: &SearchOptions) -> Result<Vec<Vec<Neighbour>>> {
        let segments = self.prepare(options)?;
        let queries: Vec<Vec<f32>> =
            queries.rows().map(|query| unit_query(query, self.space().dim)).collect::<Result<_>>()?;
        queries.par_iter().map(|query| self.answer(&segments, query, options)).collect()
    }

    fn prepare(&self, options: &SearchOptions) -> Result<Vec<&Segment>> {
        if options.k == 0 {
            return Err(Error::input("the number of neighbours", 0, "at least 1"));
        }
        self.0.selected(options.domains.as_deref())
    }

    fn answer(&self, segments: &[&Segment], query: &[f32], options: &SearchOptions) -> Result<Vec<Neighbour>> {
        let dim = self.space().dim;
        let mut best: Vec<(f32, u64, &Segment, usize)> = Vec::new();
        for segment in segments.iter().filter(|segment| segment.live() > 0) {
            let found = match &segment.removed {
                None => nearest(segment, dim, query, options),
                Some(removed) => removed.nearest_live(segment.rows(), options.k, |k| {
                    nearest(segment, dim, query, &SearchOptions { k, domains: None, ..*options })
                }),
            };
            best.extend(found.iter().map(|scored| {
                let row = scored.row as usize;
                (scored.similarity, segment.captions.id(row), *segment, row)
            }));
        }
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(options.k);
        let neighbour = |(similarity, id, segment, row): (f32, u64, &Segment, usize)| {
            let (caption, clip) = segment.text(row)?;
            let multiplicity = self.0.multiplicity(segment, row);
            // Rounding may carry the cosine of a vector with itself past 1.
            let similarity = similarity.clamp(-1.0, 1.0);
            Ok(Neighbour { id, domain: segment.domain.clone(), caption, similarity, multiplicity, clip })
        };
        best.into_iter().map(neighbour).collect()
    }
}

fn nearest(segment: &Segment, dim: usize, query: &[f32], options: &SearchOptions) -> Vec<super::top::Scored> {
    let vectors = segment.vectors.as_slice();
    // The graph is asked for last, because the first to ask reads it.
    if let Method::Walk { ef } = planner::choose(options, segment.rows())
        && let Some(graph) = segment.graph()
    {
        return walk::search(graph, vectors, dim, query, options.k, ef);
    }
    scan(vectors, dim, query, options.k)
}

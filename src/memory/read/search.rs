//! Search: each segment answers by scan or walk, the answers are merged, and the winners' captions are read.

use rayon::prelude::*;

use super::options::{Neighbour, SearchOptions};
use super::planner::{self, Method};
use super::segment::Segment;
use super::snapshot::{Memory, unit_query};
use crate::memory::nearest::scan::{Rows, scan};
use crate::memory::nearest::top::Scored;
use crate::memory::nearest::walk;
use crate::{Embeddings, Error, Result};

/// Queries that are answered together.
const BATCH: usize = 256;

impl Memory {
    /// The captions nearest to `query`, best first; equals come in ascending order of ids. The query need not have unit length.
    ///
    /// # Errors
    /// [`Error::Input`] for a query of another dimension, of length zero or not finite, or for `k` = 0; [`Error::NotFound`] for an
    /// unknown domain; [`Error::Damaged`] when the record of a winner is.
    pub fn search(&self, query: &[f32], options: &SearchOptions) -> Result<Vec<Neighbour>> {
        let segments = self.prepare(options)?;
        let dim = self.space().dim;
        let query = unit_query(query, dim)?;
        let live = segments.iter().filter(|segment| segment.live() > 0);
        let found: Vec<_> =
            live.map(|segment| (*segment, nearest(segment, dim, &[&query], options).concat())).collect();
        self.winners(found.iter().map(|(segment, found)| (*segment, found.as_slice())), options.k)
    }

    /// [`Memory::search`] for many queries, in parallel. Where vectors are scanned, each is read once for many queries.
    ///
    /// # Errors
    /// As [`Memory::search`], for the first query that has one.
    pub fn search_batch(&self, queries: &Embeddings, options: &SearchOptions) -> Result<Vec<Vec<Neighbour>>> {
        let segments = self.prepare(options)?;
        let dim = self.space().dim;
        let queries: Vec<Vec<f32>> = queries.rows().map(|query| unit_query(query, dim)).collect::<Result<_>>()?;
        let answers = queries.chunks(BATCH).map(|queries| {
            let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
            let live = segments.iter().filter(|segment| segment.live() > 0);
            let found: Vec<_> = live.map(|segment| (*segment, nearest(segment, dim, &queries, options))).collect();
            let of_query = |index: usize| found.iter().map(move |(segment, found)| (*segment, found[index].as_slice()));
            (0..queries.len()).map(|index| self.winners(of_query(index), options.k)).collect::<Result<Vec<_>>>()
        });
        Ok(answers.collect::<Result<Vec<_>>>()?.concat())
    }

    fn prepare(&self, options: &SearchOptions) -> Result<Vec<&Segment>> {
        if options.k == 0 {
            return Err(Error::input("the number of neighbours", 0, "at least 1"));
        }
        if let Some(recall) = options.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
            return Err(Error::input("the recall", recall, "a share above 0 and at most 1, such as 0.99"));
        }
        self.0.selected(options.domains.as_deref())
    }

    /// The best of what was found in each segment, with their captions.
    fn winners<'a>(
        &'a self,
        found: impl Iterator<Item = (&'a Segment, &'a [Scored])>,
        k: usize,
    ) -> Result<Vec<Neighbour>> {
        let scored = found.flat_map(|(segment, found)| {
            found.iter().map(move |scored| {
                let row = scored.row as usize;
                (scored.similarity, segment.captions.id(row), segment, row)
            })
        });
        let mut best: Vec<(f32, u64, &Segment, usize)> = scored.collect();
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(k);
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

/// The nearest rows of a segment to each of `queries`.
fn nearest(segment: &Segment, dim: usize, queries: &[&[f32]], options: &SearchOptions) -> Vec<Vec<Scored>> {
    let vectors = segment.vectors.as_slice();
    let rows = Rows { dead: segment.removed.as_ref(), ..Rows::new(vectors, dim) };
    let graph = segment.graph();
    let Some((graph, breadth)) =
        graph.and_then(|graph| match planner::choose(options, segment.rows(), graph.calibration()) {
            Method::Walk(breadth) => Some((graph, breadth)),
            Method::Scan => None,
        })
    else {
        return scan(rows.with_graph(graph), queries, options.k);
    };
    let walk = |query: &&[f32]| {
        let walked = walk::search(graph, vectors, query, options.k, breadth, rows.dead);
        walked.unwrap_or_else(|| scan(rows, &[query], options.k).concat())
    };
    match queries {
        [query] => vec![walk(query)],
        queries => queries.par_iter().map(walk).collect(),
    }
}

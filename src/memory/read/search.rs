//! Search: each segment answers by scan or walk, and the answers are merged. Texts are read for those who ask for them.

use rayon::prelude::*;

use super::options::{Effort, Hit, Neighbour, SearchOptions};
use super::planner::{self, Method};
use super::segment::Segment;
use super::snapshot::{Block, Snapshot, unit_query};
use crate::memory::nearest::scan::{Ranking, Rows, rank_all, scan};
use crate::memory::nearest::top::Scored;
use crate::memory::nearest::walk;
use crate::{Embeddings, Error, Result};

/// Queries that are answered together.
const BATCH: usize = 256;

/// A row that was found, and where it lies.
#[derive(Clone, Copy)]
struct Found<'a> {
    similarity: f32,
    id: u64,
    segment: &'a Segment,
    row: usize,
}

impl Snapshot {
    /// The captions nearest to `query`, best first; equals come in ascending order of ids. The query need not have unit length.
    ///
    /// # Errors
    /// [`Error::Dimension`] for a query of another dimension, [`Error::Input`] for one of length zero or not finite, or for `k` = 0;
    /// [`Error::NotFound`] for an unknown domain; [`Error::Damaged`] when the record of a winner is.
    pub fn search(&self, query: &[f32], options: &SearchOptions) -> Result<Vec<Neighbour>> {
        let found = self.found(std::iter::once(query), options)?.concat();
        found.into_iter().map(|found| self.neighbour(found)).collect()
    }

    /// [`Snapshot::search`] for many queries, in parallel. Where vectors are scanned, each is read once for many queries.
    ///
    /// # Errors
    /// As [`Snapshot::search`], for the first query that has one.
    pub fn search_batch(&self, queries: &Embeddings, options: &SearchOptions) -> Result<Vec<Vec<Neighbour>>> {
        let found = self.found(queries.rows(), options)?;
        let neighbours = |found: Vec<Found<'_>>| found.into_iter().map(|found| self.neighbour(found)).collect();
        found.into_iter().map(neighbours).collect()
    }

    /// The captions nearest to each of `queries`, whose texts are not read: see [`Snapshot::search`].
    ///
    /// # Errors
    /// As [`Snapshot::search`], but for damaged records.
    pub fn nearest(&self, queries: &Embeddings, options: &SearchOptions) -> Result<Vec<Vec<Hit<'_>>>> {
        let found = self.found(queries.rows(), options)?;
        Ok(found.into_iter().map(|found| found.into_iter().map(|found| self.hit(found)).collect()).collect())
    }

    /// The same for one query and a `k` that may grow: a segment that is scanned is scanned once. `options.k` counts for nothing.
    ///
    /// # Errors
    /// As [`Snapshot::nearest`].
    pub fn widening(&self, query: &[f32], options: &SearchOptions) -> Result<Widening<'_>> {
        let segments = self.prepare(options)?;
        let query = unit_query(query, self.space().dim)?;
        let live = segments.into_iter().filter(|segment| segment.live() > 0);
        let segments = live.map(|segment| Scanned { segment, times: 0, ranking: None }).collect();
        Ok(Widening { snapshot: self, query, options: options.clone(), segments })
    }

    fn found<'q>(
        &self,
        queries: impl Iterator<Item = &'q [f32]>,
        options: &SearchOptions,
    ) -> Result<Vec<Vec<Found<'_>>>> {
        let segments = self.prepare(options)?;
        let dim = self.space().dim;
        let queries: Vec<Vec<f32>> = queries.map(|query| unit_query(query, dim)).collect::<Result<_>>()?;
        let mut answers = Vec::with_capacity(queries.len());
        for queries in queries.chunks(BATCH) {
            let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
            let live: Vec<&Segment> = segments.iter().copied().filter(|segment| segment.live() > 0).collect();
            let found: Vec<_> =
                live.into_par_iter().map(|segment| (segment, nearest(segment, dim, &queries, options))).collect();
            for index in 0..queries.len() {
                let of_query = found.iter().map(|(segment, found)| (*segment, found[index].as_slice()));
                answers.push(winners(of_query, options.k));
            }
        }
        Ok(answers)
    }

    fn prepare(&self, options: &SearchOptions) -> Result<Vec<&Segment>> {
        check(options)?;
        self.0.selected(&options.scope)
    }

    fn hit<'a>(&'a self, found: Found<'a>) -> Hit<'a> {
        let Found { similarity, id, segment, row } = found;
        Hit {
            id,
            similarity: cosine(similarity),
            multiplicity: self.0.multiplicity(segment, row),
            embedding: segment.vectors.row(row),
        }
    }

    fn neighbour(&self, found: Found<'_>) -> Result<Neighbour> {
        let Found { similarity, id, segment, row } = found;
        let (caption, clip) = segment.text(row)?;
        let multiplicity = self.0.multiplicity(segment, row);
        let similarity = cosine(similarity);
        Ok(Neighbour { id, domain: segment.domain.clone(), caption, similarity, multiplicity, clip })
    }
}

impl Block<'_> {
    /// The `k` rows of this block that are nearest to each of `queries`, with their similarities, best first; rows of removed captions are not
    /// among them.
    ///
    /// # Errors
    /// As [`Snapshot::nearest`].
    pub fn nearest(&self, queries: &Embeddings, k: usize, effort: Effort) -> Result<Vec<Vec<(usize, f32)>>> {
        let options = SearchOptions::default().k(k).effort(effort);
        check(&options)?;
        let (segment, dim) = (self.segment(), self.segment().vectors.dim());
        let queries: Vec<Vec<f32>> = queries.rows().map(|query| unit_query(query, dim)).collect::<Result<_>>()?;
        let mut answers = Vec::with_capacity(queries.len());
        for queries in queries.chunks(BATCH) {
            let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
            let found = nearest(segment, dim, &queries, &options).into_iter();
            answers.extend(found.map(|found| found.iter().map(|s| (s.row as usize, cosine(s.similarity))).collect()));
        }
        Ok(answers)
    }
}

/// The nearest captions to one query, ever more of them; made by [`Snapshot::widening`].
pub struct Widening<'a> {
    snapshot: &'a Snapshot,
    query: Vec<f32>,
    options: SearchOptions,
    segments: Vec<Scanned<'a>>,
}

/// A segment, and what its scans have found.
struct Scanned<'a> {
    segment: &'a Segment,
    /// How often it was scanned.
    times: usize,
    ranking: Option<Ranking>,
}

impl<'a> Widening<'a> {
    /// The `k` nearest, best first.
    pub fn nearest(&mut self, k: usize) -> Vec<Hit<'a>> {
        self.options.k = k.max(1);
        let Self { snapshot, query, options, segments } = self;
        let found: Vec<_> =
            segments.par_iter_mut().map(|scanned| (scanned.segment, scanned.nearest(query, options))).collect();
        let found = found.iter().map(|(segment, found)| (*segment, found.as_slice()));
        winners(found, options.k).into_iter().map(|found| snapshot.hit(found)).collect()
    }
}

impl std::fmt::Debug for Widening<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Widening").field("snapshot", self.snapshot).finish_non_exhaustive()
    }
}

impl Scanned<'_> {
    fn nearest(&mut self, query: &[f32], options: &SearchOptions) -> Vec<Scored> {
        let Self { segment, times, ranking } = self;
        let scans = matches!(method(segment, options), Method::Scan);
        // The first scan by codes reads a quarter of what all similarities take. From the second on they are worth their while.
        if scans && ranking.is_none() && (*times > 0 || segment.graph().is_none()) {
            *ranking = Some(rank_all(rows_of(segment, query.len()), query));
        }
        *times += usize::from(scans);
        match ranking {
            Some(ranking) if scans => ranking.best(options.k).to_vec(),
            _ => nearest(segment, query.len(), &[query], options).concat(),
        }
    }
}

/// Refuses what cannot be searched for.
fn check(options: &SearchOptions) -> Result<()> {
    if options.k == 0 {
        return Err(Error::input("the number of neighbours", 0, "at least 1"));
    }
    if let Some(recall) = options.effort.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
        return Err(Error::input("the recall", recall, "a share above 0 and at most 1, such as 0.99"));
    }
    Ok(())
}

/// The best of what was found in each segment.
fn winners<'a, 'f>(found: impl Iterator<Item = (&'a Segment, &'f [Scored])>, k: usize) -> Vec<Found<'a>> {
    let mut best: Vec<Found<'a>> = found
        .flat_map(|(segment, found)| {
            found.iter().map(move |scored| {
                let row = scored.row as usize;
                Found { similarity: scored.similarity, id: segment.captions.id(row), segment, row }
            })
        })
        .collect();
    best.sort_unstable_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id)));
    best.truncate(k);
    best
}

/// Rounding may carry the cosine of a vector with itself past 1.
fn cosine(similarity: f32) -> f32 {
    similarity.clamp(-1.0, 1.0)
}

fn rows_of(segment: &Segment, dim: usize) -> Rows<'_> {
    Rows { removed: segment.removed.as_ref(), ..Rows::new(segment.vectors.as_slice(), dim) }
}

/// How a segment answers.
fn method(segment: &Segment, options: &SearchOptions) -> Method {
    match segment.graph() {
        Some(graph) => planner::choose(options, segment.rows(), graph.calibration()),
        None => Method::Scan,
    }
}

/// The nearest rows of a segment to each of `queries`.
fn nearest(segment: &Segment, dim: usize, queries: &[&[f32]], options: &SearchOptions) -> Vec<Vec<Scored>> {
    let rows = rows_of(segment, dim);
    let graph = segment.graph();
    let (Some(graph), Method::Walk(search_width)) = (graph, method(segment, options)) else {
        return scan(rows.with_graph(graph), queries, options.k);
    };
    let walk = |query: &&[f32]| {
        let walked = walk::search(graph, rows.vectors, query, options.k, search_width, rows.removed);
        walked.unwrap_or_else(|| scan(rows, &[query], options.k).concat())
    };
    match queries {
        [query] => vec![walk(query)],
        queries => queries.par_iter().map(walk).collect(),
    }
}

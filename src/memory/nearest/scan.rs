//! The exact scan: every row of a segment compared with the query.
//!
//! Where a segment has codes, they are read first, and the vectors only of rows whose bound reaches the best so far: the answer is the
//! same, bit for bit, and a quarter of the memory is read. Tasks differ in what they read, never in what they find, so the answer does not
//! depend on the number of threads either.

use rayon::prelude::*;

use super::codes::{CodedQuery, Codes};
use super::graph::Graph;
use super::top::{Scored, Top};
use crate::memory::format::tombstones::Tombstones;
use crate::simd::{Kernels, TILE_QUERIES, TILE_ROWS};

/// Rows that one task compares at least: large enough to hide the cost of a task, small enough to share out a small segment.
const TASK_ROWS: usize = 4096;
/// Rows between two looks at what was found; with their sums they stay in the nearest cache.
pub(crate) const STRIDE: usize = 64 * TILE_ROWS;

/// The rows of a segment as a scan reads them.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub vectors: &'a [f32],
    pub dim: usize,
    /// Where there are codes, they are asked first.
    pub codes: Option<Codes<'a>>,
    /// The graph that the codes are mapped with, which tells whether they are sound.
    pub graph: Option<&'a Graph>,
    /// Rows to leave out.
    pub removed: Option<&'a Tombstones>,
}

impl<'a> Rows<'a> {
    /// Vectors alone.
    pub(crate) fn new(vectors: &'a [f32], dim: usize) -> Self {
        Self { vectors, dim, codes: None, graph: None, removed: None }
    }

    /// With the codes of a mapped graph, if there is one.
    pub(crate) fn with_graph(self, graph: Option<&'a Graph>) -> Self {
        Self { codes: graph.map(Graph::codes), graph, ..self }
    }

    fn len(&self) -> usize {
        self.vectors.len() / self.dim
    }

    fn vector(&self, row: usize) -> &'a [f32] {
        &self.vectors[row * self.dim..(row + 1) * self.dim]
    }

    fn is_live(&self, row: usize) -> bool {
        self.removed.is_none_or(|removed| !removed.contains(row))
    }

    fn offer(&self, row: usize, query: &[f32], top: &mut Top) {
        if self.is_live(row) {
            top.offer(Scored { similarity: Kernels::get().dot(query, self.vector(row)), row: row as u32 });
        }
    }
}

/// The `k` most similar rows to each of `queries`, best first. Each row is read once for all queries.
pub(crate) fn scan(rows: Rows<'_>, queries: &[&[f32]], k: usize) -> Vec<Vec<Scored>> {
    let coded = rows.codes.map(|codes| (codes, queries.iter().map(|query| codes.query(query)).collect::<Vec<_>>()));
    let sound = |stride| rows.graph.is_none_or(|graph| graph.codes_are_sound(stride));
    let task = |start: usize, end: usize| {
        let mut tops = vec![Top::new(k); queries.len()];
        for at in (start..end).step_by(STRIDE) {
            let stride = at..(at + STRIDE).min(end);
            match &coded {
                Some((codes, coded)) if sound(stride.clone()) => {
                    by_codes(rows, *codes, queries, coded, stride, &mut tops);
                }
                _ => by_vectors(rows, queries, stride, &mut tops),
            }
        }
        tops
    };
    // A few tasks a thread, because each begins without knowing what is good.
    let task_rows = rows.len().div_ceil(4 * rayon::current_num_threads()).next_multiple_of(STRIDE).max(TASK_ROWS);
    let tops = if rayon::current_num_threads() == 1 || rows.len() <= task_rows {
        task(0, rows.len())
    } else {
        let starts = (0..rows.len()).into_par_iter().step_by(task_rows);
        let merge = |a: Vec<Top>, b: Vec<Top>| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect();
        let parts = starts.map(|start| task(start, (start + task_rows).min(rows.len())));
        parts.reduce_with(merge).unwrap_or_default()
    };
    tops.into_iter().map(Top::into_sorted).collect()
}

/// The similarity of every row to `query`, ranked as far as it is asked for.
pub(crate) fn rank_all(rows: Rows<'_>, query: &[f32]) -> Ranking {
    let starts: Vec<usize> = (0..rows.len()).step_by(TASK_ROWS).collect();
    let task = |start: usize| {
        let end = (start + TASK_ROWS).min(rows.len());
        let mut similarities = vec![0f32; end - start];
        Kernels::get().dots(query, &rows.vectors[start * rows.dim..end * rows.dim], &mut similarities);
        let scored = (start..end).zip(similarities).filter(|(row, _)| rows.is_live(*row));
        scored.map(|(row, similarity)| Scored { similarity, row: row as u32 }).collect::<Vec<_>>()
    };
    let parts: Vec<Vec<Scored>> = starts.into_par_iter().map(task).collect();
    Ranking { scored: parts.concat(), sorted: 0 }
}

/// All rows of a segment with their similarities, the best of them in order.
pub(crate) struct Ranking {
    scored: Vec<Scored>,
    /// So many at the beginning are in order, and none behind them is better.
    sorted: usize,
}

impl Ranking {
    /// The `k` best, best first.
    pub(crate) fn best(&mut self, k: usize) -> &[Scored] {
        let k = k.min(self.scored.len());
        if k > self.sorted {
            let rest = &mut self.scored[self.sorted..];
            let wanted = k - self.sorted;
            if wanted < rest.len() {
                rest.select_nth_unstable_by(wanted - 1, |a, b| b.cmp(a));
            }
            rest[..wanted].sort_unstable_by(|a, b| b.cmp(a));
            self.sorted = k;
        }
        &self.scored[..k]
    }
}

fn by_vectors(rows: Rows<'_>, queries: &[&[f32]], stride: std::ops::Range<usize>, tops: &mut [Top]) {
    let mut similarities = [0f32; STRIDE];
    let similarities = &mut similarities[..stride.len()];
    let vectors = &rows.vectors[stride.start * rows.dim..stride.end * rows.dim];
    for (query, top) in queries.iter().zip(tops) {
        Kernels::get().dots(query, vectors, similarities);
        for (row, similarity) in stride.clone().zip(&*similarities) {
            if top.admits(*similarity) && rows.is_live(row) {
                top.offer(Scored { similarity: *similarity, row: row as u32 });
            }
        }
    }
}

fn by_codes(
    rows: Rows<'_>,
    codes: Codes<'_>,
    queries: &[&[f32]],
    coded: &[CodedQuery],
    stride: std::ops::Range<usize>,
    tops: &mut [Top],
) {
    let errors = &codes.errors[stride.clone()];
    let block = &codes.codes[stride.start * rows.dim..stride.end * rows.dim];
    let mut sums = [0i32; STRIDE];
    let mut one = |index: usize, sums: &[i32]| {
        let (query, code, top) = (queries[index], &coded[index], &mut tops[index]);
        for (offset, (sum, error)) in sums.iter().zip(errors).enumerate() {
            if top.admits(code.most(*sum, *error)) {
                rows.offer(stride.start + offset, query, top);
            }
        }
    };
    if queries.len() < TILE_QUERIES {
        for (index, code) in coded.iter().enumerate() {
            Kernels::get().code_dots(code.numbers(), block, &mut sums[..stride.len()]);
            one(index, &sums[..stride.len()]);
        }
        return;
    }
    // Padded with zeros to whole tiles.
    let mut wide = vec![0i16; stride.len().next_multiple_of(TILE_ROWS) * rows.dim];
    Kernels::get().widen(block, &mut wide[..block.len()]);
    let mut numbers = vec![0i16; TILE_QUERIES * rows.dim];
    let mut tile_sums = [[0i32; STRIDE]; TILE_QUERIES];
    for (group, coded) in coded.chunks(TILE_QUERIES).enumerate() {
        for (code, numbers) in coded.iter().zip(numbers.chunks_exact_mut(rows.dim)) {
            numbers.copy_from_slice(code.numbers());
        }
        for (tile, wide) in wide.chunks_exact(TILE_ROWS * rows.dim).enumerate() {
            let found = Kernels::get().tile(&numbers, wide, rows.dim);
            for (r, sums) in found.iter().enumerate() {
                for (q, sum) in sums.iter().enumerate() {
                    tile_sums[q][tile * TILE_ROWS + r] = *sum;
                }
            }
        }
        for (q, sums) in tile_sums.iter().take(coded.len()).enumerate() {
            one(group * TILE_QUERIES + q, &sums[..stride.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::codes::OwnedCodes;
    use super::*;
    use crate::embedding::normalize;

    fn unit_rows(rows: usize, dim: usize, seed: u32) -> Vec<f32> {
        let mut all = crate::testing::noise(rows * dim, seed);
        all.chunks_exact_mut(dim).for_each(|row| {
            normalize(row);
        });
        all
    }

    /// With and without codes, alone and together, on one thread and on three: the same bits.
    #[test]
    fn every_way_of_scanning_finds_the_same() {
        for dim in [5, 64, 100] {
            let count = 20_011;
            let mut vectors = unit_rows(count, dim, 1);
            // Equal rows, so that ties are met.
            vectors.copy_within(0..dim * 50, dim * 9_000);
            let codes = OwnedCodes::of(&vectors, dim);
            let owned = unit_rows(9, dim, 2);
            let queries: Vec<&[f32]> = owned.chunks_exact(dim).chain(vectors.chunks_exact(dim).take(2)).collect();
            let removed = Tombstones::of_words(vec![0x5555_5555_5555_5555; count.div_ceil(64)]);
            for removed in [None, Some(&removed)] {
                let plain = Rows { removed, ..Rows::new(&vectors, dim) };
                let coded = Rows { codes: Some(codes.view()), ..plain };
                let expected: Vec<Vec<Scored>> = queries.iter().flat_map(|query| scan(plain, &[query], 10)).collect();
                assert!(expected.iter().flatten().all(|scored| removed.is_none() || scored.row % 2 == 1));
                for threads in [1, 3] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| {
                        assert_eq!(scan(plain, &queries, 10), expected);
                        assert_eq!(scan(coded, &queries, 10), expected, "{dim} dimensions on {threads} threads");
                        let one_by_one: Vec<_> = queries.iter().flat_map(|query| scan(coded, &[query], 10)).collect();
                        assert_eq!(one_by_one, expected);
                    });
                }
            }
        }
    }
}

//! How many candidates a walk needs for a recall, measured when the graph is built.
//!
//! Sounds ask from outside of where texts lie, and walks find less for them than for texts. So the measurement asks with stored vectors that
//! are moved away: by as much as they are long, into the direction of a sum of four differences of stored vectors. Of fifteen such recipes this
//! one came nearest to the audio queries of `benches/peers`, on a graph of hnswlib: recall@10 of 0.907, 0.942, 0.983 and 0.992 with 40, 80, 160
//! and 320 candidates, where audio queries had 0.908, 0.959, 0.984 and 0.995. It was picked by them, so another model may differ.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::codes::Codes;
use super::graph::{Calibrated, FlatGraph};
use super::planner::CALIBRATED_K;
use super::scan::{Rows, scan};
use super::walk::walk_and_rescore;
use crate::embedding::normalize;

/// The candidates that are tried.
const STEPS: [u32; 12] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
/// Queries that are asked.
const QUERIES: usize = 512;
/// Differences that a query is moved by.
const DIFFERENCES: usize = 4;

/// The recall at each number of candidates; ascending in both.
pub(super) fn calibrate(graph: &FlatGraph, codes: Codes<'_>, vectors: &[f32]) -> Vec<Calibrated> {
    let dim = codes.dim();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| moved(vectors, dim, &mut rng)).collect();
    let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
    let truth = scan(Rows { codes: Some(codes), ..Rows::new(vectors, dim) }, &queries, CALIBRATED_K);
    let wanted: usize = truth.iter().map(Vec::len).sum();
    let mut best = 0f32;
    let recall = |ef: u32| {
        let found = queries.par_iter().zip(&truth).map(|(query, truth)| {
            let found = walk_and_rescore(graph, codes, vectors, query, CALIBRATED_K, ef as usize, |_| true);
            found.into_sorted().iter().filter(|scored| truth.contains(scored)).count()
        });
        // What a larger number happens to miss is chance.
        best = best.max(found.sum::<usize>() as f32 / wanted.max(1) as f32);
        Calibrated { ef, recall: best }
    };
    STEPS.into_iter().map(recall).collect()
}

/// A stored vector moved to where no stored vector is.
fn moved(vectors: &[f32], dim: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut any = || {
        let row = rng.random_range(0..vectors.len() / dim);
        &vectors[row * dim..(row + 1) * dim]
    };
    let mut query = any().to_vec();
    let mut shift = vec![0f32; dim];
    for _ in 0..DIFFERENCES {
        let (to, from) = (any(), any());
        shift.iter_mut().zip(to).zip(from).for_each(|((x, to), from)| *x += to - from);
    }
    normalize(&mut shift);
    query.iter_mut().zip(&shift).for_each(|(x, shift)| *x += shift);
    normalize(&mut query);
    query
}

//! How wide a walk must be for a recall, measured when the graph is built.
//!
//! Sounds ask from outside of where texts lie, and walks find less for them than for texts. So the measurement asks with stored vectors that
//! are moved away: by as much as they are long, into the direction of a sum of four differences of stored vectors. That is a little harder
//! than what is asked in earnest: asked for 0.90, 0.95 and 0.99, walks over captions found 0.955, 0.980 and 0.996 for sounds, 0.961, 0.975 and 0.991
//! for held-out captions (other sounds and captions than those that `benches/peers` reports on). Another model may differ.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::codes::Codes;
use super::graph::{Calibrated, FlatGraph};
use super::scan::{Rows, scan};
use super::walk::walk_and_rescore;
use super::width::{CALIBRATED_K, SearchWidth};
use crate::embedding::normalize;

/// The margins that are tried, until one finds [`ENOUGH`].
const STEPS: [f32; 12] = [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2];
/// Who asks for more than this is answered by a scan, or nearly: wider walks take long to measure, and longer than they are worth.
const ENOUGH: f32 = 0.999;
/// Queries that are asked.
const QUERIES: usize = 512;
/// Differences that a query is moved by.
const DIFFERENCES: usize = 4;

/// Recall and cost at each margin; ascending in all.
pub(crate) fn calibrate(graph: &FlatGraph, codes: Codes<'_>, vectors: &[f32]) -> Vec<Calibrated> {
    let dim = codes.dim();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|_| moved(vectors, dim, &mut rng)).collect();
    let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
    let truth = scan(Rows { codes: Some(codes), ..Rows::new(vectors, dim) }, &queries, CALIBRATED_K);
    let wanted: usize = truth.iter().map(Vec::len).sum();
    let measure = |margin: f32| {
        let walks = queries.par_iter().zip(&truth).map(|(query, truth)| {
            let search_width = SearchWidth::Margin(margin);
            let (found, compared) = walk_and_rescore(graph, codes, vectors, query, CALIBRATED_K, search_width, None);
            let hits = found.into_sorted().iter().filter(|scored| truth.contains(scored)).count();
            (hits, compared)
        });
        let (hits, compared) = walks.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        (hits as f32 / wanted.max(1) as f32, compared.div_ceil(QUERIES) as u32)
    };
    let mut points: Vec<Calibrated> = Vec::with_capacity(STEPS.len());
    for margin in STEPS {
        let (recall, compared) = measure(margin);
        let (least, cheapest) = points.last().map_or((0.0, 0), |point| (point.recall, point.compared));
        // What a larger margin happens to miss is chance.
        points.push(Calibrated { margin, recall: recall.max(least), compared: compared.max(cheapest) });
        if recall >= ENOUGH {
            break;
        }
    }
    points
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

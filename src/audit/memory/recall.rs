//! What searches through indexes miss: each segment asked approximately, as every search is, and exactly.
//!
//! A stored text is an easy question to the graph that it is a part of: it lies there itself, and the walk ends at its own links. So a segment is
//! asked with texts of other segments, which its graph has never seen. Where there are none, it is asked with its own texts moved away, along
//! differences of other texts of its, to where a new caption would be.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::report::{RecallAudit, RecallPoint, SegmentRecall};
use super::rows::Rows;
use crate::embedding::normalize;
use crate::memory::{Block, Effort};
use crate::progress::Control;
use crate::{Embeddings, Result};

/// Texts, and sounds, that each segment is asked with at most.
const QUERIES: usize = 500;
/// Differences of texts that a text is moved by.
const DIFFERENCES: usize = 4;
/// How far it is moved, as a part of its length: to a cosine of 0.86, which is what captions of human hand have to the nearest other one (the
/// median of 107,000).
const DISTANCE: f32 = 0.6;

/// Asks each segment.
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted) where it is stopped.
pub(super) fn recall(
    rows: &Rows<'_>,
    sounds: Option<&Embeddings>,
    k: usize,
    seed: u64,
    control: &Control<'_>,
) -> Result<RecallAudit> {
    let _phase = control.begin("measuring recall", Some(rows.blocks.len() as u64));
    let sounds = sounds.map(|sounds| first(sounds, QUERIES)).transpose()?;
    let mut segments = Vec::with_capacity(rows.blocks.len());
    for (number, block) in rows.blocks.iter().enumerate() {
        control.check()?;
        let indexed = block.has_index();
        let asked = |queries: &Embeddings| compare(block, queries, k);
        let by_texts = if indexed { Some(asked(&text_queries(rows, number, seed)?)?) } else { None };
        let by_sounds = sounds.as_ref().filter(|_| indexed).map(asked).transpose()?;
        segments.push(SegmentRecall {
            segment: block.number(),
            domain: block.domain().to_owned(),
            captions: block.live() as u64,
            indexed,
            by_texts,
            by_sounds,
        });
        control.advance(1);
    }
    Ok(RecallAudit { k, segments })
}

/// The first rows of a matrix.
pub(super) fn first(all: &Embeddings, most: usize) -> Result<Embeddings> {
    let numbers = all.as_slice().iter().take(most * all.dim()).copied().collect();
    Embeddings::from_vec(all.dim(), numbers)
}

/// Queries near texts that a segment does not hold.
fn text_queries(rows: &Rows<'_>, block: usize, seed: u64) -> Result<Embeddings> {
    let range = rows.number(block, 0)..rows.number(block, rows.blocks[block].len());
    // As many more as come from the segment itself, by and large.
    let share = rows.len() as f64 / (rows.len() - range.len()).max(1) as f64;
    let drawn = rows.sample(((QUERIES as f64 * share * 1.5) as usize).min(rows.len()), seed);
    let others: Vec<usize> = drawn.iter().copied().filter(|row| !range.contains(row)).take(QUERIES).collect();
    if others.len() >= QUERIES / 2 {
        return Ok(rows.vectors(&others));
    }
    let own: Vec<usize> = rows.blocks[block].live_rows().map(|row| rows.number(block, row)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut moved = Embeddings::with_capacity(rows.dim, QUERIES);
    for _ in 0..QUERIES {
        let query = moved_text(rows, &own, &mut rng);
        // Where all texts are the same, their differences lead nowhere, and the text itself asks.
        moved.push(&query)?;
    }
    Ok(moved)
}

/// A text that is moved by a sum of differences of others.
pub(super) fn moved_text(rows: &Rows<'_>, own: &[usize], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut any = || rows.vector(own[rng.random_range(0..own.len())]);
    let mut query = any().to_vec();
    let mut shift = vec![0f32; rows.dim];
    for _ in 0..DIFFERENCES {
        shift.iter_mut().zip(any()).zip(any()).for_each(|((x, to), from)| *x += to - from);
    }
    normalize(&mut shift);
    query.iter_mut().zip(&shift).for_each(|(x, shift)| *x += DISTANCE * shift);
    normalize(&mut query);
    query
}

/// The share of the truly nearest that was found, by the similarities of both: one that is exactly as near as the last of the true ones is none the
/// worse.
pub(super) fn share(found: &[f32], exact: &[f32]) -> f64 {
    let last = exact.last().copied().unwrap_or(f32::INFINITY);
    let found = found.iter().filter(|similarity| **similarity >= last).count();
    found.min(exact.len()) as f64 / exact.len().max(1) as f64
}

fn compare(block: &Block<'_>, queries: &Embeddings, k: usize) -> Result<RecallPoint> {
    let approximate = block.nearest(queries, k, Effort::default())?;
    let exact = block.nearest(queries, k, Effort::EXACT)?;
    let similarities = |found: &[(usize, f32)]| found.iter().map(|(_, similarity)| *similarity).collect::<Vec<f32>>();
    let both = approximate.iter().zip(&exact);
    let shares: Vec<f64> =
        both.map(|(approximate, exact)| share(&similarities(approximate), &similarities(exact))).collect();
    let recall = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    let worst = shares.iter().copied().fold(1.0, f64::min);
    Ok(RecallPoint { queries: shares.len() as u64, recall, worst })
}

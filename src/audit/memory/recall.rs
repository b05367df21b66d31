//! What searches through indexes miss: each segment asked approximately, as every search is, and exactly.
//!
//! A stored text is an easy question to the graph that it is a part of: it lies there itself, and the walk ends at its own links. So a segment is
//! asked with texts of other segments, which its graph has never seen. Where there are none, it is asked with points halfway between two of its
//! own texts: near to texts, as a new caption is, and none of them.

use super::report::{RecallAudit, RecallPoint, SegmentRecall};
use super::rows::Rows;
use crate::embedding::normalize;
use crate::memory::{Block, Effort};
use crate::progress::Control;
use crate::{Embeddings, Result};

/// Texts, and sounds, that each segment is asked with at most.
const QUERIES: usize = 500;

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
        let (domain, captions) =
            (block.domain().to_owned(), (0..block.len()).filter(|row| block.is_live(*row)).count());
        segments.push(SegmentRecall {
            segment: block.number(),
            domain,
            captions: captions as u64,
            indexed,
            by_texts,
            by_sounds,
        });
        control.advance(1);
    }
    Ok(RecallAudit { k, segments })
}

/// The first rows of a matrix.
fn first(all: &Embeddings, most: usize) -> Result<Embeddings> {
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
    let own: Vec<usize> = rows.sample(rows.len(), seed).into_iter().filter(|row| range.contains(row)).collect();
    let step = (own.len() / QUERIES).max(1);
    let mut between = Embeddings::with_capacity(rows.dim, QUERIES);
    for pair in own.iter().zip(own.iter().cycle().skip(own.len() / 2)).step_by(step).take(QUERIES) {
        let (a, b) = (rows.vector(*pair.0), rows.vector(*pair.1));
        let mut middle: Vec<f32> = a.iter().zip(b).map(|(a, b)| a + b).collect();
        // Two opposite texts have no middle.
        if normalize(&mut middle) > 0.0 {
            between.push(&middle)?;
        }
    }
    Ok(between)
}

fn compare(block: &Block<'_>, queries: &Embeddings, k: usize) -> Result<RecallPoint> {
    let approximate = block.nearest(queries, k, Effort::default())?;
    let exact = block.nearest(queries, k, Effort::EXACT)?;
    let shares = approximate.iter().zip(&exact).map(|(approximate, exact)| {
        // One that is exactly as near as the last of the true ones is none the worse.
        let last = exact.last().map_or(f32::INFINITY, |(_, similarity)| *similarity);
        let found = approximate.iter().filter(|(_, similarity)| *similarity >= last).count();
        found.min(exact.len()) as f64 / exact.len().max(1) as f64
    });
    let shares: Vec<f64> = shares.collect();
    let recall = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    let worst = shares.iter().copied().fold(1.0, f64::min);
    Ok(RecallPoint { queries: shares.len() as u64, recall, worst })
}

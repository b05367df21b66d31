//! How texts and sounds lie to each other: the modality gap (Liang et al.: Mind the Gap, NeurIPS 2022), the distance of their means.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::histogram::lower_fence;
use super::neighbours::Neighbours;
use super::options::AudioQueries;
use super::overlap::centroids;
use super::report::{CloudAudit, GapAudit, Unmatched};
use super::rows::Rows;
use crate::Result;
use crate::bridge::{Centroid, Histogram};
use crate::embedding::dot;

/// Pairs whose cosines are drawn by chance.
const PAIRS: usize = 20_000;

/// Measures; `found` is what each sound found.
///
/// # Errors
/// [`Error::Damaged`](crate::Error::Damaged) when a record is.
pub(super) fn gap(
    rows: &Rows<'_>,
    sounds: Option<(&AudioQueries, &[Neighbours])>,
    listed: usize,
    seed: u64,
) -> Result<GapAudit> {
    let live: Vec<usize> = rows.live().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut text = |_: usize| rows.vector(live[rng.random_range(0..live.len())]);
    let texts: Vec<&[f32]> = (0..2 * PAIRS).map(&mut text).collect();
    let mut sum = vec![0f64; rows.dim];
    for (of_domain, _) in centroids(rows) {
        sum.iter_mut().zip(of_domain).for_each(|(sum, x)| *sum += x);
    }
    let middle = Centroid::of_sum(sum, live.len() as u64);
    let of_texts = cloud(&middle, &texts);
    let Some((queries, found)) = sounds.filter(|(queries, _)| !queries.embeddings.is_empty()) else {
        return Ok(GapAudit {
            texts: of_texts,
            sounds: None,
            distance: None,
            across: None,
            across_cosines: None,
            nearest_cosines: None,
            farthest: Vec::new(),
        });
    };
    let mut heard = queries.embeddings.clone();
    heard.normalize();
    let rows_of_sounds: Vec<&[f32]> = heard.rows().collect();
    let of_sounds = Centroid::of(rows.dim, rows_of_sounds.iter().copied());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn: Vec<&[f32]> =
        (0..2 * PAIRS).map(|_| rows_of_sounds[rng.random_range(0..rows_of_sounds.len())]).collect();
    let across: Vec<f32> = drawn.iter().zip(&texts).take(PAIRS).map(|(sound, text)| dot(sound, text)).collect();
    let nearest: Vec<f32> = found.iter().filter_map(|found| Some(found.nearest.first()?.similarity)).collect();
    Ok(GapAudit {
        texts: of_texts,
        sounds: Some(cloud(&of_sounds, &drawn)),
        distance: Some(of_sounds.distance(&middle)),
        across: Some(of_sounds.across(&middle)),
        across_cosines: Some(Histogram::of_cosines(&across)),
        nearest_cosines: Some(Histogram::of_cosines(&nearest)),
        farthest: farthest(rows, queries, found, listed)?,
    })
}

/// What is told of vectors with that middle, of which these were drawn.
fn cloud(middle: &Centroid, drawn: &[&[f32]]) -> CloudAudit {
    let pairs: Vec<f32> = drawn.chunks_exact(2).map(|pair| dot(pair[0], pair[1])).collect();
    CloudAudit {
        count: middle.count,
        mean_length: middle.length(),
        within: middle.within(),
        cosines: Histogram::of_cosines(&pairs),
    }
}

fn farthest(rows: &Rows<'_>, queries: &AudioQueries, found: &[Neighbours], listed: usize) -> Result<Vec<Unmatched>> {
    let mut best: Vec<(usize, super::neighbours::Found)> =
        found.iter().enumerate().filter_map(|(row, found)| Some((row, *found.nearest.first()?))).collect();
    let similarities: Vec<f32> = best.iter().map(|(_, found)| found.similarity).collect();
    let fence = lower_fence(&similarities);
    best.sort_by(|(a, x), (b, y)| x.similarity.total_cmp(&y.similarity).then(a.cmp(b)));
    let unmatched = best.into_iter().take(listed).map(|(row, found)| {
        Ok(Unmatched {
            sound: queries.names.get(row).cloned().unwrap_or_default(),
            row,
            similarity: found.similarity,
            nearest: rows.caption(found.row)?,
            beyond: fence.is_some_and(|fence| found.similarity < fence),
        })
    });
    unmatched.collect()
}

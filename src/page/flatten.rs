//! From many dimensions to two.

use crate::progress::Control;
use crate::{Embeddings, Error, Result};

/// Points that the directions are learned from at most; the others are only placed.
const LEARNED: usize = 4_000;

/// Rounds of the power iteration at most.
const ROUNDS: usize = 200;

/// A direction that turns by less than this (1 minus the cosine) has been found.
const STILL: f64 = 1e-10;

/// Points on the two directions that hold most of their differences.
pub(super) struct Flat {
    pub places: Vec<[f32; 2]>,
    /// The share of the squared differences that they hold.
    pub kept: f32,
}

/// Principal components by power iteration, from the first direction to the second. The first `texts` rows as a whole weigh as much as
/// all others as a whole: a query among thousands of texts would not be seen otherwise.
pub(super) fn principal(rows: &Embeddings, texts: usize) -> Flat {
    let learned = Learned::of(rows, texts);
    let first = learned.direction(None);
    let second = learned.direction(Some(&first.0));
    let along = |row: &[f32], direction: &[f64]| {
        row.iter().zip(&learned.mean).zip(direction).map(|((x, mean), d)| (f64::from(*x) - mean) * d).sum::<f64>()
            as f32
    };
    let kept = if learned.spread > 0.0 { (first.1 + second.1) / learned.spread } else { 0.0 };
    let places = rows.rows().map(|row| [along(row, &first.0), along(row, &second.0)]).collect();
    Flat { places, kept: kept.clamp(0.0, 1.0) as f32 }
}

/// What directions are learned from: rows less their mean, with weights that come to 1.
struct Learned {
    dim: usize,
    centred: Vec<f64>,
    weights: Vec<f64>,
    mean: Vec<f64>,
    spread: f64,
}

impl Learned {
    fn of(rows: &Embeddings, texts: usize) -> Self {
        let others = rows.len() - texts;
        let step = texts.div_ceil(LEARNED).max(1);
        let stepped = (0..texts).step_by(step);
        let other_step = others.div_ceil(LEARNED).max(1);
        let chosen: Vec<usize> = stepped.chain((texts..rows.len()).step_by(other_step)).collect();
        let sides =
            [chosen.iter().filter(|row| **row < texts).count(), chosen.iter().filter(|row| **row >= texts).count()];
        let share = if sides.contains(&0) { 1.0 } else { 0.5 };
        let weights: Vec<f64> = chosen.iter().map(|row| share / sides[usize::from(*row >= texts)] as f64).collect();
        let dim = rows.dim();
        let mut mean = vec![0.0; dim];
        for (row, weight) in chosen.iter().filter_map(|row| rows.row(*row)).zip(&weights) {
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += weight * f64::from(*x));
        }
        let centred: Vec<f64> = chosen
            .iter()
            .filter_map(|row| rows.row(*row))
            .flat_map(|row| row.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean).collect::<Vec<_>>())
            .collect();
        let spread = centred.chunks_exact(dim.max(1)).zip(&weights).map(|(row, w)| w * dot(row, row)).sum();
        Self { dim, centred, weights, mean, spread }
    }

    /// The direction of most difference, at right angles to `before`, and the squared difference along it.
    fn direction(&self, before: Option<&[f64]>) -> (Vec<f64>, f64) {
        // Any start will do that is no direction of the data's own making.
        let mut direction: Vec<f64> = (0..self.dim).map(|i| ((i as f64 + 1.0) * 0.618_034).fract() - 0.5).collect();
        let mut strength = 0.0;
        for _ in 0..ROUNDS {
            away_from(&mut direction, before);
            let length = dot(&direction, &direction).sqrt();
            if length == 0.0 {
                break;
            }
            direction.iter_mut().for_each(|x| *x /= length);
            let mut next = vec![0.0; self.dim];
            for (row, weight) in self.centred.chunks_exact(self.dim.max(1)).zip(&self.weights) {
                let along = weight * dot(row, &direction);
                next.iter_mut().zip(row).for_each(|(next, x)| *next += along * x);
            }
            away_from(&mut next, before);
            strength = dot(&next, &next).sqrt();
            if strength <= f64::EPSILON {
                break;
            }
            let turned = 1.0 - dot(&next, &direction) / strength;
            direction = next.iter().map(|x| x / strength).collect();
            if turned < STILL {
                break;
            }
        }
        // Of two opposite directions always the same one.
        if direction.iter().sum::<f64>() < 0.0 {
            direction.iter_mut().for_each(|x| *x = -*x);
        }
        (direction, strength)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn away_from(direction: &mut [f64], before: Option<&[f64]>) {
    let Some(before) = before else { return };
    let along = dot(direction, before);
    direction.iter_mut().zip(before).for_each(|(x, b)| *x -= along * b);
}

/// t-SNE from the places of the principal components, which makes every run the same.
pub(super) fn neighbourhoods(rows: &Embeddings, begin: &[[f32; 2]], control: &Control<'_>) -> Result<Vec<[f32; 2]>> {
    /// Epochs; the crate's own exaggeration ends after a quarter of them.
    const EPOCHS: usize = 750;
    let vectors: Vec<&[f32]> = rows.rows().collect();
    // Each point must have more neighbours than the perplexity asks for.
    let perplexity = ((vectors.len().saturating_sub(1)) as f32 / 3.5).min(30.0);
    if perplexity < 2.0 {
        return Ok(begin.to_vec());
    }
    let widest = begin.iter().flatten().fold(0f32, |most, x| most.max(x.abs())).max(f32::MIN_POSITIVE);
    let start: Vec<f32> = begin.iter().flatten().map(|x| x / widest * 1e-2).collect();
    let phase = control.begin("arranging neighbourhoods", Some(EPOCHS as u64));
    let chord = |a: &&[f32], b: &&[f32]| a.iter().zip(*b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
    let arrange = || {
        let mut tsne: bhtsne::tSNE<'_, f32, &[f32]> = bhtsne::tSNE::new(&vectors);
        tsne.perplexity(perplexity).epochs(EPOCHS).initial_embedding(start);
        tsne.epoch_callback(|_, _| control.advance(1)).barnes_hut(0.5, chord);
        tsne.embedding()
    };
    // On several threads its sums have no fixed order.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = alone.map_err(|cause| Error::Internal(format!("no thread for the map: {cause}")))?;
    let places = alone.install(arrange).chunks_exact(2).map(|place| [place[0], place[1]]).collect();
    phase.end();
    control.check()?;
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points along one axis, with a little of a second.
    fn stretched() -> Embeddings {
        let rows = (0..200).flat_map(|i| {
            let t = i as f32 / 100.0 - 1.0;
            [t, 0.3 * (t * 7.0).sin(), 0.01 * (t * 31.0).cos(), 0.5]
        });
        Embeddings::from_vec(4, rows.collect()).unwrap()
    }

    #[test]
    fn the_first_direction_is_the_longest() {
        let flat = principal(&stretched(), 200);
        let spread = |axis: usize| flat.places.iter().map(|place| place[axis] * place[axis]).sum::<f32>();
        assert!(spread(0) > 5.0 * spread(1) && flat.kept > 0.99, "{} {} {}", spread(0), spread(1), flat.kept);
        let along = flat.places.windows(2).all(|pair| pair[1][0] > pair[0][0]);
        let against = flat.places.windows(2).all(|pair| pair[1][0] < pair[0][0]);
        assert!(along || against);
    }

    #[test]
    fn one_query_beside_many_texts_is_seen() {
        let mut rows = stretched();
        rows.push(&[0.0, 0.0, 3.0, 0.5]).unwrap();
        let flat = principal(&rows, 200);
        let query = flat.places[200][0];
        assert!(flat.places[..200].iter().all(|place| (place[0] - query).abs() > 2.0));
    }

    #[test]
    fn points_that_are_all_the_same_have_a_place() {
        for rows in [1, 5] {
            let same = Embeddings::from_vec(3, [0.6, 0.8, 0.0].repeat(rows)).unwrap();
            let flat = principal(&same, rows);
            assert!(flat.places.iter().flatten().all(|x| x.is_finite()) && flat.kept.is_finite());
        }
    }

    #[test]
    fn neighbourhoods_keep_clusters_apart_and_every_run_the_same() {
        let rows = (0..120).flat_map(|i| {
            let (cluster, t) = ((i % 3) as f32, (i as f32 * 0.7).sin() * 0.05);
            [cluster, 2.0 - cluster * cluster, t, t * t]
        });
        let rows = Embeddings::from_vec(4, rows.collect()).unwrap();
        let control = Control::default();
        let begin = principal(&rows, 120).places;
        let places = neighbourhoods(&rows, &begin, &control).unwrap();
        let distance = |a: usize, b: usize| (places[a][0] - places[b][0]).hypot(places[a][1] - places[b][1]);
        let nearest =
            |i: usize| (0..120).filter(|j| *j != i).min_by(|a, b| distance(i, *a).total_cmp(&distance(i, *b))).unwrap();
        assert!((0..120).all(|i| nearest(i) % 3 == i % 3));
        assert_eq!(places, neighbourhoods(&rows, &begin, &control).unwrap());
    }
}

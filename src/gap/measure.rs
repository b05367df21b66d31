//! Measuring.

use rand::seq::{SliceRandom, index::sample};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::estimate::estimate_noise;
use super::pairs::Pairs;
use super::report::{Cosines, GapReport, PairsGap, Side};
use crate::bridge::{Centroid, Halved, Histogram, Separability, participation_ratio, separability};
use crate::embedding::dot;
use crate::file::Fingerprint;
use crate::memory::{Scope, Snapshot};
use crate::progress::Control;
use crate::{Error, Result};

/// Vectors whose covariance is looked at. Of n of them the participation ratio D comes out smaller by about D²/n.
const SPREAD: usize = 20_000;
/// Unpaired cosines that are looked at; all, where there are no more.
const UNPAIRED: usize = 200_000;
/// Sounds that a plane is fitted to and tested with.
const SEPARATED: usize = 10_000;
/// Sounds below which there is no half worth fitting to.
const FEWEST: usize = 4;

/// Measures the texts of a snapshot, and pairs where there are some. `seed` draws samples where there are very many, and the halves that
/// separability is fitted to and tested on.
///
/// # Errors
/// [`Error::NotFound`] for an unknown domain; [`Error::Dimension`] for pairs of another dimension than the store's; [`Error::Input`] where
/// there is neither a stored text nor a pair; [`Error::Damaged`]; [`Error::Interrupted`].
pub fn measure(
    snapshot: &Snapshot,
    scope: &Scope,
    pairs: Option<&Pairs>,
    seed: u64,
    control: &Control<'_>,
) -> Result<GapReport> {
    let dim = snapshot.space().dim;
    if let Some(pairs) = pairs.filter(|pairs| pairs.dim() != dim) {
        return Err(Error::Dimension { subject: "the embeddings of pairs".into(), found: pairs.dim(), expected: dim });
    }
    let phase = control.begin("measuring the gap", Some(3));
    let blocks = snapshot.blocks(scope)?;
    let stored: Vec<&[f32]> = blocks
        .iter()
        .flat_map(|block| block.vectors().chunks_exact(dim).enumerate().filter(|(row, _)| block.is_live(*row)))
        .map(|(_, vector)| vector)
        .collect();
    if stored.is_empty() && pairs.is_none() {
        return Err(Error::input(snapshot.dir().display(), "neither stored texts nor pairs", "something to measure"));
    }
    let texts = (!stored.is_empty()).then(|| side(dim, &stored, seed));
    control.advance(1);
    control.check()?;
    let noise = estimate_noise(snapshot, scope)?;
    control.advance(1);
    control.check()?;
    let pairs = pairs.map(|pairs| of_pairs(pairs, seed));
    control.advance(1);
    phase.end();
    Ok(GapReport {
        space: snapshot.space().clone(),
        commit: snapshot.commit(),
        domains: scope.names().map(<[String]>::to_vec),
        seed,
        texts,
        noise,
        pairs,
    })
}

fn side(dim: usize, vectors: &[&[f32]], seed: u64) -> Side {
    let whole = Centroid::of(dim, vectors.iter().copied());
    let drawn: Vec<&[f32]> = if vectors.len() > SPREAD {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        sample(&mut rng, vectors.len(), SPREAD).into_iter().map(|row| vectors[row]).collect()
    } else {
        vectors.to_vec()
    };
    Side {
        count: whole.count,
        centroid_length: whole.length(),
        within: whole.within(),
        participation_ratio: participation_ratio(&drawn),
        sampled: drawn.len() as u64,
    }
}

fn of_pairs(pairs: &Pairs, seed: u64) -> PairsGap {
    let dim = pairs.dim();
    let sounds: Vec<&[f32]> = pairs.sounds.rows().collect();
    let texts: Vec<&[f32]> = pairs.texts.rows().collect();
    // Each text with its sound: a sound counts as often as it has texts, on both sides of the difference.
    let heard = Centroid::of(dim, pairs.sound_of.iter().map(|sound| sounds[*sound]));
    let read = Centroid::of(dim, texts.iter().copied());
    let shift: Vec<f32> = heard.mean().iter().zip(read.mean()).map(|(a, t)| (a - t) as f32).collect();
    let paired: Vec<f32> = texts.iter().zip(&pairs.sound_of).map(|(text, sound)| dot(text, sounds[*sound])).collect();
    PairsGap {
        count: texts.len() as u64,
        sounds: side(dim, &sounds, seed),
        texts: side(dim, &texts, seed),
        distance: heard.distance(&read),
        shift_sha256: Fingerprint::of_numbers(&shift).sha256,
        paired: cosines(&paired),
        unpaired: cosines(&unpaired(pairs, &sounds, &texts, seed)),
        separability: separated(pairs, &sounds, &texts, seed),
        shift,
    }
}

fn cosines(values: &[f32]) -> Cosines {
    let sum: f64 = values.iter().map(|cosine| f64::from(*cosine)).sum();
    let count = values.len() as u64;
    Cosines { mean: sum / values.len().max(1) as f64, count, histogram: Histogram::of_cosines(values) }
}

/// Cosines of texts and sounds that are not theirs: all, or so many that are drawn.
fn unpaired(pairs: &Pairs, sounds: &[&[f32]], texts: &[&[f32]], seed: u64) -> Vec<f32> {
    let of = |(text, sound): (usize, usize)| (pairs.sound_of[text] != sound).then(|| dot(texts[text], sounds[sound]));
    if texts.len().saturating_mul(sounds.len()) <= UNPAIRED {
        return (0..texts.len())
            .flat_map(|text| (0..sounds.len()).map(move |sound| (text, sound)))
            .filter_map(of)
            .collect();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn = (0..UNPAIRED).map(|_| (rng.random_range(0..texts.len()), rng.random_range(0..sounds.len())));
    drawn.filter_map(of).collect()
}

/// A sound and its texts are in one half: what a plane was fitted to tells nothing of itself.
fn separated(pairs: &Pairs, sounds: &[&[f32]], texts: &[&[f32]], seed: u64) -> Option<Separability> {
    if sounds.len() < FEWEST {
        return None;
    }
    let mut order: Vec<usize> = (0..sounds.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate(SEPARATED);
    // Which half each sound is in; `None` for those that are too many.
    let mut half = vec![None; sounds.len()];
    order.iter().enumerate().for_each(|(place, sound)| half[*sound] = Some(place % 2 == 1));
    let (sounds, halves): (Vec<&[f32]>, Vec<bool>) =
        sounds.iter().zip(&half).filter_map(|(sound, half)| Some((*sound, (*half)?))).unzip();
    let texts = texts.iter().zip(&pairs.sound_of);
    let (texts, halves_of_texts): (Vec<&[f32]>, Vec<bool>) =
        texts.filter_map(|(text, sound)| Some((*text, half[*sound]?))).unzip();
    separability(Halved { vectors: &sounds, second: &halves }, Halved { vectors: &texts, second: &halves_of_texts })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{EmbeddingSpace, Embeddings, Store};

    const DIM: usize = 3;

    fn unit() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-1.0f32..1.0, DIM)
            .prop_filter("a direction", |v| v.iter().map(|x| x * x).sum::<f32>() > 0.01)
    }

    fn cosine(a: &[f32], b: &[f32]) -> f64 {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
        product(a, b) / (product(a, a) * product(b, b)).sqrt()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn pairs_are_measured_as_one_would_by_hand(
            sounds in prop::collection::vec(unit(), 2..8),
            texts in prop::collection::vec((unit(), 0usize..100), 2..20),
        ) {
            let sound_of: Vec<usize> = texts.iter().map(|(_, sound)| sound % sounds.len()).collect();
            let texts: Vec<Vec<f32>> = texts.into_iter().map(|(text, _)| text).collect();
            let rows = |rows: &[Vec<f32>]| Embeddings::from_vec(DIM, rows.concat()).unwrap();
            let pairs = Pairs::new(rows(&sounds), rows(&texts), sound_of.clone()).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let store = Store::create(dir.path().join("store"), EmbeddingSpace::external(DIM)).unwrap();
            let report = measure(&store.snapshot().unwrap(), &Scope::all(), Some(&pairs), 1, &Control::default()).unwrap();
            let found = report.pairs.clone().unwrap();
            let mean = |cosines: Vec<f64>| cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
            let all = || texts.iter().zip(&sound_of).flat_map(|(text, own)| {
                sounds.iter().enumerate().filter(|(sound, _)| sound_of.contains(sound)).map(move |(sound, heard)| (*own == sound, cosine(text, heard)))
            });
            let of = |paired: bool| mean(all().filter(|(own, _)| *own == paired).map(|(_, cosine)| cosine).collect());
            prop_assert!((found.paired.mean - of(true)).abs() < 1e-5);
            prop_assert!((found.unpaired.mean - of(false)).abs() < 1e-5);
            let normal = |v: &[f32]| v.iter().map(|x| x / v.iter().map(|x| x * x).sum::<f32>().sqrt()).collect::<Vec<f32>>();
            for at in 0..DIM {
                let differences = texts.iter().zip(&sound_of).map(|(text, own)| {
                    f64::from(normal(&sounds[*own])[at] - normal(text)[at])
                });
                let delta = mean(differences.collect());
                prop_assert!((f64::from(found.shift[at]) - delta).abs() < 1e-5);
            }
            let length = found.shift.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
            prop_assert!((found.distance - length).abs() < 1e-5);
            // What is kept is what was measured.
            prop_assert!(report.keep(&store).unwrap());
            let (kept, shift) = super::super::keep::kept(&store).unwrap().unwrap();
            prop_assert_eq!(&shift.unwrap(), &found.shift);
            // JSON's reader may be off by the last bit of a number.
            let kept = kept.pairs.unwrap();
            prop_assert_eq!(&kept.shift_sha256, &found.shift_sha256);
            prop_assert_eq!(&kept.unpaired.histogram.counts, &found.unpaired.histogram.counts);
            prop_assert!((kept.distance - found.distance).abs() < 1e-12 && (kept.paired.mean - found.paired.mean).abs() < 1e-12);
        }
    }
}

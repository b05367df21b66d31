//! Two ways to caption beside each other, on the same sounds.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::audio::Audio;
use crate::captioner::{CaptionOptions, Captioned, Captioner};
use crate::embedding::{dot, normalize};
use crate::towers::Clap;
use crate::{Error, Result};

/// Draws of the bootstrap.
const RESAMPLES: usize = 10_000;

/// The share of the draws that an interval holds.
const LEVEL: f64 = 0.95;

/// A way to caption: a store with one of its decoders, and how it is asked.
#[derive(Debug, Clone)]
pub struct Way<'c> {
    captioner: &'c Captioner,
    options: CaptionOptions,
}

impl<'c> Way<'c> {
    /// Captions by `captioner` with `options`.
    pub fn new(captioner: &'c Captioner, options: CaptionOptions) -> Self {
        Self { captioner, options }
    }
}

/// Compares two ways to caption. Captions are judged by the model of the first: by the cosine of a caption's text embedding to the sound.
#[derive(Debug, Clone)]
pub struct Comparison<'c> {
    a: Way<'c>,
    b: Way<'c>,
}

/// The captions of a sound by two ways.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Compared {
    /// The sound.
    pub path: String,
    /// Its row, from 0, in a file of several embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// The caption by the first way.
    pub a: String,
    /// The caption by the second.
    pub b: String,
    /// Whether they differ.
    pub changed: bool,
    /// How near each caption is to the sound; `None` where no model can tell.
    pub similarity: Option<Scores>,
    /// How near each caption is to the sound's references, on average; `None` where there are none.
    pub references: Option<Scores>,
}

/// A number for each way; a cosine in -1..1 where it is a similarity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scores {
    /// That of the first way.
    pub a: f32,
    /// That of the second.
    pub b: f32,
}

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompareAudit {
    /// Sounds that both ways captioned.
    pub queries: usize,
    /// Those whose captions differ.
    pub changed: usize,
    /// The model that judged; `None` where there is none.
    pub judge: Option<String>,
    /// By nearness to the sounds.
    pub similarity: Option<Standing>,
    /// By nearness to the references, over the sounds that have some.
    pub references: Option<Standing>,
}

/// Which of two ways does better by some number of which more is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Standing {
    /// Sounds that were judged.
    pub queries: usize,
    /// The mean over all of them, by way.
    pub mean: Scores,
    /// Sounds whose caption by the first way is the better one.
    pub wins_a: usize,
    /// Sounds whose caption by the second way is.
    pub wins_b: usize,
    /// The others.
    pub ties: usize,
    /// By how much the second way is better on average.
    pub difference: Interval,
}

/// A mean, and where it lies with 95 % of the draws of a bootstrap (Efron 1979; percentiles of 10,000 draws from a fixed seed).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl<'c> Comparison<'c> {
    /// Compares `a` with `b`.
    pub fn new(a: Way<'c>, b: Way<'c>) -> Self {
        Self { a, b }
    }

    /// Captions a sound both ways. `references` are captions that people gave it; there may be none.
    ///
    /// # Errors
    /// As [`Captioner::caption`].
    pub fn compare<'a>(&self, audio: impl Into<Audio<'a>>, references: &[String]) -> Result<Compared> {
        let audio = audio.into();
        let name = audio.name();
        if self.b.captioner.store().space() != self.a.captioner.store().space() {
            return self.compare_apart(&name, audio, references);
        }
        let heard = self.a.captioner.towers()?.embed_audio(audio)?;
        self.compare_embedding(&name, &heard.embedding, references)
    }

    /// Captions a precomputed audio embedding both ways.
    ///
    /// # Errors
    /// As [`Captioner::caption_embedding`]; [`Error::SpaceMismatch`] where the two have no space in common.
    pub fn compare_embedding(&self, name: &str, embedding: &[f32], references: &[String]) -> Result<Compared> {
        let (a, b) = (&self.a, &self.b);
        if b.captioner.store().space() != a.captioner.store().space() {
            let (store, given) = (a.captioner.store().space(), b.captioner.store().space());
            return Err(Error::SpaceMismatch { store: store.to_string(), given: given.to_string() });
        }
        let first = a.captioner.caption_embedding(name, embedding, &a.options)?;
        let second = b.captioner.caption_embedding(name, embedding, &b.options)?;
        self.judged(first, second, embedding, references)
    }

    /// Captions a sound by two models, each of which listens for itself.
    fn compare_apart(&self, name: &str, audio: Audio<'_>, references: &[String]) -> Result<Compared> {
        let (a, b) = (&self.a, &self.b);
        let again = audio.clone();
        let heard = a.captioner.towers()?.embed_audio(audio)?;
        let first = a.captioner.caption_embedding(name, &heard.embedding, &a.options)?;
        let second = b.captioner.caption(again, &b.options)?;
        self.judged(first, second, &heard.embedding, references)
    }

    fn judged(&self, a: Captioned, b: Captioned, sound: &[f32], references: &[String]) -> Result<Compared> {
        let changed = a.caption != b.caption;
        let (mut similarity, mut by_references) = (None, None);
        if let Some(judge) = self.judge() {
            let texts: Vec<&str> = [&a.caption, &b.caption].into_iter().chain(references).map(String::as_str).collect();
            let embedded = judge.embed_texts(&texts)?;
            let rows: Vec<&[f32]> = embedded.rows().collect();
            let mut sound = sound.to_vec();
            normalize(&mut sound);
            if let [a, b, references @ ..] = rows.as_slice() {
                similarity = Some(Scores { a: dot(a, &sound), b: dot(b, &sound) });
                let mean = |caption: &[f32]| {
                    references.iter().map(|reference| dot(caption, reference)).sum::<f32>() / references.len() as f32
                };
                by_references = (!references.is_empty()).then(|| Scores { a: mean(a), b: mean(b) });
            }
        }
        Ok(Compared {
            path: a.path,
            row: None,
            a: a.caption,
            b: b.caption,
            changed,
            similarity,
            references: by_references,
        })
    }

    /// The model that judges: that of the first way.
    fn judge(&self) -> Option<&Clap> {
        self.a.captioner.towers().ok()
    }

    /// What all comparisons come to. The same comparisons always give the same numbers.
    pub fn summary(&self, compared: &[Compared]) -> CompareAudit {
        let standing = |scores: fn(&Compared) -> Option<Scores>| {
            Standing::of(&compared.iter().filter_map(scores).collect::<Vec<_>>())
        };
        CompareAudit {
            queries: compared.len(),
            changed: compared.iter().filter(|compared| compared.changed).count(),
            judge: self.judge().map(|judge| judge.space().to_string()),
            similarity: standing(|compared| compared.similarity),
            references: standing(|compared| compared.references),
        }
    }
}

impl Standing {
    /// None where nothing was judged.
    fn of(scores: &[Scores]) -> Option<Self> {
        let count = scores.len();
        if count == 0 {
            return None;
        }
        let mean = |score: fn(&Scores) -> f32| {
            (scores.iter().map(|scores| f64::from(score(scores))).sum::<f64>() / count as f64) as f32
        };
        let differences: Vec<f64> = scores.iter().map(|scores| f64::from(scores.b) - f64::from(scores.a)).collect();
        let wins_a = differences.iter().filter(|difference| **difference < 0.0).count();
        let wins_b = differences.iter().filter(|difference| **difference > 0.0).count();
        Some(Self {
            queries: count,
            mean: Scores { a: mean(|scores| scores.a), b: mean(|scores| scores.b) },
            wins_a,
            wins_b,
            ties: count - wins_a - wins_b,
            difference: bootstrap(&differences),
        })
    }
}

/// The mean of `values`, which are not empty, with the percentiles of its bootstrap.
fn bootstrap(values: &[f64]) -> Interval {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut draw = || (0..count).map(|_| values[rng.random_range(0..count)]).sum::<f64>() / count as f64;
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| draw()).collect();
    means.sort_by(f64::total_cmp);
    let outside = (RESAMPLES as f64 * (1.0 - LEVEL) / 2.0).round() as usize;
    Interval { mean, low: means[outside], high: means[RESAMPLES - 1 - outside] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_agrees_with_the_normal_law() {
        // A mean of 400 numbers between 0 and 1 with a standard deviation of 1/sqrt(12): 0.5 ± 1.96 · 0.0144.
        let values: Vec<f64> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).collect();
        let Interval { mean, low, high } = bootstrap(&values);
        assert!((mean - 0.5).abs() < 1e-12);
        assert!((low - 0.4717).abs() < 0.003 && (high - 0.5283).abs() < 0.003, "{low} to {high}");
        assert_eq!(bootstrap(&values), bootstrap(&values));
    }

    #[test]
    fn wins_losses_and_ties_are_told_apart() {
        let scores = [(0.1, 0.2), (0.3, 0.1), (0.5, 0.5), (0.0, 0.9)].map(|(a, b)| Scores { a, b });
        let standing = Standing::of(&scores).expect("scores");
        assert_eq!((standing.wins_a, standing.wins_b, standing.ties, standing.queries), (1, 2, 1, 4));
        assert!((standing.difference.mean - 0.2).abs() < 1e-6);
        assert!(
            standing.difference.low < standing.difference.mean && standing.difference.mean < standing.difference.high
        );
        let one = Standing::of(&scores[..1]).expect("a score").difference;
        assert_eq!((one.low, one.high), (one.mean, one.mean));
        assert_eq!(Standing::of(&[]), None);
    }
}

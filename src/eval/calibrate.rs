//! Learning how far captions can be trusted, from sounds that people have described.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Questions;
use crate::bridge::Strategy;
use crate::captioner::{CaptionOptions, Captioner};
use crate::confidence::{AMONG, Calibration, Curve, FEWEST, Judged};
use crate::embedding::dot;
use crate::progress::Control;
use crate::{Embeddings, Error, Result};

/// Captions sounds by each strategy that the captioner has, judges the captions by what people wrote, and fits a curve to each.
///
/// Row i of `embeddings` is the sound of question i. A caption is right when no description of [`AMONG`] - 1 other sounds, drawn by `seed` among
/// those described otherwise, is nearer to it than the nearest of its own sound's; where there are fewer sounds, when none at all is.
///
/// # Errors
/// [`Error::Input`] where there are too few sounds, too few different descriptions, no model, or nothing that can be told apart; as
/// [`Captioner::caption_embedding`]; [`Error::Interrupted`].
pub fn calibrate(
    captioner: &Captioner,
    questions: &Questions,
    embeddings: &Embeddings,
    options: &CaptionOptions,
    seed: u64,
    control: &Control<'_>,
) -> Result<Calibration> {
    if questions.len() < FEWEST || questions.len() != embeddings.len() {
        let found = format!("{} with their references", questions.len());
        return Err(Error::input("sounds to calibrate by", found, format!("at least {FEWEST}")));
    }
    let described = Described::of(captioner, questions)?;
    let strategies: Vec<Strategy> = match captioner.has_decoder() {
        true => Strategy::ALL.to_vec(),
        false => vec![Strategy::Text],
    };
    let phase = control.begin("captioning", Some((strategies.len() * questions.len()) as u64));
    let mut curves = BTreeMap::new();
    for strategy in strategies {
        let options = options.clone().strategy(strategy);
        let judged = judged(captioner, embeddings, &options, &described, seed, control)?;
        if let Some(curve) = Curve::fit(&judged) {
            curves.insert(strategy, curve);
        }
    }
    phase.end();
    if curves.is_empty() {
        return Err(Error::input("captions to calibrate by", "all right, or all wrong", "some of both"));
    }
    let among = AMONG.min(described.kinds.len());
    Ok(Calibration { space: captioner.store().space().clone(), among, curves })
}

/// What people wrote, embedded. Sounds that they described in the same words are of one kind.
struct Described {
    /// The kind of each question.
    kind_of: Vec<usize>,
    /// The embeddings of each kind's descriptions.
    kinds: Vec<Embeddings>,
}

impl Described {
    fn of(captioner: &Captioner, questions: &Questions) -> Result<Self> {
        let clap = captioner.towers()?;
        let mut numbers: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
        let (mut kind_of, mut kinds) = (Vec::with_capacity(questions.len()), Vec::new());
        for question in questions.iter() {
            let mut words: Vec<&str> = question.references.iter().map(String::as_str).collect();
            words.sort_unstable();
            words.dedup();
            let next = numbers.len();
            let kind = *numbers.entry(words.clone()).or_insert(next);
            if kind == kinds.len() {
                kinds.push(clap.embed_texts(&words)?);
            }
            kind_of.push(kind);
        }
        if kinds.len() < 2 {
            return Err(Error::input("sounds to calibrate by", "one description of all", "sounds that differ"));
        }
        Ok(Self { kind_of, kinds })
    }

    /// Whether a caption of question `number` is nearer to its own kind than to others.
    fn is_right(&self, number: usize, caption: &[f32], seed: u64) -> bool {
        let Some(own) = self.kind_of.get(number) else { return false };
        let nearest = |kind: usize| self.kinds[kind].rows().map(|row| dot(row, caption)).fold(f32::MIN, f32::max);
        let others: Vec<usize> = (0..self.kinds.len()).filter(|kind| kind != own).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64));
        let drawn = sample(&mut rng, others.len(), others.len().min(AMONG - 1));
        let best = nearest(*own);
        drawn.into_iter().all(|place| nearest(others[place]) < best)
    }
}

/// The captions of every sound, judged.
fn judged(
    captioner: &Captioner,
    embeddings: &Embeddings,
    options: &CaptionOptions,
    described: &Described,
    seed: u64,
    control: &Control<'_>,
) -> Result<Vec<Judged>> {
    let rows: Vec<&[f32]> = embeddings.rows().collect();
    let judge = |(number, row): (usize, &&[f32])| {
        control.check()?;
        let (captioned, _) = captioner.caption_and_prefix("", row, options)?;
        let caption = captioner.embedded_caption(&captioned)?;
        control.advance(1);
        let similarity = dot(row, &caption);
        Ok(Judged { similarity, right: described.is_right(number, &caption, seed), clip: number })
    };
    rows.par_iter().enumerate().map(judge).collect()
}

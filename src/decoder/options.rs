//! What a training is given and what it reports.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::changes::{RecipeChanges, ShapeChanges};
use super::config::{DecoderConfig, Preset, Recipe};
use super::origin::{Beginning, Origin};
use crate::digest::hex;
use crate::{EmbeddingSpace, Embeddings};

/// A text to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingText {
    /// The caption.
    pub text: String,
    /// How often the memory holds it. It counts that often, up to [`super::MULTIPLICITY_CAP`]; 0 leaves it out.
    pub multiplicity: u32,
    /// Numbers of the clips that it describes, where they are known: texts that share one are held out together, or not at all.
    pub clips: Vec<u32>,
}

/// The texts and their embeddings.
#[derive(Debug, Clone)]
pub struct TrainingSet<E = Embeddings> {
    /// The captions.
    pub texts: Vec<TrainingText>,
    /// Row i is the embedding of `texts[i]`, of unit length.
    pub embeddings: E,
    /// The space that the embeddings live in; the decoder is bound to it.
    pub space: EmbeddingSpace,
}

/// Embeddings to learn from, wherever they lie: in memory, or in the mapped files of a store, which take none.
pub trait Rows: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// One of them; `None` behind the last.
    fn row(&self, row: usize) -> Option<&[f32]>;
}

impl Rows for Embeddings {
    fn count(&self) -> usize {
        self.len()
    }

    fn row(&self, row: usize) -> Option<&[f32]> {
        Embeddings::row(self, row)
    }
}

impl Rows for Vec<&[f32]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn row(&self, row: usize) -> Option<&[f32]> {
        self.get(row).copied()
    }
}

/// A training set, whatever kind of rows it has.
#[derive(Clone, Copy)]
pub(super) struct Material<'a> {
    pub texts: &'a [TrainingText],
    pub embeddings: &'a dyn Rows,
    pub space: &'a EmbeddingSpace,
}

impl<E: Rows> TrainingSet<E> {
    pub(super) fn material(&self) -> Material<'_> {
        Material { texts: &self.texts, embeddings: &self.embeddings, space: &self.space }
    }
}

impl<'a> Material<'a> {
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let embeddings = self.embeddings;
        (0..embeddings.count()).filter_map(|row| embeddings.row(row))
    }
}

/// How the modality gap is bridged while the decoder trains (WSAC, section 2.2): shift first, then noise, then unit length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainingBridge {
    /// Variance σ² of the noise added to every component, drawn anew at every step; `None` or 0 for no noise.
    pub noise_variance: Option<f32>,
    /// The vector Δ `[dim]` added to every text embedding.
    pub shift: Option<Vec<f32>>,
    /// Where the shift came from, in words for the record; no part of what tells trainings apart.
    #[serde(skip)]
    pub shift_from: Option<String>,
}

impl TrainingBridge {
    /// Variance of the noise.
    #[must_use]
    pub fn noise_variance(self, noise_variance: impl Into<Option<f32>>) -> Self {
        Self { noise_variance: noise_variance.into(), ..self }
    }

    /// The vector added to every text embedding.
    #[must_use]
    pub fn shift(self, shift: impl Into<Option<Vec<f32>>>) -> Self {
        Self { shift: shift.into(), ..self }
    }

    /// Where the shift came from.
    #[must_use]
    pub fn shift_from(self, shift_from: impl Into<Option<String>>) -> Self {
        Self { shift_from: shift_from.into(), ..self }
    }

    /// Length of the shift vector.
    pub fn shift_length(&self) -> Option<f32> {
        self.shift.as_ref().map(|delta| delta.iter().map(|x| x * x).sum::<f32>().sqrt())
    }

    /// SHA-256 of the shift vector's numbers, as little-endian f32: it tells which shift was used.
    pub fn shift_sha256(&self) -> Option<String> {
        let bytes = |delta: &Vec<f32>| delta.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        self.shift.as_ref().map(|delta| hex(&Sha256::digest(bytes(delta))))
    }
}

/// How to train.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrainOptions {
    /// Shape and recipe.
    pub preset: Preset,
    /// Passes over the texts; the preset's choice where `None`.
    pub epochs: Option<usize>,
    /// Captions a step; the preset's choice where `None`.
    pub batch: Option<usize>,
    /// The highest learning rate; the preset's choice where `None`.
    pub learning_rate: Option<f64>,
    /// Another shape than the preset's.
    pub shape: ShapeChanges,
    /// Another recipe than the preset's, but for the three numbers above.
    pub recipe: RecipeChanges,
    /// A decoder of the same space to begin with, in place of weights that are drawn: fine-tuning. Its shape and words are taken; words that it
    /// lacks are added where they occur as often as the recipe asks. The learning rate is the preset's, unless one is given: lower ones learned
    /// less of a corpus of 19,000 texts.
    pub from: Option<Beginning>,
    /// Noise and shift.
    pub bridge: TrainingBridge,
    /// Share of the texts held out for validation, in [0, 1). With 0 the last epoch counts as the best. Texts that share a clip, directly or
    /// by others between them, are on one side: a caption of a clip that was learned from says little about new sounds.
    pub validation: f32,
    /// Seed of everything random. The same seed, texts and options give the same weights, bit by bit, on one machine.
    pub seed: u64,
    /// Continue from the state in the work folder, if there is one.
    pub resume: bool,
    /// Begin anew where the work folder holds a training that was stopped. Without it and without `resume` that is refused.
    pub restart: bool,
}

impl TrainOptions {
    /// Shape and recipe.
    #[must_use]
    pub fn preset(self, preset: Preset) -> Self {
        Self { preset, ..self }
    }

    /// Passes over the texts.
    #[must_use]
    pub fn epochs(self, epochs: impl Into<Option<usize>>) -> Self {
        Self { epochs: epochs.into(), ..self }
    }

    /// Captions a step.
    #[must_use]
    pub fn batch(self, batch: impl Into<Option<usize>>) -> Self {
        Self { batch: batch.into(), ..self }
    }

    /// The highest learning rate.
    #[must_use]
    pub fn learning_rate(self, learning_rate: impl Into<Option<f64>>) -> Self {
        Self { learning_rate: learning_rate.into(), ..self }
    }

    /// Another shape than the preset's.
    #[must_use]
    pub fn shape(self, shape: ShapeChanges) -> Self {
        Self { shape, ..self }
    }

    /// Another recipe than the preset's.
    #[must_use]
    pub fn recipe(self, recipe: RecipeChanges) -> Self {
        Self { recipe, ..self }
    }

    /// A decoder to begin with.
    #[must_use]
    pub fn from(self, from: impl Into<Option<Beginning>>) -> Self {
        Self { from: from.into(), ..self }
    }

    /// Noise and shift.
    #[must_use]
    pub fn bridge(self, bridge: TrainingBridge) -> Self {
        Self { bridge, ..self }
    }

    /// Share of the texts held out.
    #[must_use]
    pub fn validation(self, validation: f32) -> Self {
        Self { validation, ..self }
    }

    /// Seed of everything random.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether to continue from the state in the work folder.
    #[must_use]
    pub fn resume(self, resume: bool) -> Self {
        Self { resume, ..self }
    }

    /// Whether to discard a training that was stopped, if the work folder holds one.
    #[must_use]
    pub fn restart(self, restart: bool) -> Self {
        Self { restart, ..self }
    }
}

impl TrainOptions {
    /// The defaults, with the noise that suits projection in a space of `dim` dimensions; see [`super::default_noise_variance`].
    pub fn for_projection(dim: usize) -> Self {
        let noise_variance = Some(super::default_noise_variance(dim));
        Self { bridge: TrainingBridge::default().noise_variance(noise_variance), ..Self::default() }
    }
}

/// The small preset on bare embeddings, without noise.
impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            preset: Preset::Small,
            epochs: None,
            batch: None,
            learning_rate: None,
            shape: ShapeChanges::default(),
            recipe: RecipeChanges::default(),
            from: None,
            bridge: TrainingBridge::default(),
            validation: 0.05,
            seed: 0,
            resume: false,
            restart: false,
        }
    }
}

/// What a training did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrainReport {
    /// The decoder's file: the checkpoint with the lowest validation loss.
    pub best: PathBuf,
    /// Texts that it learned from.
    pub texts: usize,
    /// Texts that were held out, no clip of theirs among those that it learned from.
    pub held_out: usize,
    /// The epoch, from 1, after which it was taken; 0 when training was interrupted within the first.
    pub best_epoch: usize,
    /// Its validation loss in nats a token; `None` where nothing was held out or no epoch was finished.
    pub validation_loss: Option<f64>,
    /// The mean training loss of the last finished epoch, in nats a token, with dropout and smoothing.
    pub train_loss: Option<f64>,
    /// Epochs finished, those before a resume included.
    pub epochs: usize,
    /// Tokens learned from per second of training (validation and saving not counted). No padding counts: there is none.
    pub tokens_per_second: f64,
    /// Numbers in the decoder's weights.
    pub parameters: usize,
    /// Tokens that the decoder knows.
    pub vocabulary: usize,
    /// Those of them that it did not have from the decoder that it began with; `None` where there was none.
    pub added_tokens: Option<usize>,
    /// The share of the tokens of all texts that it does not know: of rare words, each of which is one.
    pub unknown: f64,
    /// Its shape.
    pub shape: DecoderConfig,
    /// How it was trained.
    pub recipe: Recipe,
    /// The decoder that it began with.
    pub from: Option<Origin>,
    /// Seconds in all, those before a resume included.
    pub seconds: f64,
    /// True when stopped on request; `resume` goes on.
    pub interrupted: bool,
}

/// How a decoder came to be; part of its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainingFacts {
    /// The preset that it was trained with.
    pub preset: Preset,
    /// Texts trained on.
    pub texts: usize,
    /// Texts held out.
    pub held_out: usize,
    /// Share of the texts that was to be held out.
    #[serde(default)]
    pub validation: Option<f32>,
    /// Variance of the injected noise.
    pub noise_variance: Option<f32>,
    /// Length of the shift vector.
    pub shift_length: Option<f32>,
    /// SHA-256 of the shift vector's numbers, as little-endian f32.
    #[serde(default)]
    pub shift_sha256: Option<String>,
    /// Where the shift came from, as [`TrainingBridge::shift_from`] had it.
    #[serde(default)]
    pub shift_from: Option<String>,
    /// Epochs behind these weights.
    pub epoch: usize,
    /// Epochs that the training was to have.
    pub epochs: usize,
    /// Validation loss in nats a token.
    pub validation_loss: Option<f64>,
    /// The seed.
    pub seed: u64,
    /// How it was trained, number by number; `None` in files from before 0.2.0.
    #[serde(default)]
    pub recipe: Option<Recipe>,
    /// The decoder that it began with; `None` for weights that were drawn.
    #[serde(default)]
    pub from: Option<Origin>,
    /// The version of Echoic that trained it.
    pub echoic: String,
}

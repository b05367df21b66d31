//! A loaded model: two towers, the adapter between them if there is one, and the identity of the space that they make.

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::adapter::Adapter;
use super::dual_encoder::{Towers, Window};
use super::features::Features;
use crate::audio::{Audio, Facts, Level};
use crate::digest::hex;
use crate::error::{Hint, Topic};
use crate::progress::Control;
use crate::tokenizer::Tokenizer;
use crate::{EmbeddingSpace, Embeddings, Error, Result, embedding};

/// Texts embedded between two reports of progress.
const BATCH: usize = 512;

/// A model that embeds texts and audio into one space. Text-only use never loads the audio tower, and the other way round.
#[derive(Debug)]
pub struct Clap {
    space: EmbeddingSpace,
    /// SHA-256 of the files that decide on the embeddings, but for the adapter.
    weights: Vec<String>,
    towers: Box<dyn Towers>,
    tokenizer: Tokenizer,
    adapter: Option<Adapter>,
}

/// The embedding of a stretch of sound, and what file it is from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AudioEmbedding {
    /// Unit vector; `dim` of the space.
    pub embedding: Vec<f32>,
    /// Length of the file in seconds.
    pub seconds: f64,
    /// Samples a second in the file, in Hz.
    pub sample_rate: u32,
    /// Channels in the file.
    pub channels: u16,
    /// Windows of the model's length whose embeddings were averaged; long silence is in none of them.
    pub windows: usize,
    /// How loud it is, and whether there is something to hear.
    #[serde(flatten)]
    pub level: Level,
}

/// The embedding of one window of an audio file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WindowEmbedding {
    /// Where the window begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// How much it counts in the embedding of the whole, from 0 (long silence) to 1.
    pub weight: f64,
    /// How loud it is, and whether there is something to hear.
    #[serde(flatten)]
    pub level: Level,
    /// Unit vector; `dim` of the space.
    pub embedding: Vec<f32>,
}

/// The mean of windows' embeddings, each by its weight: what the embedding of a whole sound is.
pub(crate) struct WindowMean {
    sum: Vec<f64>,
    weights: f64,
    count: usize,
}

impl WindowMean {
    pub(crate) fn new(dim: usize) -> Self {
        Self { sum: vec![0.0; dim], weights: 0.0, count: 0 }
    }

    /// Adds a window, if it counts.
    pub(crate) fn add(&mut self, window: &WindowEmbedding) {
        if window.weight > 0.0 {
            self.sum.iter_mut().zip(&window.embedding).for_each(|(sum, x)| *sum += window.weight * f64::from(*x));
            self.weights += window.weight;
            self.count += 1;
        }
    }

    /// Of unit length; `None` where nothing counted, or all cancelled out.
    pub(crate) fn embedding(&self) -> Option<Vec<f32>> {
        let mut mean: Vec<f32> = self.sum.iter().map(|sum| (sum / self.weights) as f32).collect();
        (embedding::normalize(&mut mean) > 0.0).then_some(mean)
    }
}

/// A model before an adapter is put to it.
pub(crate) struct Parts {
    /// The name that a store keeps of it.
    pub name: String,
    pub dim: usize,
    /// SHA-256 of the files that decide on the embeddings.
    pub weights: Vec<String>,
    pub towers: Box<dyn Towers>,
    pub tokenizer: Tokenizer,
}

impl Clap {
    /// Puts a model together with an adapter, if it needs one.
    ///
    /// # Errors
    /// [`Error::Input`] for an adapter of another model.
    pub(crate) fn join(parts: Parts, adapter: Option<Adapter>) -> Result<Self> {
        let Parts { name, dim, weights, towers, tokenizer } = parts;
        if let Some(adapter) = &adapter {
            fits(adapter, towers.features(), dim)?;
        }
        let space = EmbeddingSpace { model: name, sha256: identity(&weights, adapter.as_ref()), dim };
        Ok(Self { space, weights, towers, tokenizer, adapter })
    }

    /// The identity of the space: the model's name, a SHA-256 over the hashes of the weights and of the adapter, and the dimension.
    pub fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    /// The same model with another adapter.
    ///
    /// # Errors
    /// [`Error::Input`] for an adapter of another model.
    pub(crate) fn with_adapter(self, adapter: Adapter) -> Result<Self> {
        let Self { space, weights, towers, tokenizer, adapter: _ } = self;
        Self::join(Parts { name: space.model, dim: space.dim, weights, towers, tokenizer }, Some(adapter))
    }

    /// Whether the model with this adapter makes embeddings of `space`.
    pub(crate) fn makes(&self, space: &EmbeddingSpace, adapter: &Adapter) -> bool {
        identity(&self.weights, Some(adapter)) == space.sha256 && adapter.facts().outputs == space.dim
    }

    /// SHA-256 of the files that the towers' embeddings depend on.
    pub(crate) fn weights(&self) -> &[String] {
        &self.weights
    }

    /// The text tower's tokenizer, which cuts at the tower's limit and does not pad.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The numbers of a text's tokens, with those that the text tower wants around them: what [`Clap::embed_texts`] embeds.
    ///
    /// # Errors
    /// [`Error::Internal`] when the tokenizer fails.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.tokens(&self.towers.prompt(text))
    }

    /// Embeds texts: unit rows `[texts, dim]`, in order.
    ///
    /// A text's embedding has the same bits whatever texts come with it and however many threads work.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when the weights cannot be read.
    pub fn embed_texts(&self, texts: &[impl AsRef<str> + Sync]) -> Result<Embeddings> {
        self.embed_texts_with(texts, &Control::default())
    }

    /// [`Clap::embed_texts`] that advances `progress` by one a text and stops on request.
    ///
    /// # Errors
    /// As [`Clap::embed_texts`], and [`Error::Interrupted`].
    pub fn embed_texts_with(&self, texts: &[impl AsRef<str> + Sync], control: &Control<'_>) -> Result<Embeddings> {
        let mut data = Vec::with_capacity(texts.len() * self.space.dim);
        for batch in texts.chunks(BATCH) {
            control.check()?;
            let tokens = batch.par_iter().map(|text| self.tokens(text.as_ref())).collect::<Result<Vec<_>>>()?;
            let ids: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
            data.extend(self.towers.embed_tokens(&ids)?);
            control.advance(batch.len() as u64);
        }
        Embeddings::from_vec(self.space.dim, data)
    }

    /// Embeds a sound: a file by its path, or what [`Audio`] has. A long one is divided into windows of the model's length, whose embeddings are
    /// averaged, those of soft windows with less weight and those of long silence with none, and scaled to unit length.
    ///
    /// The result has the same bits in every run, however many threads work. A sound that holds only silence, or is too short to tell, is told
    /// in the log.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] about the file, [`Error::ModelMissing`] when this build has no adapter.
    pub fn embed_audio<'a>(&self, audio: impl Into<Audio<'a>>) -> Result<AudioEmbedding> {
        self.embed_whole(audio.into(), true, |_| ())
    }

    /// [`Clap::embed_audio`] and [`Clap::embed_windows`] of a sound that is listened to once.
    ///
    /// # Errors
    /// As [`Clap::embed_audio`].
    pub fn embed_audio_and_windows<'a>(
        &self,
        audio: impl Into<Audio<'a>>,
    ) -> Result<(AudioEmbedding, Vec<WindowEmbedding>)> {
        let mut windows = Vec::new();
        let whole = self.embed_whole(audio.into(), false, |window| windows.push(window))?;
        Ok((whole, windows))
    }

    /// The embedding of the whole; gives `take` each window in turn, of those only that count if `counted`.
    fn embed_whole(
        &self,
        audio: Audio<'_>,
        counted: bool,
        mut take: impl FnMut(WindowEmbedding),
    ) -> Result<AudioEmbedding> {
        let name = audio.name();
        let mut mean = WindowMean::new(self.space.dim);
        let facts = self.for_each_window(audio, counted, |window| {
            mean.add(&window);
            take(window);
            Ok(())
        })?;
        let windows = mean.count;
        let embedding =
            mean.embedding().ok_or_else(|| Error::Internal(format!("{name}: an embedding without direction")))?;
        let (seconds, sample_rate, channels, level) = (facts.seconds, facts.sample_rate, facts.channels, facts.level);
        Ok(AudioEmbedding { embedding, seconds, sample_rate, channels, windows, level })
    }

    /// Embeds a sound window by window: what [`Clap::embed_audio`] averages, kept apart, and the windows of long silence.
    ///
    /// # Errors
    /// As [`Clap::embed_audio`].
    pub fn embed_windows<'a>(&self, audio: impl Into<Audio<'a>>) -> Result<Vec<WindowEmbedding>> {
        let mut windows = Vec::new();
        self.for_each_window(audio.into(), false, |window| {
            windows.push(window);
            Ok(())
        })?;
        Ok(windows)
    }

    /// Gives `take` the embedding of each window in turn, of those only that count if `counted`.
    fn for_each_window(
        &self,
        audio: Audio<'_>,
        counted: bool,
        mut take: impl FnMut(WindowEmbedding) -> Result<()>,
    ) -> Result<Facts> {
        let adapter = self.adapter.as_ref();
        let kind = self.features();
        if adapter.is_none() && matches!(kind, Features::Maps(_)) {
            return Err(Error::ModelMissing {
                model: self.space.model.clone(),
                reason: "this build ships no adapter from audio to text".into(),
                hint: Hint::about(
                    Topic::Align,
                    "learn one from pairs of audio and captions, and create the store with it",
                ),
            });
        }
        let name = audio.name();
        let facts = self.towers.for_each_window(audio, kind, counted, &mut |window| {
            let Window { start, end, weight, level, features } = window;
            let embedding = adapter.map_or(Ok(None), |adapter| adapter.apply(&features).map(Some))?.unwrap_or(features);
            take(WindowEmbedding { start, end, weight, level, embedding })
        })?;
        if let Some(remark) = facts.level.heard.remark() {
            tracing::warn!("{name}: {remark}");
        }
        Ok(facts)
    }

    /// Features of each window of a sound that counts, before the adapter, as `echoic align` trains on them: of the kind that the adapter
    /// takes, or of the default kind where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] about the file.
    pub fn audio_features<'a>(&self, audio: impl Into<Audio<'a>>) -> Result<Vec<Vec<f32>>> {
        self.audio_features_of(audio, self.features())
    }

    /// [`Clap::audio_features`] of a given kind.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] about the file.
    pub fn audio_features_of<'a>(&self, audio: impl Into<Audio<'a>>, kind: Features) -> Result<Vec<Vec<f32>>> {
        let mut out = Vec::new();
        self.towers.for_each_window(audio.into(), kind, true, &mut |window| {
            out.push(window.features);
            Ok(())
        })?;
        Ok(out)
    }

    /// The kind of features that the adapter takes, or the model's default where there is none.
    pub fn features(&self) -> Features {
        self.adapter.as_ref().map_or(self.towers.features(), Adapter::features)
    }

    /// The kind of features that the model gives where no other is asked for.
    pub fn default_features(&self) -> Features {
        self.towers.features()
    }

    /// The adapter, where this build or the caller brought one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Loads the audio tower, which is otherwise loaded when it is first used: for callers that are about to use it on several threads.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when its weights cannot be read.
    pub fn load_audio(&self) -> Result<()> {
        self.towers.load_audio()
    }

    /// The same for the text tower.
    ///
    /// # Errors
    /// As [`Clap::load_audio`].
    pub fn load_text(&self) -> Result<()> {
        self.towers.load_text()
    }
}

/// A SHA-256 over everything that decides on the embeddings.
fn identity(weights: &[String], adapter: Option<&Adapter>) -> String {
    let mut hasher = Sha256::new();
    weights.iter().for_each(|hash| hasher.update(hash));
    hasher.update(adapter.map_or("", Adapter::sha256));
    hex(&hasher.finalize())
}

/// The adapter must take what the audio side gives, and give what the text side makes.
fn fits(adapter: &Adapter, features: Features, dim: usize) -> Result<()> {
    let (takes, gives) = (adapter.features(), adapter.facts().outputs);
    let of_the_kind = match (takes, features) {
        (Features::Maps(_), Features::Maps(_)) => true,
        (takes, features) => takes == features,
    };
    if of_the_kind && gives == dim {
        return Ok(());
    }
    let found = format!("one from {} {} to {gives} components", takes.dim(), takes.name());
    let expected = format!("one from {} {} to {dim}, as the model needs", features.dim(), features.name());
    Err(Error::input("the adapter", found, expected).with_hint(Hint::about(Topic::Align, "learn one for this model")))
}

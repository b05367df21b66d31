//! A loaded model: two towers, the adapter between them, and the identity of the space that they make.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use crate::audio::{Clip, MelParameters};
use crate::clap::adapter::Adapter;
use crate::clap::minilm::{self, MiniLm};
use crate::clap::pooling::{Pooling, WindowMaps};
use crate::clap::sfx::Sfx;
use crate::clap::windows;
use crate::digest::hex;
use crate::models::{self, STARTER};
use crate::progress::{Progress, Stop};
use crate::{EmbeddingSpace, Embeddings, Error, Result, embedding};

/// The shipped adapter; empty in builds made before it was trained.
const SHIPPED_ADAPTER: &[u8] = include_bytes!("../../models/starter/adapter.safetensors");

/// The highest sample rate, in Hz, of the recordings that the shipped adapter learned from: see its model card. What a file holds above
/// half of it would be strange to the adapter, so it is taken out.
const BAND: u32 = 32_000;

/// Texts embedded between two reports of progress.
const BATCH: usize = 512;

/// A model that embeds texts and audio into one space. Text-only use never loads the audio tower, and the other way round.
#[derive(Debug)]
pub struct Clap {
    space: EmbeddingSpace,
    folder: PathBuf,
    tokenizer: Tokenizer,
    adapter: Option<Adapter>,
    text: OnceLock<MiniLm>,
    audio: OnceLock<Sfx>,
}

/// The embedding of an audio file, and what the file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AudioEmbedding {
    /// Unit vector; `dim` of the space.
    pub embedding: Vec<f32>,
    /// Length of the file in seconds.
    pub seconds: f64,
    /// Samples a second in the file, in Hz.
    pub sample_rate: u32,
    /// Channels in the file.
    pub channels: u16,
    /// Windows of about 10 s whose embeddings were averaged.
    pub windows: usize,
}

impl Clap {
    /// Loads the model `model`, as `echoic models list` names it, with the adapter that it ships with.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::ModelMissing`] when it is not installed.
    pub fn load(model: &str) -> Result<Self> {
        let adapter = if SHIPPED_ADAPTER.is_empty() {
            None
        } else {
            Some(Adapter::from_bytes(SHIPPED_ADAPTER, "the shipped adapter")?)
        };
        Self::with(model, adapter)
    }

    /// Loads the model `model` with another adapter, written by `echoic align`.
    ///
    /// # Errors
    /// As [`Clap::load`], and [`Error::Io`] or [`Error::Input`] about the adapter file.
    pub fn load_with_adapter(model: &str, adapter: &Path) -> Result<Self> {
        Self::with(model, Some(Adapter::load(adapter)?))
    }

    /// Loads the model that makes embeddings of `space`: the one that a store is bound to.
    ///
    /// An adapter of the user's own is found among those that [`crate::models::keep_adapter`] has kept.
    ///
    /// # Errors
    /// As [`Clap::load`]; [`Error::SpaceMismatch`] when the installed model makes embeddings of another space.
    pub fn for_space(space: &EmbeddingSpace) -> Result<Self> {
        let shipped = Self::load(&space.model)?;
        if shipped.space() == space {
            return Ok(shipped);
        }
        for adapter in models::kept_adapters()? {
            let own = Self::load_with_adapter(&space.model, &adapter)?;
            if own.space() == space {
                return Ok(own);
            }
        }
        Err(Error::SpaceMismatch { store: space.to_string(), given: shipped.space().to_string() })
    }

    /// The tokenizer for texts of a store: that of its model, or the starter's where the embeddings come from outside.
    ///
    /// # Errors
    /// [`Error::ModelMissing`] when that model is not installed.
    pub fn tokenizer_for(space: &EmbeddingSpace) -> Result<Tokenizer> {
        let model = if space.is_external() { STARTER } else { &space.model };
        minilm::load_tokenizer(&models::path(model)?.join("minilm/tokenizer.json"))
    }

    fn with(model: &str, adapter: Option<Adapter>) -> Result<Self> {
        let folder = models::path(model)?;
        if model != STARTER {
            return Err(Error::input(format!("the model '{model}'"), "sample sounds", "a model that embeds")
                .with_hint("use `starter`"));
        }
        if let Some(adapter) = adapter.as_ref().filter(|adapter| adapter.facts().outputs != minilm::DIM) {
            return Err(Error::input(
                "the adapter",
                format!("{} outputs", adapter.facts().outputs),
                format!("{} as the text tower has", minilm::DIM),
            ));
        }
        let tokenizer = minilm::load_tokenizer(&folder.join("minilm/tokenizer.json"))?;
        // The files were checked against these hashes when they were unpacked; hashing 115 MB at every start would cost more than
        // embedding a text. `echoic models verify` checks them again.
        let mut hasher = Sha256::new();
        models::starter_weights().iter().for_each(|hash| hasher.update(hash));
        hasher.update(adapter.as_ref().map_or("", Adapter::sha256));
        let space = EmbeddingSpace { model: model.to_owned(), sha256: hex(&hasher.finalize()), dim: minilm::DIM };
        Ok(Self { space, folder, tokenizer, adapter, text: OnceLock::new(), audio: OnceLock::new() })
    }

    /// The identity of the space: the model's name, a SHA-256 over the hashes of both towers' weights, the tokenizer and the adapter, and
    /// the dimension.
    pub fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    /// The text tower's tokenizer, which cuts at the tower's limit and does not pad.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Embeds texts: unit rows `[texts, dim]`, in order.
    ///
    /// A text's embedding has the same bits whatever texts come with it and however many threads work.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when the weights cannot be read.
    pub fn embed_texts(&self, texts: &[impl AsRef<str> + Sync]) -> Result<Embeddings> {
        self.embed_texts_with(texts, &(), &Stop::new())
    }

    /// [`Clap::embed_texts`] that advances `progress` by one a text and stops on request.
    ///
    /// # Errors
    /// As [`Clap::embed_texts`], and [`Error::Interrupted`].
    pub fn embed_texts_with(
        &self,
        texts: &[impl AsRef<str> + Sync],
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<Embeddings> {
        let tower = self.text_tower()?;
        let mut data = Vec::with_capacity(texts.len() * minilm::DIM);
        for batch in texts.chunks(BATCH) {
            stop.check()?;
            let encodings = batch
                .par_iter()
                .map(|text| {
                    self.tokenizer
                        .encode_fast(text.as_ref(), true)
                        .map(|encoding| encoding.get_ids().to_vec())
                        .map_err(|cause| Error::Internal(format!("cannot tokenise {:?}: {cause}", text.as_ref())))
                })
                .collect::<Result<Vec<_>>>()?;
            let ids: Vec<&[u32]> = encodings.iter().map(Vec::as_slice).collect();
            data.extend(tower.embed(&ids)?);
            progress.advance(batch.len() as u64);
        }
        Embeddings::from_vec(minilm::DIM, data)
    }

    /// Embeds an audio file. A long one is divided into windows of about 10 s, whose embeddings are averaged and scaled to unit length.
    ///
    /// The result has the same bits in every run, however many threads work.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] about the file, [`Error::ModelMissing`] when this build has no adapter.
    pub fn embed_audio(&self, path: &Path) -> Result<AudioEmbedding> {
        let adapter = self.adapter.as_ref().ok_or_else(|| Error::ModelMissing {
            model: self.space.model.clone(),
            reason: "this build ships no adapter from audio to text".into(),
            hint: "train one with `echoic align PAIRS.csv --out FILE` and give it to `echoic init --adapter FILE`"
                .into(),
        })?;
        let mut sum = vec![0f64; self.space.dim];
        let mut count = 0;
        let clip = self.windows(path, |window| {
            let row = adapter.apply(&adapter.features().pool(window))?;
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x));
            count += 1;
            Ok(())
        })?;
        let mut mean: Vec<f32> = sum.iter().map(|sum| (sum / f64::from(count.max(1u32))) as f32).collect();
        if embedding::normalize(&mut mean) == 0.0 {
            return Err(Error::Internal(format!("{}: an embedding without direction", path.display())));
        }
        Ok(AudioEmbedding {
            embedding: mean,
            seconds: clip.seconds(),
            sample_rate: clip.sample_rate(),
            channels: clip.channels(),
            windows: count as usize,
        })
    }

    /// Pooled features of each window of an audio file, before the adapter, as `echoic align` trains on them: of the kind that the adapter
    /// takes, or of the default kind where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] about the file.
    pub fn audio_features(&self, path: &Path) -> Result<Vec<Vec<f32>>> {
        self.audio_features_of(path, self.features())
    }

    /// [`Clap::audio_features`] of a given kind.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] about the file.
    pub fn audio_features_of(&self, path: &Path, kind: Pooling) -> Result<Vec<Vec<f32>>> {
        let mut out = Vec::new();
        self.windows(path, |window| {
            out.push(kind.pool(window));
            Ok(())
        })?;
        Ok(out)
    }

    /// The kind of features that the adapter takes, or the default where there is none.
    pub fn features(&self) -> Pooling {
        self.adapter.as_ref().map_or(Pooling::DEFAULT, Adapter::features)
    }

    /// The adapter, where this build or the caller brought one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Takes the file through the audio tower, window by window.
    fn windows(&self, path: &Path, take: impl FnMut(&WindowMaps) -> Result<()>) -> Result<Clip> {
        let tower = self.audio_tower()?;
        let clip = Clip::open_in_band(path, MelParameters::SFX.sample_rate, BAND)?;
        windows::for_each(&clip, tower, take)?;
        Ok(clip)
    }

    fn text_tower(&self) -> Result<&MiniLm> {
        get_or_load(&self.text, || MiniLm::load(&self.folder.join("minilm/model.safetensors")))
    }

    /// The audio tower, loaded on first use.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when its weights cannot be read.
    pub fn audio_tower(&self) -> Result<&Sfx> {
        get_or_load(&self.audio, || Sfx::load(&self.folder.join("sfx/checkpoint.pth")))
    }
}

/// `OnceLock::get_or_try_init`, which is not stable yet: two threads may load at once, and one result is kept.
fn get_or_load<T>(cell: &OnceLock<T>, load: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = load()?;
    Ok(cell.get_or_init(|| value))
}

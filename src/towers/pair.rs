//! The towers of a CLAP model: both in one checkpoint, each with a projection into the space that they share.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokenizers::Tokenizer;

use super::dual_encoder::{Heard, Towers, get_or_load};
use super::encoders::cnn14::Cnn14;
use super::encoders::htsat::Htsat;
use super::families::{laion, msclap, wavcaps};
use super::family::{Detected, Family};
use super::features::Features;
use super::framing::Framing;
use super::projection::Projection;
use super::text::TextTower;
use super::tokens::{self, Kind};
use crate::audio::Clip;
use crate::formats::checkpoint::{Checkpoint, Tensors};
use crate::{Error, Result};

/// The towers of a checkpoint.
#[derive(Debug)]
pub(crate) struct Pair {
    family: Family,
    dim: usize,
    file: Checkpoint,
    folder: PathBuf,
    text: OnceLock<TextTower>,
    audio: OnceLock<AudioTower>,
}

/// An audio tower with its way of listening.
#[derive(Debug)]
pub(crate) struct AudioTower {
    pub encoder: Encoder,
    pub framing: Framing,
    pub projection: Projection,
}

/// What turns log-mel frames into features.
#[derive(Debug)]
pub(crate) enum Encoder {
    Cnn14(Cnn14),
    Htsat(Box<Htsat>),
}

impl Encoder {
    /// The features of a window of log-mel frames `[frames, bands]`.
    fn forward(&self, mel: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::Cnn14(tower) => tower.forward(mel),
            Self::Htsat(tower) => tower.forward(mel),
        }
    }
}

impl Pair {
    /// Opens a checkpoint that was found to be of a CLAP's family; neither tower is loaded yet.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`] when the file is damaged, or of the starter.
    pub fn open(found: Detected) -> Result<Self> {
        let Detected { family, dim, weights } = found;
        if family == Family::Starter {
            return Err(Error::input(weights.display(), "the starter", "a checkpoint of both towers")
                .with_hint("name it: `--model starter`"));
        }
        let file = Checkpoint::open(&weights)?;
        let folder = weights.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { family, dim, file, folder, text: OnceLock::new(), audio: OnceLock::new() })
    }

    /// The tokenizer of the text tower, which must know no token that the tower does not.
    ///
    /// # Errors
    /// As [`tokens::load`], and [`Error::Input`] when it belongs to another model.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let (kind, limit, words) = match self.family {
            Family::Laion | Family::LaionFused => {
                (Kind::Roberta, laion::LIMIT, "text_model.embeddings.word_embeddings.weight")
            }
            Family::LaionOriginal => (Kind::Roberta, laion::LIMIT, "text_branch.embeddings.word_embeddings.weight"),
            Family::Msclap2023 => (Kind::Gpt2, msclap::limit(&self.file)?, msclap::WORDS),
            _ => (Kind::WordPiece, wavcaps::LIMIT, "text_encoder.text_encoder.embeddings.word_embeddings.weight"),
        };
        let tokenizer = tokens::load(&self.folder, kind, limit)?;
        let known = self.file.shape(words).and_then(|shape| shape.first().copied()).unwrap_or_default();
        match tokenizer.get_vocab_size(true) {
            tokens if tokens <= known => Ok(tokenizer),
            tokens => Err(Error::input(
                format!("the tokenizer for {}", self.file.path().display()),
                format!("{tokens} tokens"),
                format!("at most {known}, as the text tower has"),
            )
            .with_hint("put the tokenizer of this model into its folder")),
        }
    }

    fn config(&self) -> Result<laion::Config> {
        laion::Config::read(&self.folder.join("config.json"))
    }

    fn text(&self) -> Result<&TextTower> {
        get_or_load(&self.text, || match self.family {
            Family::Laion | Family::LaionFused => laion::text(&self.file, &self.config()?),
            Family::LaionOriginal => laion::original_text(&self.file),
            Family::Msclap2023 => msclap::text(&self.file),
            _ => wavcaps::text(&self.file),
        })
    }

    fn audio(&self) -> Result<&AudioTower> {
        get_or_load(&self.audio, || match self.family {
            Family::Laion => laion::audio(&self.file, &self.config()?, Framing::LAION),
            Family::LaionFused => laion::audio(&self.file, &self.config()?, Framing::LAION_FUSED),
            Family::LaionOriginal => laion::original_audio(&self.file),
            Family::Msclap2023 => msclap::audio(&self.file),
            Family::WavcapsHtsat => wavcaps::htsat(&self.file),
            _ => wavcaps::cnn14(&self.file),
        })
    }
}

impl Towers for Pair {
    fn worded<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.family {
            Family::Msclap2023 => Cow::Owned(msclap::worded(text)),
            _ => Cow::Borrowed(text),
        }
    }

    fn embed_tokens(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        self.text()?.embed(texts)
    }

    fn features(&self) -> Features {
        Features::Embedding(self.dim)
    }

    fn hear(&self, path: &Path, kind: Features, take: &mut dyn FnMut(Heard) -> Result<()>) -> Result<Clip> {
        if kind != self.features() {
            return Err(Error::Internal(format!("features of kind {} from a CLAP", kind.name())));
        }
        let AudioTower { encoder, framing, projection } = self.audio()?;
        let rate = framing.mel.sample_rate;
        let clip = Clip::open(path, rate)?;
        let mut spans = framing.windows(clip.len());
        framing.for_each(&clip, |mel| {
            let features = projection.apply(&encoder.forward(&mel)?)?;
            let span = spans.next().ok_or_else(|| Error::Internal("more windows than announced".into()))?;
            let seconds = |sample: u64| (sample as f64 / f64::from(rate)).min(clip.seconds());
            take(Heard { start: seconds(span.start), end: seconds(span.end), features })
        })?;
        Ok(clip)
    }

    fn load_audio(&self) -> Result<()> {
        self.audio().map(drop)
    }
}

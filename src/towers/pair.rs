//! The towers of a CLAP model: both in one checkpoint, each with a projection into the space that they share.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::audio_tower::AudioTower;
use super::detect::Detected;
use super::dual_encoder::{Towers, Window, get_or_load};
use super::families::spec::{Layout, Source};
use super::features::Features;
use super::text::TextTower;
use super::tokens;
use crate::audio::{Audio, Clip, Facts};
use crate::nn::tensors::Tensors;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

/// The towers of a checkpoint.
pub(crate) struct Pair {
    layout: &'static Layout,
    dim: usize,
    source: Source,
    text: OnceLock<TextTower>,
    audio: OnceLock<AudioTower>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("source", &self.source).field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl Pair {
    /// Opens a checkpoint that was found to be of a family of CLAP; neither tower is loaded yet.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`] when the file is damaged, or of the starter.
    pub fn open(found: Detected) -> Result<Self> {
        let Detected { family, dim, weights } = found;
        let Some(layout) = &family.spec().layout else {
            return Err(Error::input(weights.display(), format!("the {family}"), "a checkpoint of both towers")
                .with_hint(format!("name the model: {family}")));
        };
        Ok(Self { layout, dim, source: Source::open(&weights)?, text: OnceLock::new(), audio: OnceLock::new() })
    }

    /// The tokenizer of the text tower, which must know no token that the tower does not. `word_pieces` finds the `tokenizer.json` of
    /// bert-base-uncased, where the model brings none and needs it.
    ///
    /// # Errors
    /// As [`tokens::load`], and [`Error::Input`] when it belongs to another model.
    pub fn tokenizer(&self, word_pieces: &dyn Fn() -> Result<PathBuf>) -> Result<Tokenizer> {
        let Self { layout, source, .. } = self;
        let limit = (layout.token_limit)(source)?;
        let tokenizer = tokens::load(&source.folder, layout.tokenizer, limit, word_pieces)?;
        let known = source.file.shape(layout.words).and_then(|shape| shape.first().copied()).unwrap_or_default();
        tokens::fitting(tokenizer, known, source.file.path())
    }

    fn text(&self) -> Result<&TextTower> {
        get_or_load(&self.text, || (self.layout.load_text)(&self.source))
    }

    fn audio(&self) -> Result<&AudioTower> {
        get_or_load(&self.audio, || (self.layout.load_audio)(&self.source))
    }
}

impl Towers for Pair {
    fn prompt<'a>(&self, text: &'a str) -> Cow<'a, str> {
        (self.layout.prompt)(text)
    }

    fn embed_tokens(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        self.text()?.embed(texts)
    }

    fn features(&self) -> Features {
        Features::Embedding(self.dim)
    }

    fn for_each_window(
        &self,
        audio: Audio<'_>,
        kind: Features,
        counted: bool,
        take: &mut dyn FnMut(Window) -> Result<()>,
    ) -> Result<Facts> {
        if kind != self.features() {
            return Err(Error::Internal(format!("features of kind {} from a CLAP", kind.name())));
        }
        let AudioTower { encoder, framing, projection } = self.audio()?;
        let rate = framing.mel.sample_rate;
        let clip = Clip::open(audio, rate)?;
        framing.for_each(
            &clip,
            |window| !counted || window.weight > 0.0,
            |window, mel| {
                let features = projection.apply(&encoder.forward(&mel)?)?;
                let Range { start, end } = window.seconds;
                take(Window { start, end, weight: window.weight, level: clip.level(start..end), features })
            },
        )?;
        Ok(clip.facts())
    }

    fn load_audio(&self) -> Result<()> {
        self.audio().map(drop)
    }

    fn load_text(&self) -> Result<()> {
        self.text().map(drop)
    }
}

//! The starter: all-MiniLM-L6-v2 for texts, a CNN for sound effects for audio, joined by an adapter.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::spec::{Family, FamilySpec};
use crate::audio::{Audio, Clip, Facts, MelParameters};
use crate::formats::checkpoint::Checkpoint;
use crate::towers::dual_encoder::{Towers, Window, get_or_load};
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::encoders::sfx::Sfx;
use crate::towers::features::Features;
use crate::towers::pooling::Pooling;
use crate::towers::text::{TextEncoder, TextTower};
use crate::towers::windows;
use crate::{Error, Result};

/// Not a checkpoint but a folder of two.
pub(crate) const STARTER: FamilySpec = FamilySpec {
    family: Family::Starter,
    name: "starter",
    licence: "audio tower CC BY 4.0, text tower Apache-2.0",
    tokenizer: "google-bert/bert-base-uncased",
    layout: None,
    relatives: &[],
};

/// The adapter that comes with it; empty in builds made before it was trained.
pub(crate) const SHIPPED_ADAPTER: &[u8] = include_bytes!("../../../models/starter/adapter.safetensors");

/// Where the text tower's weights lie in the model's folder.
pub(crate) const TEXT: &str = "minilm/model.safetensors";

/// Where the tokenizer lies in the model's folder.
pub(crate) const TOKENIZER: &str = "minilm/tokenizer.json";

/// Where the audio tower's weights lie.
pub(crate) const AUDIO: &str = "sfx/checkpoint.pth";

/// The text tower's sizes; `max_seq_length` in `sentence_bert_config.json` is the limit.
pub(crate) const MINILM: BertConfig = BertConfig {
    layers: 6,
    width: 384,
    heads: 12,
    inner: 1536,
    vocabulary: 30_522,
    positions: 512,
    first_position: 0,
    types: 2,
    epsilon: 1e-12,
    limit: 256,
};

/// The highest sample rate, in Hz, of the recordings that the shipped adapter learned from: see its model card. What a file holds above
/// half of it would be strange to the adapter, so it is taken out.
const BAND: u32 = 32_000;

/// The starter's towers.
#[derive(Debug)]
pub(crate) struct Starter {
    folder: PathBuf,
    text: OnceLock<TextTower>,
    audio: OnceLock<Sfx>,
}

impl Starter {
    /// The towers in `folder`, as `models pull starter` leaves it.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), text: OnceLock::new(), audio: OnceLock::new() }
    }

    fn text(&self) -> Result<&TextTower> {
        get_or_load(&self.text, || {
            let file = Checkpoint::open(&self.folder.join(TEXT))?;
            let bert = Bert::load(&file, MINILM)?;
            let encoder = TextEncoder::Bert { bert, readout: Readout::Mean, pooler: None };
            Ok(TextTower { encoder, projection: None })
        })
    }

    fn audio(&self) -> Result<&Sfx> {
        get_or_load(&self.audio, || Sfx::load(&self.folder.join(AUDIO)))
    }
}

impl Towers for Starter {
    fn embed_tokens(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        self.text()?.embed(texts)
    }

    fn features(&self) -> Features {
        Features::Maps(Pooling::DEFAULT)
    }

    fn for_each_window(
        &self,
        audio: Audio<'_>,
        kind: Features,
        counted: bool,
        take: &mut dyn FnMut(Window) -> Result<()>,
    ) -> Result<Facts> {
        let Features::Maps(pooling) = kind else {
            return Err(Error::Internal("the starter has no audio embedding of its own".into()));
        };
        let clip = Clip::open_in_band(audio, MelParameters::SFX.sample_rate, BAND)?;
        windows::for_each(
            &clip,
            self.audio()?,
            |window| !counted || window.weight > 0.0,
            |window, maps| {
                let Range { start, end } = window.seconds;
                let (weight, level) = (window.weight, clip.level(start..end));
                take(Window { start, end, weight, level, features: pooling.pool(maps) })
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

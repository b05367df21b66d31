//! WavCaps' CLAP (Mei et al., 2023; the model of WSAC): CNN14 or HTSAT for audio, bert-base-uncased for texts, 1,024 components.
//!
//! `retrieval/models/ase_model.py`: each side's features go through a linear layer, ReLU and a linear layer, and are scaled to unit length.

use super::spec::{Family, FamilySpec, Layout, Source, as_it_is};
use crate::Result;
use crate::nn::tensors::lengths;
use crate::towers::audio_tower::{AudioTower, Encoder};
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::encoders::cnn14::{Cnn14, Cnn14Config};
use crate::towers::encoders::htsat::{Htsat, HtsatConfig, Layout as Names};
use crate::towers::framing::Framing;
use crate::towers::projection::Projection;
use crate::towers::text::{TextEncoder, TextTower};
use crate::towers::tokens::Kind;

const TOKENIZER: &str = "google-bert/bert-base-uncased";
const LICENCE: &str = "WavCaps: academic, non-commercial use only";

/// The audio tower CNN14.
pub(crate) const CNN14: FamilySpec = FamilySpec {
    family: Family::WavcapsCnn14,
    name: "wavcaps-cnn14",
    licence: LICENCE,
    tokenizer: TOKENIZER,
    layout: Some(Layout {
        signature: ["audio_encoder.audio_enc.conv_block1.conv1.weight", WORDS, "audio_proj.0.weight"],
        load_audio: cnn14,
        ..LAYOUT
    }),
    relatives: &[],
};

/// The audio tower HTSAT.
pub(crate) const HTSAT: FamilySpec = FamilySpec {
    family: Family::WavcapsHtsat,
    name: "wavcaps-htsat",
    licence: LICENCE,
    tokenizer: TOKENIZER,
    layout: Some(LAYOUT),
    relatives: &[],
};

/// The layout with HTSAT.
const LAYOUT: Layout = Layout {
    signature: ["audio_encoder.audio_enc.patch_embed.proj.weight", WORDS, "audio_proj.0.weight"],
    dim: "text_proj.2.weight",
    words: WORDS,
    configured: false,
    tokenizer: Kind::WordPiece,
    token_limit: |_| Ok(LIMIT),
    prompt: as_it_is,
    load_text: text,
    load_audio: htsat,
};

const WORDS: &str = "text_encoder.text_encoder.embeddings.word_embeddings.weight";

/// Tokens of a text that count (`max_length` in `retrieval/models/text_encoder.py`).
const LIMIT: usize = 30;

/// BERT without its pooler, read at `[CLS]`.
fn text(source: &Source) -> Result<TextTower> {
    let file = &source.file;
    let part = file.part("text_encoder.text_encoder.");
    let config = BertConfig { limit: LIMIT, ..BertConfig::unconfigured(&part)? };
    let projection = Projection::load(file, ["text_proj.0", "text_proj.2"], config.width)?;
    let bert = Bert::load(&part, config)?;
    let encoder = TextEncoder::Bert { bert, readout: Readout::First, pooler: None };
    Ok(TextTower { encoder, projection: Some(projection) })
}

/// Where the audio tower's tensors are.
const PREFIX: &str = "audio_encoder.audio_enc.";

/// CNN14, of whatever width its tensors have.
fn cnn14(source: &Source) -> Result<AudioTower> {
    let file = &source.file;
    let mut channels = Cnn14Config::default().channels;
    for (index, channels) in channels.iter_mut().enumerate() {
        [*channels] = lengths(file, &format!("{PREFIX}conv_block{}.bn2.weight", index + 1))?;
    }
    let tower = Cnn14::load(file, PREFIX, &Cnn14Config { channels })?;
    let projection = Projection::load(file, ["audio_proj.0", "audio_proj.2"], tower.dim())?;
    Ok(AudioTower { encoder: Encoder::Cnn14(tower), framing: Framing::WAVCAPS_CNN14, projection })
}

/// HTSAT in the original's layout.
fn htsat(source: &Source) -> Result<AudioTower> {
    let file = &source.file;
    let tower = Htsat::load(file, PREFIX, Names::Original, &HtsatConfig::of(file, PREFIX)?)?;
    let projection = Projection::load(file, ["audio_proj.0", "audio_proj.2"], tower.dim())?;
    Ok(AudioTower { encoder: Encoder::Htsat(Box::new(tower)), framing: Framing::WAVCAPS_HTSAT, projection })
}

//! WavCaps' CLAP (Mei et al., 2023; the model of WSAC): CNN14 or HTSAT for audio, bert-base-uncased for texts, 1,024 components.
//!
//! `retrieval/models/ase_model.py`: each side's features go through a linear layer, ReLU and a linear layer, and are scaled to unit length.

use crate::Result;
use crate::formats::checkpoint::{Checkpoint, lengths};
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::encoders::cnn14::{Cnn14, Cnn14Config};
use crate::towers::encoders::htsat::{Htsat, HtsatConfig, Layout};
use crate::towers::framing::Framing;
use crate::towers::pair::{AudioTower, Encoder};
use crate::towers::projection::Projection;
use crate::towers::text::{TextEncoder, TextTower};

/// Tokens of a text that count (`max_length` in `retrieval/models/text_encoder.py`).
pub(crate) const LIMIT: usize = 30;

/// Components of a head in every BERT of its makers: the checkpoint does not say how many heads there are.
const HEAD: usize = 64;

/// BERT without its pooler, read at `[CLS]`.
pub(crate) fn text(file: &Checkpoint) -> Result<TextTower> {
    let part = file.part("text_encoder.text_encoder.");
    let mut config = BertConfig { epsilon: 1e-12, limit: LIMIT, ..BertConfig::of(&part)? };
    config.heads = (config.width / HEAD).max(1);
    let projection = Projection::load(file, ["text_proj.0", "text_proj.2"], config.width)?;
    let bert = Bert::load(&part, config)?;
    let encoder = TextEncoder::Bert { bert, readout: Readout::First, pooler: None };
    Ok(TextTower { encoder, projection: Some(projection) })
}

/// Where the audio tower's tensors are.
const PREFIX: &str = "audio_encoder.audio_enc.";

/// CNN14, of whatever width its tensors have.
pub(crate) fn cnn14(file: &Checkpoint) -> Result<AudioTower> {
    let mut channels = Cnn14Config::default().channels;
    for (index, channels) in channels.iter_mut().enumerate() {
        [*channels] = lengths(file, &format!("{PREFIX}conv_block{}.bn2.weight", index + 1))?;
    }
    let tower = Cnn14::load(file, PREFIX, &Cnn14Config { channels })?;
    let projection = Projection::load(file, ["audio_proj.0", "audio_proj.2"], tower.dim())?;
    Ok(AudioTower { encoder: Encoder::Cnn14(tower), framing: Framing::WAVCAPS_CNN14, projection })
}

/// HTSAT in the original's layout.
pub(crate) fn htsat(file: &Checkpoint) -> Result<AudioTower> {
    let tower = Htsat::load(file, PREFIX, Layout::Original, &HtsatConfig::of(file, PREFIX)?)?;
    let projection = Projection::load(file, ["audio_proj.0", "audio_proj.2"], tower.dim())?;
    Ok(AudioTower { encoder: Encoder::Htsat(Box::new(tower)), framing: Framing::WAVCAPS_HTSAT, projection })
}

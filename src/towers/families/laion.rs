//! LAION's CLAP (Wu et al., 2023): HTSAT for audio, RoBERTa for texts, 512 components; in Hugging Face's form or in its own.

use std::path::Path;

use serde_json::Value;

use crate::formats::checkpoint::Checkpoint;
use crate::nn::layers::Linear;
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::encoders::htsat::{Htsat, HtsatConfig, Layout};
use crate::towers::framing::Framing;
use crate::towers::pair::{AudioTower, Encoder};
use crate::towers::projection::Projection;
use crate::towers::text::{TextEncoder, TextTower};
use crate::{Error, Result};

/// Tokens of a text that count: the model was trained with this `max_length`, and its own code cuts there (`laion_clap/hook.py`). Hugging Face's
/// tokenizer cuts at 512, where no training text has been.
pub(crate) const LIMIT: usize = 77;

/// The first row of the position embeddings that a token has: behind that of the padding, 1.
const FIRST_POSITION: usize = 2;

/// What `config.json` says and no tensor tells; what it leaves out is as in `transformers`.
#[derive(Debug)]
pub(crate) struct Config {
    heads: usize,
    epsilon: f32,
    audio: HtsatConfig,
}

impl Config {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] when it is damaged or describes a model that does not compute as this one.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let all: Value = serde_json::from_slice(&bytes).map_err(|cause| {
            Error::input(path.display(), format!("a damaged file ({cause})"), "the configuration of a ClapModel")
        })?;
        let (text, audio) = (&all["text_config"], &all["audio_config"]);
        let wrong = |name: &str, found: &Value, expected: &str| {
            Error::input(format!("{}, {name}", path.display()), found, expected)
        };
        let only = [
            ("text_config.hidden_act", &text["hidden_act"], "gelu"),
            ("projection_hidden_act", &all["projection_hidden_act"], "relu"),
            ("text_config.projection_hidden_act", &text["projection_hidden_act"], "relu"),
            ("audio_config.projection_hidden_act", &audio["projection_hidden_act"], "relu"),
        ];
        if let Some((name, found, expected)) =
            only.into_iter().find(|(_, found, only)| !found.is_null() && found != only)
        {
            return Err(wrong(name, found, expected));
        }
        let heads = match &text["num_attention_heads"] {
            Value::Null => Some(12),
            value => value.as_u64().and_then(|heads| usize::try_from(heads).ok()).filter(|heads| *heads > 0),
        };
        let epsilon = match &text["layer_norm_eps"] {
            Value::Null => Some(1e-12),
            value => value.as_f64().filter(|epsilon| *epsilon > 0.0),
        };
        Ok(Self {
            heads: heads
                .ok_or_else(|| wrong("num_attention_heads", &text["num_attention_heads"], "a number of heads"))?,
            epsilon: epsilon.ok_or_else(|| wrong("layer_norm_eps", &text["layer_norm_eps"], "a number above 0"))?
                as f32,
            audio: HtsatConfig::from_hugging_face(audio, &path.display().to_string())?,
        })
    }
}

/// HTSAT, as Hugging Face names it.
pub(crate) fn audio(file: &Checkpoint, config: &Config, framing: Framing) -> Result<AudioTower> {
    let tower = Htsat::load(file, "audio_model.audio_encoder.", Layout::HuggingFace, &config.audio)?;
    heard(file, tower, ["audio_projection.linear1", "audio_projection.linear2"], framing)
}

/// The same as LAION's own code names it.
pub(crate) fn original_audio(file: &Checkpoint) -> Result<AudioTower> {
    let tower = Htsat::load(file, "audio_branch.", Layout::Original, &HtsatConfig::of(file, "audio_branch.")?)?;
    heard(file, tower, ["audio_projection.0", "audio_projection.2"], Framing::LAION)
}

fn heard(file: &Checkpoint, tower: Htsat, projection: [&str; 2], framing: Framing) -> Result<AudioTower> {
    let projection = Projection::load(file, projection, tower.dim())?;
    Ok(AudioTower { encoder: Encoder::Htsat(Box::new(tower)), framing, projection })
}

/// RoBERTa with its pooler, as Hugging Face names it.
pub(crate) fn text(file: &Checkpoint, config: &Config) -> Result<TextTower> {
    roberta(file, "text_model.", ["text_projection.linear1", "text_projection.linear2"], config.heads, config.epsilon)
}

/// The same as LAION's own code names it: roberta-base, whose sizes it does not say.
pub(crate) fn original_text(file: &Checkpoint) -> Result<TextTower> {
    roberta(file, "text_branch.", ["text_projection.0", "text_projection.2"], 0, 1e-5)
}

/// Components of a head of every RoBERTa of its makers.
const HEAD: usize = 64;

/// `heads` may be 0: as many as there are in a RoBERTa of that width.
fn roberta(
    file: &Checkpoint,
    prefix: &'static str,
    projection: [&str; 2],
    heads: usize,
    epsilon: f32,
) -> Result<TextTower> {
    let part = file.part(prefix);
    let mut config =
        BertConfig { heads, first_position: FIRST_POSITION, epsilon, limit: LIMIT, ..BertConfig::of(&part)? };
    if heads == 0 {
        config.heads = (config.width / HEAD).max(1);
    }
    let projection = Projection::load(file, projection, config.width)?;
    let pooler = Linear::load(&part, "pooler.dense", config.width, config.width)?;
    let bert = Bert::load(&part, config)?;
    let encoder = TextEncoder::Bert { bert, readout: Readout::First, pooler: Some(pooler) };
    Ok(TextTower { encoder, projection: Some(projection) })
}

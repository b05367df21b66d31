//! LAION's CLAP (Wu et al., 2023): HTSAT for audio, RoBERTa for texts, 512 components; in Hugging Face's form or in its own.

use std::path::Path;

use serde::Deserialize;

use crate::clap::bert::{Bert, BertConfig, Readout};
use crate::clap::checkpoint::Checkpoint;
use crate::clap::layers::Linear;
use crate::clap::projection::Projection;
use crate::clap::text::TextTower;
use crate::{Error, Result};

/// Tokens of a text that count: the model was trained with this `max_length`, and its own code cuts there (`laion_clap/hook.py`). Hugging Face's
/// tokenizer cuts at 512, where no training text has been.
pub(crate) const LIMIT: usize = 77;

/// The first row of the position embeddings that a token has: behind that of the padding, 1.
const FIRST_POSITION: usize = 2;

/// What `config.json` says and no tensor tells; what it leaves out is as in `transformers`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    text_config: TextConfig,
    pub audio_config: AudioConfig,
    projection_hidden_act: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct TextConfig {
    num_attention_heads: usize,
    layer_norm_eps: f32,
    hidden_act: String,
    projection_hidden_act: Option<String>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self { num_attention_heads: 12, layer_norm_eps: 1e-12, hidden_act: "gelu".into(), projection_hidden_act: None }
    }
}

/// The audio tower's part of `config.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct AudioConfig {
    pub depths: Vec<usize>,
    pub num_attention_heads: Vec<usize>,
    pub window_size: usize,
    pub spec_size: usize,
    pub patch_size: usize,
    pub layer_norm_eps: f32,
    pub hidden_act: String,
    projection_hidden_act: Option<String>,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self {
            depths: vec![2, 2, 6, 2],
            num_attention_heads: vec![4, 8, 16, 32],
            window_size: 8,
            spec_size: 256,
            patch_size: 4,
            layer_norm_eps: 1e-5,
            hidden_act: "gelu".into(),
            projection_hidden_act: None,
        }
    }
}

impl Config {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] when it is damaged or describes a model with other functions between its layers.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |found: String, expected: &str| Error::input(path.display(), found, expected);
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let config: Self = serde_json::from_slice(&bytes)
            .map_err(|cause| wrong(format!("a damaged file ({cause})"), "the configuration of a ClapModel"))?;
        let (text, audio) = (&config.text_config, &config.audio_config);
        if let Some(other) = [&text.hidden_act, &audio.hidden_act].into_iter().find(|act| *act != "gelu") {
            return Err(wrong(format!("hidden_act {other}"), "gelu"));
        }
        let projections = [&config.projection_hidden_act, &text.projection_hidden_act, &audio.projection_hidden_act];
        if let Some(other) = projections.into_iter().flatten().find(|act| *act != "relu") {
            return Err(wrong(format!("projection_hidden_act {other}"), "relu"));
        }
        Ok(config)
    }
}

/// RoBERTa with its pooler, as Hugging Face names it.
pub(crate) fn text(file: &Checkpoint, config: &Config) -> Result<TextTower> {
    let heads = config.text_config.num_attention_heads;
    roberta(
        file,
        "text_model.",
        ["text_projection.linear1", "text_projection.linear2"],
        heads,
        config.text_config.layer_norm_eps,
    )
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
    Ok(TextTower {
        encoder: Bert::load(&part, config)?,
        readout: Readout::First,
        pooler: Some(pooler),
        projection: Some(projection),
    })
}

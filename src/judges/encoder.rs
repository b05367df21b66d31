//! A BERT and its tokenizer, as both judges need them.

use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::formats::checkpoint::{Checkpoint, Part};
use crate::models;
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::tokens::{self, Kind};
use crate::{Error, Result, Tokenizer};

/// A BERT that reads texts.
#[derive(Debug)]
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    bert: Bert,
}

/// The part of `config.json` that tensors do not tell.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    model_type: String,
    num_attention_heads: usize,
    layer_norm_eps: f32,
    hidden_act: String,
}

impl Encoder {
    /// Reads the tensors of `part`; texts count up to `limit` tokens, and as far as there are positions. What the tensors do not tell,
    /// `config.json` beside `weights` does, and so with the tokenizer; without them it is a BERT of the usual heads with the tokenizer of bert-base-uncased.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that says what is wrong with a file.
    pub fn open(part: &Part<'_>, weights: &Path, limit: usize) -> Result<Self> {
        let folder = weights.parent().unwrap_or(Path::new("."));
        let mut config = BertConfig::unconfigured(part)?;
        config.limit = limit.min(config.positions);
        if let Some(told) = told(&folder.join("config.json"))? {
            (config.heads, config.epsilon) = (told.num_attention_heads, told.layer_norm_eps);
        }
        let tokenizer = tokens::load(folder, Kind::WordPiece, config.limit, &models::word_pieces)?;
        let tokenizer = tokens::fitting(tokenizer, config.vocabulary, weights)?;
        Ok(Self { tokenizer, bert: Bert::load(part, config)? })
    }

    /// Components of what it makes of a text.
    pub fn width(&self) -> usize {
        self.bert.config().width
    }

    /// `[texts, width]`, in order.
    pub fn read(&self, texts: &[impl AsRef<str> + Sync], readout: Readout) -> Result<Vec<f32>> {
        let tokens: Vec<Vec<u32>> =
            texts.par_iter().map(|text| self.tokenizer.tokens(text.as_ref())).collect::<Result<_>>()?;
        self.bert.read(&tokens.iter().map(Vec::as_slice).collect::<Vec<_>>(), readout)
    }
}

/// The part of the checkpoint whose names begin with one of `prefixes`, the first that is there.
pub(super) fn part<'a>(file: &'a Checkpoint, prefixes: &[&'static str]) -> Part<'a> {
    use crate::nn::tensors::Tensors as _;
    let has = |prefix: &&'static str| file.part(prefix).shape("embeddings.word_embeddings.weight").is_some();
    let found = prefixes.iter().copied().find(has);
    // Without any, the first says which tensor is missing.
    file.part(found.or(prefixes.first().copied()).unwrap_or_default())
}

/// What a file of JSON says; `None` where there is none.
pub(super) fn json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<Option<T>> {
    match std::fs::read(path) {
        Ok(json) => {
            serde_json::from_slice(&json).map(Some).map_err(|cause| Error::input(path.display(), cause, expected))
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io("read", path)(cause)),
    }
}

/// What a configuration says; `None` where there is none.
fn told(path: &Path) -> Result<Option<Config>> {
    const EXPECTED: &str = "the configuration of a BERT";
    let Some(config) = json::<Config>(path, EXPECTED)? else { return Ok(None) };
    let other = |found: String| Error::input(path.display(), found, EXPECTED);
    if config.model_type != "bert" {
        return Err(other(format!("a model of type '{}'", config.model_type)));
    }
    if config.hidden_act != "gelu" {
        return Err(other(format!("the activation '{}'", config.hidden_act)));
    }
    Ok(Some(config))
}

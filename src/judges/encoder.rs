//! A BERT and its tokenizer, as both judges need them.

use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use crate::formats::checkpoint::{Checkpoint, Part};
use crate::models;
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::tokens::{self, Kind};
use crate::{Error, Result, Tokenizer};

/// Components of a head in every BERT that has no configuration beside it.
const HEAD: usize = 64;

/// The epsilon of every BERT that has no configuration beside it.
const EPSILON: f32 = 1e-12;

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
    /// Reads the tensors of `part`; texts count up to `limit` tokens, and as far as there are positions. What the tensors do not tell, `config.json` beside `weights` does, and so
    /// with the tokenizer; without them it is a BERT of the usual heads with the tokenizer of bert-base-uncased.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that says what is wrong with a file.
    pub fn open(part: &Part<'_>, weights: &Path, limit: usize) -> Result<Self> {
        let folder = weights.parent().unwrap_or(Path::new("."));
        let mut config = BertConfig { epsilon: EPSILON, ..BertConfig::of(part)? };
        config.limit = limit.min(config.positions);
        config.heads = (config.width / HEAD).max(1);
        if let Some(told) = told(&folder.join("config.json"))? {
            (config.heads, config.epsilon) = (told.num_attention_heads, told.layer_norm_eps);
        }
        let tokenizer = tokens::load(folder, Kind::WordPiece, config.limit, &models::word_pieces)?;
        let known = tokenizer.inner().get_vocab_size(true);
        if known > config.vocabulary {
            let expected = format!("at most {}, as the network has", config.vocabulary);
            let subject = format!("the tokenizer for {}", weights.display());
            return Err(Error::input(subject, format!("{known} tokens"), expected)
                .with_hint("put the tokenizer of this network into its folder"));
        }
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

/// What a configuration says; `None` where there is none.
fn told(path: &Path) -> Result<Option<Config>> {
    let json = match std::fs::read(path) {
        Ok(json) => json,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::io("read", path)(cause)),
    };
    let other = |found: String| Error::input(path.display(), found, "the configuration of a BERT");
    let config: Config = serde_json::from_slice(&json).map_err(|cause| other(cause.to_string()))?;
    if config.model_type != "bert" {
        return Err(other(format!("a model of type '{}'", config.model_type)));
    }
    if config.hidden_act != "gelu" {
        return Err(other(format!("the activation '{}'", config.hidden_act)));
    }
    Ok(Some(config))
}

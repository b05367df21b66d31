//! Sentence-BERT (Reimers and Gurevych 2019): the mean of a BERT's states, at unit length.

use std::path::Path;

use serde::Deserialize;

use super::encoder::{Encoder, json, part};
use crate::formats::checkpoint::Checkpoint;
use crate::metrics::SentenceEncoder;
use crate::towers::encoders::bert::Readout;
use crate::towers::weights;
use crate::{Embeddings, Error, Result};

/// What the files beside the weights are expected to be.
const JSON: &str = "JSON as sentence-transformers writes it";

/// A sentence encoder.
#[derive(Debug)]
pub struct SentenceBert(Encoder);

/// The parts of a model of sentence-transformers, in their order.
#[derive(Debug, Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Debug, Default, Deserialize)]
struct Pooling {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    /// The same, as versions from 5.6 on write it.
    pooling_mode: Option<String>,
}

/// How many tokens of a text count.
#[derive(Debug, Default, Deserialize)]
struct Limits {
    /// In `sentence_bert_config.json`, by versions before 6.
    max_seq_length: Option<f64>,
    /// In `tokenizer_config.json`: a number beyond all measure where there is no limit.
    model_max_length: Option<f64>,
}

impl SentenceBert {
    /// Opens a folder in the layout of sentence-transformers: a BERT with its tokenizer, and where they are there `modules.json` with the
    /// pooling, which must be the mean, and the limit of tokens (`max_seq_length` in `sentence_bert_config.json`, else `model_max_length` in
    /// `tokenizer_config.json`, else as many as there are positions).
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that says what is wrong with a file.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        for module in json::<Vec<Module>>(&folder.join("modules.json"), JSON)?.unwrap_or_default() {
            check(folder, &module)?;
        }
        let limits = |file: &str| Ok::<_, Error>(json::<Limits>(&folder.join(file), JSON)?.unwrap_or_default());
        let limit = match limits("sentence_bert_config.json")?.max_seq_length {
            Some(limit) => Some(limit),
            None => limits("tokenizer_config.json")?.model_max_length,
        };
        // From a float, because a length beyond all measure is written as a whole number that no integer type holds.
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        let weights = weights(folder)?;
        let file = Checkpoint::open(&weights)?;
        Ok(Self(Encoder::open(&part(&file, &["", "bert."]), &weights, limit)?))
    }
}

/// Refuses what is done to a text's states otherwise than by their mean.
fn check(folder: &Path, module: &Module) -> Result<()> {
    let kind = module.kind.rsplit('.').next().unwrap_or_default();
    let other = |found: String| {
        Error::input(folder.display(), found, "a BERT, the mean of its states, and unit length")
            .with_hint("FENSE is defined with sentence-transformers/paraphrase-TinyBERT-L6-v2")
    };
    match kind {
        "Transformer" | "Normalize" => Ok(()),
        "Pooling" => {
            let pooling: Pooling = json(&folder.join(&module.path).join("config.json"), JSON)?.unwrap_or_default();
            let mean = pooling.pooling_mode.map_or(pooling.pooling_mode_mean_tokens, |mode| mode == "mean");
            if mean { Ok(()) } else { Err(other("another pooling".to_owned())) }
        }
        _ => Err(other(format!("a module '{}'", module.kind))),
    }
}

impl SentenceEncoder for SentenceBert {
    fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let rows = self.0.read(texts, Readout::Mean)?;
        let mut rows = Embeddings::from_vec(self.0.width(), rows)?;
        match rows.normalize().into_iter().position(|good| !good) {
            None => Ok(rows),
            Some(bad) => {
                let text = texts.get(bad).copied().unwrap_or_default();
                Err(Error::input("the sentence encoder", format!("no direction for {text:?}"), "a vector"))
            }
        }
    }
}

//! FENSE's detector of errors of fluency: a BERT, and a linear layer over the state of its first token.

use std::path::Path;

use regex_automata::meta::Regex;

use super::encoder::{Encoder, part};
use crate::formats::checkpoint::Checkpoint;
use crate::metrics::ErrorDetector;
use crate::nn::layers::Linear;
use crate::nn::tensors::lengths;
use crate::towers::encoders::bert::Readout;
use crate::{Error, Result};

/// Tokens of a caption that count (`max_len` in `fense/evaluator.py`).
const LIMIT: usize = 64;

/// What is taken out of captions: what Python's `\w` and `\s` leave over.
const MARKS: &str = r"[^\p{L}\p{N}_\s]";

/// What tells whether a caption has an error of fluency: a tail added, an event or adverb repeated, a conjunction or verb missing.
#[derive(Debug)]
pub struct FluencyDetector {
    encoder: Encoder,
    classes: Linear,
    marks: Regex,
}

impl FluencyDetector {
    /// Opens a checkpoint such as `echecker_clotho_audiocaps_base.ckpt`: tensors `encoder.…` of a BERT, and `clf`, of whose classes the last
    /// is "any error". A `config.json` and a tokenizer beside it are heeded; without, it is a BERT that was trained as bert-base-uncased.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that says what is wrong with a file.
    pub fn open(checkpoint: impl AsRef<Path>) -> Result<Self> {
        let path = checkpoint.as_ref();
        let file = Checkpoint::open(path)?;
        let encoder = Encoder::open(&part(&file, &["encoder."]), path, LIMIT)?;
        let [classes, width] = lengths(&file, "clf.weight")?;
        if width != encoder.width() {
            let subject = format!("{}, tensor clf.weight", path.display());
            return Err(Error::input(subject, format!("{width} columns"), format!("{}", encoder.width())));
        }
        let marks = Regex::new(MARKS).map_err(|cause| Error::Internal(cause.to_string()))?;
        Ok(Self { classes: Linear::load(&file, "clf", width, classes)?, encoder, marks })
    }

    fn without_marks(&self, text: &str) -> String {
        let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
        for mark in self.marks.find_iter(text) {
            // A match begins and ends at characters, and none overlaps another.
            kept.push_str(&text[from..mark.start()]);
            from = mark.end();
        }
        kept.push_str(&text[from..]);
        kept.to_lowercase()
    }
}

impl ErrorDetector for FluencyDetector {
    fn probabilities(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let plain: Vec<String> = texts.iter().map(|text| self.without_marks(text)).collect();
        let logits = self.classes.apply(&self.encoder.read(&plain, Readout::First)?);
        let last = logits.chunks_exact(self.classes.outputs()).filter_map(<[f32]>::last);
        Ok(last.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect())
    }
}

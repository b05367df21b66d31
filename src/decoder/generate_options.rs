//! How captions are written.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How captions are searched for. The paper decodes greedily: `beam` 1, `no_repeat` 0 and no `unique_words`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// Most tokens of a caption, without markers; the decoder's own limit where `None`.
    pub max_tokens: Option<usize>,
    /// Captions kept in parallel; 1 is greedy. The best by log probability over length^0.7 wins. At most 64. The default is 4: a
    /// greedy caption of a small decoder cannot take back a word that leads nowhere.
    pub beam: usize,
    /// 0 takes the likeliest token; from 0.000001 on, tokens are drawn from the softmax of logits over this temperature (then `beam`
    /// is ignored).
    pub temperature: f32,
    /// Drawing is limited to the likeliest tokens that together hold this probability; in (0, 1].
    pub top_p: f32,
    /// Seed of drawing; caption i of a batch draws from a generator of its own.
    pub seed: u64,
    /// No sequence of this many tokens occurs twice in a caption, and no token twice in a row; 0 is off, as in the paper. Without it 27 % of
    /// the small preset's captions repeated a pair of words; with 2, the default, they stay as near to their topic.
    pub no_repeat: usize,
    /// No content word, in whatever form, stands twice in a caption: never "a woman coughs and cough". The function words and stems are
    /// those of English; a decoder that learned from another language is not held to it. On by default; the paper does without.
    pub unique_words: bool,
}

impl GenerateOptions {
    /// Most tokens of a caption.
    #[must_use]
    pub fn max_tokens(self, max_tokens: impl Into<Option<usize>>) -> Self {
        Self { max_tokens: max_tokens.into(), ..self }
    }

    /// Captions kept in parallel.
    #[must_use]
    pub fn beam(self, beam: usize) -> Self {
        Self { beam, ..self }
    }

    /// 0 takes the likeliest token; above, tokens are drawn.
    #[must_use]
    pub fn temperature(self, temperature: f32) -> Self {
        Self { temperature, ..self }
    }

    /// Draws among the likeliest tokens that together hold this probability.
    #[must_use]
    pub fn top_p(self, top_p: f32) -> Self {
        Self { top_p, ..self }
    }

    /// Seed of drawing.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The guard against repeated tokens.
    #[must_use]
    pub fn no_repeat(self, no_repeat: usize) -> Self {
        Self { no_repeat, ..self }
    }

    /// The guard against repeated words.
    #[must_use]
    pub fn unique_words(self, unique_words: bool) -> Self {
        Self { unique_words, ..self }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.beam == 0 || self.beam > 64 {
            return Err(Error::input("beam", self.beam, "1 to 64"));
        }
        // Below a millionth every draw is the likeliest token, and dividing by it overflows.
        if !(self.temperature.is_finite() && (self.temperature == 0.0 || self.temperature >= 1e-6)) {
            return Err(Error::input(
                "generation temperature",
                self.temperature,
                "0, or a number of at least 0.000001",
            ));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(Error::input("top_p", self.top_p, "above 0 and at most 1"));
        }
        Ok(())
    }
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { max_tokens: None, beam: 4, temperature: 0.0, top_p: 1.0, seed: 0, no_repeat: 2, unique_words: true }
    }
}

//! How to caption, and what a caption tells of how it was made.

use serde::{Deserialize, Serialize};

use crate::bridge::Strategy;
use crate::decoder::GenerateOptions;
use crate::memory::{Effort, Scope};
use crate::retrieval::RetrievalOptions;
use crate::{Error, Result};

/// What a caption depends on beside the sound: with the same store, the same caption comes of it. [`CaptionOptions::of`] leads back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parameters {
    /// The decoder that wrote it, by its name in the store; `None` where none took part, or where it came from outside.
    pub decoder: Option<String>,
    /// SHA-256 of its file, in hexadecimal: another training may take its name.
    pub decoder_sha256: Option<String>,
    /// The commit of the store; `None` for stores that have none.
    pub commit: Option<u64>,
    /// Temperature of the projection's softmax.
    pub temperature: f32,
    /// Neighbours that were retrieved, where their number was given.
    pub k: Option<usize>,
    /// The share of the projection's weight that was to be covered, where it was not.
    pub mass: Option<f32>,
    /// Neighbours that are reported, where that is another number than `k` tells.
    pub report: Option<usize>,
    /// True where every stored text was compared and summed.
    pub exact: bool,
    /// The share of the true neighbours that the search aimed at, where it was given.
    pub recall: Option<f32>,
    /// The length of the search's candidate queue, where it was given.
    pub ef: Option<usize>,
    /// The domains that answered; `None` for all.
    pub domains: Option<Vec<String>>,
    /// Tokens of the caption at most, where that was given.
    pub max_tokens: Option<usize>,
    /// Captions that the decoder kept in parallel.
    pub beam: usize,
    /// The temperature at which words were drawn; 0 where the likeliest were taken.
    pub sample: f32,
    /// The probability that the words to draw from held together.
    pub top_p: f32,
    /// Where drawing began.
    pub seed: u64,
    /// No sequence of so many tokens occurs twice in a caption; 0 where that was not minded.
    pub no_repeat: usize,
    /// True where no content word was to stand twice; false where nothing is said of it, as of captions before 0.2.0.
    #[serde(default)]
    pub unique_words: bool,
    /// What the candidates' similarity to what the decoder was given counted beside their likelihood; 0 where it did not count, as before 0.2.0.
    #[serde(default)]
    pub rerank: f32,
}

/// How to caption.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CaptionOptions {
    /// How the gap between audio and text is bridged.
    pub strategy: Strategy,
    /// How neighbours are retrieved.
    pub retrieval: RetrievalOptions,
    /// How the decoder writes.
    pub generate: GenerateOptions,
    /// What a candidate's similarity counts beside its likelihood when the decoder's candidates are ranked anew: the one with the highest log
    /// probability over length^0.7, plus this times the cosine between its embedding and what the decoder was given, wins. 0 leaves their
    /// order. Where no tower embeds texts, and where words are drawn, there is nothing to rank by or to rank.
    pub rerank: f32,
}

impl CaptionOptions {
    /// What [`CaptionOptions::rerank`] is where nothing else is said.
    pub const RERANK: f32 = 10.0;
}

impl Default for CaptionOptions {
    fn default() -> Self {
        let (strategy, retrieval, generate) = Default::default();
        Self { strategy, retrieval, generate, rerank: Self::RERANK }
    }
}

impl CaptionOptions {
    /// The options of a caption that tells its strategy and its [`Parameters`]. Decoder and commit are no options:
    /// [`Captioner::of`](super::Captioner::of) is given these.
    pub fn of(strategy: Strategy, parameters: &Parameters) -> Self {
        let p = parameters;
        let retrieval = RetrievalOptions {
            k: p.k,
            report: p.report,
            effort: Effort { exact: p.exact, recall: p.recall, ef: p.ef },
            mass: p.mass.unwrap_or(RetrievalOptions::default().mass),
            temperature: p.temperature,
            scope: p.domains.as_ref().map_or_else(Scope::all, Scope::domains),
        };
        let generate = GenerateOptions {
            max_tokens: p.max_tokens,
            beam: p.beam,
            temperature: p.sample,
            top_p: p.top_p,
            seed: p.seed,
            no_repeat: p.no_repeat,
            unique_words: p.unique_words,
        };
        Self { strategy, retrieval, generate, rerank: p.rerank }
    }

    /// # Errors
    /// [`Error::Input`] for a weight of the ranking that is none.
    pub(super) fn check(&self) -> Result<()> {
        match self.rerank.is_finite() && self.rerank >= 0.0 {
            true => Ok(()),
            false => Err(Error::input("rerank", self.rerank, "0, or a number above, such as 10")),
        }
    }

    /// Bridges the gap so.
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// Retrieves neighbours so.
    #[must_use]
    pub fn retrieval(self, retrieval: RetrievalOptions) -> Self {
        Self { retrieval, ..self }
    }

    /// Writes so.
    #[must_use]
    pub fn generate(self, generate: GenerateOptions) -> Self {
        Self { generate, ..self }
    }

    /// Ranks candidates so.
    #[must_use]
    pub fn rerank(self, rerank: f32) -> Self {
        Self { rerank, ..self }
    }
}

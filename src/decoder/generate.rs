//! A trained decoder: from an embedding to a caption.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    config::DecoderConfig,
    decoder_file::{Header, read_decoder},
    draft::{Draft, score},
    generate_options::GenerateOptions,
    inference::Weights,
    options::TrainingFacts,
    said::Words,
    search::{drawn, searched},
    vocabulary::Vocabulary,
};
use crate::{EmbeddingSpace, Embeddings, Error, Result, embedding::normalize};

/// A trained decoder, ready to write captions. Cheap to share between threads.
#[derive(Debug)]
pub struct Decoder {
    info: DecoderInfo,
    vocabulary: Vocabulary,
    words: Words,
    weights: Weights,
}

/// What a decoder's file says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DecoderInfo {
    /// Its shape.
    pub config: DecoderConfig,
    /// The embedding space that it reads.
    pub space: EmbeddingSpace,
    /// How it was trained.
    pub training: TrainingFacts,
    /// Numbers in its weights.
    pub parameters: usize,
}

/// A caption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Generated {
    /// The caption as a sentence.
    pub text: String,
    /// Its tokens, without markers.
    pub tokens: usize,
    /// Log probability in nats, the end marker included where it was reached.
    pub log_prob: f32,
}

impl Generated {
    /// What beams are compared by: log probability over length^0.7. Plain sums favour short captions, plain means long ones.
    pub fn score(&self) -> f64 {
        score(f64::from(self.log_prob), self.tokens)
    }
}

impl Decoder {
    /// Reads a decoder's file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is no decoder of this version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (header, tensors) = read_decoder(path)?;
        let parameters = tensors.values().map(|(_, data)| data.len()).sum();
        let Header { config, vocabulary, space, facts } = header;
        let weights = Weights::new(&config, tensors)?;
        Ok(Self {
            info: DecoderInfo { config, space, training: facts, parameters },
            words: Words::new(&vocabulary),
            vocabulary,
            weights,
        })
    }

    /// Shape, space and training.
    pub fn info(&self) -> &DecoderInfo {
        &self.info
    }

    /// Writes the caption of one prefix embedding `[dim]`, which is scaled to unit length first.
    ///
    /// A caption has at least one token, and never the unknown token.
    ///
    /// # Errors
    /// [`Error::Dimension`] when the embedding has another length, [`Error::Input`] when it is zero or not finite, or an option is out of
    /// range.
    pub fn generate(&self, prefix: &[f32], options: &GenerateOptions) -> Result<Generated> {
        self.generate_nth(prefix, options, 0)
    }

    /// Writes the captions of `prefixes` `[n, dim]` in parallel. Each is the same as from [`Decoder::generate`], whatever
    /// the batch and the number of threads (when drawing: for the first; the others draw on their own).
    ///
    /// # Errors
    /// As [`Decoder::generate`].
    pub fn generate_batch(&self, prefixes: &Embeddings, options: &GenerateOptions) -> Result<Vec<Generated>> {
        let rows: Vec<&[f32]> = prefixes.rows().collect();
        rows.par_iter().enumerate().map(|(index, row)| self.generate_nth(row, options, index)).collect()
    }

    /// Writes the captions that the search kept in parallel, at most `beam`, the one that [`Decoder::generate`] gives first.
    ///
    /// # Errors
    /// As [`Decoder::generate`].
    pub fn candidates(&self, prefix: &[f32], options: &GenerateOptions) -> Result<Vec<Generated>> {
        Ok(self.drafts(prefix, options, 0)?.into_iter().map(|draft| self.generated(&draft)).collect())
    }

    fn generate_nth(&self, prefix: &[f32], options: &GenerateOptions, index: usize) -> Result<Generated> {
        let best = self.drafts(prefix, options, index)?.into_iter().next();
        best.map(|best| self.generated(&best))
            .ok_or_else(|| Error::Internal("a search among captions found none".into()))
    }

    fn generated(&self, draft: &Draft<'_>) -> Generated {
        Generated {
            text: self.vocabulary.text(&draft.tokens),
            tokens: draft.tokens.len(),
            log_prob: draft.log_prob as f32,
        }
    }

    /// The captions that the search kept, best first; one where words are drawn.
    pub(super) fn drafts(&self, prefix: &[f32], options: &GenerateOptions, index: usize) -> Result<Vec<Draft<'_>>> {
        options.check()?;
        let draft = self.begin(prefix)?;
        let limit = self.limit(options);
        match options.temperature > 0.0 {
            true => Ok(vec![drawn(draft, limit, options, index)?]),
            false => Ok(searched(draft, limit, options)),
        }
    }

    /// Tokens of a caption at most.
    pub(super) fn limit(&self, options: &GenerateOptions) -> usize {
        let room = self.info.config.max_tokens - 1;
        options.max_tokens.unwrap_or(room).clamp(1, room)
    }

    /// A caption of no token yet.
    pub(super) fn begin(&self, prefix: &[f32]) -> Result<Draft<'_>> {
        if prefix.len() != self.info.config.dim {
            let (found, expected) = (prefix.len(), self.info.config.dim);
            return Err(Error::Dimension { subject: "the prefix embedding".into(), found, expected });
        }
        let mut prefix = prefix.to_vec();
        if normalize(&mut prefix) == 0.0 {
            return Err(Error::input("prefix embedding", "zero or numbers that are not finite", "a direction"));
        }
        Draft::new(self.weights.begin(&prefix), &self.words)
            .ok_or_else(|| Error::Internal("the decoder has no room for a caption".into()))
    }

    /// The tokens that it knows.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

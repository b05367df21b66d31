//! A trained decoder: from an embedding to a caption.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    config::DecoderConfig,
    decoder_file::{Header, read_decoder},
    draft::{Draft, read_all, score},
    generate_options::GenerateOptions,
    inference::Weights,
    options::TrainingFacts,
    said::Words,
    search::{drawn, searched},
    vocabulary::Vocabulary,
};
use crate::{EmbeddingSpace, Embeddings, Error, Result, embedding::normalize};

/// Captions that a thread writes together: with more, the products of matrices gain little.
const TOGETHER: usize = 16;

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
        let best = self.candidates(prefix, options)?.into_iter().next();
        best.ok_or_else(none_found)
    }

    /// Writes the captions of `prefixes` `[n, dim]` in parallel, and those of a thread together. Each is the same as from [`Decoder::generate`], whatever
    /// the batch and the number of threads (when drawing: for the first; the others draw on their own).
    ///
    /// # Errors
    /// As [`Decoder::generate`].
    pub fn generate_batch(&self, prefixes: &Embeddings, options: &GenerateOptions) -> Result<Vec<Generated>> {
        let rows: Vec<&[f32]> = prefixes.rows().collect();
        let together = rows.len().div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER);
        let write = |(group, rows): (usize, &[&[f32]])| -> Result<Vec<Generated>> {
            let found = self.drafts(rows, options, group * together)?;
            found.iter().map(|drafts| Ok(self.generated(drafts.first().ok_or_else(none_found)?))).collect()
        };
        let groups: Vec<_> = rows.par_chunks(together).enumerate().map(write).collect::<Result<_>>()?;
        Ok(groups.concat())
    }

    /// Writes the captions that the search kept in parallel, at most `beam`, the one that [`Decoder::generate`] gives first.
    ///
    /// # Errors
    /// As [`Decoder::generate`].
    pub fn candidates(&self, prefix: &[f32], options: &GenerateOptions) -> Result<Vec<Generated>> {
        let found = self.drafts(&[prefix], options, 0)?;
        Ok(found.iter().flatten().map(|draft| self.generated(draft)).collect())
    }

    fn generated(&self, draft: &Draft<'_>) -> Generated {
        Generated {
            text: self.vocabulary.text(&draft.tokens),
            tokens: draft.tokens.len(),
            log_prob: draft.log_prob as f32,
        }
    }

    /// For each prefix the captions that the search kept, best first; one where words are drawn, the first as draw number `first`.
    pub(super) fn drafts(
        &self,
        prefixes: &[&[f32]],
        options: &GenerateOptions,
        first: usize,
    ) -> Result<Vec<Vec<Draft<'_>>>> {
        options.check()?;
        let begun = self.begin(prefixes)?;
        let limit = self.limit(options);
        if options.temperature > 0.0 {
            let draw = |(draft, index)| Ok(vec![drawn(&self.weights, draft, limit, options, index)?]);
            return begun.into_iter().zip(first..).map(draw).collect();
        }
        Ok(searched(&self.weights, begun, limit, options))
    }

    /// Tokens of a caption at most.
    pub(super) fn limit(&self, options: &GenerateOptions) -> usize {
        let room = self.info.config.max_tokens - 1;
        options.max_tokens.unwrap_or(room).clamp(1, room)
    }

    /// For each prefix a caption of no token yet.
    pub(super) fn begin(&self, prefixes: &[&[f32]]) -> Result<Vec<Draft<'_>>> {
        let prefixes = prefixes.iter().map(|prefix| self.direction(prefix)).collect::<Result<Vec<_>>>()?;
        let sessions = self.weights.begin(&prefixes);
        Ok(sessions.into_iter().map(|session| Draft::new(session, &self.words)).collect())
    }

    /// Reads what was last taken, see [`read_all`].
    pub(super) fn read<'a: 'b, 'b>(&self, drafts: impl IntoIterator<Item = &'b mut Draft<'a>>) {
        read_all(&self.weights, drafts);
    }

    /// A prefix of unit length.
    fn direction(&self, prefix: &[f32]) -> Result<Vec<f32>> {
        if prefix.len() != self.info.config.dim {
            let (found, expected) = (prefix.len(), self.info.config.dim);
            return Err(Error::Dimension { subject: "the prefix embedding".into(), found, expected });
        }
        let mut prefix = prefix.to_vec();
        if normalize(&mut prefix) == 0.0 {
            return Err(Error::input("prefix embedding", "zero or numbers that are not finite", "a direction"));
        }
        Ok(prefix)
    }

    /// The tokens that it knows.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

fn none_found() -> Error {
    Error::Internal("a search among captions found none".into())
}

//! A trained decoder: from an embedding to a caption.

use std::path::Path;

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use rand::RngCore;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    config::DecoderConfig,
    decoder_file::{Header, read_decoder},
    inference::{Session, Weights},
    options::TrainingFacts,
    packing::rng,
    vocabulary::{END, START, UNKNOWN, Vocabulary},
};
use crate::{EmbeddingSpace, Embeddings, Error, Result, embedding::normalize, tensor::Fault};

/// A trained decoder, ready to write captions. Cheap to share between threads.
#[derive(Debug)]
pub struct Decoder {
    info: DecoderInfo,
    vocabulary: Vocabulary,
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

/// How captions are searched for. The paper decodes greedily: `beam` 1 and `no_repeat` 0.
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
    /// Repetition guard: no sequence of this many tokens occurs twice in a caption, and no token twice in a row; 0 is off,
    /// as in the paper. Without it 27 % of the small preset's captions repeated a pair of words; with 2, the default, they
    /// stay as near to their topic.
    pub no_repeat: usize,
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

    /// The repetition guard.
    #[must_use]
    pub fn no_repeat(self, no_repeat: usize) -> Self {
        Self { no_repeat, ..self }
    }
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { max_tokens: None, beam: 4, temperature: 0.0, top_p: 1.0, seed: 0, no_repeat: 2 }
    }
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

/// A caption under way.
#[derive(Clone)]
pub(super) struct Draft<'a> {
    session: Session<'a>,
    pub(super) tokens: Vec<u32>,
    log_prob: f64,
    /// Log probabilities of the next token.
    pub(super) next: Vec<f32>,
    ended: bool,
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
        Ok(Self { info: DecoderInfo { config, space, training: facts, parameters }, vocabulary, weights })
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

    fn generate_nth(&self, prefix: &[f32], options: &GenerateOptions, index: usize) -> Result<Generated> {
        let best = self.write(prefix, options, index)?;
        Ok(Generated {
            text: self.vocabulary.text(&best.tokens),
            tokens: best.tokens.len(),
            log_prob: best.log_prob as f32,
        })
    }

    /// The caption that `options` prefer.
    pub(super) fn write(&self, prefix: &[f32], options: &GenerateOptions, index: usize) -> Result<Draft<'_>> {
        options.check()?;
        let draft = self.begin(prefix)?;
        let limit = self.limit(options);
        if options.temperature > 0.0 { sample(draft, limit, options, index) } else { Ok(search(draft, limit, options)) }
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
        let mut session = self.weights.begin(&prefix);
        let next = session.next(START).map(log_softmax);
        let next = next.ok_or_else(|| Error::Internal("the decoder has no room for a caption".into()))?;
        Ok(Draft { session, tokens: Vec::new(), log_prob: 0.0, next, ended: false })
    }

    /// The tokens that it knows.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

impl GenerateOptions {
    fn check(&self) -> Result<()> {
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

impl Draft<'_> {
    /// True where `token` may come next.
    fn allows(&self, token: u32, no_repeat: usize) -> bool {
        if token == START || token == UNKNOWN {
            return false;
        }
        if token == END {
            return !self.tokens.is_empty();
        }
        let length = self.tokens.len();
        if no_repeat == 0 {
            return true;
        }
        if self.tokens.last() == Some(&token) {
            return false;
        }
        if length < no_repeat {
            return true;
        }
        let last = &self.tokens[length + 1 - no_repeat..];
        !self.tokens.windows(no_repeat).any(|w| w[no_repeat - 1] == token && w[..no_repeat - 1] == *last)
    }

    /// Takes `token`; reads it unless it ends the caption or the limit is reached.
    pub(super) fn take(&mut self, token: u32, limit: usize) {
        self.log_prob += self.next.get(token as usize).copied().map_or(0.0, f64::from);
        if token == END {
            self.ended = true;
            return;
        }
        self.tokens.push(token);
        match self.session.next(token) {
            Some(logits) if self.tokens.len() < limit => self.next = log_softmax(logits),
            _ => self.ended = true,
        }
    }

    /// Log probability over length^0.7: plain sums favour short captions, plain means long ones.
    fn score(&self) -> f64 {
        self.log_prob / ((self.tokens.len() + 1) as f64).powf(0.7)
    }

    /// The `count` likeliest tokens allowed next, likeliest first, the lower number first among equals.
    pub(super) fn likeliest(&self, count: usize, no_repeat: usize) -> Vec<u32> {
        let mut best: Vec<u32> = Vec::with_capacity(count + 1);
        for (token, value) in self.next.iter().enumerate() {
            let full = best.len() == count;
            if full && best.last().is_some_and(|last| self.next[*last as usize] >= *value) {
                continue;
            }
            if self.allows(token as u32, no_repeat) {
                let place = best.partition_point(|other| self.next[*other as usize] >= *value);
                best.insert(place, token as u32);
                best.truncate(count);
            }
        }
        best
    }
}

/// Beam search; greedy where the beam is 1.
fn search<'a>(draft: Draft<'a>, limit: usize, options: &GenerateOptions) -> Draft<'a> {
    let mut drafts = vec![draft];
    while drafts.iter().any(|d| !d.ended) {
        let mut choices: Vec<(usize, Option<u32>, f64)> = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            if draft.ended {
                choices.push((index, None, draft.log_prob));
                continue;
            }
            for token in draft.likeliest(options.beam, options.no_repeat) {
                choices.push((index, Some(token), draft.log_prob + f64::from(draft.next[token as usize])));
            }
        }
        if choices.is_empty() {
            break; // the guard leaves no token: keep what there is
        }
        choices.sort_by(|a, b| b.2.total_cmp(&a.2));
        choices.truncate(options.beam);
        let extend = |(index, token, _): &(usize, Option<u32>, f64)| {
            let mut draft = drafts[*index].clone();
            if let Some(token) = token {
                draft.take(*token, limit);
            }
            draft
        };
        drafts = choices.iter().map(extend).collect();
    }
    let best = drafts.iter().enumerate().max_by(|(i, a), (j, b)| a.score().total_cmp(&b.score()).then(j.cmp(i)));
    let best = best.map_or(0, |(index, _)| index);
    drafts.swap_remove(best)
}

/// Draws one token after the other.
fn sample<'a>(mut draft: Draft<'a>, limit: usize, options: &GenerateOptions, index: usize) -> Result<Draft<'a>> {
    let sampling = Sampling::All { temperature: f64::from(options.temperature) };
    let mut processor = LogitsProcessor::from_sampling(rng(options.seed, 6, index, 0).next_u64(), sampling);
    while !draft.ended {
        // Weights that overflow on the way leave numbers that nothing can be drawn by.
        let allowed = |(token, logit): (usize, &f32)| match draft.allows(token as u32, options.no_repeat) {
            true if logit.is_finite() => *logit,
            _ => f32::NEG_INFINITY,
        };
        let logits: Vec<f32> = draft.next.iter().enumerate().map(allowed).collect();
        if logits.iter().all(|logit| *logit == f32::NEG_INFINITY) {
            break; // no token is left: keep what there is
        }
        let count = logits.len();
        let token = Tensor::from_vec(logits, count, &Device::Cpu)
            .and_then(|logits| processor.sample_f(&logits, |shares| keep_nucleus(shares, options.top_p)))
            .map_err(Fault::from)?;
        draft.take(token, limit);
    }
    Ok(draft)
}

/// Leaves the likeliest tokens that together hold `top_p` of the probability, at least one, and clears the others: what candle's
/// [`Sampling::TopP`] leaves, to the bit, but that sorts the whole vocabulary.
fn keep_nucleus(shares: &mut [f32], top_p: f32) {
    if top_p <= 0.0 || top_p >= 1.0 {
        return;
    }
    // All that hold less than this hold less than is left out. Half of it, so that rounding has room.
    let least = (1.0 - top_p) / shares.len() as f32 / 2.0;
    let likely: Vec<usize> = (0..shares.len()).filter(|token| shares[*token] >= least).collect();
    let kept = nucleus(likely, shares, top_p).or_else(|| nucleus((0..shares.len()).collect(), shares, top_p));
    let Some(kept) = kept else { return }; // rounding took away so much that all are needed
    let kept: Vec<(usize, f32)> = kept.into_iter().map(|token| (token, shares[token])).collect();
    shares.fill(0.0);
    kept.into_iter().for_each(|(token, share)| shares[token] = share);
}

/// The likeliest of `tokens` until they hold `top_p`, if they do.
fn nucleus(mut tokens: Vec<usize>, shares: &[f32], top_p: f32) -> Option<Vec<usize>> {
    tokens.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let mut held = 0.0;
    let enough = tokens.iter().position(|token| {
        held += shares[*token];
        held >= top_p
    })?;
    tokens.truncate(enough + 1);
    Some(tokens)
}

fn log_softmax(mut logits: Vec<f32>) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    let log_sum = f64::from(max) + total.ln();
    logits.iter_mut().for_each(|x| *x = (f64::from(*x) - log_sum) as f32);
    logits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits as a decoder makes them: few that are likely, many that are not, some ruled out, some equal.
    fn logits(case: u64) -> Vec<f32> {
        let mut rng = rng(case, 0, 0, 0);
        let spread = [0.0, 1.0, 5.0, 20.0][case as usize % 4];
        let count = 1 + rng.next_u32() as usize % 3_000;
        let draw = |_| match rng.next_u32() {
            number if number % 5 == 0 => f32::NEG_INFINITY,
            number => (spread * f64::from(number / 5) / f64::from(u32::MAX / 5)).round() as f32 / 2.0,
        };
        let mut logits: Vec<f32> = (0..count).map(draw).collect();
        logits[0] = 1.0;
        logits
    }

    #[test]
    fn the_nucleus_draws_what_candle_draws() {
        for case in 0..400 {
            let logits = Tensor::new(logits(case), &Device::Cpu).unwrap();
            let top_p = [0.05, 0.5, 0.9, 0.999, 0.999_999, 1.0][case as usize % 6];
            let (p, temperature) = (f64::from(top_p), 0.7);
            let mut theirs = LogitsProcessor::from_sampling(case, Sampling::TopP { p, temperature });
            let mut ours = LogitsProcessor::from_sampling(case, Sampling::All { temperature });
            for draw in 0..20 {
                let token = ours.sample_f(&logits, |shares| keep_nucleus(shares, top_p)).unwrap();
                assert_eq!(token, theirs.sample(&logits).unwrap(), "case {case}, draw {draw}");
            }
        }
    }
}

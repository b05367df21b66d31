//! The starter's text tower: all-MiniLM-L6-v2, a BERT of 6 layers and width 384, mean pooling, unit length.
//!
//! Texts are never padded: the tokens of a batch lie one after the other in one matrix for the linear layers, and attention runs over
//! each text by itself. So an embedding has the same bits whatever texts it is computed with, and no time goes into padding.

use std::path::Path;

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;
use tokenizers::{Tokenizer, TruncationParams};

use crate::clap::checkpoint::{Mapped, Tensors};
use crate::clap::gemm::{Packed, multiply, multiply_inline};
use crate::{Error, Result, embedding};

/// Components of an embedding (`hidden_size`).
pub const DIM: usize = 384;

/// Tokens of a text that count, with `[CLS]` and `[SEP]` (`max_seq_length` in `sentence_bert_config.json`).
pub const MAX_TOKENS: usize = 256;

const LAYERS: usize = 6;
const HEADS: usize = 12;
const HEAD: usize = DIM / HEADS;
const INNER: usize = 1536;
const VOCABULARY: usize = 30_522;
const POSITIONS: usize = 512;
const EPSILON: f32 = 1e-12;

/// Tokens that one thread takes through the layers together: enough for the matrix products, small enough for the caches.
const GROUP_TOKENS: usize = 256;

/// The tower, its weights in memory.
#[derive(Debug)]
pub struct MiniLm {
    words: Vec<f32>,
    /// Position embeddings, with the embedding of the one segment that is used added: `[512, 384]`.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Linear {
    weight: Packed,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Layer {
    /// Query, key and value side by side: `384 → 1152`.
    attention: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    expand: Linear,
    contract: Linear,
    norm: Norm,
}

/// Reads `tokenizer.json` of the model, set to cut at [`MAX_TOKENS`] and not to pad.
///
/// # Errors
/// [`Error::Input`] when the file is damaged.
pub fn load_tokenizer(path: &Path) -> Result<Tokenizer> {
    let damaged = |cause: tokenizers::Error| {
        Error::input(path.display(), format!("a damaged file ({cause})"), "a tokenizer in Hugging Face's format")
            .with_hint("run `echoic models verify`, then remove the model and pull it again")
    };
    let mut tokenizer = Tokenizer::from_file(path).map_err(damaged)?;
    let truncation = TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(damaged)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

impl MiniLm {
    /// Reads the weights from `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that names the first missing or misshapen tensor.
    pub fn load(weights: &Path) -> Result<Self> {
        let file = Mapped::open(weights)?;
        let norm = |name: &str| {
            Ok::<_, Error>(Norm {
                gain: file.get(&format!("{name}.weight"), &[DIM])?,
                bias: file.get(&format!("{name}.bias"), &[DIM])?,
            })
        };
        let linear = |names: &[String], inputs: usize, outputs: usize| {
            let (mut weight, mut bias) = (Vec::new(), Vec::new());
            for name in names {
                weight.extend(file.get(&format!("{name}.weight"), &[outputs, inputs])?);
                bias.extend(file.get(&format!("{name}.bias"), &[outputs])?);
            }
            Ok::<_, Error>(Linear { weight: Packed::from_linear(&weight, bias.len(), inputs), bias })
        };
        let mut positions = file.get("embeddings.position_embeddings.weight", &[POSITIONS, DIM])?;
        let segments = file.get("embeddings.token_type_embeddings.weight", &[2, DIM])?;
        for row in positions.chunks_exact_mut(DIM) {
            add(row, &segments[..DIM]);
        }
        let layers = (0..LAYERS).map(|index| {
            let at = |name: &str| format!("encoder.layer.{index}.{name}");
            Ok(Layer {
                attention: linear(&["query", "key", "value"].map(|n| at(&format!("attention.self.{n}"))), DIM, DIM)?,
                attention_out: linear(&[at("attention.output.dense")], DIM, DIM)?,
                attention_norm: norm(&at("attention.output.LayerNorm"))?,
                expand: linear(&[at("intermediate.dense")], DIM, INNER)?,
                contract: linear(&[at("output.dense")], INNER, DIM)?,
                norm: norm(&at("output.LayerNorm"))?,
            })
        });
        Ok(Self {
            words: file.get("embeddings.word_embeddings.weight", &[VOCABULARY, DIM])?,
            positions,
            norm: norm("embeddings.LayerNorm")?,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// Embeds tokenised texts (ids of `[CLS] … [SEP]`, at most [`MAX_TOKENS`] each): unit vectors `[texts, 384]`, in order.
    ///
    /// # Errors
    /// [`Error::Internal`] when an id is outside the vocabulary or a text has no or too many tokens.
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let bad =
            |ids: &&[u32]| ids.is_empty() || ids.len() > MAX_TOKENS || ids.iter().any(|id| *id as usize >= VOCABULARY);
        if texts.iter().any(bad) {
            return Err(Error::Internal("token ids that do not fit the text tower".into()));
        }
        let mut groups = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for (index, ids) in texts.iter().enumerate() {
            if tokens + ids.len() > GROUP_TOKENS && index > start {
                groups.push(&texts[start..index]);
                (start, tokens) = (index, 0);
            }
            tokens += ids.len();
        }
        groups.push(&texts[start..]);
        let parts: Vec<Vec<f32>> = groups.into_par_iter().map(|group| self.embed_group(group)).collect();
        Ok(parts.concat())
    }

    /// One group on the calling thread.
    fn embed_group(&self, texts: &[&[u32]]) -> Vec<f32> {
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        let mut state = Vec::with_capacity(tokens * DIM);
        for ids in texts {
            for (id, position) in ids.iter().zip(self.positions.chunks_exact(DIM)) {
                let word = &self.words[*id as usize * DIM..][..DIM];
                state.extend(word.iter().zip(position).map(|(w, p)| w + p));
            }
        }
        self.norm.apply(&mut state);
        let lengths: Vec<usize> = texts.iter().map(|ids| ids.len()).collect();
        for layer in &self.layers {
            layer.forward(&mut state, &lengths);
        }
        let mut out = Vec::with_capacity(texts.len() * DIM);
        let mut rest = state.as_slice();
        for length in lengths {
            let (text, after) = rest.split_at(length * DIM);
            let mut mean = vec![0.0; DIM];
            text.chunks_exact(DIM).for_each(|row| add(&mut mean, row));
            mean.iter_mut().for_each(|x| *x /= length as f32);
            embedding::normalize(&mut mean);
            out.extend(mean);
            rest = after;
        }
        out
    }
}

impl Layer {
    /// `state` is `[tokens, 384]`; `lengths` says how many rows each text has.
    fn forward(&self, state: &mut [f32], lengths: &[usize]) {
        let mixed = self.attention.apply(state);
        let mut context = vec![0.0; state.len()];
        Arch::new().dispatch(Attention { mixed: &mixed, lengths, context: &mut context });
        add(state, &self.attention_out.apply(&context));
        self.attention_norm.apply(state);
        let mut inner = self.expand.apply(state);
        Arch::new().dispatch(Gelu(&mut inner));
        add(state, &self.contract.apply(&inner));
        self.norm.apply(state);
    }
}

impl Linear {
    fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; input.len() / self.weight.inner() * self.weight.columns()];
        multiply(input, &self.weight, &mut out);
        out.chunks_exact_mut(self.bias.len()).for_each(|row| add(row, &self.bias));
        out
    }
}

impl Norm {
    fn apply(&self, state: &mut [f32]) {
        for row in state.chunks_exact_mut(DIM) {
            let mean = lanes_sum(row, |x| x) / DIM as f32;
            let variance = lanes_sum(row, |x| (x - mean) * (x - mean)) / DIM as f32;
            let scale = 1.0 / (variance + EPSILON).sqrt();
            for ((x, gain), bias) in row.iter_mut().zip(&self.gain).zip(&self.bias) {
                *x = (*x - mean) * scale * gain + bias;
            }
        }
    }
}

/// The sum of `value` over a row in eight running sums, which vectorise; the order is fixed.
fn lanes_sum(row: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; 8];
    for chunk in row.as_chunks::<8>().0 {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += value(*x));
    }
    lanes.iter().sum()
}

fn add(to: &mut [f32], what: &[f32]) {
    to.iter_mut().zip(what).for_each(|(x, y)| *x += y);
}

/// Self-attention of each text over its own tokens; `mixed` is `[tokens, 1152]`, `context` `[tokens, 384]`.
struct Attention<'a> {
    mixed: &'a [f32],
    lengths: &'a [usize],
    context: &'a mut [f32],
}

impl NullaryFnOnce for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = 1.0 / (HEAD as f32).sqrt();
        let (mut mixed, mut context) = (self.mixed, self.context);
        for &length in self.lengths {
            let (rows, rest) = mixed.split_at(length * 3 * DIM);
            mixed = rest;
            let (out, rest) = context.split_at_mut(length * DIM);
            context = rest;
            let mut scores = vec![0.0; length * length];
            let mut result = vec![0.0; length * HEAD];
            for head in 0..HEADS {
                let part = |row: usize, which: usize| &rows[row * 3 * DIM + which * DIM + head * HEAD..][..HEAD];
                let keys = Packed::from_fn(HEAD, length, |k, n| part(n, 1)[k]);
                let values = Packed::from_fn(length, HEAD, |k, n| part(k, 2)[n]);
                let queries: Vec<f32> = (0..length).flat_map(|row| part(row, 0)).map(|x| x * scale).collect();
                multiply_inline(&queries, &keys, &mut scores);
                scores.chunks_exact_mut(length).for_each(softmax);
                multiply_inline(&scores, &values, &mut result);
                for (row, values) in result.chunks_exact(HEAD).enumerate() {
                    out[row * DIM + head * HEAD..][..HEAD].copy_from_slice(values);
                }
            }
        }
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let max = row.iter().fold(f32::NEG_INFINITY, |max, x| max.max(*x));
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
}

/// `x · Φ(x)`, by the error function, not its tanh approximation.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// [`gelu`] in place.
struct Gelu<'a>(&'a mut [f32]);

impl NullaryFnOnce for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for x in self.0.iter_mut() {
            *x = gelu(*x);
        }
    }
}

/// The error function as a ratio of polynomials (Eigen's and XLA's coefficients), within 3e-7; it vectorises, unlike libm's.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] =
        [-2.726_142_4e-10, 2.770_681_3e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_3e-2];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut above = ABOVE[0];
    for c in &ABOVE[1..] {
        above = above.mul_add(square, *c);
    }
    let mut below = BELOW[0];
    for c in &BELOW[1..] {
        below = below.mul_add(square, *c);
    }
    x * above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_agrees_with_tabulated_values() {
        let table = [
            (0.0, 0.0),
            (0.1, 0.112_462_9),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (1.5, 0.966_105_1),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
            (6.0, 1.0),
        ];
        for (x, wanted) in table {
            assert!((erf(x) - wanted).abs() < 5e-7, "erf({x}) = {}", erf(x));
            assert!((erf(-x) + wanted).abs() < 5e-7, "erf(-{x})");
        }
    }
}

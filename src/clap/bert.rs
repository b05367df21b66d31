//! BERT and its kin: the text towers of the starter (MiniLM), of WavCaps' CLAP (bert-base-uncased) and of LAION's (RoBERTa).
//!
//! Texts are never padded: the tokens of a batch lie one after the other in one matrix for the linear layers, and attention runs over
//! each text by itself. So an embedding has the same bits whatever texts it is computed with, and no time goes into padding.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::clap::checkpoint::{Tensors, count, lengths};
use crate::clap::gemm::{Packed, multiply_inline};
use crate::clap::layers::{Linear, Norm, add, gelu_all, softmax};
use crate::{Error, Result};

/// Tokens that one thread takes through the layers together: enough for the matrix products, small enough for the caches.
const GROUP_TOKENS: usize = 256;

/// What makes one BERT differ from another; all activations are GELU by the error function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BertConfig {
    pub layers: usize,
    /// Components of a token's state (`hidden_size`).
    pub width: usize,
    pub heads: usize,
    /// Width between the two linear layers behind attention (`intermediate_size`).
    pub inner: usize,
    /// Rows of the word embeddings.
    pub vocabulary: usize,
    /// Rows of the position embeddings.
    pub positions: usize,
    /// The row of a text's first token: 0, or 2 for RoBERTa, whose rows 0 and 1 no token has.
    pub first_position: usize,
    /// Rows of the token-type embeddings, of which the first is used.
    pub types: usize,
    pub epsilon: f32,
    /// Tokens of a text that count, with the first and the last, which every text has.
    pub limit: usize,
}

/// How the states of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readout {
    /// Their mean.
    Mean,
    /// The state of the first token.
    First,
}

/// The encoder, its weights in memory.
#[derive(Debug)]
pub(crate) struct Bert {
    config: BertConfig,
    words: Vec<f32>,
    /// Position embeddings from the first that is used on, with the embedding of the one token type added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    heads: usize,
    /// Query, key and value side by side: `width → 3·width`.
    attention: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    expand: Linear,
    contract: Linear,
    norm: Norm,
}

impl BertConfig {
    /// The sizes that tensors have; the number of heads, the first position, epsilon and the limit are left at 0.
    ///
    /// # Errors
    /// [`Error::Input`] that names a missing or misshapen tensor.
    pub fn of(file: &dyn Tensors) -> Result<Self> {
        let [vocabulary, width] = lengths(file, "embeddings.word_embeddings.weight")?;
        let [positions, _] = lengths(file, "embeddings.position_embeddings.weight")?;
        let [types, _] = lengths(file, "embeddings.token_type_embeddings.weight")?;
        let [inner, _] = lengths(file, "encoder.layer.0.intermediate.dense.weight")?;
        let layers = count(file, "encoder.layer.");
        let unsaid = Self { heads: 0, first_position: 0, epsilon: 0.0, limit: 0, ..crate::clap::starter::MINILM };
        Ok(Self { layers, width, inner, vocabulary, positions, types, ..unsaid })
    }
}

impl Bert {
    /// Reads the weights, named as in Hugging Face's `BertModel`: `embeddings.…`, `encoder.layer.N.…`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that names the first missing or misshapen tensor.
    pub fn load(file: &dyn Tensors, config: BertConfig) -> Result<Self> {
        let BertConfig { width, inner, heads, epsilon, .. } = config;
        if heads == 0 || !width.is_multiple_of(heads) || config.first_position + config.limit > config.positions {
            let found = format!("width {width}, {heads} heads, {} positions", config.positions);
            let expected =
                format!("a width of whole heads, and at least {} positions", config.first_position + config.limit);
            return Err(Error::input("the text tower", found, expected));
        }
        let mut positions = file.get("embeddings.position_embeddings.weight", &[config.positions, width])?;
        positions.drain(..config.first_position * width);
        let types = file.get("embeddings.token_type_embeddings.weight", &[config.types, width])?;
        for row in positions.chunks_exact_mut(width) {
            add(row, &types[..width]);
        }
        // Packing takes most of the time, so the layers share it out.
        let layers = (0..config.layers).into_par_iter().map(|index| {
            let at = |name: &str| format!("encoder.layer.{index}.{name}");
            let mixed = ["query", "key", "value"].map(|name| at(&format!("attention.self.{name}")));
            Ok(Layer {
                heads,
                attention: Linear::side_by_side(file, &mixed.each_ref().map(String::as_str), width, width)?,
                attention_out: Linear::load(file, &at("attention.output.dense"), width, width)?,
                attention_norm: Norm::load(file, &at("attention.output.LayerNorm"), width, epsilon)?,
                expand: Linear::load(file, &at("intermediate.dense"), width, inner)?,
                contract: Linear::load(file, &at("output.dense"), inner, width)?,
                norm: Norm::load(file, &at("output.LayerNorm"), width, epsilon)?,
            })
        });
        // Collected before the first error is taken, so that it is the first in order and not in time.
        let layers: Vec<Result<Layer>> = layers.collect();
        Ok(Self {
            words: file.get("embeddings.word_embeddings.weight", &[config.vocabulary, width])?,
            positions,
            norm: Norm::load(file, "embeddings.LayerNorm", width, epsilon)?,
            layers: layers.into_iter().collect::<Result<_>>()?,
            config,
        })
    }

    /// Its sizes.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Reads tokenised texts (ids with the first and the last that every text has, at most the limit each): `[texts, width]`, in order.
    ///
    /// # Errors
    /// [`Error::Internal`] when an id is outside the vocabulary or a text has no or too many tokens.
    pub fn read(&self, texts: &[&[u32]], readout: Readout) -> Result<Vec<f32>> {
        let BertConfig { limit, vocabulary, .. } = self.config;
        let bad = |ids: &&[u32]| ids.is_empty() || ids.len() > limit || ids.iter().any(|id| *id as usize >= vocabulary);
        if texts.iter().any(bad) {
            return Err(Error::Internal("token ids that do not fit the text tower".into()));
        }
        let parts: Vec<Vec<f32>> = groups(texts, rayon::current_num_threads())
            .into_par_iter()
            .map(|group| self.read_group(group, readout))
            .collect();
        Ok(parts.concat())
    }

    /// One group on the calling thread.
    fn read_group(&self, texts: &[&[u32]], readout: Readout) -> Vec<f32> {
        let width = self.config.width;
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        let mut state = Vec::with_capacity(tokens * width);
        for ids in texts {
            for (id, position) in ids.iter().zip(self.positions.chunks_exact(width)) {
                let word = &self.words[*id as usize * width..][..width];
                state.extend(word.iter().zip(position).map(|(w, p)| w + p));
            }
        }
        self.norm.apply(&mut state);
        let lengths: Vec<usize> = texts.iter().map(|ids| ids.len()).collect();
        for layer in &self.layers {
            layer.forward(&mut state, &lengths);
        }
        let mut out = Vec::with_capacity(texts.len() * width);
        let mut rest = state.as_slice();
        for length in lengths {
            let (text, after) = rest.split_at(length * width);
            match readout {
                Readout::First => out.extend_from_slice(&text[..width]),
                Readout::Mean => {
                    let mut mean = vec![0.0; width];
                    text.chunks_exact(width).for_each(|row| add(&mut mean, row));
                    out.extend(mean.iter().map(|x| x / length as f32));
                }
            }
            rest = after;
        }
        out
    }
}

/// Texts in runs of up to [`GROUP_TOKENS`] tokens, or fewer where all threads would not get their share otherwise.
fn groups<'a, 'b>(texts: &'a [&'b [u32]], threads: usize) -> Vec<&'a [&'b [u32]]> {
    let total: usize = texts.iter().map(|ids| ids.len()).sum();
    // As many groups as fill whole rounds of the threads.
    let rounds = total.div_ceil(GROUP_TOKENS * threads).max(1);
    let most = total.div_ceil(rounds * threads).max(1);
    let mut groups = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, ids) in texts.iter().enumerate() {
        if tokens + ids.len() > most && index > start {
            groups.push(&texts[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += ids.len();
    }
    groups.push(&texts[start..]);
    groups
}

impl Layer {
    /// `state` is `[tokens, width]`; `lengths` says how many rows each text has.
    fn forward(&self, state: &mut [f32], lengths: &[usize]) {
        let mixed = self.attention.apply(state);
        let mut context = vec![0.0; state.len()];
        let width = self.attention.outputs() / 3;
        Arch::new().dispatch(Attention {
            width,
            head: width / self.heads,
            mixed: &mixed,
            lengths,
            context: &mut context,
        });
        add(state, &self.attention_out.apply(&context));
        self.attention_norm.apply(state);
        let mut inner = self.expand.apply(state);
        gelu_all(&mut inner);
        add(state, &self.contract.apply(&inner));
        self.norm.apply(state);
    }
}

/// Self-attention of each text over its own tokens; `mixed` is `[tokens, 3·width]`, `context` `[tokens, width]`.
struct Attention<'a> {
    width: usize,
    /// Components of a head.
    head: usize,
    mixed: &'a [f32],
    lengths: &'a [usize],
    context: &'a mut [f32],
}

impl NullaryFnOnce for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { width, head: size, .. } = self;
        let scale = 1.0 / (size as f32).sqrt();
        let (mut mixed, mut context) = (self.mixed, self.context);
        for &length in self.lengths {
            let (rows, rest) = mixed.split_at(length * 3 * width);
            mixed = rest;
            let (out, rest) = context.split_at_mut(length * width);
            context = rest;
            let mut scores = vec![0.0; length * length];
            let mut result = vec![0.0; length * size];
            for head in 0..width / size {
                let part = |row: usize, which: usize| &rows[row * 3 * width + which * width + head * size..][..size];
                let keys = Packed::from_fn(size, length, |k, n| part(n, 1)[k]);
                let values = Packed::from_fn(length, size, |k, n| part(k, 2)[n]);
                let queries: Vec<f32> = (0..length).flat_map(|row| part(row, 0)).map(|x| x * scale).collect();
                multiply_inline(&queries, &keys, &mut scores);
                scores.chunks_exact_mut(length).for_each(softmax);
                multiply_inline(&scores, &values, &mut result);
                for (row, values) in result.chunks_exact(size).enumerate() {
                    out[row * width + head * size..][..size].copy_from_slice(values);
                }
            }
        }
    }
}

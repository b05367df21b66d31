//! BERT and its kin: the text towers of the starter (MiniLM), of WavCaps' CLAP (bert-base-uncased) and of LAION's (RoBERTa).

use rayon::prelude::*;

use crate::nn::functions::{add, gelu_all};
use crate::nn::layers::{Linear, Norm};
use crate::nn::packed_attention::{InputEmbeddings, Mask, attend};
use crate::nn::tensors::{Tensors, count, lengths};
use crate::{Error, Result};

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
    /// Places begin with the first that is used, and have the embedding of the one token type added.
    inputs: InputEmbeddings,
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

/// Components of a head in every BERT whose checkpoint does not say how many heads there are.
const HEAD: usize = 64;

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
        let (heads, first_position, epsilon, limit) = (0, 0, 0.0, 0);
        Ok(Self { layers, width, heads, inner, vocabulary, positions, first_position, types, epsilon, limit })
    }

    /// [`BertConfig::of`] with the heads and the epsilon that every BERT without a configuration has; the limit is left at 0.
    ///
    /// # Errors
    /// As [`BertConfig::of`].
    pub fn unconfigured(file: &dyn Tensors) -> Result<Self> {
        let config = Self::of(file)?;
        Ok(Self { heads: (config.width / HEAD).max(1), epsilon: 1e-12, ..config })
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
            inputs: InputEmbeddings {
                width,
                words: file.get("embeddings.word_embeddings.weight", &[config.vocabulary, width])?,
                places: positions,
            },
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
        self.inputs.in_groups(texts, self.config.limit, |group| self.read_group(group, readout))
    }

    /// One group on the calling thread.
    fn read_group(&self, texts: &[&[u32]], readout: Readout) -> Vec<f32> {
        let width = self.config.width;
        let mut state = self.inputs.of(texts);
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

impl Layer {
    /// `state` is `[tokens, width]`; `lengths` says how many rows each text has.
    fn forward(&self, state: &mut [f32], lengths: &[usize]) {
        let mixed = self.attention.apply(state);
        let context = attend(&mixed, lengths, self.attention.outputs() / 3, self.heads, Mask::Full);
        add(state, &self.attention_out.apply(&context));
        self.attention_norm.apply(state);
        let mut inner = self.expand.apply(state);
        gelu_all(&mut inner);
        add(state, &self.contract.apply(&inner));
        self.norm.apply(state);
    }
}

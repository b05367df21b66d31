//! GPT-2, the text tower of Microsoft's CLAP of 2023 (Radford et al., 2019).
//!
//! Norms stand before attention and before the feed-forward layers, and once more behind the last layer; a token attends to itself and to those
//! before it, so what follows a token, such as padding, does not change its state.

use rayon::prelude::*;

use crate::nn::functions::{add, gelu_tanh_all};
use crate::nn::layers::{Linear, Norm};
use crate::nn::packed_attention::{InputEmbeddings, Mask, attend};
use crate::nn::tensors::{Tensors, count, lengths};
use crate::{Error, Result};

/// Components of a head in every GPT-2 of its makers: a checkpoint does not say how many heads there are.
const HEAD: usize = 64;

/// The epsilon of all norms.
const EPSILON: f32 = 1e-5;

/// The model without its output layer, its weights in memory.
#[derive(Debug)]
pub(crate) struct Gpt2 {
    inputs: InputEmbeddings,
    layers: Vec<Layer>,
    norm: Norm,
}

#[derive(Debug)]
struct Layer {
    heads: usize,
    attention_norm: Norm,
    /// Query, key and value side by side: `width → 3·width`.
    attention: Linear,
    attention_out: Linear,
    norm: Norm,
    expand: Linear,
    contract: Linear,
}

impl Gpt2 {
    /// Reads the weights, named as in Hugging Face's `GPT2Model`: `wte`, `wpe`, `h.N.…`, `ln_f`. Their shapes tell the sizes.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] that names the first missing or misshapen tensor.
    pub fn load(file: &dyn Tensors) -> Result<Self> {
        let [vocabulary, width] = lengths(file, "wte.weight")?;
        let [places, _] = lengths(file, "wpe.weight")?;
        let [_, inner] = lengths(file, "h.0.mlp.c_fc.weight")?;
        if !width.is_multiple_of(HEAD) {
            let expected = format!("a multiple of {HEAD}, the width of a head of GPT-2");
            return Err(Error::input("the text tower", format!("width {width}"), expected));
        }
        // Packing takes most of the time, so the layers share it out.
        let layers = (0..count(file, "h.")).into_par_iter().map(|index| {
            let at = |name: &str| format!("h.{index}.{name}");
            Ok(Layer {
                heads: width / HEAD,
                attention_norm: Norm::load(file, &at("ln_1"), width, EPSILON)?,
                attention: Linear::transposed(file, &at("attn.c_attn"), width, 3 * width)?,
                attention_out: Linear::transposed(file, &at("attn.c_proj"), width, width)?,
                norm: Norm::load(file, &at("ln_2"), width, EPSILON)?,
                expand: Linear::transposed(file, &at("mlp.c_fc"), width, inner)?,
                contract: Linear::transposed(file, &at("mlp.c_proj"), inner, width)?,
            })
        });
        // Collected before the first error is taken, so that it is the first in order and not in time.
        let layers: Vec<Result<Layer>> = layers.collect();
        Ok(Self {
            inputs: InputEmbeddings {
                width,
                words: file.get("wte.weight", &[vocabulary, width])?,
                places: file.get("wpe.weight", &[places, width])?,
            },
            layers: layers.into_iter().collect::<Result<_>>()?,
            norm: Norm::load(file, "ln_f", width, EPSILON)?,
        })
    }

    /// Components of a token's state.
    pub fn width(&self) -> usize {
        self.inputs.width
    }

    /// Reads tokenised texts: `[texts, width]`, the state of one token of each, in order. `read_at` says which, given a text's tokens.
    ///
    /// # Errors
    /// [`Error::Internal`] when an id is outside the vocabulary, or a text has no tokens or more than there are places.
    pub fn read(&self, texts: &[&[u32]], read_at: fn(&[u32]) -> usize) -> Result<Vec<f32>> {
        let places = self.inputs.places.len() / self.width();
        self.inputs.in_groups(texts, places, |group| self.read_group(group, read_at))
    }

    /// One group on the calling thread.
    fn read_group(&self, texts: &[&[u32]], read_at: fn(&[u32]) -> usize) -> Vec<f32> {
        let width = self.width();
        let mut state = self.inputs.of(texts);
        let lengths: Vec<usize> = texts.iter().map(|ids| ids.len()).collect();
        for layer in &self.layers {
            layer.forward(&mut state, &lengths);
        }
        let mut out = Vec::with_capacity(texts.len() * width);
        let mut rest = state.as_slice();
        for ids in texts {
            let (text, after) = rest.split_at(ids.len() * width);
            out.extend_from_slice(&text[read_at(ids).min(ids.len() - 1) * width..][..width]);
            rest = after;
        }
        self.norm.apply(&mut out);
        out
    }
}

impl Layer {
    /// `state` is `[tokens, width]`; `lengths` says how many rows each text has.
    fn forward(&self, state: &mut [f32], lengths: &[usize]) {
        let mut normed = state.to_vec();
        self.attention_norm.apply(&mut normed);
        let mixed = self.attention.apply(&normed);
        let context = attend(&mixed, lengths, self.attention_out.outputs(), self.heads, Mask::Causal);
        add(state, &self.attention_out.apply(&context));
        normed.copy_from_slice(state);
        self.norm.apply(&mut normed);
        let mut inner = self.expand.apply(&normed);
        gelu_tanh_all(&mut inner);
        add(state, &self.contract.apply(&inner));
    }
}

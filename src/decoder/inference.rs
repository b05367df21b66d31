//! The decoder's forward pass for generation: the next position of several captions at once, with cached keys and values.
//!
//! The captions of a step share each matrix product: the weights, more than any cache holds, pass by once for all of them. A caption has the same
//! bits whichever others are written with it.

use super::{config::DecoderConfig, decoder_file::Tensors};
use crate::embedding::dot_in_lanes;
use crate::nn::functions::{add, exp_unfused, gelu_tanh_and_slope, simd};
use crate::nn::gemm::{Packed, multiply_spread};
use crate::nn::layers::Linear;
use crate::nn::ops::EPSILON;
use crate::{Error, Result};

#[derive(Debug)]
struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    attention_in: Linear,
    attention_out: Linear,
    norm2: Norm,
    up: Linear,
    down: Linear,
}

/// The weights, packed for matrix products.
#[derive(Debug)]
pub(super) struct Weights {
    config: DecoderConfig,
    mapper: [Linear; 2],
    layers: Vec<Layer>,
    norm: Norm,
    tokens: Vec<f32>,
    /// The output embedding: where it is tied, [`Weights::tokens`] once more.
    output: Packed,
    positions: Vec<f32>,
}

/// A caption under way: the keys and values of every position so far.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Per layer `[positions, 2 · width]`: key, then value.
    cache: Vec<Vec<f32>>,
    position: usize,
}

impl Weights {
    pub(super) fn new(config: &DecoderConfig, mut tensors: Tensors) -> Result<Self> {
        let mut take = |name: String| match tensors.remove(&name) {
            Some((_, data)) => Ok(data),
            None => Err(Error::Internal(format!("no weight {name}"))),
        };
        let mut affine = |name: &str| {
            let (weight, bias) = (take(format!("{name}.weight"))?, take(format!("{name}.bias"))?);
            let inputs = weight.len() / bias.len().max(1);
            Ok::<_, Error>(Linear::new(&weight, bias, inputs))
        };
        let mapper = [affine("mapper.0")?, affine("mapper.1")?];
        let mut maps = Vec::new();
        for layer in 0..config.layers {
            let map = |part: &str| format!("layers.{layer}.{part}");
            maps.push([
                affine(&map("attention.in"))?,
                affine(&map("attention.out"))?,
                affine(&map("mlp.up"))?,
                affine(&map("mlp.down"))?,
            ]);
        }
        let mut norm = |name: String| {
            Ok::<_, Error>(Norm { gain: take(format!("{name}.gain"))?, bias: take(format!("{name}.bias"))? })
        };
        let mut layers = Vec::new();
        for (layer, [attention_in, attention_out, up, down]) in maps.into_iter().enumerate() {
            let (norm1, norm2) = (norm(format!("layers.{layer}.norm1"))?, norm(format!("layers.{layer}.norm2"))?);
            layers.push(Layer { norm1, attention_in, attention_out, norm2, up, down });
        }
        let norm = norm("norm".into())?;
        let (tokens, positions) = (take("tokens".into())?, take("positions".into())?);
        let pack = |rows: &[f32]| Packed::from_linear(rows, config.vocabulary, config.width);
        let output = if config.tied { pack(&tokens) } else { pack(&take("output".into())?) };
        Ok(Self { config: config.clone(), mapper, layers, norm, tokens, output, positions })
    }

    /// Begins a caption for each embedding `[dim]`: runs the mapping network and reads the prefixes.
    pub(super) fn begin(&self, embeddings: &[Vec<f32>]) -> Vec<Session> {
        let mut hidden = self.mapper[0].apply_spread(&embeddings.concat());
        hidden.iter_mut().for_each(|x| *x = x.tanh());
        let prefixes = self.mapper[1].apply_spread(&hidden);
        let fresh = Session { cache: vec![Vec::new(); self.layers.len()], position: 0 };
        let mut sessions = vec![fresh; embeddings.len()];
        let (width, prefix_tokens) = (self.config.width, self.config.prefix_tokens);
        for place in 0..prefix_tokens {
            let of_each = prefixes.chunks_exact(width).skip(place).step_by(prefix_tokens);
            self.read(&mut sessions.iter_mut().collect::<Vec<_>>(), of_each.flatten().copied().collect());
        }
        sessions
    }

    /// Reads a token in each session and returns the logits `[sessions, vocabulary]` of the next; `None` where a session is past the last
    /// position, or a token does not exist: then nothing is read.
    pub(super) fn next(&self, sessions: &mut [&mut Session], tokens: &[u32]) -> Option<Vec<f32>> {
        let width = self.config.width;
        let mut rows = Vec::with_capacity(tokens.len() * width);
        for token in tokens {
            let begin = (*token as usize).checked_mul(width)?;
            rows.extend_from_slice(self.tokens.get(begin..begin + width)?);
        }
        let has_room = |session: &&mut Session| session.position < self.config.positions();
        if sessions.len() != tokens.len() || !sessions.iter().all(has_room) {
            return None;
        }
        let state = self.read(sessions, rows);
        Some(multiply_spread(&self.norm.apply(&state), &self.output))
    }

    /// Runs the blocks on the rows `[sessions, width]` of the next positions; returns the residual stream.
    fn read(&self, sessions: &mut [&mut Session], mut x: Vec<f32>) -> Vec<f32> {
        let width = self.config.width;
        for (row, session) in x.chunks_exact_mut(width).zip(sessions.iter()) {
            add(row, &self.positions[session.position * width..][..width]);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let inner = layer.attention_in.apply_spread(&layer.norm1.apply(&x));
            let mut mixed = Vec::with_capacity(x.len());
            for (row, session) in inner.chunks_exact(3 * width).zip(sessions.iter_mut()) {
                let (query, pair) = row.split_at(width);
                let cache = &mut session.cache[index];
                cache.extend_from_slice(pair);
                mixed.extend(attend(query, cache, self.config.heads));
            }
            add(&mut x, &layer.attention_out.apply_spread(&mixed));
            let mut inner = layer.up.apply_spread(&layer.norm2.apply(&x));
            simd(|| inner.iter_mut().for_each(|x| *x = gelu_tanh_and_slope(*x).0));
            add(&mut x, &layer.down.apply_spread(&inner));
        }
        sessions.iter_mut().for_each(|session| session.position += 1);
        x
    }
}

/// Attention of one query to all cached positions `[positions, 2 · width]`.
fn attend(query: &[f32], cache: &[f32], heads: usize) -> Vec<f32> {
    let width = query.len();
    let size = width / heads;
    let scale = 1.0 / (size as f32).sqrt();
    let mut out = vec![0f32; width];
    let mut scores = vec![0f32; cache.len() / (2 * width)];
    simd(|| {
        for head in 0..heads {
            let columns = head * size..(head + 1) * size;
            let mut max = f32::NEG_INFINITY;
            for (score, row) in scores.iter_mut().zip(cache.chunks_exact(2 * width)) {
                *score = dot_in_lanes::<32>(&query[columns.clone()], &row[columns.clone()]) * scale;
                max = max.max(*score);
            }
            let mut total = 0.0;
            for score in &mut scores {
                *score = exp_unfused(*score - max);
                total += *score;
            }
            for (score, row) in scores.iter().zip(cache.chunks_exact(2 * width)) {
                let (weight, value) = (score / total, &row[width..][columns.clone()]);
                out[columns.clone()].iter_mut().zip(value).for_each(|(out, v)| *out += weight * v);
            }
        }
    });
    out
}

impl Norm {
    /// Of every row.
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let n = self.gain.len() as f32;
        let normal = |row: &[f32]| -> Vec<f32> {
            let mean = row.iter().sum::<f32>() / n;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
            let scale = 1.0 / (variance + EPSILON).sqrt();
            let numbers = row.iter().zip(&self.gain).zip(&self.bias);
            numbers.map(|((x, gain), bias)| (x - mean) * scale * gain + bias).collect()
        };
        x.chunks_exact(self.gain.len()).flat_map(normal).collect()
    }
}

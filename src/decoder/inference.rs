//! The decoder's forward pass for generation: one position at a time in plain loops, with cached keys and values.

use super::{config::DecoderConfig, decoder_file::Tensors};
use crate::embedding::dot_in_lanes;
use crate::nn::functions::{exp_unfused, gelu_tanh_and_slope, simd};
use crate::nn::ops::EPSILON;
use crate::{Error, Result};

/// An affine map: weight `[out, in]` row-major, bias `[out]`.
#[derive(Debug)]
struct Affine {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    attention_in: Affine,
    attention_out: Affine,
    norm2: Norm,
    up: Affine,
    down: Affine,
}

/// The weights, laid out for products with one vector.
#[derive(Debug)]
pub(super) struct Weights {
    config: DecoderConfig,
    mapper: [Affine; 2],
    layers: Vec<Layer>,
    norm: Norm,
    tokens: Vec<f32>,
    /// The output embedding; `None` where it is the input embedding.
    output: Option<Vec<f32>>,
    positions: Vec<f32>,
}

/// A caption under way: the keys and values of every position so far.
#[derive(Debug, Clone)]
pub(super) struct Session<'a> {
    weights: &'a Weights,
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
            Ok::<_, Error>(Affine { weight: take(format!("{name}.weight"))?, bias: take(format!("{name}.bias"))? })
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
        let output = if config.tied { None } else { Some(take("output".into())?) };
        Ok(Self { config: config.clone(), mapper, layers, norm, tokens, output, positions })
    }

    /// Begins a caption: runs the mapping network on `embedding` `[dim]` and reads the prefix.
    pub(super) fn begin(&self, embedding: &[f32]) -> Session<'_> {
        let mut hidden = self.mapper[0].apply(embedding);
        hidden.iter_mut().for_each(|x| *x = x.tanh());
        let prefixes = self.mapper[1].apply(&hidden);
        let mut session = Session { weights: self, cache: vec![Vec::new(); self.layers.len()], position: 0 };
        for row in prefixes.chunks_exact(self.config.width) {
            session.read(row);
        }
        session
    }
}

impl<'a> Session<'a> {
    /// Reads a token and returns the logits `[vocabulary]` of the next; `None` past the last position or for a token that
    /// does not exist.
    pub(super) fn next(&mut self, token: u32) -> Option<Vec<f32>> {
        let weights = self.weights;
        let width = weights.config.width;
        let begin = (token as usize).checked_mul(width)?;
        let row = weights.tokens.get(begin..begin + width)?;
        if self.position >= weights.config.positions() {
            return None;
        }
        let x = weights.norm.apply(&self.read(row));
        let mut logits = vec![0f32; weights.config.vocabulary];
        product(&mut logits, weights.output.as_ref().unwrap_or(&weights.tokens), &x);
        Some(logits)
    }

    /// Runs the blocks on the row of the next position; returns the residual stream.
    fn read(&mut self, row: &[f32]) -> Vec<f32> {
        let weights = self.weights;
        let width = weights.config.width;
        let place = &weights.positions[self.position * width..][..width];
        let mut x: Vec<f32> = row.iter().zip(place).map(|(x, p)| x + p).collect();
        for (layer, cache) in weights.layers.iter().zip(&mut self.cache) {
            let inner = layer.attention_in.apply(&layer.norm1.apply(&x));
            let (query, pair) = inner.split_at(width);
            cache.extend_from_slice(pair);
            add(&mut x, &layer.attention_out.apply(&attend(query, cache, weights.config.heads)));
            let mut inner = layer.up.apply(&layer.norm2.apply(&x));
            simd(|| inner.iter_mut().for_each(|x| *x = gelu_tanh_and_slope(*x).0));
            add(&mut x, &layer.down.apply(&inner));
        }
        self.position += 1;
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

impl Affine {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.bias.clone();
        product(&mut out, &self.weight, x);
        out
    }
}

impl Norm {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let n = x.len() as f32;
        let mean = x.iter().sum::<f32>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        let numbers = x.iter().zip(&self.gain).zip(&self.bias);
        numbers.map(|((x, gain), bias)| (x - mean) * scale * gain + bias).collect()
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// `out += matrix · x`, the matrix row-major.
fn product(out: &mut [f32], matrix: &[f32], x: &[f32]) {
    simd(|| {
        for (out, row) in out.iter_mut().zip(matrix.chunks_exact(x.len())) {
            // With 32 sums the latency of an addition is hidden.
            *out += dot_in_lanes::<32>(row, x);
        }
    });
}

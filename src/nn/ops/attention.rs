//! Causal self-attention over packed sequences.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::kernels::floats;
use crate::embedding::dot_in_lanes;
use crate::nn::functions::{add_scaled, exp_unfused, simd};

/// Causal multi-head attention: for every sequence and head, `softmax(QKᵀ/√d, causal) V`.
///
/// `qkv` `[rows, 3 · width]` holds queries, keys and values side by side, each split into `heads`; sequence i is the rows
/// `offsets[i]..offsets[i + 1]`. The result is `[rows, width]`.
pub fn attention(qkv: &Tensor, offsets: &[usize], heads: usize) -> Result<Tensor> {
    let (rows, triple) = check(qkv, offsets, heads)?;
    let data = floats(qkv)?;
    let (data, width): (&[f32], usize) = (&data, triple / 3);
    let mut out = vec![0f32; rows * width];
    split(&mut out, offsets, width).into_par_iter().zip(offsets.par_windows(2)).for_each(|(out, pair)| {
        let (data, length) = (&data[pair[0] * triple..pair[1] * triple], pair[1] - pair[0]);
        let mut weights = vec![0f32; length];
        simd(|| {
            for head in Head::all(width, heads) {
                for row in 0..length {
                    head.weights(data, row, &mut weights);
                    let out = &mut out[row * width + head.start..][..head.size];
                    for (other, weight) in weights[..=row].iter().enumerate() {
                        add_scaled(out, *weight, head.value(data, other));
                    }
                }
            }
        });
    });
    Tensor::from_vec(out, (rows, width), qkv.device())
}

/// The gradient of `qkv`, given that of [`attention`]'s result. The attention is computed again rather than kept.
pub fn attention_backward(qkv: &Tensor, offsets: &[usize], heads: usize, grad: &Tensor) -> Result<Tensor> {
    let (_, triple) = check(qkv, offsets, heads)?;
    let (data, grads) = (floats(qkv)?, floats(grad)?);
    let (data, grads, width): (&[f32], &[f32], usize) = (&data, &grads, triple / 3);
    let mut out = vec![0f32; data.len()];
    split(&mut out, offsets, triple).into_par_iter().zip(offsets.par_windows(2)).for_each(|(out, pair)| {
        let data = &data[pair[0] * triple..pair[1] * triple];
        let grads = &grads[pair[0] * width..pair[1] * width];
        let (mut weights, mut slopes) = (vec![0f32; pair[1] - pair[0]], vec![0f32; pair[1] - pair[0]]);
        simd(|| {
            for head in Head::all(width, heads) {
                head.backward(data, grads, out, &mut weights, &mut slopes);
            }
        });
    });
    Tensor::from_vec(out, qkv.shape(), qkv.device())
}

/// Rows and columns of `qkv`.
fn check(qkv: &Tensor, offsets: &[usize], heads: usize) -> Result<(usize, usize)> {
    let (rows, triple) = qkv.dims2()?;
    if heads == 0 || triple % (3 * heads) != 0 {
        bail!("{triple} columns are not three times {heads} heads");
    }
    if offsets.first() != Some(&0) || offsets.last() != Some(&rows) || !offsets.is_sorted() {
        bail!("the offsets do not divide {rows} rows");
    }
    Ok((rows, triple))
}

/// Splits `data` with `columns` numbers a row into the pieces of the sequences.
fn split<'a>(mut data: &'a mut [f32], offsets: &[usize], columns: usize) -> Vec<&'a mut [f32]> {
    let mut pieces = Vec::with_capacity(offsets.len());
    for pair in offsets.windows(2) {
        let (piece, rest) = data.split_at_mut((pair[1] - pair[0]) * columns);
        pieces.push(piece);
        data = rest;
    }
    pieces
}

/// The columns of one head in a row of queries, keys and values.
#[derive(Clone, Copy)]
struct Head {
    width: usize,
    start: usize,
    size: usize,
}

impl Head {
    fn all(width: usize, heads: usize) -> impl Iterator<Item = Self> {
        let size = width / heads;
        (0..heads).map(move |head| Self { width, start: head * size, size })
    }

    #[inline(always)]
    fn query<'a>(&self, qkv: &'a [f32], row: usize) -> &'a [f32] {
        &qkv[row * 3 * self.width + self.start..][..self.size]
    }

    #[inline(always)]
    fn key<'a>(&self, qkv: &'a [f32], row: usize) -> &'a [f32] {
        &qkv[row * 3 * self.width + self.width + self.start..][..self.size]
    }

    #[inline(always)]
    fn value<'a>(&self, qkv: &'a [f32], row: usize) -> &'a [f32] {
        &qkv[row * 3 * self.width + 2 * self.width + self.start..][..self.size]
    }

    /// The attention of `row` to rows 0..=row, into `weights`.
    #[inline(always)]
    fn weights(&self, qkv: &[f32], row: usize, weights: &mut [f32]) {
        let scale = 1.0 / (self.size as f32).sqrt();
        let query = self.query(qkv, row);
        let mut max = f32::NEG_INFINITY;
        for (other, weight) in weights[..=row].iter_mut().enumerate() {
            *weight = dot_in_lanes::<8>(query, self.key(qkv, other)) * scale;
            max = max.max(*weight);
        }
        let mut total = 0.0;
        for weight in &mut weights[..=row] {
            *weight = exp_unfused(*weight - max);
            total += *weight;
        }
        weights[..=row].iter_mut().for_each(|weight| *weight /= total);
    }
}

impl Head {
    /// Adds to `out` (laid out as `qkv`) the gradient of one head of one sequence.
    #[inline(always)]
    fn backward(&self, qkv: &[f32], grads: &[f32], out: &mut [f32], weights: &mut [f32], slopes: &mut [f32]) {
        let scale = 1.0 / (self.size as f32).sqrt();
        let (triple, keys, values) = (3 * self.width, self.width + self.start, 2 * self.width + self.start);
        for row in 0..weights.len() {
            self.weights(qkv, row, weights);
            let grad = &grads[row * self.width + self.start..][..self.size];
            let mut mean = 0.0;
            for other in 0..=row {
                slopes[other] = dot_in_lanes::<8>(grad, self.value(qkv, other));
                mean += slopes[other] * weights[other];
                add_scaled(&mut out[other * triple + values..][..self.size], weights[other], grad);
            }
            for other in 0..=row {
                let slope = weights[other] * (slopes[other] - mean) * scale;
                add_scaled(&mut out[row * triple + self.start..][..self.size], slope, self.key(qkv, other));
                add_scaled(&mut out[other * triple + keys..][..self.size], slope, self.query(qkv, row));
            }
        }
    }
}

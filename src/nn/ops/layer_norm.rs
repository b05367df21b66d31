//! Layer normalisation over the last dimension.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::kernels::{BLOCK_ROWS, floats};
use crate::nn::functions::{add_scaled, simd};

/// Added to the variance, as in GPT-2.
pub const EPSILON: f32 = 1e-5;

/// `(x - mean) / sqrt(variance + ε) · gain + bias` for every row: x `[rows, width]`, gain and bias `[width]`.
pub fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (xs, gain, bias) = (floats(x)?, floats(gain)?, floats(bias)?);
    let (xs, gain, bias): (&[f32], &[f32], &[f32]) = (&xs, &gain, &bias);
    let width = gain.len();
    let mut out = vec![0f32; xs.len()];
    out.par_chunks_mut(BLOCK_ROWS * width).zip(xs.par_chunks(BLOCK_ROWS * width)).for_each(|(out, x)| {
        simd(|| {
            for (out, row) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                let (mean, scale) = moments(row);
                for (((out, x), gain), bias) in out.iter_mut().zip(row).zip(gain).zip(bias) {
                    *out = (x - mean) * scale * gain + bias;
                }
            }
        });
    });
    Tensor::from_vec(out, x.shape(), x.device())
}

/// The gradients of x, gain and bias, given that of the result. `residual` `[rows, width]` is added to the first: the
/// gradient that reaches x around the branch that the norm begins.
pub fn layer_norm_backward(
    x: &Tensor,
    gain: &Tensor,
    grad: &Tensor,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let (xs, gains, grads) = (floats(x)?, floats(gain)?, floats(grad)?);
    let (xs, gains, grads): (&[f32], &[f32], &[f32]) = (&xs, &gains, &grads);
    let width = gains.len();
    let mut dx = match residual {
        Some(residual) => floats(residual)?.to_vec(),
        None => vec![0f32; xs.len()],
    };
    let block = BLOCK_ROWS * width;
    let parts: Vec<(Vec<f32>, Vec<f32>)> = dx
        .par_chunks_mut(block)
        .zip(xs.par_chunks(block))
        .zip(grads.par_chunks(block))
        .map(|((dx, x), grad)| backward_block(dx, x, grad, gains))
        .collect();
    let (mut dgain, mut dbias) = (vec![0f32; width], vec![0f32; width]);
    for (gain, bias) in &parts {
        add_scaled(&mut dgain, 1.0, gain);
        add_scaled(&mut dbias, 1.0, bias);
    }
    let vector = |data: Vec<f32>| Tensor::from_vec(data, width, x.device());
    Ok((Tensor::from_vec(dx, x.shape(), x.device())?, vector(dgain)?, vector(dbias)?))
}

/// The sum of `term(i)` for i in 0..count, with eight running sums.
#[inline(always)]
fn sum(count: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; 8];
    let whole = count / 8 * 8;
    let mut begin = 0;
    while begin < whole {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += term(begin + lane);
        }
        begin += 8;
    }
    (whole..count).fold(lanes.iter().sum(), |total, i| total + term(i))
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row.len(), |i| row[i]) / n;
    let variance = sum(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / n;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

/// Adds the gradient of a block of rows to `dx`; returns those of gain and bias.
fn backward_block(dx: &mut [f32], x: &[f32], grad: &[f32], gain: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let width = gain.len();
    let (mut dgain, mut dbias) = (vec![0f32; width], vec![0f32; width]);
    let (mut normal, mut slope) = (vec![0f32; width], vec![0f32; width]);
    simd(|| {
        let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(grad.chunks_exact(width));
        for ((dx, x), grad) in rows {
            let (mean, scale) = moments(x);
            for i in 0..width {
                normal[i] = (x[i] - mean) * scale;
                slope[i] = grad[i] * gain[i];
                dgain[i] += grad[i] * normal[i];
                dbias[i] += grad[i];
            }
            let (normal, slope) = (&normal[..width], &slope[..width]);
            let level = sum(width, |i| slope[i]) / width as f32;
            let tilt = sum(width, |i| slope[i] * normal[i]) / width as f32;
            for i in 0..width {
                dx[i] += scale * (slope[i] - level - normal[i] * tilt);
            }
        }
    });
    (dgain, dbias)
}

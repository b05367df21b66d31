//! Layer normalisation over the last dimension.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::kernels::{BLOCK_ROWS, add_scaled, floats, simd, slice};

/// Added to the variance, as in GPT-2.
pub const EPSILON: f32 = 1e-5;

struct LayerNorm;

/// `(x - mean) / sqrt(variance + ε) · gain + bias` for every row: x `[rows, width]`, gain and bias `[width]`.
pub fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3(gain, bias, LayerNorm)
}

/// Mean and reciprocal standard deviation of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let mut lanes = [0f32; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for lane in 0..8 {
            lanes[lane] += chunk[lane];
        }
    }
    let mean = (lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()) / n;
    let mut lanes = [0f32; 8];
    for chunk in chunks {
        for lane in 0..8 {
            lanes[lane] += (chunk[lane] - mean) * (chunk[lane] - mean);
        }
    }
    let rest: f32 = rest.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, 1.0 / ((lanes.iter().sum::<f32>() + rest) / n + EPSILON).sqrt())
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gain: &CpuStorage,
        gain_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, gain, bias) = (slice(x, x_layout)?, slice(gain, gain_layout)?, slice(bias, bias_layout)?);
        let width = gain.len();
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(BLOCK_ROWS * width).zip(x.par_chunks(BLOCK_ROWS * width)).for_each(|(out, x)| {
            simd(|| {
                for (out, row) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                    let (mean, scale) = moments(row);
                    for i in 0..width {
                        out[i] = (row[i] - mean) * scale * gain[i] + bias[i];
                    }
                }
            });
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _bias: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (xs, gains, grads) = (floats(x)?, floats(gain)?, floats(&grad)?);
        let width = gains.len();
        let mut dx = vec![0f32; xs.len()];
        let (xs, gains, grads): (&[f32], &[f32], &[f32]) = (&xs, &gains, &grads);
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
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), x.device())?),
            Some(Tensor::from_vec(dgain, width, x.device())?),
            Some(Tensor::from_vec(dbias, width, x.device())?),
        ))
    }
}

fn backward_block(dx: &mut [f32], x: &[f32], grad: &[f32], gain: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let width = gain.len();
    let (mut dgain, mut dbias) = (vec![0f32; width], vec![0f32; width]);
    simd(|| {
        let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(grad.chunks_exact(width));
        for ((dx, x), grad) in rows {
            let (mean, scale) = moments(x);
            let (mut sums, mut products) = ([0f32; 8], [0f32; 8]);
            for i in 0..width {
                let normal = (x[i] - mean) * scale;
                dgain[i] += grad[i] * normal;
                dbias[i] += grad[i];
                dx[i] = grad[i] * gain[i];
            }
            for (i, (d, x)) in dx.iter().zip(x).enumerate() {
                sums[i % 8] += d;
                products[i % 8] += d * (x - mean) * scale;
            }
            let sum = sums.iter().sum::<f32>() / width as f32;
            let product = products.iter().sum::<f32>() / width as f32;
            for (d, x) in dx.iter_mut().zip(x) {
                *d = scale * (*d - sum - (x - mean) * scale * product);
            }
        }
    });
    (dgain, dbias)
}

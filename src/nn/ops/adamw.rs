//! Adam with decoupled weight decay, one pass over each parameter.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::kernels::{change, floats};
use crate::nn::functions::simd;

/// Numbers of one parallel task.
const BLOCK: usize = 1 << 14;

/// The running means of a parameter's gradient and of its square.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Mean of the gradient.
    pub first: Vec<f32>,
    /// Mean of its square.
    pub second: Vec<f32>,
}

impl Moments {
    /// Zeros for a parameter of `len` numbers.
    pub fn new(len: usize) -> Self {
        Self { first: vec![0.0; len], second: vec![0.0; len] }
    }
}

/// One step of AdamW (Adam where `decay` is 0).
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Weight decay, times the learning rate per step.
    pub decay: f64,
    /// The gradient is multiplied by this first (clipping).
    pub scale: f64,
    /// Which step this is, from 1.
    pub step: u64,
}

impl AdamW {
    /// Updates `parameter` in place.
    pub fn apply(&self, parameter: &Tensor, gradient: &Tensor, moments: &mut Moments) -> Result<()> {
        let gradient = gradient.contiguous()?;
        let gradient = floats(&gradient)?;
        let Moments { first, second } = moments;
        let len = parameter.elem_count();
        if gradient.len() != len || first.len() != len || second.len() != len {
            bail!("parameter, gradient and moments differ in length");
        }
        let (beta1, beta2, scale) = (self.beta1 as f32, self.beta2 as f32, self.scale as f32);
        let power = i32::try_from(self.step).unwrap_or(i32::MAX);
        let step = (self.rate / (1.0 - self.beta1.powi(power))) as f32;
        let root = (1.0 / (1.0 - self.beta2.powi(power)).sqrt()) as f32;
        let (epsilon, keep) = (self.epsilon as f32, (1.0 - self.rate * self.decay) as f32);
        change(parameter, |data| {
            data.par_chunks_mut(BLOCK)
                .zip(gradient.par_chunks(BLOCK))
                .zip(first.par_chunks_mut(BLOCK))
                .zip(second.par_chunks_mut(BLOCK))
                .for_each(|(((data, gradient), first), second)| {
                    simd(move || {
                        for (((x, g), m), v) in data.iter_mut().zip(gradient).zip(first).zip(second) {
                            let g = g * scale;
                            *m = beta1 * *m + (1.0 - beta1) * g;
                            *v = beta2 * *v + (1.0 - beta2) * g * g;
                            *x = keep * *x - step * *m / (v.sqrt() * root + epsilon);
                        }
                    });
                });
        })
    }
}

/// The sum of squares of a gradient, in a fixed order.
pub fn squared_norm(gradient: &Tensor) -> Result<f64> {
    let gradient = gradient.contiguous()?;
    let data = floats(&gradient)?;
    let parts: Vec<f64> = data
        .par_chunks(BLOCK)
        .map(|block| {
            let mut lanes = [0f32; 8];
            let (chunks, rest) = block.as_chunks::<8>();
            simd(|| chunks.iter().for_each(|chunk| (0..8).for_each(|i| lanes[i] += chunk[i] * chunk[i])));
            lanes[0] += rest.iter().map(|x| x * x).sum::<f32>();
            lanes.iter().map(|x| f64::from(*x)).sum()
        })
        .collect();
    Ok(parts.iter().sum())
}

//! Cross-entropy between logits and target tokens.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::kernels::{exp, floats, simd, slice};

struct CrossEntropy {
    targets: Arc<[u32]>,
    smoothing: f32,
    /// Per row `ln Σ exp(logit)`, kept from the forward pass.
    log_sums: OnceLock<Vec<f32>>,
}

/// The mean cross-entropy in nats, a scalar: logits `[rows, vocabulary]`, one target a row. With label smoothing ε the
/// target distribution is `(1 - ε)` on the target and ε spread evenly over the vocabulary.
pub fn cross_entropy(logits: &Tensor, targets: Arc<[u32]>, smoothing: f32) -> Result<Tensor> {
    let (rows, vocabulary) = logits.dims2()?;
    if rows == 0 || targets.len() != rows || targets.iter().any(|t| *t as usize >= vocabulary) {
        bail!("{} targets do not fit logits of shape [{rows}, {vocabulary}]", targets.len());
    }
    logits.apply_op1(CrossEntropy { targets, smoothing, log_sums: OnceLock::new() })
}

/// The maximum with eight running maxima.
#[inline(always)]
fn maximum(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for lane in 0..8 {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// `ln Σ exp(x)` and `Σ x` of a row.
#[inline(always)]
fn sums(row: &[f32]) -> (f32, f32) {
    let max = maximum(row);
    let (mut exponentials, mut plain) = ([0f32; 8], [0f32; 8]);
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for lane in 0..8 {
            exponentials[lane] += exp(chunk[lane] - max);
            plain[lane] += chunk[lane];
        }
    }
    let total = exponentials.iter().sum::<f32>() + rest.iter().map(|x| exp(x - max)).sum::<f32>();
    (max + total.ln(), plain.iter().sum::<f32>() + rest.iter().sum::<f32>())
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, vocabulary) = layout.shape().dims2()?;
        let logits = slice(logits, layout)?;
        let (log_sums, losses): (Vec<f32>, Vec<f32>) = logits
            .par_chunks(vocabulary)
            .zip(self.targets.par_iter())
            .map(|(row, target)| {
                let (log_sum, sum) = simd(|| sums(row));
                let mean = sum / vocabulary as f32;
                let expected = (1.0 - self.smoothing) * row[*target as usize] + self.smoothing * mean;
                (log_sum, log_sum - expected)
            })
            .unzip();
        let total: f64 = losses.iter().map(|x| f64::from(*x)).sum();
        let _ = self.log_sums.set(log_sums); // set already only if the operation were run twice, with the same values
        Ok((CpuStorage::F32(vec![(total / rows as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, vocabulary) = logits.dims2()?;
        let scale = grad.to_scalar::<f32>()? / rows as f32;
        let Some(log_sums) = self.log_sums.get() else { bail!("backward before forward") };
        let data = floats(logits)?;
        let spread = self.smoothing / vocabulary as f32;
        let mut out = vec![0f32; data.len()];
        let rows = out.par_chunks_mut(vocabulary).zip(data.par_chunks(vocabulary));
        rows.zip(log_sums.par_iter()).zip(self.targets.par_iter()).for_each(|(((out, row), log_sum), target)| {
            simd(|| {
                for (out, x) in out.iter_mut().zip(row) {
                    *out = scale * (exp(x - log_sum) - spread);
                }
            });
            out[*target as usize] -= scale * (1.0 - self.smoothing);
        });
        Ok(Some(Tensor::from_vec(out, logits.shape(), logits.device())?))
    }
}

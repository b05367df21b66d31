//! Cross-entropy between logits and target tokens.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::kernels::{change, floats};
use crate::nn::functions::{exp_unfused, simd};

/// The mean cross-entropy in nats, and per row `ln Σ exp_unfused(logit)`, which the backward pass needs: logits
/// `[rows, vocabulary]`, one target a row. With label smoothing ε the target distribution is `(1 - ε)` on the target and ε
/// spread evenly over the vocabulary.
pub fn cross_entropy(logits: &Tensor, targets: &[u32], smoothing: f32) -> Result<(f64, Vec<f32>)> {
    let (rows, vocabulary) = check(logits, targets)?;
    let data = floats(logits)?;
    let data: &[f32] = &data;
    let (log_sums, losses): (Vec<f32>, Vec<f32>) = data
        .par_chunks(vocabulary)
        .zip(targets.par_iter())
        .map(|(row, target)| {
            let (log_sum, sum) = simd(|| sums(row));
            let mean = sum / vocabulary as f32;
            let expected = (1.0 - smoothing) * row[*target as usize] + smoothing * mean;
            (log_sum, log_sum - expected)
        })
        .unzip();
    let total: f64 = losses.iter().map(|x| f64::from(*x)).sum();
    Ok((total / rows as f64, log_sums))
}

/// The gradient of the logits, given the `log_sums` of [`cross_entropy`]. It takes the place of the logits: they are the largest matrix of a step.
pub fn cross_entropy_backward(logits: Tensor, targets: &[u32], smoothing: f32, log_sums: &[f32]) -> Result<Tensor> {
    let (rows, vocabulary) = check(&logits, targets)?;
    if log_sums.len() != rows {
        bail!("{} sums for {rows} rows", log_sums.len());
    }
    let (scale, spread) = (1.0 / rows as f32, smoothing / vocabulary as f32);
    change(&logits, |data| {
        let rows = data.par_chunks_mut(vocabulary).zip(log_sums).zip(targets);
        rows.for_each(|((row, &log_sum), &target)| {
            // What the closure moves in are numbers: through references the loop reads them again for each logit, one at a time.
            simd(move || {
                for x in row.iter_mut() {
                    *x = scale * (exp_unfused(*x - log_sum) - spread);
                }
                row[target as usize] -= scale * (1.0 - smoothing);
            });
        });
    })?;
    Ok(logits)
}

fn check(logits: &Tensor, targets: &[u32]) -> Result<(usize, usize)> {
    let (rows, vocabulary) = logits.dims2()?;
    if rows == 0 || targets.len() != rows || targets.iter().any(|t| *t as usize >= vocabulary) {
        bail!("{} targets do not fit logits of shape [{rows}, {vocabulary}]", targets.len());
    }
    Ok((rows, vocabulary))
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

/// `ln Σ exp_unfused(x)` and `Σ x` of a row.
#[inline(always)]
fn sums(row: &[f32]) -> (f32, f32) {
    let max = maximum(row);
    let (mut exponentials, mut plain) = ([0f32; 8], [0f32; 8]);
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for lane in 0..8 {
            exponentials[lane] += exp_unfused(chunk[lane] - max);
            plain[lane] += chunk[lane];
        }
    }
    let total = exponentials.iter().sum::<f32>() + rest.iter().map(|x| exp_unfused(x - max)).sum::<f32>();
    (max + total.ln(), plain.iter().sum::<f32>() + rest.iter().sum::<f32>())
}

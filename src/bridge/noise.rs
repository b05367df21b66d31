//! Bridging during training: noise, shift, and the estimate of how much noise the gap needs.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Result, embedding::normalize};

/// The variance σ² of the noise in the paper's experiments (WSAC, section 3.2).
pub const PAPER_NOISE_VARIANCE: f32 = 0.013;

/// What [`estimate_noise_variance`] measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoiseEstimate {
    /// σ: the mean L∞ norm of the differences.
    pub sigma: f32,
    /// σ², as [`inject_noise`] takes it.
    pub variance: f32,
    /// Pairs of captions measured.
    pub pairs: u64,
    /// Clips with at least two captions.
    pub clips: u64,
}

/// Adds `N(0, variance)` to every component, then scales to unit length (WSAC's noise injection, eq. 2).
///
/// The same seed gives the same noise. A variance that is not above 0 only normalises. The length of the noise is about `sqrt(variance · dim)`: 2.6 at the
/// paper's 0.013 and 512 dimensions, so that the noise outweighs the embedding.
pub fn inject_noise(embedding: &mut [f32], variance: f32, seed: u64) {
    inject_noise_from(embedding, variance, &mut ChaCha8Rng::seed_from_u64(seed));
}

/// [`inject_noise`] that goes on where `rng` is.
pub(crate) fn inject_noise_from(embedding: &mut [f32], variance: f32, rng: &mut impl Rng) {
    if variance > 0.0 {
        let sigma = f64::from(variance).sqrt();
        for pair in embedding.chunks_mut(2) {
            let (a, b) = normal_pair(rng);
            for (x, noise) in pair.iter_mut().zip([a, b]) {
                *x += (sigma * noise) as f32;
            }
        }
    }
    normalize(embedding);
}

/// Two independent standard normal numbers (Box-Muller).
fn normal_pair(rng: &mut impl Rng) -> (f64, f64) {
    // 1 - [0, 1) lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
    (radius * cos, radius * sin)
}

/// Adds `delta` and scales to unit length (WSAC's embedding shift, eq. 3: Δ = mean(audio) − mean(text)).
///
/// The authors' code skips the shift where the noise is 0; the paper does not, and neither does this. Components that
/// `delta` lacks stay as they are.
pub fn shift(embedding: &mut [f32], delta: &[f32]) {
    for (x, d) in embedding.iter_mut().zip(delta) {
        *x += d;
    }
    normalize(embedding);
}

/// Estimates the noise from captions of the same clip (WSAC, section 3.2): σ is the mean L∞ norm of the difference of
/// their embeddings over all pairs within a clip, and the variance is σ².
///
/// Each item is one clip: the embeddings `[dim]` of its captions. `None` where no clip has two captions that differ, since
/// then nothing can be estimated.
pub fn estimate_noise_variance<'a, Clip>(clips: impl IntoIterator<Item = Clip>) -> Option<NoiseEstimate>
where
    Clip: IntoIterator<Item = &'a [f32]>,
{
    let (mut total, mut pairs, mut counted) = (0f64, 0u64, 0u64);
    for clip in clips {
        let captions: Vec<&[f32]> = clip.into_iter().collect();
        counted += u64::from(captions.len() > 1);
        for (index, a) in captions.iter().enumerate() {
            for b in &captions[index + 1..] {
                let norm = a.iter().zip(*b).map(|(x, y)| (x - y).abs()).fold(0f32, f32::max);
                total += f64::from(norm);
                pairs += 1;
            }
        }
    }
    let sigma = total / pairs as f64;
    (pairs > 0 && sigma.is_finite() && sigma > 0.0).then_some(NoiseEstimate {
        sigma: sigma as f32,
        variance: (sigma * sigma) as f32,
        pairs,
        clips: counted,
    })
}

/// Refuses a shift of another length than the embeddings, and numbers that are not finite.
pub(crate) fn check_bridge(variance: Option<f32>, delta: Option<&[f32]>, dim: usize) -> Result<()> {
    use crate::Error;
    if let Some(variance) = variance
        && !(variance.is_finite() && variance >= 0.0)
    {
        return Err(Error::input("noise variance", variance, "a number of at least 0, such as 0.013"));
    }
    match delta {
        Some(delta) if delta.len() != dim => {
            Err(Error::input("shift vector", format!("{} components", delta.len()), format!("{dim} components")))
        }
        Some(delta) if delta.iter().any(|x| !x.is_finite()) => {
            Err(Error::input("shift vector", "a component that is not finite", "finite numbers"))
        }
        _ => Ok(()),
    }
}

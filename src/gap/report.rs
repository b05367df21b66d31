//! What a measurement of the gap says.

use serde::{Deserialize, Serialize};

use crate::EmbeddingSpace;
use crate::bridge::{Histogram, NoiseEstimate, Separability};

/// A gap measured. It is kept in a store as it is, but for the shift, which is the tensor of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GapReport {
    /// The embedding space.
    pub space: EmbeddingSpace,
    /// The commit whose texts were looked at.
    pub commit: u64,
    /// The domains that they are of; `None` for all.
    pub domains: Option<Vec<String>>,
    /// What samples and halves were drawn by.
    pub seed: u64,
    /// The stored texts; `None` where there are none.
    pub texts: Option<Side>,
    /// σ for noise, from stored clips that have several captions (WSAC, section 3.2); `None` where there are none.
    pub noise: Option<NoiseEstimate>,
    /// What pairs of sounds and texts tell; `None` without any.
    pub pairs: Option<PairsGap>,
}

/// Embeddings of one modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Side {
    /// How many.
    pub count: u64,
    /// Length of their mean, in 0..=1: 1 where all point the same way.
    pub centroid_length: f64,
    /// Mean cosine of two of them, of all pairs; `None` where there is but one.
    pub within: Option<f64>,
    /// In how many directions they spread: (Σλ)² / Σλ² over the eigenvalues λ of their covariance; `None` where they do not.
    pub participation_ratio: Option<f64>,
    /// Of how many of them that was taken: all, or a sample.
    pub sampled: u64,
}

/// What pairs of a sound and a text tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PairsGap {
    /// Pairs: each text with its sound.
    pub count: u64,
    /// The sounds, each once.
    pub sounds: Side,
    /// The texts.
    pub texts: Side,
    /// The modality gap: the distance of the mean of the sounds from the mean of the texts, over pairs. It is the length of the shift.
    pub distance: f64,
    /// SHA-256 of the shift's numbers, as little-endian f32: decoders note it.
    pub shift_sha256: String,
    /// Cosines of each text and its own sound.
    pub paired: Cosines,
    /// Cosines of texts and sounds of other pairs.
    pub unpaired: Cosines,
    /// Whether a plane tells sounds from texts; `None` for less than four sounds.
    pub separability: Option<Separability>,
    /// The shift Δ: the mean of (sound - text) over pairs, `[dim]`.
    #[serde(skip)]
    pub shift: Vec<f32>,
}

/// Cosines of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cosines {
    /// Their mean.
    pub mean: f64,
    /// How many were looked at: all there are, or a sample.
    pub count: u64,
    /// How they are spread.
    pub histogram: Histogram,
}

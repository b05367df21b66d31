//! Bridging the modality gap: from an audio embedding to the embedding that the decoder reads as its prefix.
//!
//! Audio and text embeddings of one CLAP model lie in two separate cones of the same sphere. A decoder that has seen
//! texts only must therefore be helped, either when it captions (the strategies of WSAC, arXiv 2309.12242, section 2.3)
//! or while it trains (section 2.2):
//!
//! | when | name | what |
//! |---|---|---|
//! | inference | [`Strategy::Direct`] | the audio embedding as it is |
//! | inference | [`Strategy::Nearest`] | the nearest stored text ("NND") |
//! | inference | [`Strategy::Projection`] | the softmax-weighted sum of stored texts ("PD"): [`project`], [`ExactProjector`] |
//! | training | noise | [`inject_noise`] ("NI") with a variance from [`estimate_noise_variance`] |
//! | training | shift | [`shift`] ("ES") |
//!
//! Everything here is a pure function of vectors: no model, no store.
//!
//! ```
//! use echoic::bridge::{Scored, project};
//!
//! let (near, far) = ([1.0, 0.0], [0.0, 1.0]);
//! let neighbours = [
//!     Scored { similarity: 0.50, multiplicity: 1, embedding: &near },
//!     Scored { similarity: 0.49, multiplicity: 1, embedding: &far },
//! ];
//! let projection = project(&neighbours, 0, 0.01)?;
//! assert!((projection.weights[0] - 0.731).abs() < 1e-3);
//! assert_eq!(projection.lost_mass, 0.0);
//! # Ok::<(), echoic::Error>(())
//! ```

mod bounded;
mod cloud;
mod exact;
mod histogram;
mod noise;
mod project;
mod separability;
mod strategy;

pub(crate) use crate::bridge::cloud::{Centroid, participation_ratio};
pub use crate::bridge::exact::{ExactProjection, ExactProjector, project_all};
pub use crate::bridge::histogram::Histogram;
pub use crate::bridge::project::{Projection, Scored, lost_mass, nearest, project};
pub use crate::bridge::separability::Separability;
pub(crate) use crate::bridge::separability::{Halved, separability};
pub use crate::bridge::strategy::Strategy;
pub use noise::{NoiseEstimate, PAPER_NOISE_VARIANCE, estimate_noise_variance, inject_noise, shift};
#[cfg(feature = "decoder")]
pub(crate) use noise::{check_bridge, inject_noise_from};

use crate::{Error, Result};

/// The temperature of the projection in the paper (WSAC eq. 5), τ = 0.01.
pub const PAPER_TEMPERATURE: f32 = 0.01;

/// Refuses temperatures that are not positive and finite.
fn check_temperature(temperature: f32) -> Result<f64> {
    if temperature.is_finite() && temperature > 0.0 {
        return Ok(f64::from(temperature));
    }
    Err(Error::input("temperature", temperature, "a number above 0, such as 0.01"))
}

/// Scales a sum of embeddings to unit length.
fn unit(sum: &[f64]) -> Result<Vec<f32>> {
    let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
    if !norm.is_finite() || norm < 1e-30 {
        return Err(Error::input(
            "projection",
            "stored texts whose weighted embeddings cancel out",
            "embeddings with a common direction",
        )
        .with_hint("caption with the strategy `nearest` instead"));
    }
    Ok(sum.iter().map(|x| (x / norm) as f32).collect())
}

//! An audio tower: log-mel frames in, unit vectors out.

use super::encoders::cnn14::Cnn14;
use super::encoders::htsat::Htsat;
use super::framing::Framing;
use super::projection::Projection;
use crate::Result;

/// An encoder, how it divides a recording into windows, and the projection behind it.
#[derive(Debug)]
pub(crate) struct AudioTower {
    pub encoder: Encoder,
    pub framing: Framing,
    pub projection: Projection,
}

/// What turns log-mel frames into features.
#[derive(Debug)]
pub(crate) enum Encoder {
    Cnn14(Cnn14),
    Htsat(Box<Htsat>),
}

impl Encoder {
    /// The features of a window of log-mel frames `[frames, bands]`.
    pub fn forward(&self, mel: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::Cnn14(tower) => tower.forward(mel),
            Self::Htsat(tower) => tower.forward(mel),
        }
    }
}

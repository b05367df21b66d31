//! How to train an adapter, and what came of it.

use std::path::PathBuf;

use serde::Serialize;

use super::retrieval::Retrieval;
use crate::corpus::Rejected;
use crate::towers::features::Features;
use crate::{Error, Result};

/// How to train.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AlignOptions {
    /// Passes over the clips: each draws as many clips as there are, by their weights and with replacement.
    pub epochs: usize,
    /// Clips in a batch.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// The temperature of the loss, above 0. It stays as it is: a learned one falls to 0.02, where the few kinds of sound that there
    /// are pairs for are told apart best, and sounds and words that it never saw are placed worse than at 0.1.
    pub temperature: f64,
    /// Decides on the split, the first weights, the batches and the dropout.
    pub seed: u64,
    /// The kind of features; the model's default where `None`.
    pub features: Option<Features>,
    /// Where features are kept for the next run; a folder beside the pairs where `None`.
    pub cache: Option<PathBuf>,
    /// The ffmpeg that decodes what is not read otherwise, by its name or path; none where `None`.
    pub ffmpeg: Option<PathBuf>,
}

impl AlignOptions {
    /// Passes over the clips.
    #[must_use]
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// Clips in a batch.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// The highest learning rate.
    #[must_use]
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }

    /// Width of the hidden layer.
    #[must_use]
    pub fn hidden(self, hidden: usize) -> Self {
        Self { hidden, ..self }
    }

    /// The temperature of the loss.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        Self { temperature, ..self }
    }

    /// Seed of everything random.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The kind of features.
    #[must_use]
    pub fn features(self, features: impl Into<Option<Features>>) -> Self {
        Self { features: features.into(), ..self }
    }

    /// Where features are kept for the next run.
    #[must_use]
    pub fn cache(self, cache: impl Into<Option<PathBuf>>) -> Self {
        Self { cache: cache.into(), ..self }
    }

    /// The ffmpeg that decodes what is not read otherwise.
    #[must_use]
    pub fn ffmpeg(self, ffmpeg: impl Into<Option<PathBuf>>) -> Self {
        Self { ffmpeg: ffmpeg.into(), ..self }
    }
}

impl Default for AlignOptions {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch: 128,
            learning_rate: 2e-3,
            hidden: 512,
            temperature: 0.1,
            seed: 1,
            features: None,
            cache: None,
            ffmpeg: None,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AlignReport {
    /// The adapter's file.
    pub out: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Numbers in its layers.
    pub parameters: usize,
    /// The kind of features it takes.
    pub features: String,
    /// Clips learned from.
    pub training_clips: usize,
    /// Clips held out.
    pub validation_clips: usize,
    /// Distinct captions.
    pub captions: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Mean loss of the last epoch.
    pub loss: f64,
    /// Retrieval of the held-out clips' captions with the written file; `None` where no clip was held out.
    pub validation: Option<Retrieval>,
    /// Rows that were left out, and why.
    pub rejected: Vec<Rejected>,
    /// One JSON line an epoch.
    pub log: PathBuf,
    /// Seconds that all of it took.
    pub seconds: f64,
    /// Seconds of them for the features.
    pub feature_seconds: f64,
}

impl AlignOptions {
    /// Refuses what no training could use.
    pub(super) fn check(&self) -> Result<()> {
        let whole =
            [("epochs", self.epochs, 1, 100_000), ("batch", self.batch, 2, 65_536), ("hidden", self.hidden, 1, 16_384)];
        for (name, value, least, most) in whole {
            if !(least..=most).contains(&value) {
                return Err(Error::input(name, value, format!("{least} to {most}")));
            }
        }
        if !(self.temperature > 0.0 && self.temperature <= 100.0) {
            return Err(Error::input("temperature", self.temperature, "more than 0 and at most 100"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return Err(Error::input("learning rate", self.learning_rate, "more than 0 and at most 1"));
        }
        Ok(())
    }
}

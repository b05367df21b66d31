//! The decoder's shape and how it is trained, with the two presets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::Missing;
use crate::{Error, Result};

/// A ready-made shape and training recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// Learns grammatical captions from 12,660 texts in a minute or two on two CPU cores.
    #[default]
    Small,
    /// The shape and schedule of WSAC, section 3.2.
    Paper,
}

impl Preset {
    /// The name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Paper => "paper",
        }
    }

    /// The shape for embeddings of `dim` components and a vocabulary of `vocabulary` tokens.
    pub const fn config(self, dim: usize, vocabulary: usize) -> DecoderConfig {
        match self {
            Self::Small => DecoderConfig {
                dim,
                vocabulary,
                prefix_tokens: 1,
                width: 192,
                layers: 2,
                heads: 4,
                max_tokens: 32,
                tied: true,
            },
            Self::Paper => DecoderConfig {
                dim,
                vocabulary,
                prefix_tokens: 1,
                width: 768,
                layers: 4,
                heads: 4,
                max_tokens: 22,
                tied: true,
            },
        }
    }

    /// The shape with room for texts of these lengths in tokens. The small preset has room for all but the longest twentieth, up to [`LONGEST`]
    /// tokens: captions of music have three times the words of captions of sounds.
    pub(super) fn with_room(self, config: DecoderConfig, mut lengths: Vec<usize>) -> DecoderConfig {
        if self == Self::Paper {
            return config;
        }
        lengths.sort_unstable();
        let most = lengths.get(lengths.len() * 19 / 20).map_or(0, |length| length + 2);
        DecoderConfig { max_tokens: most.min(LONGEST).max(config.max_tokens), ..config }
    }

    /// The recipe with fewer passes over long texts: what turns a training from learning to memorising is words seen, not captions. The small preset
    /// sees [`TOKENS_SEEN`] tokens, or each text four times.
    pub(super) fn with_passes(self, recipe: Recipe, tokens: usize) -> Recipe {
        match self {
            Self::Small => Recipe { epochs: recipe.epochs.min((TOKENS_SEEN / tokens.max(1)).max(4)), ..recipe },
            Self::Paper => recipe,
        }
    }

    /// How it is trained on `texts` different texts of a sentence, where the options say nothing else.
    pub fn recipe(self, texts: usize) -> Recipe {
        match self {
            // About 100,000 captions seen: a corpus of 12,500 eight times. A corpus of half that size turns at eleven times; there,
            // three layers of 256 that saw it eight times, in half as long again, were worse.
            Self::Small => Recipe {
                epochs: (100_000 / texts.max(1)).clamp(4, 60),
                batch: 32,
                learning_rate: 2e-3,
                schedule: Schedule::SMALL,
                weight_decay: 0.1,
                beta2: 0.98,
                dropout: 0.1,
                smoothing: 0.05,
                clip: Some(1.0),
                least_count: if texts < 1000 { 1 } else { 2 },
                informed_start: true,
            },
            Self::Paper => Recipe {
                epochs: 30,
                batch: 64,
                learning_rate: 2e-5,
                schedule: Schedule::PAPER,
                weight_decay: 0.0,
                beta2: 0.999,
                dropout: 0.1,
                smoothing: 0.0,
                clip: None,
                least_count: 1,
                informed_start: false,
            },
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "small" => Ok(Self::Small),
            "paper" => Ok(Self::Paper),
            _ => {
                let known = [Self::Small, Self::Paper].map(|preset| preset.to_string()).to_vec();
                Err(Error::NotFound { kind: Missing::Preset, name: name.to_owned(), known })
            }
        }
    }
}

/// A noise variance for embeddings of `dim` components that keeps a cosine of 0.85 to the text: about what a projection of
/// several near texts has to the nearest of them. Fits the strategies `nearest` and `projection`; on a corpus of 6,000
/// captions 2.5 times as much made their captions worse. The paper's 0.013 ([`crate::bridge::PAPER_NOISE_VARIANCE`], cosine
/// 0.27 at 1,024 components) is meant for `direct`.
pub fn default_noise_variance(dim: usize) -> f32 {
    0.4 / dim.max(1) as f32
}

/// The decoder's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Components of the embedding that it reads.
    pub dim: usize,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Positions that the mapping network fills from one embedding. 1, as in the authors' code (inherited from DeCap).
    pub prefix_tokens: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Tokens of a caption including the start and end markers; longer texts are cut in training.
    pub max_tokens: usize,
    /// Whether the output embedding is the input embedding, as in GPT-2. Files from before 0.2.0 do not say so, and are tied.
    #[serde(default = "tied", skip_serializing_if = "is_tied")]
    pub tied: bool,
}

const fn tied() -> bool {
    true
}

/// Left out where it is as it always was, so that a training stopped by an older version is the same training.
fn is_tied(tied: &bool) -> bool {
    *tied
}

/// Tokens that the small preset learns from unasked, where that takes more than four passes: 100,000 captions of 16 tokens.
const TOKENS_SEEN: usize = 1_600_000;

/// Tokens of the longest captions that room is made for unasked: the time of a training grows with them.
pub const LONGEST: usize = 160;

/// Limits on what a decoder file may ask for, so that a damaged or hostile one cannot exhaust the memory.
const LIMITS: [(&str, usize); 7] = [
    ("dim", 1 << 16),
    ("vocabulary", 1 << 20),
    ("prefix_tokens", 256),
    ("width", 1 << 14),
    ("layers", 256),
    ("heads", 256),
    ("max_tokens", 4096),
];

impl DecoderConfig {
    /// Width of the hidden layer of each block's MLP.
    pub const fn hidden(&self) -> usize {
        4 * self.width
    }

    /// Positions that a sequence can have: the prefix, then start marker and words; the end marker is never read.
    pub const fn positions(&self) -> usize {
        self.prefix_tokens + self.max_tokens
    }

    /// # Errors
    /// When a number is 0 or absurdly large, or the heads do not divide the width.
    pub fn check(&self) -> Result<()> {
        let values =
            [self.dim, self.vocabulary, self.prefix_tokens, self.width, self.layers, self.heads, self.max_tokens];
        for ((name, limit), value) in LIMITS.into_iter().zip(values) {
            if value == 0 || value > limit {
                return Err(Error::input(format!("decoder {name}"), value, format!("1 to {limit}")));
            }
        }
        if !self.width.is_multiple_of(self.heads) || self.max_tokens < 2 {
            return Err(Error::input(
                "decoder shape",
                format!("width {}, {} heads, {} tokens", self.width, self.heads, self.max_tokens),
                "a width that the heads divide and at least 2 tokens",
            ));
        }
        Ok(())
    }
}

/// How a decoder is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Passes over the training texts.
    pub epochs: usize,
    /// Captions a step.
    pub batch: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// AdamW's weight decay on matrices; 0 is Adam.
    pub weight_decay: f64,
    /// Decay of Adam's second moment (that of the first is 0.9).
    pub beta2: f64,
    /// Probability of dropping a number of the input and of each residual branch.
    pub dropout: f32,
    /// Label smoothing.
    pub smoothing: f32,
    /// Largest norm of the whole gradient; `None` for any.
    pub clip: Option<f64>,
    /// A word that occurs less often is unknown to the decoder. Half of the words of a small corpus occur once: they cannot
    /// be learned, but each costs as much time as any other. 1 below 1,000 texts.
    pub least_count: u32,
    /// Token embeddings and mapping network begin in one common geometry, see `informed_start`, rather than at random.
    pub informed_start: bool,
}

/// The learning rate over the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Linear rise over `warm_up` epochs; × `factor` after `every` epochs (counted from the start).
    Steps {
        /// Epochs of linear rise.
        warm_up: f64,
        /// Epochs between decreases.
        every: f64,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Linear rise over the share `warm_up` of the training, then half a cosine down to the share `floor` of the peak.
    Cosine {
        /// Share of the training that rises.
        warm_up: f64,
        /// What remains at the end, relative to the peak.
        floor: f64,
    },
}

impl Schedule {
    /// WSAC's, section 3.2.
    pub const PAPER: Self = Self::Steps { warm_up: 5.0, every: 10.0, factor: 0.2 };
    /// The small preset's.
    pub const SMALL: Self = Self::Cosine { warm_up: 0.05, floor: 0.02 };
}

impl Recipe {
    /// The learning rate when `epoch` passes (with a fraction) are done.
    pub fn rate_at(&self, epoch: f64) -> f64 {
        let factor = match self.schedule {
            Schedule::Steps { warm_up, every, factor } => {
                (epoch / warm_up.max(1e-9)).min(1.0) * factor.powf((epoch / every.max(1e-9)).floor())
            }
            Schedule::Cosine { warm_up, floor } => {
                let done = epoch / (self.epochs.max(1) as f64);
                let rise = (done / warm_up.max(1e-9)).min(1.0);
                let fall = ((done - warm_up) / (1.0 - warm_up).max(1e-9)).clamp(0.0, 1.0);
                rise * (floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * fall).cos()))
            }
        };
        self.learning_rate * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_given_room_and_a_few_outliers_are_not() {
        let room = |preset: Preset, lengths: Vec<usize>| preset.with_room(preset.config(8, 100), lengths).max_tokens;
        assert_eq!(room(Preset::Small, vec![12; 100]), 32);
        assert_eq!(room(Preset::Small, vec![]), 32);
        let music = (1..=100).collect();
        assert_eq!(room(Preset::Small, music), 98);
        let outliers = (0..100).map(|i| if i < 96 { 12 } else { 500 }).collect();
        assert_eq!(room(Preset::Small, outliers), 32);
        assert_eq!(room(Preset::Small, vec![5000; 100]), LONGEST);
        assert_eq!(room(Preset::Paper, vec![80; 100]), 22);
    }

    #[test]
    fn long_texts_are_passed_over_less_often() {
        let epochs = |preset: Preset, texts: usize, length: usize| {
            preset.with_passes(preset.recipe(texts), texts * length).epochs
        };
        assert_eq!((epochs(Preset::Small, 12_660, 10), epochs(Preset::Small, 12_660, 16)), (7, 7));
        assert_eq!((epochs(Preset::Small, 2_500, 10), epochs(Preset::Small, 2_500, 60)), (40, 10));
        assert_eq!((epochs(Preset::Small, 50_000, 10), epochs(Preset::Small, 50_000, 60)), (4, 4));
        assert_eq!(epochs(Preset::Paper, 2_500, 60), 30);
    }
}

//! The names of the ways to make a prefix from an audio embedding.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// How an audio embedding becomes the embedding that the decoder reads (WSAC, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Strategy {
    /// The audio embedding itself; fits a decoder that was trained with noise or shift.
    Direct,
    /// The embedding of the nearest stored text.
    Nearest,
    /// The softmax-weighted sum of stored texts, L2-normalised.
    #[default]
    Projection,
    /// No bridge: the nearest stored text is the caption itself, and no decoder takes part.
    Text,
}

impl Strategy {
    /// All strategies: those of the paper in its order, then the plain one.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Nearest, Self::Projection, Self::Text];

    /// The name on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nearest => "nearest",
            Self::Projection => "projection",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .ok_or_else(|| Error::input("strategy", name, "direct, nearest, projection or text"))
    }
}

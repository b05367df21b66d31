//! What an adapter takes: the kinds of features that a model's audio side gives for a window of sound.

use super::pooling::Pooling;

/// A kind of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Features {
    /// The starter's audio tower has no space of its own: its maps, pooled.
    Maps(Pooling),
    /// A CLAP's own audio embedding, a unit vector of this many components.
    Embedding(usize),
}

impl Features {
    /// The name of embeddings in adapter files; maps go by the name of their pooling.
    pub const EMBEDDING: &str = "embedding";

    /// The name that adapter files use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Maps(pooling) => pooling.name(),
            Self::Embedding(_) => Self::EMBEDDING,
        }
    }

    /// Length of the feature vector.
    pub fn dim(self) -> usize {
        match self {
            Self::Maps(pooling) => pooling.dim(),
            Self::Embedding(dim) => dim,
        }
    }

    /// The kind of that name, of `dim` components.
    pub fn from_name(name: &str, dim: usize) -> Option<Self> {
        let kind = match name {
            Self::EMBEDDING => Self::Embedding(dim),
            pooling => Self::Maps(Pooling::from_name(pooling)?),
        };
        (kind.dim() == dim).then_some(kind)
    }
}

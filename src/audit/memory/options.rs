//! What an audit of a memory looks at.

use serde::Serialize;

use crate::memory::Scope;
use crate::{Embeddings, Error, Result, Snapshot};

/// What an audit of a memory examines, and how closely.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryAuditOptions {
    /// Neighbours of each query; 10 by default.
    pub k: usize,
    /// The cosine from which two texts are near-duplicates; 0.98 by default.
    pub near: f32,
    /// How many stored texts ask for their neighbours; `None` for as many as are read in about a minute.
    pub sample: Option<usize>,
    /// Which captions are examined.
    pub scope: Scope,
    /// The parts; all where it is empty.
    pub parts: Vec<Part>,
    /// How many things a list names; counts are of all.
    pub listed: usize,
    /// What the samples are drawn by: the same store and seed give the same report.
    pub seed: u64,
}

impl Default for MemoryAuditOptions {
    fn default() -> Self {
        Self { k: 10, near: 0.98, sample: None, scope: Scope::all(), parts: Vec::new(), listed: 100, seed: 0 }
    }
}

impl MemoryAuditOptions {
    /// Looks at `k` neighbours of each query.
    #[must_use]
    pub fn k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Takes texts for near-duplicates from this cosine on.
    #[must_use]
    pub fn near(self, near: f32) -> Self {
        Self { near, ..self }
    }

    /// Lets so many stored texts ask.
    #[must_use]
    pub fn sample(self, sample: impl Into<Option<usize>>) -> Self {
        Self { sample: sample.into(), ..self }
    }

    /// Examines the captions of `scope`.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Examines these parts; all where there is none.
    #[must_use]
    pub fn parts(self, parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect(), ..self }
    }

    /// Names so many things in a list.
    #[must_use]
    pub fn listed(self, listed: usize) -> Self {
        Self { listed, ..self }
    }

    /// Draws samples by `seed`.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Refuses what cannot be meant, before anything is done.
    ///
    /// # Errors
    /// [`Error::Input`] for a number that is of no use; [`Error::NotFound`] for a domain that the memory does not have.
    pub fn check(&self, memory: &Snapshot) -> Result<()> {
        if self.k == 0 {
            return Err(Error::input("the number of neighbours", 0, "at least 1"));
        }
        if self.sample == Some(0) {
            return Err(Error::input("the sample", 0, "at least one text"));
        }
        if !(self.near > 0.0 && self.near <= 1.0) {
            return Err(Error::input("the similarity of near-duplicates", self.near, "a cosine above 0 and at most 1"));
        }
        memory.counts(&self.scope).map(|_| ())
    }

    /// Whether a part is examined.
    pub fn examines(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// A part of an audit of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Texts that are stored more than once, or nearly.
    Duplicates,
    /// Texts that too many queries find, and those that none does.
    Hubs,
    /// What domains have in common.
    Overlap,
    /// Texts far from all others.
    Outliers,
    /// What is odd about the texts as they are written.
    Texts,
    /// What searches through indexes miss.
    Recall,
    /// How texts and sounds lie to each other.
    Gap,
}

impl Part {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 7] =
        [Self::Duplicates, Self::Hubs, Self::Overlap, Self::Outliers, Self::Texts, Self::Recall, Self::Gap];
}

/// Sounds that ask the memory, beside its own texts.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioQueries {
    /// What each is called.
    pub names: Vec<String>,
    /// Their embeddings, one a row.
    pub embeddings: Embeddings,
}

//! What a search is asked for, and what it answers with.

use serde::Serialize;

/// Which captions take part: all, or those of some domains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    domains: Option<Vec<String>>,
}

impl Scope {
    /// All captions.
    pub const fn all() -> Self {
        Self { domains: None }
    }

    /// The captions of these domains. Each must exist where the scope is used.
    pub fn domains<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { domains: Some(names.into_iter().map(Into::into).collect()) }
    }

    /// The domains; `None` for all.
    pub fn names(&self) -> Option<&[String]> {
        self.domains.as_deref()
    }

    /// True for a domain that takes part.
    pub fn contains(&self, domain: &str) -> bool {
        self.domains.as_ref().is_none_or(|names| names.iter().any(|name| name == domain))
    }
}

/// How much work a search takes upon itself. The default walks graphs until nearly all of the true neighbours are found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Effort {
    /// Compare with every vector, even where there is a graph.
    pub exact: bool,
    /// The share of the true neighbours to find, above 0 and at most 1. A walk goes on until what is left is farther away than the k-th
    /// nearest by a margin. Each segment measured which margin finds which share when its graph was built, for the 10 nearest to queries
    /// unlike the stored vectors; where no margin finds that many, the segment is scanned. An aim, not a promise. `None` aims at 0.99.
    pub recall: Option<f32>,
    /// Ends a walk by the length of its candidate queue (HNSW's `ef`), whatever `recall` says; more finds more and takes longer. Above
    /// 4,096 segments are scanned.
    pub ef: Option<usize>,
}

impl Effort {
    /// Compares with every vector.
    pub const EXACT: Self = Self { exact: true, recall: None, ef: None };

    /// Aims at a share of the true neighbours.
    pub const fn recall(recall: f32) -> Self {
        Self { exact: false, recall: Some(recall), ef: None }
    }

    /// Ends walks by the length of their candidate queue.
    pub const fn ef(ef: usize) -> Self {
        Self { exact: false, recall: None, ef: Some(ef) }
    }
}

/// What to look for.
///
/// ```
/// use echoic::memory::{Effort, Scope, SearchOptions};
///
/// let options = SearchOptions::default().k(5).scope(Scope::domains(["street"])).effort(Effort::recall(0.9));
/// assert_eq!(options.k, 5);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SearchOptions {
    /// How many neighbours; 10 by default.
    pub k: usize,
    /// Which captions to look among.
    pub scope: Scope,
    /// How much work to take upon itself.
    pub effort: Effort,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { k: 10, scope: Scope::all(), effort: Effort::default() }
    }
}

impl SearchOptions {
    /// Looks for `k` neighbours.
    #[must_use]
    pub fn k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Looks among the captions of `scope`.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Takes so much work upon itself.
    #[must_use]
    pub fn effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }
}

/// A stored caption near a query, of which only the vector is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Hit<'a> {
    /// The caption's id.
    pub id: u64,
    /// Cosine of the angle between query and caption.
    pub similarity: f32,
    /// How many ingested rows carry this text.
    pub multiplicity: u32,
    /// The caption's unit vector, where it lies in the mapped file.
    pub embedding: &'a [f32],
}

/// A stored caption near a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Neighbour {
    /// The caption's id.
    pub id: u64,
    /// Its domain.
    pub domain: String,
    /// Its text.
    pub caption: String,
    /// Cosine of the angle between query and caption.
    pub similarity: f32,
    /// How many ingested rows carry this text.
    pub multiplicity: u32,
    /// The clip that it was first seen with.
    pub clip: Option<String>,
}

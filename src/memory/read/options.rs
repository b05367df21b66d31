//! What a search is asked for, and what it answers with.

use serde::Serialize;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchOptions {
    /// How many neighbours.
    pub k: usize,
    /// Only these domains; all when `None`.
    pub domains: Option<Vec<String>>,
    /// Compare with every vector, even where there is a graph.
    pub exact: bool,
    /// The share of the true neighbours to find, above 0 and at most 1: a walk goes on until what is left is farther away than the k-th
    /// nearest by a slack, which each segment measured when its graph was built, for the 10 nearest to queries unlike the stored vectors;
    /// where no slack finds that many, the segment is scanned. An aim, not a promise. `None` aims at 0.99.
    pub recall: Option<f32>,
    /// Ends a walk by a number of candidates that it keeps, whatever `recall` says; more finds more and takes longer. Above 4,096
    /// segments are scanned.
    pub ef: Option<usize>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { k: 10, domains: None, exact: false, recall: None, ef: None }
    }
}

/// A stored caption near a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

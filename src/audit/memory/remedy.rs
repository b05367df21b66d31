//! What an audit found, and what mends it.

use serde::Serialize;

/// Something that an audit of a memory found, which may be worth mending.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// How many texts, or other things of its kind, it is about.
    pub count: u64,
    /// What was found, in a sentence.
    pub summary: String,
    /// What mends it, the likeliest first. May be empty where nothing is known to.
    pub remedies: Vec<Remedy>,
}

/// How much a finding matters; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Answers are wrong by it.
    High,
    /// Answers are worse by it.
    Medium,
    /// It takes up space, or may be meant.
    Low,
}

/// What kind of thing was found; of equally severe ones those first which answers suffer most from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A search through an index misses neighbours.
    LowRecall,
    /// A segment that is large enough for an index has none.
    NoIndex,
    /// Texts that far too many queries find.
    Hubs,
    /// Texts that are odd as they are written.
    OddTexts,
    /// The same text in several domains.
    IdenticalTexts,
    /// Texts that differ in case, punctuation or white space alone.
    TrivialDuplicates,
    /// Texts whose embeddings are nearly the same.
    NearDuplicates,
    /// A domain of which most texts lie in another, too.
    DomainOverlap,
    /// Sounds that no text is near to.
    UnmatchedSounds,
    /// Texts far from all others.
    Outliers,
    /// Removed captions or small segments that take up time and space.
    Uncompacted,
    /// Texts that no query finds.
    Orphans,
}

/// What mends a finding; a program words it as it does it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "remedy", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// Removing captions.
    RemoveCaptions {
        /// Their ids.
        ids: Vec<u64>,
    },
    /// Removing a domain.
    RemoveDomain {
        /// Its name.
        domain: String,
    },
    /// Ingesting a corrected corpus into a domain, in the place of what its clips had.
    IngestAnew {
        /// The domain.
        domain: String,
    },
    /// Ingesting captions of what is missing.
    IngestMore,
    /// Compacting the store.
    Compact,
    /// Building the indexes that are missing.
    BuildIndexes,
    /// Searching with more effort.
    SearchHarder {
        /// The recall to aim at.
        recall: f32,
    },
}

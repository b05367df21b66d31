//! What is logged of a caption or an audit.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::EmbeddingSpace;
use crate::bridge::Strategy;
use crate::captioner::{Captioned, Parameters};
use crate::file::Fingerprint;
use crate::memory::Snapshot;
use crate::retrieval::Provenance;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Something was captioned.
    Caption,
    /// A caption was taken apart.
    Audit,
}

impl Kind {
    /// The name on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caption => "caption",
            Self::Audit => "audit",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What was captioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Subject {
    /// A sound as a whole.
    Sound,
    /// A window of a sound.
    Window,
    /// A precomputed embedding.
    Embedding,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its number, from 1; later entries have higher ones.
    pub number: u64,
    /// When it was logged, in seconds since 1970.
    pub time: u64,
    /// What was done.
    pub kind: Kind,
    /// What came of it.
    #[serde(flatten)]
    pub record: Record,
}

/// What is noted of a caption, or of an audit of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The version of Echoic.
    pub echoic: String,
    /// The file as it was named, or by its name below `root`.
    pub path: String,
    /// The folder that `path` begins in; `None` where `path` leads to the file by itself.
    pub root: Option<String>,
    /// What was captioned.
    pub subject: Subject,
    /// Row of the file, from 0, where the file holds several embeddings.
    pub row: Option<usize>,
    /// Where the window begins, in seconds.
    pub start: Option<f64>,
    /// Where it ends, in seconds.
    pub end: Option<f64>,
    /// What tells the input from another: that of the sound's file as a whole, or of the embedding.
    pub input: Fingerprint,
    /// The embedding space.
    pub space: EmbeddingSpace,
    /// The domains that the store had; `None` where that is not known.
    pub domains: Option<Vec<String>>,
    /// How the gap was bridged.
    pub strategy: Strategy,
    /// The caption.
    pub caption: String,
    /// The nearest stored texts, nearest first.
    pub neighbours: Vec<Provenance>,
    /// See [`Captioned::lost_mass`].
    pub lost_mass: f32,
    /// What it takes to write the same caption again.
    pub parameters: Parameters,
    /// What an audit found beside the caption.
    pub audit: Option<Value>,
}

impl Record {
    /// What is to be noted of a caption that was made of `input` with this memory.
    pub fn of(captioned: &Captioned, input: Fingerprint, memory: &Snapshot) -> Self {
        let subject = match (captioned.level, captioned.start) {
            (None, _) => Subject::Embedding,
            (Some(_), None) => Subject::Sound,
            (Some(_), Some(_)) => Subject::Window,
        };
        let is_same = captioned.parameters.commit == Some(memory.commit());
        let domains = is_same.then(|| memory.domains().into_iter().map(|domain| domain.name).collect());
        Self {
            echoic: env!("CARGO_PKG_VERSION").to_owned(),
            path: captioned.path.clone(),
            root: None,
            subject,
            row: captioned.row,
            start: captioned.start,
            end: captioned.end,
            input,
            space: memory.space().clone(),
            domains,
            strategy: captioned.strategy,
            caption: captioned.caption.clone(),
            neighbours: captioned.neighbours.clone(),
            lost_mass: captioned.lost_mass,
            parameters: captioned.parameters.clone(),
            audit: None,
        }
    }

    /// The folder that the path begins in.
    #[must_use]
    pub fn root(self, root: impl Into<Option<String>>) -> Self {
        Self { root: root.into(), ..self }
    }

    /// What an audit found beside the caption.
    #[must_use]
    pub fn audit(self, found: impl Into<Option<Value>>) -> Self {
        Self { audit: found.into(), ..self }
    }
}

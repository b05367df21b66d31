//! A segment: some captions of one domain with their vectors, written once and never changed.
//!
//! Its life: `append` or `merge` writes both files and fsyncs them; the commit that names it makes it part of the store; `index` may
//! put a graph beside it; a merge or the removal of the domain drops it from the manifest, and then its files are unlinked.

use std::path::Path;
use std::sync::OnceLock;

use super::captions::{Captions, Record};
use super::graph::Graph;
use super::layout;
use super::manifest::{DomainEntry, SegmentEntry};
use super::vectors::Vectors;
use crate::Result;

/// An open segment.
pub(super) struct Segment {
    pub entry: SegmentEntry,
    pub domain: String,
    pub captions: Captions,
    pub vectors: Vectors,
    dir: std::path::PathBuf,
    /// Looked for at the first search, because reading and checking it takes time that other uses need not spend.
    graph: OnceLock<Option<Graph>>,
}

impl Segment {
    /// Opens the files of `entry` and checks their headers, lengths and tables.
    pub(super) fn open(dir: &Path, entry: &SegmentEntry, domain: &DomainEntry, dim: usize) -> Result<Self> {
        let rows = entry.rows as usize;
        let path = layout::captions(dir, entry.id);
        let captions = Captions::open(&path, entry.captions, entry.id, rows, entry.repeats as usize)?;
        let vectors = Vectors::open(&layout::vectors(dir, entry.id), entry.vectors, entry.id, dim, rows)?;
        Ok(Self {
            entry: entry.clone(),
            domain: domain.name.clone(),
            captions,
            vectors,
            dir: dir.to_path_buf(),
            graph: OnceLock::new(),
        })
    }

    /// Number of captions.
    pub(super) fn rows(&self) -> usize {
        self.entry.rows as usize
    }

    /// The caption of a row: text and clip.
    pub(super) fn text(&self, row: usize) -> Result<(String, Option<String>)> {
        match self.captions.caption(row)? {
            Record::Caption { text, clip, .. } => Ok((text, clip)),
            Record::Repeat { .. } => Err(crate::Error::Internal("a row that is a repeat".into())),
        }
    }

    /// The graph, if a sound one lies beside the segment. A damaged one is reported once and then done without.
    pub(super) fn graph(&self) -> Option<&Graph> {
        let load = || match Graph::open(&layout::graph(&self.dir, self.entry.id), &self.vectors, self.rows()) {
            Ok(graph) => graph,
            Err(error) => {
                tracing::warn!("{error}; the segment is scanned instead, until the graph is built again");
                None
            }
        };
        self.graph.get_or_init(load).as_ref()
    }
}

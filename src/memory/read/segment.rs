//! A segment: some captions of one domain with their vectors, written once and never changed.
//!
//! Its life: `append` or `merge` writes both files and fsyncs them; the commit that names it makes it part of the store; `index` may
//! put a graph beside it, `remove` a list of the rows that are gone; a merge or the removal of the domain drops it from the manifest,
//! and then its files are unlinked.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::Result;
use crate::memory::format::captions::Captions;
use crate::memory::format::layout;
use crate::memory::format::manifest::{DomainEntry, SegmentEntry, TombstoneEntry};
use crate::memory::format::tombstones::Tombstones;
use crate::memory::format::vectors::Vectors;
use crate::memory::nearest::graph::Graph;

/// An open segment. Files are shared between snapshots that differ in removed rows alone.
pub(crate) struct Segment {
    pub entry: SegmentEntry,
    pub domain: String,
    pub captions: Arc<Captions>,
    pub vectors: Arc<Vectors>,
    /// Rows that are removed, if any are.
    pub removed: Option<Tombstones>,
    dir: std::path::PathBuf,
    /// Looked for at the first search, because reading and checking it takes time that other uses need not spend.
    graph: Arc<OnceLock<Option<Graph>>>,
}

impl Segment {
    /// Opens the files of `entry` and checks their headers, lengths and tables.
    pub(crate) fn open(dir: &Path, entry: &SegmentEntry, domain: &DomainEntry, dim: usize) -> Result<Self> {
        let rows = entry.rows as usize;
        let path = layout::captions(dir, entry.id);
        let captions = Captions::open(&path, entry.captions, entry.id, rows, entry.repeats as usize)?;
        let vectors = Vectors::open(&layout::vectors(dir, entry.id), entry.vectors, entry.id, dim, rows)?;
        Ok(Self {
            entry: entry.clone(),
            domain: domain.name.clone(),
            captions: Arc::new(captions),
            vectors: Arc::new(vectors),
            removed: None,
            dir: dir.to_path_buf(),
            graph: Arc::default(),
        })
    }

    /// The same segment with these rows removed, of a domain of this name.
    pub(crate) fn renewed(&self, domain: &DomainEntry, removed: Option<&TombstoneEntry>) -> Result<Self> {
        let removed = removed.map(|entry| Tombstones::open(&self.dir, entry, self.rows())).transpose()?;
        Ok(Self {
            entry: self.entry.clone(),
            domain: domain.name.clone(),
            captions: Arc::clone(&self.captions),
            vectors: Arc::clone(&self.vectors),
            removed,
            dir: self.dir.clone(),
            graph: Arc::clone(&self.graph),
        })
    }

    /// Number of rows in the files, removed ones counted too.
    pub(crate) fn rows(&self) -> usize {
        self.entry.rows as usize
    }

    /// Number of rows that are not removed.
    pub(crate) fn live(&self) -> usize {
        self.rows() - self.removed.as_ref().map_or(0, Tombstones::len)
    }

    /// True for a row that is not removed.
    pub(crate) fn is_live(&self, row: usize) -> bool {
        !self.removed.as_ref().is_some_and(|removed| removed.contains(row))
    }

    /// The rows that are not removed, ascending.
    pub(crate) fn live_rows(&self) -> impl Iterator<Item = usize> {
        (0..self.rows()).filter(|row| self.is_live(*row))
    }

    /// The caption of a row: text and clip.
    pub(crate) fn text(&self, row: usize) -> Result<(String, Option<String>)> {
        let (text, clip) = self.captions.text(row)?;
        Ok((text.to_owned(), clip.map(str::to_owned)))
    }

    /// The graph, if a sound one lies beside the segment. A damaged one is reported once and then done without.
    pub(crate) fn graph(&self) -> Option<&Graph> {
        let load = || match Graph::open(&layout::graph(&self.dir, self.entry.id), &self.vectors, self.rows()) {
            Ok(graph) => graph,
            Err(error) => {
                tracing::warn!("{error}; the segment is scanned instead, until the graph is built again");
                None
            }
        };
        self.graph.get_or_init(load).as_ref().filter(|graph| !graph.is_broken())
    }
}

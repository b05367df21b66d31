//! The writer's catalogue: where a text or a row is stored, and a history. Derived. [`lookup`](super::lookup) asks it.
//!
//! For each segment it holds pages (see [`pages`](super::pages)) and, written after them, a marker. It lives in sled, which is known to
//! lose or damage data when its process is killed and panics on some damaged files. So every call goes through a guard, a segment is
//! known only while a marker of its own says so, a page is believed only with its checksum, and what is missing is made again from the
//! segment. Where sled cannot be used at all, the same is kept in memory.
//!
//! Pages of small segments stay in memory until the writer is closed: most of them will have been merged into large ones by then. What
//! a writer that was killed did not write, the next one makes again.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bloom::Filters;
use super::key_value::{Broken, KeyValueStore};
use super::page_cache::PageCache;
use super::pages::{self, Entry, Kind, Page};
use super::state::CatalogueState;
use crate::memory::format::layout;
use crate::memory::read::segment::Segment;
use crate::memory::read::snapshot::Snapshot;
use crate::{Error, Result};

/// Pages written at once, about 8 KB each.
const BATCH: usize = 256;
/// Entries of a segment whose pages are written at once: it will be long before it is merged.
const LARGE: usize = 32_768;
/// Bytes of pages, 8 a row, that may wait for being written.
const UNWRITTEN: usize = 16 << 20;

const HISTORY: u8 = b'h';
const STATE: &[u8] = b"state";
/// Layout of keys and values; a catalogue of another layout is built again.
const LAYOUT: u8 = 4;

/// One remark in the history of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Seconds since 1970.
    pub at: u64,
    /// What happened: `decoder`, `audit`, …
    pub kind: String,
    /// Whatever the recorder noted.
    pub detail: serde_json::Value,
}

pub(crate) struct Catalogue {
    pub(crate) kv: KeyValueStore,
    pub(crate) cache: PageCache,
    pub(crate) filters: Filters,
    /// The commit whose segments these are; `None` before the first.
    commit: Option<u64>,
}

impl Catalogue {
    /// Opens the catalogue of `memory`'s store and brings it up to its commit.
    ///
    /// # Errors
    /// Only what reading the segments returns: sled's own failures are worked around.
    pub(crate) fn open(memory: &Snapshot) -> Result<Self> {
        let path = layout::catalogue(memory.dir());
        let mut history = Vec::new();
        let reason = match Self::resume(&path, memory, &mut history) {
            Ok(Resumed::Ready(mut catalogue)) => match catalogue.follow(memory) {
                Ok(()) => return Ok(catalogue),
                Err(trouble) => Some(trouble.to_string()),
            },
            Ok(Resumed::Empty) => None,
            Ok(Resumed::Stale(reason)) => Some(reason.to_owned()),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            tracing::warn!("the catalogue at {} is built again from the segments: {reason}", path.display());
            if let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::debug!("cannot remove {}: {error}", path.display());
            }
        }
        match KeyValueStore::open(&path).map_err(Trouble::Sled).and_then(|kv| Self::build(kv, memory, &history)) {
            Ok(catalogue) => Ok(catalogue),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Sled(reason)) => {
                // Half a catalogue is of no use, and the disk may be full.
                let _ = std::fs::remove_dir_all(&path);
                Self::in_memory(memory, &history, &reason)
            }
        }
    }

    /// A catalogue that lasts as long as the writer.
    pub(crate) fn in_memory(memory: &Snapshot, history: &[HistoryEntry], reason: &str) -> Result<Self> {
        tracing::warn!("the catalogue is kept in memory while this writer is open: {reason}");
        Self::build(KeyValueStore::in_memory(), memory, history).map_err(Trouble::into_error)
    }

    /// A catalogue that knows nothing.
    pub(crate) fn empty() -> Self {
        Self::on(KeyValueStore::in_memory())
    }

    fn on(kv: KeyValueStore) -> Self {
        Self { kv, cache: PageCache::default(), filters: Filters::new(), commit: None }
    }

    fn build(kv: KeyValueStore, memory: &Snapshot, history: &[HistoryEntry]) -> Result<Self, Trouble> {
        let mut catalogue = Self::on(kv);
        let state = [&memory.0.manifest.store[..], &[LAYOUT]].concat();
        catalogue.kv.insert([(STATE.to_vec(), state)])?;
        history.iter().try_for_each(|entry| catalogue.record(entry))?;
        catalogue.follow(memory)?;
        Ok(catalogue)
    }

    /// What is on disk, as it is.
    fn resume(path: &Path, memory: &Snapshot, history: &mut Vec<HistoryEntry>) -> Result<Resumed, Broken> {
        let mut catalogue = Self::on(KeyValueStore::open(path)?);
        let Some(state) = catalogue.kv.get(STATE)? else { return Ok(Resumed::Empty) };
        let Some(layout) = state.strip_prefix(&memory.0.manifest.store) else {
            return Ok(Resumed::Stale("it belongs to another store"));
        };
        // History is in no segment, so what can still be read is taken along.
        *history = catalogue.history()?;
        if layout != [LAYOUT] {
            return Ok(Resumed::Stale("it has another layout"));
        }
        let markers: HashSet<_> = catalogue.kv.with_prefix(pages::MARKERS)?.into_iter().collect();
        let segments = memory.0.segments.iter().map(|segment| &segment.entry);
        segments
            .filter(|segment| markers.contains(&pages::marker(segment)))
            .for_each(|segment| catalogue.cache.insert_written(segment));
        // Of a segment that is no more, or of one that had the same id before the store went back to a backup.
        for segment in markers.iter().filter_map(|(key, _)| pages::marked(key)) {
            if !catalogue.cache.knows(segment) {
                catalogue.forget(segment)?;
            }
        }
        Ok(Resumed::Ready(catalogue))
    }

    /// Compares what is on disk with the segments; the caller holds the writer's lock.
    pub(crate) fn inspect(memory: &Snapshot) -> CatalogueState {
        let catalogue = match Self::resume(&layout::catalogue(memory.dir()), memory, &mut Vec::new()) {
            Ok(Resumed::Ready(catalogue)) => catalogue,
            Ok(Resumed::Empty) => return CatalogueState::Absent,
            Ok(Resumed::Stale(reason)) => return CatalogueState::Outdated(reason.to_owned()),
            // What sled itself cannot read claims nothing: a writer that was killed may leave it so.
            Err(reason) => return CatalogueState::Outdated(reason),
        };
        let states = memory.0.segments.iter().map(|segment| catalogue.compare(segment));
        let differing =
            states.map(|state| state.unwrap_or_else(|trouble| CatalogueState::Outdated(trouble.to_string())));
        differing.into_iter().find(|state| *state != CatalogueState::Agrees).unwrap_or(CatalogueState::Agrees)
    }

    /// Compares the pages of a segment with what they should be. Only one with the right checksum claims to be right.
    fn compare(&self, segment: &Segment) -> Result<CatalogueState, Trouble> {
        let id = segment.entry.id;
        if !self.cache.knows(id) {
            return Ok(CatalogueState::Outdated(format!("it does not know segment {id}")));
        }
        for (kind, expected) in Kind::ALL.into_iter().zip(pages::of(segment)?) {
            for (number, expected) in expected.into_iter().enumerate() {
                let key = pages::key(id, kind, number);
                let found = self.kv.get(&key)?.and_then(|value| Page::decode(&segment.entry, &key, &value));
                match found {
                    Some(page) if page == expected => {}
                    Some(_) => {
                        let found = format!("a page that does not lead to all rows of segment {id}");
                        return Ok(CatalogueState::Wrong(found));
                    }
                    None => return Ok(CatalogueState::Outdated(format!("a page of segment {id} is damaged"))),
                }
            }
        }
        Ok(CatalogueState::Agrees)
    }

    /// Takes in the segments of `memory` that are new, and lets go of those that are no more. Removed captions are no matter of the
    /// catalogue: whoever asks it for one also asks the snapshot.
    pub(crate) fn follow(&mut self, memory: &Snapshot) -> Result<(), Trouble> {
        if self.commit == Some(memory.commit()) {
            return Ok(());
        }
        let segments = &memory.0.segments;
        for segment in segments {
            if !self.cache.knows(segment.entry.id) {
                self.add(segment)?;
            }
        }
        let current: HashSet<u64> = segments.iter().map(|segment| segment.entry.id).collect();
        for gone in self.cache.segments().filter(|id| !current.contains(id)).collect::<Vec<_>>() {
            self.forget(gone)?;
        }
        self.filters.retain(|(domain, _), _| memory.0.manifest.domains.iter().any(|entry| entry.id == *domain));
        self.commit = Some(memory.commit());
        Ok(())
    }

    /// Takes in a segment, from its records.
    fn add(&mut self, segment: &Segment) -> Result<(), Trouble> {
        self.insert(segment, pages::of(segment)?)
    }

    /// Takes in a segment just committed, of which the entries of the captions are known: that spares reading them.
    pub(crate) fn add_known(&mut self, segment: &Segment, captions: Vec<Entry>) -> Result<(), Trouble> {
        self.insert(segment, pages::with_captions(segment, captions)?)
    }

    fn insert(&mut self, segment: &Segment, pages: [Vec<Page>; 2]) -> Result<(), Trouble> {
        let entry = &segment.entry;
        self.cache.insert(entry, pages);
        if Kind::ALL.iter().map(|kind| kind.entries(entry)).sum::<usize>() >= LARGE {
            self.write(entry.id)?;
        } else if self.cache.unwritten() > UNWRITTEN {
            self.write_all()?;
        }
        Ok(())
    }

    /// Makes the pages of a segment, whatever was written, anew.
    pub(crate) fn renew(&mut self, segment: &Segment) -> Result<(), Trouble> {
        self.cache.insert(&segment.entry, pages::of(segment)?);
        Ok(self.write(segment.entry.id)?)
    }

    /// Writes the pages of a segment, then its marker.
    fn write(&mut self, segment: u64) -> Result<(), Broken> {
        let Some((entry, pages)) = self.cache.pages(segment) else { return Ok(()) };
        let pages = pages.map(|(kind, number, page)| {
            let key = pages::key(segment, kind, number);
            let value = page.encode(entry, &key);
            (key, value)
        });
        let mut entries = pages.chain([pages::marker(entry)]).peekable();
        while entries.peek().is_some() {
            self.kv.insert(entries.by_ref().take(BATCH))?;
        }
        drop(entries);
        self.cache.mark_written(segment);
        Ok(())
    }

    fn write_all(&mut self) -> Result<(), Broken> {
        self.cache.to_write().into_iter().try_for_each(|segment| self.write(segment))
    }

    /// Drops the pages of a segment, then its marker: where that is cut short, the next writer drops the rest.
    fn forget(&mut self, segment: u64) -> Result<(), Broken> {
        if self.cache.remove(segment) {
            self.kv.remove_prefix(&pages::key_prefix(segment))?;
            self.kv.remove_prefix(&pages::marker_key(segment))?;
        }
        Ok(())
    }

    /// Makes all that was taken in durable.
    pub(crate) fn close(&mut self, memory: &Snapshot) -> Result<(), Trouble> {
        self.follow(memory)?;
        self.write_all()?;
        Ok(self.kv.flush()?)
    }

    pub(crate) fn record(&mut self, entry: &HistoryEntry) -> Result<(), Trouble> {
        let json = serde_json::to_vec(entry).map_err(|error| Trouble::Sled(error.to_string()))?;
        let last = self.kv.with_prefix(&[HISTORY])?.pop();
        let last =
            last.and_then(|(key, _)| key.get(1..).and_then(|rest| rest.try_into().ok())).map_or(0, u64::from_be_bytes);
        let key = [&[HISTORY], &last.saturating_add(1).to_be_bytes()[..]].concat();
        Ok(self.kv.insert([(key, json)])?)
    }

    /// The history, oldest first. Entries that cannot be read are left out.
    pub(crate) fn history(&self) -> Result<Vec<HistoryEntry>, Broken> {
        let entries = self.kv.with_prefix(&[HISTORY])?;
        Ok(entries.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect())
    }
}

enum Resumed {
    Ready(Catalogue),
    Empty,
    Stale(&'static str),
}

/// Why the catalogue cannot go on: sled failed, or the store itself is damaged.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sled(Broken),
    Store(Error),
}

impl Trouble {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Store(error) => error,
            Self::Sled(reason) => Error::Internal(reason),
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sled(reason) => f.write_str(reason),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Broken> for Trouble {
    fn from(reason: Broken) -> Self {
        Self::Sled(reason)
    }
}

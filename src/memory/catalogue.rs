//! The writer's catalogue: which rows and texts are stored, how far each source was ingested, and a history. Derived.
//!
//! It lives in sled, which is known to lose or damage data when its process is killed and panics on some damaged files. So every call
//! goes through a guard, and what sled says is believed only if the last writer closed it properly; otherwise it is filled again from
//! the segments. Where sled cannot be used at all, the same is kept in memory.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::captions::Record;
use super::layout;
use super::plan::{Hash, row_hash, text_hash};
use super::quiet::quietly;
use super::segment::Segment;
use super::snapshot::Memory;
use crate::{Error, Result};

/// Bytes that sled may cache; its own default is a gigabyte.
const CACHE: u64 = 64 * 1024 * 1024;
/// Entries written at once.
const BATCH: usize = 16_384;

/// Row or text, domain, hash.
type Key = [u8; 21];

const ROW: u8 = b'r';
const TEXT: u8 = b't';
const PROGRESS: u8 = b'p';
const HISTORY: u8 = b'h';
const STATE: &[u8] = b"state";

fn key(kind: u8, domain: u32, hash: &Hash) -> Key {
    let mut key = [kind; 21];
    key[1..5].copy_from_slice(&domain.to_be_bytes());
    key[5..].copy_from_slice(hash);
    key
}

/// One remark in the history of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Seconds since 1970.
    pub at: u64,
    /// What happened: `decoder`, `audit`, …
    pub kind: String,
    /// Whatever the recorder noted.
    pub detail: serde_json::Value,
}

/// What a commit added, for the catalogue.
#[derive(Default)]
pub(super) struct Additions {
    entries: Vec<(Key, u64)>,
}

impl Additions {
    pub(super) fn row(&mut self, domain: u32, hash: &Hash) {
        self.entries.push((key(ROW, domain, hash), 0));
    }

    pub(super) fn caption(&mut self, domain: u32, text: &str, id: u64) {
        self.entries.push((key(TEXT, domain, &text_hash(text)), id));
    }
}

pub(super) struct Catalogue {
    backend: Backend,
}

enum Backend {
    Sled(sled::Db),
    Memory(Box<InMemory>),
}

#[derive(Default)]
struct InMemory {
    entries: HashMap<Key, u64>,
    progress: HashMap<String, u64>,
    history: Vec<HistoryEntry>,
}

/// What the catalogue says of itself: whose it is, which commit it has taken in, and whether it was closed properly.
struct State {
    store: [u8; 16],
    commit: u64,
    closed: bool,
}

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.store.to_vec();
        bytes.extend_from_slice(&self.commit.to_le_bytes());
        bytes.push(u8::from(self.closed));
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (store, rest) = bytes.split_first_chunk()?;
        let (commit, rest) = rest.split_first_chunk()?;
        let closed = matches!(rest, [1]);
        (rest.len() == 1).then(|| Self { store: *store, commit: u64::from_le_bytes(*commit), closed })
    }
}

impl Catalogue {
    /// Opens the catalogue of `memory`'s store and brings it up to its commit.
    ///
    /// # Errors
    /// Only what reading the segments returns: sled's own failures are worked around.
    pub(super) fn open(memory: &Memory) -> Result<Self> {
        let path = layout::catalogue(memory.dir());
        let mut history = Vec::new();
        let reason = match Self::resume(&path, memory, &mut history) {
            Ok(Resumed::Ready(catalogue)) => return Ok(catalogue),
            Ok(Resumed::Empty) => None,
            Ok(Resumed::Stale(reason)) => Some(reason),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            tracing::warn!("the catalogue at {} is built again from the segments: {reason}", path.display());
            if let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::debug!("cannot remove {}: {error}", path.display());
            }
        }
        let rebuilt = open_sled(&path).and_then(|db| {
            let mut catalogue = Self { backend: Backend::Sled(db) };
            catalogue.fill(memory, 0)?;
            for entry in &history {
                catalogue.record(entry)?;
            }
            catalogue.mark(memory, false)?;
            Ok(catalogue)
        });
        match rebuilt {
            Ok(catalogue) => Ok(catalogue),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Sled(reason)) => Self::in_memory(memory, &reason),
        }
    }

    /// A catalogue that lasts as long as the writer.
    pub(super) fn in_memory(memory: &Memory, reason: &str) -> Result<Self> {
        tracing::warn!("the catalogue is kept in memory while this writer is open: {reason}");
        let mut catalogue = Self { backend: Backend::Memory(Box::default()) };
        match catalogue.fill(memory, 0) {
            Ok(()) => Ok(catalogue),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Sled(reason)) => Err(Error::Internal(reason)),
        }
    }

    fn resume(path: &Path, memory: &Memory, history: &mut Vec<HistoryEntry>) -> Result<Resumed, String> {
        let db = open_sled(path).map_err(|trouble| trouble.to_string())?;
        let state = guarded(|| db.get(STATE)).map_err(|trouble| trouble.to_string())?;
        let mut catalogue = Self { backend: Backend::Sled(db) };
        let Some(state) = state else { return Ok(Resumed::Empty) };
        let Some(state) = State::decode(&state) else { return Ok(Resumed::Stale("it is not readable".into())) };
        let manifest = &memory.0.manifest;
        if state.store != manifest.store {
            return Ok(Resumed::Stale("it belongs to another store".into()));
        }
        // History is in no segment, so what can still be read is taken along.
        let all = catalogue.history().map_err(|trouble| trouble.to_string())?;
        if !state.closed {
            *history = all;
            return Ok(Resumed::Stale("the last writer was interrupted".into()));
        }
        if state.commit > manifest.commit {
            *history = all;
            return Ok(Resumed::Stale("it is ahead of the store".into()));
        }
        let caught_up = catalogue.fill(memory, state.commit).and_then(|()| catalogue.mark(memory, false));
        caught_up.map(|()| Resumed::Ready(catalogue)).map_err(|trouble| trouble.to_string())
    }

    /// Takes in all segments that came after `commit`. Segments made by merging hold rows it knows; to add them again does no harm.
    fn fill(&mut self, memory: &Memory, commit: u64) -> Result<(), Trouble> {
        for segment in memory.0.segments.iter().filter(|segment| segment.entry.commit > commit) {
            let mut additions = Additions::default();
            for record in segment.captions.records() {
                add_record(memory, segment, &record?, &mut additions)?;
                if additions.entries.len() >= BATCH {
                    self.add(&std::mem::take(&mut additions))?;
                }
            }
            self.add(&additions)?;
        }
        Ok(())
    }

    /// Notes the commit that the catalogue has taken in, durably when it is about to be `closed` or reopened.
    pub(super) fn mark(&mut self, memory: &Memory, closed: bool) -> Result<(), Trouble> {
        let Backend::Sled(db) = &self.backend else { return Ok(()) };
        let state = State { store: memory.0.manifest.store, commit: memory.commit(), closed };
        guarded(|| {
            // The flag must not reach the disk before what it vouches for.
            if closed {
                db.flush()?;
            }
            db.insert(STATE, state.encode())?;
            db.flush()
        })?;
        Ok(())
    }

    pub(super) fn add(&mut self, additions: &Additions) -> Result<(), Trouble> {
        match &mut self.backend {
            Backend::Memory(memory) => memory.entries.extend(additions.entries.iter().copied()),
            Backend::Sled(db) => {
                for chunk in additions.entries.chunks(BATCH) {
                    let mut batch = sled::Batch::default();
                    for (key, value) in chunk {
                        batch.insert(&key[..], &value.to_le_bytes());
                    }
                    guarded(|| db.apply_batch(batch))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn has_row(&self, domain: u32, row: &Hash) -> Result<bool, Trouble> {
        Ok(self.get(&key(ROW, domain, row))?.is_some())
    }

    pub(super) fn caption_of(&self, domain: u32, text: &Hash) -> Result<Option<u64>, Trouble> {
        self.get(&key(TEXT, domain, text))
    }

    fn get(&self, key: &Key) -> Result<Option<u64>, Trouble> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.entries.get(key).copied()),
            Backend::Sled(db) => {
                let value = guarded(|| db.get(key))?;
                value.map(|bytes| number(&bytes)).transpose()
            }
        }
    }

    pub(super) fn progress_of(&self, source: &str) -> Result<Option<u64>, Trouble> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.progress.get(source).copied()),
            Backend::Sled(db) => {
                guarded(|| db.get(prefixed(PROGRESS, source)))?.map(|bytes| number(&bytes)).transpose()
            }
        }
    }

    pub(super) fn set_progress(&mut self, source: &str, rows: u64) -> Result<(), Trouble> {
        match &mut self.backend {
            Backend::Memory(memory) => _ = memory.progress.insert(source.to_owned(), rows),
            Backend::Sled(db) => _ = guarded(|| db.insert(prefixed(PROGRESS, source), &rows.to_le_bytes()))?,
        }
        Ok(())
    }

    /// Forgets all progress, durably: rows that are about to be removed must not be taken for ingested.
    pub(super) fn clear_progress(&mut self) -> Result<(), Trouble> {
        match &mut self.backend {
            Backend::Memory(memory) => memory.progress.clear(),
            Backend::Sled(db) => {
                remove_prefix(db, &[PROGRESS])?;
                guarded(|| db.flush())?;
            }
        }
        Ok(())
    }

    /// Forgets a domain. Only for the space that it takes: its id is never given to another.
    pub(super) fn forget_domain(&mut self, domain: u32) -> Result<(), Trouble> {
        let prefixes = [ROW, TEXT].map(|kind| key(kind, domain, &[0; 16]));
        match &mut self.backend {
            Backend::Memory(memory) => {
                memory.entries.retain(|key, _| prefixes.iter().all(|prefix| key[..5] != prefix[..5]));
            }
            Backend::Sled(db) => prefixes.iter().try_for_each(|prefix| remove_prefix(db, &prefix[..5]))?,
        }
        Ok(())
    }

    pub(super) fn record(&mut self, entry: &HistoryEntry) -> Result<(), Trouble> {
        match &mut self.backend {
            Backend::Memory(memory) => memory.history.push(entry.clone()),
            Backend::Sled(db) => {
                let json = serde_json::to_vec(entry).map_err(|error| Trouble::Sled(error.to_string()))?;
                guarded(|| {
                    let mut key = vec![HISTORY];
                    key.extend_from_slice(&db.generate_id()?.to_be_bytes());
                    db.insert(key, json)
                })?;
            }
        }
        Ok(())
    }

    /// The history, oldest first. Entries that cannot be read are left out.
    pub(super) fn history(&self) -> Result<Vec<HistoryEntry>, Trouble> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.history.clone()),
            Backend::Sled(db) => {
                let values = guarded(|| db.scan_prefix([HISTORY]).values().collect::<sled::Result<Vec<_>>>())?;
                Ok(values.iter().filter_map(|value| serde_json::from_slice(value).ok()).collect())
            }
        }
    }
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        // Dropping sled writes, and may panic like everything else in it.
        let backend = std::mem::replace(&mut self.backend, Backend::Memory(Box::default()));
        if let Err(reason) = quietly(|| drop(backend)) {
            tracing::warn!("the catalogue was not closed properly and will be built again: {reason}");
        }
    }
}

enum Resumed {
    Ready(Catalogue),
    Empty,
    Stale(String),
}

/// Why the catalogue cannot go on: sled failed, or the store itself is damaged.
#[derive(Debug)]
pub(super) enum Trouble {
    Sled(String),
    Store(Error),
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

fn open_sled(path: &Path) -> Result<sled::Db, Trouble> {
    guarded(|| sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(Some(1000)).open())
}

/// Calls sled; its errors and its panics become one kind of trouble.
fn guarded<T>(f: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    match quietly(f) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Trouble::Sled(error.to_string())),
        Err(panic) => Err(Trouble::Sled(panic)),
    }
}

fn remove_prefix(db: &sled::Db, prefix: &[u8]) -> Result<(), Trouble> {
    guarded(|| {
        for key in db.scan_prefix(prefix).keys() {
            db.remove(key?)?;
        }
        Ok(())
    })
}

fn prefixed(kind: u8, name: &str) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(name.as_bytes());
    key
}

fn number(bytes: &[u8]) -> Result<u64, Trouble> {
    let bytes = bytes.try_into().map_err(|_| Trouble::Sled(format!("a number of {} bytes", bytes.len())))?;
    Ok(u64::from_le_bytes(bytes))
}

/// What a record in a segment means to the catalogue.
fn add_record(memory: &Memory, segment: &Segment, record: &Record, additions: &mut Additions) -> Result<()> {
    let domain = segment.entry.domain;
    match record {
        Record::Caption { id, text, clip, ordinal } => {
            additions.row(domain, &row_hash(text, clip.as_deref(), *ordinal));
            additions.caption(domain, text, *id);
        }
        Record::Repeat { id, clip, ordinal } => {
            let home = memory.0.find(*id);
            let (home, row) = home.ok_or_else(|| {
                Error::damaged(
                    segment.captions.path(),
                    0,
                    format!("a repeat of caption {id}"),
                    "a caption that is stored",
                )
            })?;
            additions.row(domain, &row_hash(&home.text(row)?.0, clip.as_deref(), *ordinal));
        }
    }
    Ok(())
}

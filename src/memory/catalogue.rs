//! The writer's catalogue: which rows and texts are stored, and a history. Derived.
//!
//! It lives in sled, which is known to lose or damage data when its process is killed and panics on some damaged files. So every call
//! goes through a guard, and what sled says is believed only if the last writer closed it properly; otherwise it is filled again from
//! the segments. Where sled cannot be used at all, the same is kept in memory.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::captions::Record;
use super::check::CatalogueState;
use super::layout;
use super::ledger::{Broken, Entry, Ledger};
use super::plan::{Hash, row_hash, text_hash};
use super::segment::Segment;
use super::snapshot::Memory;
use crate::{Error, Result};

/// Entries written at once.
const BATCH: usize = 16_384;
/// Entries gathered, and sorted, before they are written, when the catalogue is built again.
const GATHERED: usize = 1 << 18;

const ROW: u8 = b'r';
const TEXT: u8 = b't';
const HISTORY: u8 = b'h';
const STATE: &[u8] = b"state";

/// The key of a row or a text.
fn key(kind: u8, domain: u32, hash: &[u8]) -> Vec<u8> {
    [&[kind], &domain.to_be_bytes()[..], hash].concat()
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
pub(super) struct Additions(Vec<Entry>);

impl Additions {
    /// A further occurrence of caption `id`.
    pub(super) fn repeat(&mut self, domain: u32, id: u64, row: &Hash) {
        self.0.push((key(ROW, domain, row), id.to_le_bytes().to_vec()));
    }

    /// A caption, and the row that brought it. One entry does for both, because most rows of a corpus bring a new caption.
    pub(super) fn caption(&mut self, domain: u32, text: &str, id: u64, row: &Hash) {
        self.0.push((key(TEXT, domain, &text_hash(text)), [&id.to_le_bytes()[..], row].concat()));
    }
}

/// What a commit removed, for the catalogue: keys whose values begin with these ids.
#[derive(Default)]
pub(super) struct Removals(Vec<(Vec<u8>, u64)>);

impl Removals {
    /// A further occurrence of caption `id`.
    pub(super) fn repeat(&mut self, domain: u32, row: &Hash, id: u64) {
        self.0.push((key(ROW, domain, row), id));
    }

    /// A caption.
    pub(super) fn caption(&mut self, domain: u32, text: &Hash, id: u64) {
        self.0.push((key(TEXT, domain, text), id));
    }
}

pub(super) struct Catalogue(Ledger);

/// Layout of keys and values; a catalogue of another layout is built again.
const LAYOUT: u8 = 2;

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
        bytes.extend([u8::from(self.closed), LAYOUT]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (store, rest) = bytes.split_first_chunk()?;
        let (commit, rest) = rest.split_first_chunk()?;
        let [closed @ (0 | 1), LAYOUT] = *rest else { return None };
        Some(Self { store: *store, commit: u64::from_le_bytes(*commit), closed: closed == 1 })
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
            Ok(Resumed::Stale(reason)) => Some(reason.to_owned()),
            Err(trouble) => Some(trouble.to_string()),
        };
        if let Some(reason) = reason {
            tracing::warn!("the catalogue at {} is built again from the segments: {reason}", path.display());
            if let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::debug!("cannot remove {}: {error}", path.display());
            }
        }
        let rebuilt = Ledger::open(&path).map_err(Trouble::Sled).and_then(|ledger| {
            let mut catalogue = Self(ledger);
            catalogue.fill(memory, 0)?;
            history.iter().try_for_each(|entry| catalogue.record(entry))?;
            catalogue.mark(memory, false)?;
            Ok(catalogue)
        });
        match rebuilt {
            Ok(catalogue) => Ok(catalogue),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Sled(reason)) => {
                // Half a catalogue is of no use, and the disk may be full.
                let _ = std::fs::remove_dir_all(&path);
                let mut catalogue = Self::in_memory(memory, &reason)?;
                let _ = history.iter().try_for_each(|entry| catalogue.record(entry));
                Ok(catalogue)
            }
        }
    }

    /// A catalogue that lasts as long as the writer.
    pub(super) fn in_memory(memory: &Memory, reason: &str) -> Result<Self> {
        tracing::warn!("the catalogue is kept in memory while this writer is open: {reason}");
        let mut catalogue = Self(Ledger::in_memory());
        match catalogue.fill(memory, 0) {
            Ok(()) => Ok(catalogue),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Sled(reason)) => Err(Error::Internal(reason)),
        }
    }

    /// A catalogue that knows nothing.
    pub(super) fn empty() -> Self {
        Self(Ledger::in_memory())
    }

    /// Compares what is on disk with the segments; the caller holds the writer's lock.
    pub(super) fn inspect(memory: &Memory) -> CatalogueState {
        // What sled itself cannot read claims nothing: a writer that was killed may leave it so.
        let unreadable = |trouble: Trouble| CatalogueState::Outdated(trouble.to_string());
        let mut catalogue = match Self::resume(&layout::catalogue(memory.dir()), memory, &mut Vec::new()) {
            Ok(Resumed::Ready(catalogue)) => catalogue,
            Ok(Resumed::Empty) => return CatalogueState::Absent,
            Ok(Resumed::Stale(reason)) => return CatalogueState::Outdated(reason.to_owned()),
            Err(trouble) => return unreadable(trouble),
        };
        let compared = catalogue.first_unknown(memory);
        // It was closed properly before, and has only been read.
        let compared = compared.and_then(|unknown| catalogue.mark(memory, true).map(|()| unknown));
        match compared {
            Ok(None) => CatalogueState::Agrees,
            Ok(Some(unknown)) => CatalogueState::Wrong(unknown),
            Err(trouble) => unreadable(trouble),
        }
    }

    /// The first stored row that the catalogue does not know, in words.
    fn first_unknown(&self, memory: &Memory) -> Result<Option<String>, Trouble> {
        for segment in &memory.0.segments {
            for (index, record) in segment.captions.records().enumerate() {
                let (record, mut expected) = (record?, Additions::default());
                add_record(memory, segment, index, &record, &mut expected)?;
                for (key, value) in expected.0 {
                    if self.0.get(&key)?.as_ref() != Some(&value) {
                        return Ok(Some(format!("no row of caption {}", record.id())));
                    }
                }
            }
        }
        Ok(None)
    }

    fn resume(path: &Path, memory: &Memory, history: &mut Vec<HistoryEntry>) -> Result<Resumed, Trouble> {
        let mut catalogue = Self(Ledger::open(path)?);
        let Some(state) = catalogue.0.get(STATE)? else { return Ok(Resumed::Empty) };
        let Some(state) = State::decode(&state) else { return Ok(Resumed::Stale("it has another layout")) };
        let manifest = &memory.0.manifest;
        if state.store != manifest.store {
            return Ok(Resumed::Stale("it belongs to another store"));
        }
        // History is in no segment, so what can still be read is taken along.
        *history = catalogue.history()?;
        if !state.closed {
            return Ok(Resumed::Stale("the last writer was interrupted"));
        }
        if state.commit > manifest.commit {
            return Ok(Resumed::Stale("it is ahead of the store"));
        }
        catalogue.fill(memory, state.commit)?;
        catalogue.mark(memory, false)?;
        Ok(Resumed::Ready(catalogue))
    }

    /// Takes in all segments that came after `commit`. Segments made by merging hold rows it knows; to add them again does no harm.
    /// What was removed meanwhile it need not forget: whoever asks it for a caption also asks the snapshot.
    fn fill(&mut self, memory: &Memory, commit: u64) -> Result<(), Trouble> {
        for segment in memory.0.segments.iter().filter(|segment| segment.entry.commit > commit) {
            let mut additions = Additions::default();
            for (index, record) in segment.captions.records().enumerate() {
                add_record(memory, segment, index, &record?, &mut additions)?;
                if additions.0.len() >= GATHERED {
                    self.add(std::mem::take(&mut additions))?;
                }
            }
            self.add(additions)?;
        }
        Ok(())
    }

    /// Notes the commit that the catalogue has taken in, durably: that it is in use, or that it was `closed` properly.
    pub(super) fn mark(&mut self, memory: &Memory, closed: bool) -> Result<(), Trouble> {
        let state = State { store: memory.0.manifest.store, commit: memory.commit(), closed };
        if closed {
            // The mark must not reach the disk before what it vouches for.
            self.0.flush()?;
        }
        self.0.insert([(STATE.to_vec(), state.encode())])?;
        Ok(self.0.flush()?)
    }

    pub(super) fn add(&mut self, mut additions: Additions) -> Result<(), Trouble> {
        // Neighbouring keys share pages, and a page that is written once costs less than one that is written often.
        additions.0.sort_unstable();
        let mut entries = additions.0.into_iter().peekable();
        while entries.peek().is_some() {
            self.0.insert(entries.by_ref().take(BATCH))?;
        }
        Ok(())
    }

    /// The caption that this row repeats.
    pub(super) fn repeated_by(&self, domain: u32, row: &Hash) -> Result<Option<u64>, Trouble> {
        self.number(&key(ROW, domain, row))
    }

    pub(super) fn caption_of(&self, domain: u32, text: &Hash) -> Result<Option<(u64, Hash)>, Trouble> {
        let Some(value) = self.0.get(&key(TEXT, domain, text))? else { return Ok(None) };
        let parts =
            value.split_first_chunk().and_then(|(id, row)| Some((u64::from_le_bytes(*id), row.try_into().ok()?)));
        parts.map(Some).ok_or_else(|| Trouble::Sled(format!("a caption of {} bytes", value.len())))
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, Trouble> {
        let Some(value) = self.0.get(key)? else { return Ok(None) };
        let bytes =
            value.as_slice().try_into().map_err(|_| Trouble::Sled(format!("a number of {} bytes", value.len())))?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    /// Forgets captions, unless their keys lead to others by now.
    pub(super) fn forget(&mut self, removals: &Removals) -> Result<(), Trouble> {
        for (key, id) in &removals.0 {
            if self.0.get(key)?.is_some_and(|value| value.starts_with(&id.to_le_bytes())) {
                self.0.remove(key)?;
            }
        }
        Ok(())
    }

    /// Forgets a domain. Only for the space that it takes: its id is never given to another.
    pub(super) fn forget_domain(&mut self, domain: u32) -> Result<(), Trouble> {
        self.0.remove_prefix(&key(ROW, domain, &[]))?;
        Ok(self.0.remove_prefix(&key(TEXT, domain, &[]))?)
    }

    pub(super) fn record(&mut self, entry: &HistoryEntry) -> Result<(), Trouble> {
        let json = serde_json::to_vec(entry).map_err(|error| Trouble::Sled(error.to_string()))?;
        let last = self.0.with_prefix(&[HISTORY])?.pop();
        let last =
            last.and_then(|(key, _)| key.get(1..).and_then(|rest| rest.try_into().ok())).map_or(0, u64::from_be_bytes);
        let key = [&[HISTORY], &last.saturating_add(1).to_be_bytes()[..]].concat();
        Ok(self.0.insert([(key, json)])?)
    }

    /// The history, oldest first. Entries that cannot be read are left out.
    pub(super) fn history(&self) -> Result<Vec<HistoryEntry>, Trouble> {
        let entries = self.0.with_prefix(&[HISTORY])?;
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

impl From<Broken> for Trouble {
    fn from(reason: Broken) -> Self {
        Self::Sled(reason)
    }
}

/// What the record of that index in a segment means to the catalogue: nothing, when its caption is removed.
fn add_record(
    memory: &Memory,
    segment: &Segment,
    index: usize,
    record: &Record,
    additions: &mut Additions,
) -> Result<()> {
    let domain = segment.entry.domain;
    match record {
        // Captions come first, in the order of the rows.
        Record::Caption { id, text, clip, ordinal } => {
            if segment.is_live(index) {
                additions.caption(domain, text, *id, &row_hash(text, clip.as_deref(), *ordinal));
            }
        }
        Record::Repeat { id, clip, ordinal } => {
            let (home, row) = memory.0.find_stored(*id).ok_or_else(|| {
                let found = format!("a repeat of caption {id}");
                Error::damaged(segment.captions.path(), 0, found, "a caption that is stored")
            })?;
            if home.is_live(row) {
                additions.repeat(domain, *id, &row_hash(&home.text(row)?.0, clip.as_deref(), *ordinal));
            }
        }
    }
    Ok(())
}

//! The writer's catalogue: which rows and texts are stored, and a history. Derived.
//!
//! It lives in sled, which is known to lose or damage data when its process is killed and panics on some damaged files. So every call
//! goes through a guard, and what sled says is believed only if the last writer closed it properly; otherwise it is filled again from
//! the segments. Where sled cannot be used at all, the same is kept in memory.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::captions::Record;
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
    /// A further occurrence of a caption.
    pub(super) fn repeat(&mut self, domain: u32, row: &Hash) {
        self.0.push((key(ROW, domain, row), Vec::new()));
    }

    /// A caption, and the row that brought it. One entry does for both, because most rows of a corpus bring a new caption.
    pub(super) fn caption(&mut self, domain: u32, text: &str, id: u64, row: &Hash) {
        self.0.push((key(TEXT, domain, &text_hash(text)), [&id.to_le_bytes()[..], row].concat()));
    }
}

pub(super) struct Catalogue(Ledger);

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

    fn resume(path: &Path, memory: &Memory, history: &mut Vec<HistoryEntry>) -> Result<Resumed, Trouble> {
        let mut catalogue = Self(Ledger::open(path)?);
        let Some(state) = catalogue.0.get(STATE)? else { return Ok(Resumed::Empty) };
        let Some(state) = State::decode(&state) else { return Ok(Resumed::Stale("it is not readable")) };
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
    fn fill(&mut self, memory: &Memory, commit: u64) -> Result<(), Trouble> {
        for segment in memory.0.segments.iter().filter(|segment| segment.entry.commit > commit) {
            let mut additions = Additions::default();
            for record in segment.captions.records() {
                add_record(memory, segment, &record?, &mut additions)?;
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

    pub(super) fn has_row(&self, domain: u32, row: &Hash) -> Result<bool, Trouble> {
        Ok(self.0.get(&key(ROW, domain, row))?.is_some())
    }

    pub(super) fn caption_of(&self, domain: u32, text: &Hash) -> Result<Option<(u64, Hash)>, Trouble> {
        let Some(value) = self.0.get(&key(TEXT, domain, text))? else { return Ok(None) };
        let parts =
            value.split_first_chunk().and_then(|(id, row)| Some((u64::from_le_bytes(*id), row.try_into().ok()?)));
        parts.map(Some).ok_or_else(|| Trouble::Sled(format!("a caption of {} bytes", value.len())))
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

/// What a record in a segment means to the catalogue.
fn add_record(memory: &Memory, segment: &Segment, record: &Record, additions: &mut Additions) -> Result<()> {
    let domain = segment.entry.domain;
    match record {
        Record::Caption { id, text, clip, ordinal } => {
            additions.caption(domain, text, *id, &row_hash(text, clip.as_deref(), *ordinal));
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
            additions.repeat(domain, &row_hash(&home.text(row)?.0, clip.as_deref(), *ordinal));
        }
    }
    Ok(())
}

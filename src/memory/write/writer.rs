//! The one writer of a store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::plan::{self, Plan, RowKey};
use super::{commit, lock};
use crate::lock::Lock;
use crate::memory::catalogue::pages::Hash;
use crate::memory::catalogue::stored::{Known, Occurrence, Stored};
use crate::memory::catalogue::table::{Catalogue, HistoryEntry, Trouble};
use crate::memory::format::layout;
use crate::memory::format::manifest::Manifest;
use crate::memory::format::storage::{Storage, remove_quietly};
use crate::memory::read::segment::Segment;
use crate::memory::read::snapshot::Snapshot;
use crate::{EmbeddingSpace, Error, Result};

/// Writes to a store. Everything that it acknowledges is durable; [`Writer::snapshot`] shows it.
///
/// After a commit that failed it refuses further work with [`Error::Poisoned`]: what the disk holds is then one of two commits, both
/// sound, and opening the store again finds out which.
pub struct Writer {
    pub(crate) memory: Snapshot,
    pub(crate) storage: Arc<dyn Storage>,
    catalogue: Mutex<Catalogue>,
    poisoned: bool,
    /// The last commit that removed or renamed something; a plan from before it may refer to what is gone.
    pub(crate) last_removal: u64,
    // Last, so that the catalogue is closed before another writer may open it.
    _lock: Lock,
}

impl Writer {
    /// Opens a store for writing.
    pub(crate) fn open(dir: &Path, storage: Arc<dyn Storage>) -> Result<Self> {
        // Before the lock file is made: a wrong path must not leave a file behind.
        Manifest::read(dir)?;
        let lock = lock::take(dir)?;
        let memory = Snapshot::open(dir)?;
        remove_leftovers(&memory, &*storage);
        let catalogue = Mutex::new(Catalogue::open(&memory)?);
        let last_removal = memory.commit();
        Ok(Self { memory, storage, catalogue, poisoned: false, last_removal, _lock: lock })
    }

    /// The embedding space that the store is bound to.
    pub fn space(&self) -> &EmbeddingSpace {
        self.memory.space()
    }

    /// What is committed.
    ///
    /// # Errors
    /// [`Error::Poisoned`] after a failed commit.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.check_poison()?;
        Ok(self.memory.clone())
    }

    /// Decides for each row whether it is new, one more occurrence of a stored caption, or stored already, without changing anything.
    /// Embed [`Plan::texts`] and give both to [`Writer::append`].
    ///
    /// # Errors
    /// [`Error::Input`] for a domain name, caption or clip id that the store does not accept (see [`crate::memory::check_caption`]),
    /// [`Error::Damaged`] when the catalogue had to be built again and a segment is damaged.
    pub fn plan(&self, domain: &str, rows: &[RowKey]) -> Result<Plan> {
        self.check_poison()?;
        plan::plan(domain, self.memory.commit(), rows, &mut self.in_domain(domain))
    }

    /// What is stored of a domain.
    pub(crate) fn in_domain(&self, name: &str) -> impl Stored {
        InDomain { writer: self, domain: self.memory.0.manifest.domain(name).map(|entry| entry.id) }
    }

    /// The history of decoders and audits, oldest first. Advisory: a catalogue that is lost takes its history along.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the catalogue had to be built again and a segment is damaged.
    pub fn history(&self) -> Result<Vec<HistoryEntry>> {
        self.with_catalogue(|catalogue| Ok(catalogue.history()?))
    }

    /// Adds to the history.
    ///
    /// # Errors
    /// As [`Writer::history`].
    pub fn record(&mut self, kind: &str, detail: serde_json::Value) -> Result<()> {
        let entry = HistoryEntry { at: now(), kind: kind.to_owned(), detail };
        self.with_catalogue(|catalogue| catalogue.record(&entry))
    }

    /// Makes `manifest`, one commit further, the store's newest, and the snapshot follow.
    pub(crate) fn commit(&mut self, mut manifest: Manifest) -> Result<()> {
        self.check_poison()?;
        manifest.commit += 1;
        let dir = self.dir();
        let replaced = commit::replace_manifest(&dir, &manifest, &*self.storage);
        let done = replaced.and_then(|()| Snapshot::assemble(&dir, manifest, &self.memory.0.segments));
        match done {
            Ok(memory) => {
                tracing::debug!("commit {} of {}", memory.commit(), dir.display());
                let old = std::mem::replace(&mut self.memory, memory);
                // Readers that have these files mapped keep them.
                let superseded = old.0.manifest.files_gone_from(&self.memory.0.manifest, &dir);
                superseded.iter().for_each(|path| remove_quietly(path, &*self.storage));
                Ok(())
            }
            Err(error) => {
                self.poisoned = true;
                // Frees the space at once where the commit surely did not take place; else the next writer sees to it.
                if Manifest::read(&dir).is_ok_and(|found| found == self.memory.0.manifest) {
                    remove_leftovers(&self.memory, &*self.storage);
                }
                Err(error)
            }
        }
    }

    /// Calls the catalogue, which takes in now what was committed since it was called last: segments that an append made and a merge
    /// took away again never reach it. If it fails, one in memory takes its place, made from the segments.
    fn with_catalogue<T>(&self, mut f: impl FnMut(&mut Catalogue) -> Result<T, Trouble>) -> Result<T> {
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = match catalogue.follow(&self.memory).and_then(|()| f(&mut catalogue)) {
            Ok(value) => return Ok(value),
            Err(Trouble::Store(error)) => return Err(error),
            Err(Trouble::Sled(reason)) => reason,
        };
        let history = catalogue.history().unwrap_or_default();
        *catalogue = Catalogue::in_memory(&self.memory, &history, &reason)?;
        f(&mut catalogue).map_err(Trouble::into_error)
    }

    /// Tells the catalogue of a segment of the newest commit what it would else have to find out from the files. If it fails, it will be asked
    /// again, and then what [`Writer::with_catalogue`] says is done.
    pub(crate) fn tell_catalogue(
        &mut self,
        segment: u64,
        f: impl FnOnce(&mut Catalogue, &Segment) -> Result<(), Trouble>,
    ) {
        let catalogue = self.catalogue.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = self.memory.0.segment(segment)
            && let Err(trouble) = f(catalogue, segment)
        {
            tracing::debug!("the catalogue did not take in segment {}: {trouble}", segment.entry.id);
        }
    }

    /// Throws the catalogue away, but for its history, and builds it from the segments.
    pub(crate) fn rebuild_catalogue(&mut self) -> Result<()> {
        let catalogue = self.catalogue.get_mut().unwrap_or_else(PoisonError::into_inner);
        let history = catalogue.history().unwrap_or_default();
        // Closes the old one, which must not be open while it is removed.
        *catalogue = Catalogue::empty();
        let path = layout::catalogue(self.memory.dir());
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        *catalogue = Catalogue::open(&self.memory)?;
        history.iter().try_for_each(|entry| catalogue.record(entry)).map_err(Trouble::into_error)
    }

    pub(crate) fn check_poison(&self) -> Result<()> {
        if self.poisoned { Err(Error::Poisoned) } else { Ok(()) }
    }

    /// Ends this writer's work after a failure before the commit, and frees what was written for it.
    pub(crate) fn give_up(&mut self) {
        self.poisoned = true;
        remove_leftovers(&self.memory, &*self.storage);
    }

    pub(crate) fn poison(&mut self) {
        self.poisoned = true;
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.memory.dir().to_path_buf()
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("memory", &self.memory).field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let catalogue = self.catalogue.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A poisoned writer does not know what is stored, so the next one shall look for itself.
        if !self.poisoned
            && let Err(trouble) = catalogue.close(&self.memory)
        {
            tracing::warn!("the catalogue does not know the last commits; the next writer sees to it: {trouble}");
        }
    }
}

/// The catalogue as planning sees it.
struct InDomain<'a> {
    writer: &'a Writer,
    /// `None` for a domain that does not exist yet.
    domain: Option<u32>,
}

impl Stored for InDomain<'_> {
    fn captions(&mut self, texts: &[&str], hashes: &[Hash]) -> Result<Vec<Option<Known>>> {
        let Self { writer, domain: Some(domain) } = *self else { return Ok(vec![None; texts.len()]) };
        writer.with_catalogue(|catalogue| catalogue.captions(&writer.memory, domain, texts, hashes))
    }

    fn repeats(&mut self, rows: &[Occurrence<'_>]) -> Result<Vec<bool>> {
        let Self { writer, domain: Some(domain) } = *self else { return Ok(vec![false; rows.len()]) };
        writer.with_catalogue(|catalogue| catalogue.repeats(&writer.memory, domain, rows))
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Removes what a crashed writer left: files of ours that the manifest does not name. Others' files are not touched.
fn remove_leftovers(memory: &Snapshot, storage: &dyn Storage) {
    let (dir, manifest) = (memory.dir(), &memory.0.manifest);
    leftovers(dir, manifest).iter().for_each(|path| remove_quietly(path, storage));
}

/// Files of ours that the manifest does not name.
pub(crate) fn leftovers(dir: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let named = manifest.segment_files(dir);
    let segments = names_in(&layout::segments(dir)).into_iter().filter(|name| layout::is_segment_file(name));
    let segments = segments.map(|name| layout::segments(dir).join(name)).filter(|path| !named.contains(path));
    let decoders = names_in(&layout::decoders(dir)).into_iter().filter(|name| layout::is_decoder_file(name));
    let decoders = decoders.filter(|name| !manifest.decoders.iter().any(|decoder| decoder.file == *name));
    let decoders = decoders.map(|name| layout::decoders(dir).join(name));
    let is_ours = |path: &PathBuf| manifest.other_files(dir).iter().any(|(named, _)| named == path);
    let model = names_in(&layout::model(dir)).into_iter().filter(|name| layout::is_model_file(name));
    let model: Vec<_> = model.map(|name| layout::model(dir).join(name)).filter(|path| !is_ours(path)).collect();
    let manifest = Some(layout::manifest_new(dir)).filter(|path| path.exists());
    let mut found: Vec<PathBuf> = segments.chain(decoders).chain(model).chain(manifest).collect();
    found.sort();
    found
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

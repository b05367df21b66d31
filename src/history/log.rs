//! The log in its folder: opened under its lock, added to, cleared.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::entry::{Kind, Record};
use super::format::{self, ENTRY_LIMIT, Unread};
use crate::error::{Hint, Topic};
use crate::lock::{Lock, Taken};
use crate::memory::{KeyValueStore, Store, layout};
use crate::{Error, Result};

/// Between two looks whether another process has let go of the log: short, because one that logs much lets go for moments only.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a folder is tried to be removed in which sled's threads may still be finishing.
const REMOVAL: Duration = Duration::from_secs(2);

/// Entries that are copied at once.
const COPIED: usize = 64;

/// The log of a store, which need not be there yet. It is opened for each call, and closed again.
#[derive(Debug, Clone)]
pub struct History {
    dir: PathBuf,
    most: u64,
    patience: Duration,
}

/// What [`History::clear`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cleared {
    /// Entries that were removed; `None` where a log was removed that could not be read.
    pub removed: Option<u64>,
    /// Entries that are left.
    pub left: u64,
}

/// The open log. Others wait as long as it lives.
pub(super) struct Opened {
    // Closed before the lock is released.
    pub(super) kv: KeyValueStore,
    _lock: Lock,
}

impl History {
    /// Entries that a log may hold.
    pub const MOST: u64 = 100_000;

    /// How long a call waits for others that have the log open.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The log of a store.
    pub fn of(store: &Store) -> Self {
        Self::with_limits(store, Self::MOST, Self::PATIENCE)
    }

    /// [`History::of`] with other limits.
    pub(crate) fn with_limits(store: &Store, most: u64, patience: Duration) -> Self {
        Self { dir: store.dir().to_path_buf(), most, patience }
    }

    /// The folder of the log.
    pub fn folder(&self) -> PathBuf {
        layout::history(&self.dir)
    }

    /// Adds entries, all or none, and returns their numbers when they are durable.
    ///
    /// # Errors
    /// [`Error::Input`] where the log is full, was written by a newer version, or stays open in another process for longer than
    /// [`History::PATIENCE`]; for an entry that is too large. [`Error::Damaged`], [`Error::Io`].
    pub fn add(&self, kind: Kind, records: &[Record]) -> Result<Vec<u64>> {
        let bodies = records.iter().map(|record| self.body(record)).collect::<Result<Vec<_>>>()?;
        let is_new = !self.folder().exists();
        let mut log = self.open()?;
        if is_new {
            // A log that was reported to hold something must be found again.
            sync(&self.folder())?;
            sync(&self.dir)?;
        }
        let ends = self.ends(&log)?;
        if let Some((_, last)) = ends {
            let newest = log.kv.get(&format::key(last)).map_err(|reason| self.broken(reason))?.unwrap_or_default();
            format::check_version(&newest).map_err(|unread| self.unread(last, unread))?;
        }
        let (held, first) = ends.map_or((0, 1), |(first, last)| (last - first + 1, last.saturating_add(1)));
        if held + bodies.len() as u64 > self.most {
            return Err(self.full(held));
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let numbers: Vec<u64> = (first..).take(bodies.len()).collect();
        let entries = numbers.iter().zip(&bodies).map(|(number, body)| {
            Ok((format::key(*number).to_vec(), format::encode(*number, time, kind, body).map_err(Error::Internal)?))
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        log.kv.insert(entries).and_then(|()| log.kv.flush()).map_err(|reason| self.broken(reason))?;
        Ok(numbers)
    }

    fn body(&self, record: &Record) -> Result<Vec<u8>> {
        format::json(record).map_err(Error::Internal)?.ok_or_else(|| {
            let found = format!("more than {ENTRY_LIMIT} bytes about {}", record.path);
            Error::input(self.folder().display(), found, "an entry of less").with_hint("report fewer neighbours")
        })
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// As [`History::add`].
    pub fn len(&self) -> Result<u64> {
        let Some(log) = self.open_existing()? else { return Ok(0) };
        Ok(self.ends(&log)?.map_or(0, |(first, last)| last - first + 1))
    }

    /// Whether nothing is logged.
    ///
    /// # Errors
    /// As [`History::add`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Removes the entries from before a point in time, in seconds since 1970, or all, and leaves their space free. A log that is damaged can be
    /// cleared as a whole.
    ///
    /// # Errors
    /// As [`History::add`].
    pub fn clear(&self, before: Option<u64>) -> Result<Cleared> {
        if !self.exists() {
            return Ok(Cleared { removed: Some(0), left: 0 });
        }
        let lock = self.lock()?;
        self.settle()?;
        match before {
            Some(time) => self.clear_before(&lock, time),
            None => self.clear_all(&lock),
        }
    }

    fn clear_all(&self, _: &Lock) -> Result<Cleared> {
        let opened = if self.folder().exists() { KeyValueStore::open(&self.folder()).ok() } else { None };
        let ends = opened.as_ref().map(|kv| self.ends_of(kv));
        let removed = match ends {
            Some(Ok(ends)) => Some(ends.map_or(0, |(first, last)| last - first + 1)),
            _ => None,
        };
        drop(opened);
        self.put_aside()?;
        remove(&layout::history_old(&self.dir))?;
        sync(&self.dir)?;
        Ok(Cleared { removed, left: 0 })
    }

    /// Copies what stays to a new log, which then takes the place of the old one: sled gives no space back.
    fn clear_before(&self, lock: &Lock, time: u64) -> Result<Cleared> {
        let new = layout::history_new(&self.dir);
        let old = KeyValueStore::open(&self.folder()).map_err(|reason| self.broken(reason))?;
        let Some((first, last)) = self.ends_of(&old)? else { return Ok(Cleared { removed: Some(0), left: 0 }) };
        let stays = |number: u64| {
            let value = old.get(&format::key(number)).map_err(|reason| self.broken(reason))?;
            // Of an entry that cannot be read nobody knows how old it is.
            let stays = |value: &Vec<u8>| format::time(number, value).map_or(true, |logged| logged >= time);
            Ok::<_, Error>(value.filter(stays))
        };
        let mut oldest = last.saturating_add(1);
        for number in first..=last {
            if stays(number)?.is_some() {
                oldest = number;
                break;
            }
        }
        let (removed, left) = (oldest - first, (last + 1).saturating_sub(oldest));
        if left == 0 {
            drop(old);
            return self.clear_all(lock);
        }
        if removed == 0 {
            return Ok(Cleared { removed: Some(0), left });
        }
        let mut copy = KeyValueStore::open(&new).map_err(|reason| self.broken(reason))?;
        let numbers: Vec<u64> = (oldest..=last).collect();
        for numbers in numbers.chunks(COPIED) {
            let mut entries = Vec::new();
            for number in numbers {
                let value = old.get(&format::key(*number)).map_err(|reason| self.broken(reason))?;
                entries.extend(value.map(|value| (format::key(*number).to_vec(), value)));
            }
            copy.insert(entries).map_err(|reason| self.broken(reason))?;
        }
        copy.flush().map_err(|reason| self.broken(reason))?;
        drop((old, copy));
        sync(&new)?;
        self.put_aside()?;
        rename(&new, &self.folder())?;
        sync(&self.dir)?;
        remove(&layout::history_old(&self.dir))?;
        Ok(Cleared { removed: Some(removed), left })
    }

    /// From here on the log is cleared, or the new one takes its place, whatever happens.
    fn put_aside(&self) -> Result<()> {
        let old = layout::history_old(&self.dir);
        remove(&old)?;
        rename(&self.folder(), &old)?;
        sync(&self.dir)
    }

    /// Ends what a process that was killed has left between two renames.
    fn settle(&self) -> Result<()> {
        let [new, old] = [layout::history_new(&self.dir), layout::history_old(&self.dir)];
        if !self.folder().exists() && old.exists() && new.exists() {
            rename(&new, &self.folder())?;
        }
        remove(&new)?;
        remove(&old)
    }

    /// Whether there is a log, or one that a process which was killed has left between two renames.
    fn exists(&self) -> bool {
        self.folder().exists() || layout::history_old(&self.dir).exists()
    }

    /// Opens the log, or begins one.
    fn open(&self) -> Result<Opened> {
        let lock = self.lock()?;
        self.settle()?;
        let kv = KeyValueStore::open(&self.folder()).map_err(|reason| self.broken(reason))?;
        Ok(Opened { kv, _lock: lock })
    }

    /// Opens the log, where there is one.
    pub(super) fn open_existing(&self) -> Result<Option<Opened>> {
        if !self.exists() {
            return Ok(None);
        }
        self.open().map(Some)
    }

    /// Waits until nobody else has the log open.
    fn lock(&self) -> Result<Lock> {
        let begun = Instant::now();
        loop {
            match Lock::take(&layout::history_lock(&self.dir))? {
                Taken::Ours(lock, _) => return Ok(lock),
                Taken::Held(_) if begun.elapsed() < self.patience => std::thread::sleep(PAUSE),
                Taken::Held(owner) => {
                    let found = format!("a log that is open elsewhere ({owner})");
                    return Err(Error::input(self.folder().display(), found, "one that others let go of soon")
                        .with_hint("wait until it has finished, or end it"));
                }
            }
        }
    }

    /// The lowest and the highest number.
    pub(super) fn ends(&self, log: &Opened) -> Result<Option<(u64, u64)>> {
        self.ends_of(&log.kv)
    }

    fn ends_of(&self, kv: &KeyValueStore) -> Result<Option<(u64, u64)>> {
        let Some((first, last)) = kv.ends().map_err(|reason| self.broken(reason))? else { return Ok(None) };
        match (format::number(&first), format::number(&last)) {
            (Some(first), Some(last)) if last - first < self.most.max(Self::MOST) => Ok(Some((first, last))),
            _ => {
                Err(Error::damaged(self.folder(), None, "keys that are no numbers in a row", "the numbers of entries"))
            }
        }
    }

    fn full(&self, held: u64) -> Error {
        let found = format!("a log that is full: it holds {held} entries");
        let expected = format!("{} at most", self.most);
        Error::input(self.folder().display(), found, expected)
            .with_hint(Hint::about(Topic::Log, "export the log, then clear it or what is old in it"))
    }

    /// sled cannot go on: the system refuses, or the files are not what it wrote.
    pub(super) fn broken(&self, reason: String) -> Error {
        match reason.contains("os error") || reason.starts_with("IO error") {
            true => Error::input(self.folder().display(), reason, "a log that can be read and written")
                .with_hint("check the permissions and the free space of its disk"),
            false => Error::damaged(self.folder(), None, reason, "a log as it was written"),
        }
    }

    /// An entry cannot be read.
    pub(super) fn unread(&self, number: u64, unread: Unread) -> Error {
        match unread {
            Unread::Newer(version) => {
                let found = format!("entry {number} of version {version}");
                Error::input(self.folder().display(), found, format!("version {}", format::VERSION))
                    .with_hint("use a newer version of echoic; the log was left untouched")
            }
            Unread::Damaged(found) => {
                Error::damaged(self.folder(), None, format!("{found} in entry {number}"), "the entry as it was logged")
            }
        }
    }
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<()> {
    // Windows offers no handle on a folder that can be flushed.
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(Error::io("flush", folder))
    } else {
        Ok(())
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("replace", to))
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> Result<()> {
    let begun = Instant::now();
    while let Err(error) = fs::remove_dir_all(folder) {
        match error.kind() {
            std::io::ErrorKind::NotFound if !folder.exists() => break,
            _ if begun.elapsed() < REMOVAL => std::thread::sleep(PAUSE),
            _ => return Err(Error::io("remove", folder)(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EmbeddingSpace;

    /// A log with entries of these times; they need not say anything.
    fn logged(folder: &Path, times: &[u64]) -> History {
        let store = Store::create(folder.join("store"), EmbeddingSpace::external(2)).unwrap();
        let history = History::of(&store);
        let mut log = history.open().unwrap();
        let entries = times.iter().zip(1..).map(|(time, number)| {
            (format::key(number).to_vec(), format::encode(number, *time, Kind::Caption, b"{}").unwrap())
        });
        log.kv.insert(entries).unwrap();
        log.kv.flush().unwrap();
        history
    }

    fn numbers(history: &History) -> Vec<u64> {
        let log = history.open().unwrap();
        let Some((first, last)) = history.ends(&log).unwrap() else { return Vec::new() };
        (first..=last).filter(|number| log.kv.get(&format::key(*number)).unwrap().is_some()).collect()
    }

    #[test]
    fn old_entries_are_cleared_and_the_others_keep_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let times: Vec<u64> = (0..300).collect();
        let history = logged(folder.path(), &times);
        let cleared = history.clear(Some(200)).unwrap();
        assert_eq!(cleared, Cleared { removed: Some(200), left: 100 });
        assert_eq!(numbers(&history), (201..=300).collect::<Vec<_>>());
        let [new, old] = [layout::history_new(&history.dir), layout::history_old(&history.dir)];
        assert!(!new.exists() && !old.exists());
        assert_eq!(history.clear(Some(200)).unwrap(), Cleared { removed: Some(0), left: 100 });
        assert_eq!(history.clear(Some(1000)).unwrap(), Cleared { removed: Some(100), left: 0 });
        assert!(!history.folder().exists());
    }

    /// A process that clears may be killed after each step.
    #[test]
    fn what_a_kill_leaves_between_two_steps_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let history = logged(folder.path(), &[1, 2, 3]);
        let [new, old] = [layout::history_new(&history.dir), layout::history_old(&history.dir)];
        // While the new one is being written.
        fs::create_dir(&new).unwrap();
        assert_eq!(numbers(&history), [1, 2, 3]);
        assert!(!new.exists());
        // When the old one was put aside, and the new one is whole.
        rename(&history.folder(), &old).unwrap();
        let mut copy = KeyValueStore::open(&new).unwrap();
        copy.insert([(format::key(3).to_vec(), format::encode(3, 3, Kind::Caption, b"{}").unwrap())]).unwrap();
        copy.flush().unwrap();
        drop(copy);
        assert_eq!(numbers(&history), [3]);
        assert!(!new.exists() && !old.exists());
        // When all was to be cleared.
        rename(&history.folder(), &old).unwrap();
        assert_eq!(history.len().unwrap(), 0);
        assert!(!old.exists());
    }

    #[test]
    fn keys_that_no_log_has_are_damage() {
        let folder = tempfile::tempdir().unwrap();
        let history = logged(folder.path(), &[1]);
        for key in [&b"nonsense key"[..], &u64::MAX.to_be_bytes()] {
            let mut log = history.open().unwrap();
            log.kv.insert([(key.to_vec(), Vec::new())]).unwrap();
            drop(log);
            assert!(matches!(history.len(), Err(Error::Damaged { .. })));
        }
        assert_eq!(history.clear(None).unwrap(), Cleared { removed: None, left: 0 });
        assert_eq!(history.len().unwrap(), 0);
    }
}

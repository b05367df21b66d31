//! The log's file: entries behind one another, added under a lock, read without one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::entry::{Kind, Record};
use super::format::{self, ACKNOWLEDGED, HEAD, HEADER, JSON_LIMIT, TAIL, Unread};
use super::places::{Places, whole_at};
use crate::error::{Hint, Topic};
use crate::file::Replacement;
use crate::lock::{Lock, Taken};
use crate::memory::{Store, layout};
use crate::{Error, Result};

/// Looks at the header, which another may be writing just then.
const LOOKS: u32 = 3;
/// Between two looks whether another process has let go of the log.
const PAUSE: Duration = Duration::from_millis(1);

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
    /// How many of them could not be read: they were damaged, or missing.
    pub unreadable: u64,
    /// Entries that are left.
    pub left: u64,
}

impl Cleared {
    const NOTHING: Self = Self { removed: Some(0), unreadable: 0, left: 0 };
}

impl History {
    /// Entries that a log may hold.
    pub const MOST: u64 = 100_000;

    /// How long a call waits for others that add to the log.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The log of a store.
    pub fn of(store: &Store) -> Self {
        Self::with_limits(store, Self::MOST, Self::PATIENCE)
    }

    /// [`History::of`] with other limits.
    pub(crate) fn with_limits(store: &Store, most: u64, patience: Duration) -> Self {
        Self { dir: store.dir().to_path_buf(), most, patience }
    }

    /// The file of the log.
    pub fn path(&self) -> PathBuf {
        layout::history(&self.dir)
    }

    /// Adds entries, and returns their numbers when they are durable. Readers and the writer of the store are not kept waiting. Numbers of
    /// entries that are missing are not given again; [`History::unreadable`] counts those.
    ///
    /// # Errors
    /// [`Error::Input`] where the log is full, was written by a newer version, or stays locked by another process for longer than
    /// [`History::PATIENCE`]; for an entry that is too large. [`Error::Damaged`], [`Error::Io`]; what was logged before stays as it is.
    pub fn add(&self, kind: Kind, records: &[Record]) -> Result<Vec<u64>> {
        let bodies = records.iter().map(|record| self.body(record)).collect::<Result<Vec<_>>>()?;
        let _lock = self.lock()?;
        let path = self.path();
        let mut file = self.begun()?;
        let (held, first, end) = self.end(&mut file)?;
        if held + bodies.len() as u64 > self.most {
            return Err(self.full(held));
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let numbers: Vec<u64> = (first..).take(bodies.len()).collect();
        let entries = numbers.iter().zip(&bodies).flat_map(|(number, body)| format::encode(*number, time, kind, body));
        let entries: Vec<u8> = entries.collect();
        // What a process that was killed has left half written goes first.
        let written = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        let written = written.and_then(|_| file.write_all(&entries)).and_then(|()| file.sync_all());
        written.map_err(|cause| {
            let _ = file.set_len(end);
            Error::io("write", &path)(cause)
        })?;
        // Behind the sync: what it names was there, however power fails. The next sync makes it durable. Without it a loss could not be noticed; that
        // is no reason to deny what is on the disk.
        let last = format::acknowledging(first + bodies.len() as u64 - 1);
        let marked = file.seek(SeekFrom::Start(ACKNOWLEDGED as u64)).and_then(|_| file.write_all(&last));
        if let Err(error) = marked {
            tracing::debug!("{}: the last number cannot be noted: {error}", path.display());
        }
        Ok(numbers)
    }

    fn body(&self, record: &Record) -> Result<Vec<u8>> {
        format::json(record).map_err(Error::Internal)?.ok_or_else(|| {
            let found = format!("more than {JSON_LIMIT} bytes about {}", record.path);
            Error::input(self.path().display(), found, "an entry of less").with_hint("report fewer neighbours")
        })
    }

    /// The file, made where there is none. One whose beginning was not written to its end has no entry, and begins anew.
    fn begun(&self) -> Result<File> {
        let path = self.path();
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::io("open", &path))?;
        if file.metadata().map_err(Error::io("read", &path))?.len() < HEADER as u64 {
            let begun = file.set_len(0).and_then(|()| file.write_all(&format::header(0)));
            begun.and_then(|()| file.sync_all()).map_err(Error::io("write", &path))?;
            // A log that was reported to hold something must be found again.
            sync(&self.dir)?;
        }
        Ok(file)
    }

    /// How many entries there are, the number of the next one, and where it belongs.
    fn end(&self, file: &mut File) -> Result<(u64, u64, u64)> {
        let acknowledged = self.acknowledged(file)?;
        let ends = ends(file).map_err(Error::io("read", self.path()))?;
        if let Some((first, last, end)) = ends.filter(|(_, last, _)| *last >= acknowledged) {
            return Ok((last + 1 - first, last + 1, end));
        }
        let places = self.places(file)?;
        let next = places.last().map_or(1, |last| last + 1);
        Ok((places.count(), next, places.end()))
    }

    /// The number of the last entry that was acknowledged, as the header has it.
    fn acknowledged(&self, file: &mut File) -> Result<u64> {
        let mut header = [0; HEADER];
        for _ in 0..LOOKS {
            let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut header));
            read.map_err(Error::io("read", self.path()))?;
            format::check_header(&header).map_err(|unread| self.unread(None, unread))?;
            if let Some(last) = format::acknowledged(&header) {
                return Ok(last);
            }
            std::thread::sleep(PAUSE);
        }
        tracing::warn!(
            "{}: its beginning does not say any more how many were logged; entries that are missing at its end go unnoticed",
            self.path().display()
        );
        Ok(0)
    }

    /// Where each entry lies.
    pub(super) fn places(&self, file: &mut File) -> Result<Places> {
        let path = self.path();
        if file.metadata().map_err(Error::io("read", &path))?.len() < HEADER as u64 {
            return Ok(Places::default());
        }
        let acknowledged = self.acknowledged(file)?;
        // The length is the later one of the two: what is acknowledged by now is in the file.
        let len = file.metadata().map_err(Error::io("read", &path))?.len();
        Places::find(file, len, acknowledged).map_err(Error::io("read", &path))
    }

    /// The open log and its entries, where there is one. What others add meanwhile is not among them.
    pub(super) fn opened(&self) -> Result<Option<(File, Places)>> {
        let path = self.path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::io("open", &path)(cause)),
        };
        let places = self.places(&mut file)?;
        Ok(Some((file, places)))
    }

    /// How many entries there are, with those that are damaged.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`], and [`Error::Input`] for a log of a newer version.
    pub fn len(&self) -> Result<u64> {
        Ok(self.opened()?.map_or(0, |(_, places)| places.count()))
    }

    /// How many entries cannot be read: they are damaged, or missing. Reads the whole log.
    ///
    /// # Errors
    /// As [`History::len`].
    pub fn unreadable(&self) -> Result<u64> {
        let Some((mut file, places)) = self.opened()? else { return Ok(0) };
        places.unreadable(&mut file, u64::MAX).map_err(Error::io("read", self.path()))
    }

    /// Whether nothing is logged.
    ///
    /// # Errors
    /// As [`History::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Removes the entries from before a point in time, in seconds since 1970, or all, and frees their space. A log that is damaged can be
    /// cleared as a whole.
    ///
    /// # Errors
    /// As [`History::add`]; what was logged is still there then.
    pub fn clear(&self, before: Option<u64>) -> Result<Cleared> {
        let path = self.path();
        if !path.exists() {
            return Ok(Cleared::NOTHING);
        }
        let _lock = self.lock()?;
        let (mut file, places) = match (self.opened(), before) {
            (Err(_), None) => return self.removed(None, 0),
            (opened, _) => match opened? {
                Some(opened) => opened,
                None => return Ok(Cleared::NOTHING),
            },
        };
        let kept = before.and_then(|time| places.since(time));
        let unreadable = places.unreadable(&mut file, kept.map_or(u64::MAX, |(oldest, _)| oldest));
        let unreadable = unreadable.map_err(Error::io("read", &path))?;
        let Some((oldest, offset)) = kept else { return self.removed(Some(places.count()), unreadable) };
        let removed = oldest - places.first().unwrap_or(oldest);
        if removed > 0 {
            let new = Replacement::beside(&path)?;
            let mut out = new.create()?;
            let rest = file.seek(SeekFrom::Start(offset)).map(|_| (&mut file).take(places.end() - offset));
            let mut rest = rest.map_err(Error::io("read", &path))?;
            let copied =
                out.write_all(&format::header(places.last().unwrap_or(0))).and_then(|()| io::copy(&mut rest, &mut out));
            copied.and_then(|_| out.flush()).map_err(Error::io("write", &path))?;
            drop(out);
            new.keep()?;
        }
        Ok(Cleared { removed: Some(removed), unreadable, left: places.count() - removed })
    }

    /// Removes the file, in which so many entries were, and so many that could not be read.
    fn removed(&self, entries: Option<u64>, unreadable: u64) -> Result<Cleared> {
        let path = self.path();
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        sync(&self.dir)?;
        Ok(Cleared { removed: entries, unreadable, left: 0 })
    }

    /// Waits until nobody else adds or clears.
    fn lock(&self) -> Result<Lock> {
        let begun = Instant::now();
        loop {
            match Lock::take(&layout::history_lock(&self.dir))? {
                Taken::Ours(lock, _) => return Ok(lock),
                Taken::Held(_) if begun.elapsed() < self.patience => std::thread::sleep(PAUSE),
                Taken::Held(owner) => {
                    let found = format!("a log that another adds to ({owner})");
                    return Err(Error::input(self.path().display(), found, "one that others let go of soon")
                        .with_hint("wait until it has finished, or end it"));
                }
            }
        }
    }

    fn full(&self, held: u64) -> Error {
        let found = format!("a log that is full: it holds {held} entries");
        let expected = format!("{} at most", self.most);
        Error::input(self.path().display(), found, expected)
            .with_hint(Hint::about(Topic::Log, "export the log, then clear it or what is old in it"))
    }

    /// An entry, or the file, cannot be read.
    pub(super) fn unread(&self, number: Option<u64>, unread: Unread) -> Error {
        match (unread, number) {
            (Unread::Newer(version), _) => Error::input(
                self.path().display(),
                format!("version {version}"),
                format!("version {}", format::VERSION),
            )
            .with_hint("use a newer version of echoic; the log was left untouched"),
            (Unread::Damaged(found), Some(number)) => {
                Error::damaged(self.path(), None, format!("{found} in entry {number}"), "the entry as it was logged")
            }
            (Unread::Damaged(found), None) => Error::damaged(self.path(), 0, found, "the beginning of a log"),
        }
    }
}

/// The numbers of the first and the last entry, and where the next one belongs, by a look at the two; `None` where these are not whole.
fn ends(file: &mut File) -> io::Result<Option<(u64, u64, u64)>> {
    let len = file.metadata()?.len();
    if len == HEADER as u64 {
        return Ok(Some((1, 0, len)));
    }
    let mut tail = [0; TAIL];
    if len < (HEADER + HEAD + TAIL) as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(len - TAIL as u64))?;
    file.read_exact(&mut tail)?;
    let start = len.checked_sub((HEAD + TAIL) as u64 + u64::from(u32::from_le_bytes(tail)));
    let Some(start) = start.filter(|start| *start >= HEADER as u64) else { return Ok(None) };
    let (first, last) = (whole_at(file, HEADER as u64, len)?, whole_at(file, start, len)?);
    let ends = first.zip(last).filter(|(first, last)| start + last.whole() == len && first.number <= last.number);
    Ok(ends.map(|(first, last)| (first.number, last.number, len)))
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> Result<()> {
    // Windows offers no handle on a folder that can be flushed.
    if !cfg!(unix) {
        return Ok(());
    }
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::io("flush", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EmbeddingSpace;

    /// A log with entries of these times; they need not say anything.
    fn logged(folder: &Path, times: &[u64]) -> History {
        let store = Store::create(folder.join("store"), EmbeddingSpace::external(2)).unwrap();
        let history = History::of(&store);
        let entries =
            times.iter().zip(1..).flat_map(|(time, number)| format::encode(number, *time, Kind::Caption, b"{}"));
        fs::write(history.path(), format::header(times.len() as u64).into_iter().chain(entries).collect::<Vec<_>>())
            .unwrap();
        history
    }

    fn cleared(removed: u64, left: u64) -> Cleared {
        Cleared { removed: Some(removed), unreadable: 0, left }
    }

    fn ends_of(history: &History) -> (u64, u64, u64) {
        history.end(&mut history.begun().unwrap()).unwrap()
    }

    #[test]
    fn old_entries_are_cleared_and_the_others_keep_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let times: Vec<u64> = (0..300).collect();
        let history = logged(folder.path(), &times);
        let before = history.path().metadata().unwrap().len();
        assert_eq!(history.clear(Some(200)).unwrap(), cleared(200, 100));
        assert_eq!(ends_of(&history), (100, 301, before - 200 * 34));
        assert_eq!(history.clear(Some(200)).unwrap(), cleared(0, 100));
        assert_eq!(history.clear(Some(1000)).unwrap(), cleared(100, 0));
        assert!(!history.path().exists());
        assert_eq!(history.clear(None).unwrap(), cleared(0, 0));
    }

    /// A look at the first and the last entry says what going through all of them says.
    #[test]
    fn the_end_is_found_also_behind_what_a_kill_left() {
        let folder = tempfile::tempdir().unwrap();
        let history = logged(folder.path(), &[1, 2, 3]);
        let whole = fs::read(history.path()).unwrap();
        let end = whole.len() as u64;
        assert_eq!(ends_of(&history), (3, 4, end));
        let places = history.places(&mut File::open(history.path()).unwrap()).unwrap();
        assert_eq!((places.count(), places.last(), places.end()), (3, Some(3), end));
        for half in 1..34 {
            let next = format::encode(4, 4, Kind::Caption, b"{}");
            fs::write(history.path(), [&whole, &next[..half]].concat()).unwrap();
            assert_eq!(ends_of(&history), (3, 4, end), "{half} bytes of the next");
        }
        for len in 0..HEADER {
            fs::write(history.path(), &whole[..len]).unwrap();
            assert_eq!(ends_of(&history), (0, 1, HEADER as u64), "{len} bytes of the beginning");
        }
        // What was acknowledged is cut off at a border: its numbers are not given again.
        for entries in 1..=3 {
            fs::write(history.path(), &whole[..HEADER + entries * 34]).unwrap();
            assert_eq!(ends_of(&history), (3, 4, (HEADER + entries * 34) as u64), "{entries} entries");
        }
    }
}

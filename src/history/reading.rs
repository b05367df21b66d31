//! Reading the log, entry by entry, as it was when reading began.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::entry::Entry;
use super::format::{self, Unread};
use super::log::History;
use super::places::Places;
use crate::error::Missing;
use crate::file::Replacement;
use crate::{Error, Result};

/// In which order entries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The last that was logged comes first.
    NewestFirst,
    /// The first that was logged comes first.
    OldestFirst,
}

/// Entries of a log, one after another. One that is damaged is an error of its own, and others may follow.
#[derive(Debug)]
pub struct Entries<'a> {
    history: &'a History,
    order: Order,
    after: Option<u64>,
    /// The open log and the numbers that are left.
    open: Option<(File, Places, std::ops::Range<u64>)>,
    is_begun: bool,
}

impl History {
    /// All entries; behind the one of the number `after`, where it is given.
    pub fn entries(&self, order: Order, after: Option<u64>) -> Entries<'_> {
        Entries { history: self, order, after, open: None, is_begun: false }
    }

    /// One entry.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none of this number; as [`History::add`].
    pub fn entry(&self, number: u64) -> Result<Entry> {
        let missing = |known: Option<(u64, u64)>| Error::NotFound {
            kind: Missing::LogEntry,
            name: number.to_string(),
            known: known.map(|(first, last)| format!("{first} to {last}")).into_iter().collect(),
        };
        let Some((mut file, places)) = self.opened()? else { return Err(missing(None)) };
        let known = places.first().zip(places.last());
        match known {
            Some((first, last)) if (first..=last).contains(&number) => self.read(&mut file, &places, number),
            known => Err(missing(known)),
        }
    }

    fn read(&self, file: &mut File, places: &Places, number: u64) -> Result<Entry> {
        let damaged = |unread| self.unread(Some(number), unread);
        let place = places.of(number).ok_or_else(|| damaged(Unread::Damaged("nothing that can be read".into())))?;
        let mut bytes = vec![0; place.whole as usize];
        let read = file.seek(SeekFrom::Start(place.offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(Error::io("read", self.path()))?;
        format::decode(&bytes).map_err(damaged)
    }

    /// Writes all entries as lines of JSON, the first that was logged first; returns how many. Those that are damaged are left out, and given to
    /// `damaged`.
    ///
    /// # Errors
    /// As [`History::add`], also where nothing but damage is there; [`Error::Io`], where errors of `out` name it `name`.
    pub fn write_lines_to(
        &self,
        name: impl AsRef<Path>,
        mut out: impl Write,
        mut damaged: impl FnMut(Error),
    ) -> Result<u64> {
        let (mut written, mut first) = (0, None);
        for entry in self.entries(Order::OldestFirst, None) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error @ Error::Damaged { .. }) => {
                    match written {
                        0 if first.is_none() => first = Some(error),
                        _ => damaged(error),
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            first.take().into_iter().for_each(&mut damaged);
            let line = serde_json::to_string(&entry).map_err(|e| Error::Internal(format!("no JSON: {e}")))?;
            writeln!(out, "{line}").map_err(Error::io("write", &name))?;
            written += 1;
        }
        out.flush().map_err(Error::io("write", &name))?;
        first.map_or(Ok(written), Err)
    }

    /// [`History::write_lines_to`] a file, which takes its place when it is whole.
    ///
    /// # Errors
    /// As [`History::write_lines_to`].
    pub fn export(&self, path: &Path, damaged: impl FnMut(Error)) -> Result<u64> {
        let file = Replacement::beside(path)?;
        let written = self.write_lines_to(path, file.create()?, damaged)?;
        file.keep()?;
        Ok(written)
    }
}

impl Entries<'_> {
    fn begin(&mut self) -> Result<()> {
        let Some((file, places)) = self.history.opened()? else { return Ok(()) };
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(()) };
        let numbers = match (self.order, self.after) {
            (_, None) => first..last + 1,
            (Order::NewestFirst, Some(after)) => first..after.clamp(first, last + 1),
            (Order::OldestFirst, Some(after)) => after.saturating_add(1).clamp(first, last + 1)..last + 1,
        };
        self.open = Some((file, places, numbers));
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::replace(&mut self.is_begun, true)
            && let Err(error) = self.begin()
        {
            return Some(Err(error));
        }
        let (file, places, numbers) = self.open.as_mut()?;
        let number = match self.order {
            Order::NewestFirst => numbers.next_back(),
            Order::OldestFirst => numbers.next(),
        };
        number.map(|number| self.history.read(file, places, number))
    }
}

//! Reading the log, some entries at a time: it is open only while these are read.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;

use super::entry::Entry;
use super::format;
use super::log::History;
use crate::error::Missing;
use crate::file::Replacement;
use crate::{Error, Result};

/// Entries that are read at once, and the bytes that they may have together.
const ENTRIES: usize = 1024;
const BYTES: usize = 8 << 20;

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
    /// The entry that the last one came before or after.
    after: Option<u64>,
    read: VecDeque<Result<Entry>>,
    is_over: bool,
}

impl History {
    /// All entries; behind the one of the number `after`, where it is given.
    pub fn entries(&self, order: Order, after: Option<u64>) -> Entries<'_> {
        Entries { history: self, order, after, read: VecDeque::new(), is_over: false }
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
        let Some(log) = self.open_existing()? else { return Err(missing(None)) };
        let value = log.kv.get(&format::key(number)).map_err(|reason| self.broken(reason))?;
        let Some(value) = value else { return Err(missing(self.ends(&log)?)) };
        format::decode(number, &value).map_err(|unread| self.unread(number, unread))
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

    /// Some entries behind `after`, and the number of the last of them; `None` where there are no more.
    fn page(&self, order: Order, after: Option<u64>) -> Result<Option<(VecDeque<Result<Entry>>, u64)>> {
        let Some(log) = self.open_existing()? else { return Ok(None) };
        let Some((first, last)) = self.ends(&log)? else { return Ok(None) };
        let numbers: Box<dyn Iterator<Item = u64>> = match order {
            Order::NewestFirst => {
                Box::new((first..=after.map_or(last, |after| last.min(after.saturating_sub(1)))).rev())
            }
            Order::OldestFirst => Box::new(after.map_or(first, |after| first.max(after.saturating_add(1)))..=last),
        };
        let (mut page, mut place, mut bytes) = (VecDeque::new(), None, 0);
        for number in numbers {
            let value = log.kv.get(&format::key(number)).map_err(|reason| self.broken(reason))?;
            let Some(value) = value else { continue };
            bytes += value.len();
            page.push_back(format::decode(number, &value).map_err(|unread| self.unread(number, unread)));
            place = Some(number);
            if page.len() >= ENTRIES || bytes >= BYTES {
                break;
            }
        }
        Ok(place.map(|place| (page, place)))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() && !self.is_over {
            match self.history.page(self.order, self.after) {
                Ok(Some((read, last))) => (self.read, self.after) = (read, Some(last)),
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        self.read.pop_front()
    }
}

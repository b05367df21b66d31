//! The captions of a segment: records, then tables that find them by row and by caption id, then a footer of checksums.
//! [`captions_writer`](super::captions_writer) writes them.

use std::ops::Range;
use std::path::Path;

use bincode::{BorrowDecode, Encode};

use super::codec::{self, RECORD_LIMIT, u32_at, u64_at};
use super::manifest::{FileEntry, check_crc};
use super::mapping::Mapped;
use crate::{Error, Result};

pub(crate) const MAGIC: &[u8; 8] = b"ECHOICCA";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER: usize = 32;
pub(crate) const FOOTER: usize = 64;
/// Length and checksum before each record.
pub(crate) const FRAME: usize = 8;
/// A row's entry: caption id, offset of its record, occurrences counted in this segment, zero.
pub(crate) const ROW: usize = 24;
/// A repeat's entry: caption id, offset of its record.
pub(crate) const REPEAT: usize = 16;

/// What the records region holds; texts are borrowed from where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Encode, BorrowDecode)]
pub(crate) enum Record<'a> {
    /// A caption, whose vector is the row of the same number.
    Caption { id: u64, text: &'a str, clip: Option<&'a str>, ordinal: u32 },
    /// One more occurrence of a caption of the same domain.
    Repeat { id: u64, clip: Option<&'a str>, ordinal: u32 },
}

impl<'a> Record<'a> {
    /// The caption that it is or repeats.
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Caption { id, .. } | Self::Repeat { id, .. } => *id,
        }
    }

    /// The clip that it belongs to.
    pub(crate) fn clip(&self) -> Option<&'a str> {
        match self {
            Self::Caption { clip, .. } | Self::Repeat { clip, .. } => *clip,
        }
    }
}

/// The mapped captions of a segment. Header, tables and footer are checked when it is opened, each record when it is read.
pub(crate) struct Captions {
    map: Mapped,
    rows: usize,
    local: usize,
    foreign: usize,
    /// Where the records end and the tables begin.
    tables: usize,
}

impl Captions {
    pub(crate) fn open(path: &Path, entry: FileEntry, segment: u64, rows: usize, repeats: usize) -> Result<Self> {
        let map = Mapped::open(path)?;
        let bytes = map.bytes();
        if bytes.len() as u64 != entry.len || bytes.len() < HEADER + FOOTER {
            return Err(Error::damaged(path, bytes.len() as u64, format!("{} bytes", bytes.len()), entry.len));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(Error::damaged(path, 0, "another kind of file", "the magic number ECHOICCA"));
        }
        check_crc(path, 0, crc32fast::hash(&bytes[..28]), u32_at(bytes, 28))?;
        let start = bytes.len() - FOOTER;
        let footer = &bytes[start..];
        check_crc(path, start as u64, crc32fast::hash(&footer[..60]), u32_at(footer, 60))?;
        check_crc(path, start as u64, u32_at(footer, 60), entry.crc)?;
        let counts = [u64_at(footer, 16), u64_at(footer, 24), u64_at(footer, 32), u64_at(footer, 40)];
        let [found_rows, local, foreign, tables] = counts.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let length = found_rows
            .checked_mul(ROW)
            .zip(local.checked_add(foreign).and_then(|sum| sum.checked_mul(REPEAT)))
            .and_then(|(rows, repeats)| tables.checked_add(rows)?.checked_add(repeats));
        let right = length == Some(start) && found_rows == rows && local + foreign == repeats && tables >= HEADER;
        if !right || u64_at(footer, 8) != segment || u32_at(footer, 56) != VERSION || u64_at(bytes, 16) != segment {
            return Err(Error::damaged(path, start as u64, format!("{counts:?}"), "the counts of the manifest"));
        }
        check_crc(path, tables as u64, crc32fast::hash(&bytes[tables..start]), u32_at(footer, 52))?;
        Ok(Self { map, rows, local, foreign, tables })
    }

    /// The caption id of `row`.
    pub(crate) fn id(&self, row: usize) -> u64 {
        u64_at(self.map.bytes(), self.tables + row * ROW)
    }

    /// How often this segment itself counts the caption of `row`.
    pub(crate) fn occurrences(&self, row: usize) -> u32 {
        u32_at(self.map.bytes(), self.tables + row * ROW + 16)
    }

    /// The row of a caption.
    pub(crate) fn find(&self, id: u64) -> Option<usize> {
        let row = partition_point(self.rows, |row| self.id(row) < id);
        (row < self.rows && self.id(row) == id).then_some(row)
    }

    /// How many rows have this id or a lower one.
    pub(crate) fn rows_up_to(&self, id: u64) -> usize {
        partition_point(self.rows, |row| self.id(row) <= id)
    }

    /// The record of a row.
    pub(crate) fn caption(&self, row: usize) -> Result<Record<'_>> {
        let record = self.record(self.offset(row))?;
        match &record {
            Record::Caption { id, .. } if *id == self.id(row) => Ok(record),
            other => Err(Error::damaged(self.map.path(), self.entry(row), format!("{other:?}"), format!("row {row}"))),
        }
    }

    /// The text of a row and the clip that it was first seen with.
    pub(crate) fn text(&self, row: usize) -> Result<(&str, Option<&str>)> {
        match self.caption(row)? {
            Record::Caption { text, clip, .. } => Ok((text, clip)),
            Record::Repeat { .. } => Err(Error::Internal("a row that is a repeat".into())),
        }
    }

    /// Where the record of a row begins.
    pub(crate) fn offset(&self, row: usize) -> u64 {
        u64_at(self.map.bytes(), self.tables + row * ROW + 8)
    }

    /// Where the table's entry of a row begins.
    fn entry(&self, row: usize) -> u64 {
        (self.tables + row * ROW) as u64
    }

    /// The caption ids that repeats here refer to and that lie in other segments, ascending.
    pub(crate) fn foreign_ids(&self) -> impl Iterator<Item = u64> {
        (self.local..self.local + self.foreign).map(|index| self.repeat_entry(index).0)
    }

    /// The records of the repeats of caption `id` in this segment.
    pub(crate) fn repeats_of(&self, id: u64) -> impl Iterator<Item = Result<Record<'_>>> {
        let matching = move |from: usize, len: usize| {
            let first = from + partition_point(len, |index| self.repeat_entry(from + index).0 < id);
            (first..from + len).take_while(move |index| self.repeat_entry(*index).0 == id)
        };
        let indices = matching(0, self.local).chain(matching(self.local, self.foreign));
        indices.map(|index| self.record(self.repeat_entry(index).1))
    }

    /// Every record in the order of the file: captions, then repeats.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record<'_>>> {
        let mut offset = HEADER;
        std::iter::from_fn(move || {
            if offset >= self.tables {
                return None;
            }
            let at = offset;
            offset = at + FRAME + u32_at(self.map.bytes(), at) as usize;
            let record = self.record(at as u64);
            if record.is_err() {
                offset = self.tables; // lengths cannot be trusted any more
            }
            Some(record)
        })
    }

    /// True when repeats of caption `id` lie here and the caption does not.
    pub(crate) fn repeats_foreign(&self, id: u64) -> bool {
        let first = self.local + partition_point(self.foreign, |index| self.repeat_entry(self.local + index).0 < id);
        first < self.local + self.foreign && self.repeat_entry(first).0 == id
    }

    /// The record of the repeat at `place` of the table: first those of captions of this segment, then the others.
    pub(crate) fn repeat(&self, place: usize) -> Result<Record<'_>> {
        let (id, offset) = self.repeat_entry(place);
        match self.record(offset)? {
            record @ Record::Repeat { .. } if record.id() == id => Ok(record),
            other => Err(Error::damaged(self.map.path(), offset, format!("{other:?}"), format!("repeat {place}"))),
        }
    }

    /// The caption id of the repeat at `place` of the table.
    pub(crate) fn repeat_id(&self, place: usize) -> u64 {
        self.repeat_entry(place).0
    }

    /// Where the record of the repeat at `place` of the table begins.
    pub(crate) fn repeat_offset(&self, place: usize) -> u64 {
        self.repeat_entry(place).1
    }

    /// Number of repeats.
    pub(crate) fn repeats(&self) -> usize {
        self.local + self.foreign
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        self.map.path()
    }

    /// Reads everything and compares checksums, then tables with records.
    pub(crate) fn verify(&self) -> Result<()> {
        let path = self.map.path();
        let mut captions = 0;
        let mut repeats = 0;
        for record in self.records() {
            match record? {
                Record::Caption { id, .. } if captions < self.rows && self.id(captions) == id => captions += 1,
                Record::Caption { id, .. } => {
                    return Err(Error::damaged(path, self.tables as u64, format!("caption {id}"), "as in the table"));
                }
                Record::Repeat { .. } => repeats += 1,
            }
        }
        if (captions, repeats) != (self.rows, self.repeats()) {
            let expected = format!("{:?}", (self.rows, self.repeats()));
            return Err(Error::damaged(
                path,
                self.tables as u64,
                format!("{captions} and {repeats} records"),
                expected,
            ));
        }
        self.check_records()
    }

    /// Compares all records with their checksum and with the table of rows: then they may be taken over as they are.
    pub(crate) fn verify_records(&self) -> Result<()> {
        if let Err(somewhere) = self.check_records() {
            // Which record it is, its own checksum tells.
            return self.records().try_for_each(|record| record.map(drop)).and(Err(somewhere));
        }
        let mut offset = HEADER as u64;
        for row in 0..self.rows {
            if self.offset(row) != offset {
                let found = format!("a record at {}", self.offset(row));
                return Err(Error::damaged(self.map.path(), self.entry(row), found, offset));
            }
            offset += self.framed(offset)?.len() as u64;
        }
        Ok(())
    }

    fn check_records(&self) -> Result<()> {
        let records = &self.map.bytes()[HEADER..self.tables];
        check_crc(self.map.path(), HEADER as u64, crc32fast::hash(records), self.records_crc())
    }

    /// The checksum of all records.
    fn records_crc(&self) -> u32 {
        u32_at(self.map.bytes(), self.map.bytes().len() - FOOTER + 48)
    }

    /// The checksum of `records`, which are some of these, where they are all and verified, so that it is known.
    pub(crate) fn checksum_of(&self, records: &[u8]) -> Option<crc32fast::Hasher> {
        let is_all = records.len() == self.tables - HEADER;
        is_all.then(|| crc32fast::Hasher::new_with_initial_len(self.records_crc(), records.len() as u64))
    }

    /// The records of some rows, which lie side by side once [`Captions::verify_records`] has said so.
    pub(crate) fn rows_as_they_lie(&self, rows: Range<usize>) -> Result<&[u8]> {
        let Some(last) = rows.clone().last() else { return Ok(&[]) };
        let (start, end) = (self.offset(rows.start), self.offset(last));
        let end = end.saturating_add(self.framed(end)?.len() as u64);
        let lie = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        lie.and_then(|(start, end)| self.map.bytes().get(start..end))
            .ok_or_else(|| Error::damaged(self.map.path(), self.entry(last), end, format!("more than {start}")))
    }

    /// The record of a repeat with its frame, checked.
    pub(crate) fn repeat_as_it_lies(&self, place: usize) -> Result<&[u8]> {
        self.repeat(place)?;
        self.framed(self.repeat_offset(place))
    }

    fn repeat_entry(&self, index: usize) -> (u64, u64) {
        let at = self.tables + self.rows * ROW + index * REPEAT;
        (u64_at(self.map.bytes(), at), u64_at(self.map.bytes(), at + 8))
    }

    fn record(&self, offset: u64) -> Result<Record<'_>> {
        let path = self.map.path();
        let (frame, body) = self.framed(offset)?.split_at(FRAME);
        check_crc(path, offset, crc32fast::hash(body), u32_at(frame, 4))?;
        codec::decode::<_, RECORD_LIMIT>(body).map_err(|reason| Error::damaged(path, offset, reason, "a record"))
    }

    /// The record at `offset` with its frame, before anything but its length is checked.
    fn framed(&self, offset: u64) -> Result<&[u8]> {
        let (path, records) = (self.map.path(), &self.map.bytes()[..self.tables]);
        let rest = usize::try_from(offset).ok().and_then(|start| records.get(start..));
        let Some(rest) = rest.filter(|rest| rest.len() >= FRAME) else {
            return Err(Error::damaged(path, offset, "the end of the records", "a record"));
        };
        let len = u32_at(rest, 0) as usize;
        let framed = if len <= RECORD_LIMIT { rest.get(..FRAME + len) } else { None };
        framed.ok_or_else(|| Error::damaged(path, offset, format!("a record of {len} bytes"), "a shorter one"))
    }
}

/// The first index in `0..len` for which `before` is false.
fn partition_point(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

//! The captions of a segment: records, then tables that find them by row and by caption id, then a footer of checksums.

use std::io::{self, Write};
use std::path::Path;

use bincode::{Decode, Encode};

use super::codec::{self, RECORD_LIMIT, u32_at, u64_at};
use super::manifest::{FileEntry, check_crc};
use super::mapping::Mapped;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"ECHOICCA";
const VERSION: u32 = 1;
const HEADER: usize = 32;
const FOOTER: usize = 64;
/// Length and checksum before each record.
const FRAME: usize = 8;
/// A row's entry: caption id, offset of its record, occurrences counted in this segment, zero.
const ROW: usize = 24;
/// A repeat's entry: caption id, offset of its record.
const REPEAT: usize = 16;

/// What the records region holds.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Record {
    /// A caption, whose vector is the row of the same number.
    Caption { id: u64, text: String, clip: Option<String>, ordinal: u32 },
    /// One more occurrence of a caption of the same domain.
    Repeat { id: u64, clip: Option<String>, ordinal: u32 },
}

impl Record {
    /// The caption that it is or repeats.
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Caption { id, .. } | Self::Repeat { id, .. } => *id,
        }
    }

    /// The clip that it belongs to.
    pub(super) fn clip(&self) -> Option<&str> {
        match self {
            Self::Caption { clip, .. } | Self::Repeat { clip, .. } => clip.as_deref(),
        }
    }
}

/// Writes a captions file: first every caption in ascending order of ids, then every repeat, then `finish`.
pub(super) struct CaptionsWriter<'a> {
    out: &'a mut dyn Write,
    segment: u64,
    offset: u64,
    records: crc32fast::Hasher,
    /// (caption id, offset, occurrences)
    rows: Vec<(u64, u64, u32)>,
    local: Vec<(u64, u64)>,
    foreign: Vec<(u64, u64)>,
}

impl<'a> CaptionsWriter<'a> {
    pub(super) fn begin(out: &'a mut dyn Write, segment: u64) -> io::Result<Self> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&segment.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        out.write_all(&header)?;
        let records = crc32fast::Hasher::new();
        let (rows, local, foreign) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { out, segment, offset: HEADER as u64, records, rows, local, foreign })
    }

    pub(super) fn push(&mut self, record: &Record) -> io::Result<()> {
        let body = codec::encode(record).map_err(io::Error::other)?;
        // What could not be read back must not be written; the limits on text and clip keep this from happening.
        if body.len() > RECORD_LIMIT {
            return Err(io::Error::other(format!("a record of {} bytes", body.len())));
        }
        let id = record.id();
        match record {
            Record::Caption { .. } => {
                debug_assert!(self.rows.last().is_none_or(|last| last.0 < id), "ids ascend");
                self.rows.push((id, self.offset, 1));
            }
            Record::Repeat { .. } => match self.rows.binary_search_by_key(&id, |row| row.0) {
                Ok(row) => {
                    self.rows[row].2 = self.rows[row].2.saturating_add(1);
                    self.local.push((id, self.offset));
                }
                Err(_) => self.foreign.push((id, self.offset)),
            },
        }
        let mut frame = [0; FRAME];
        frame[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        frame[4..].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
        for part in [&frame[..], &body] {
            self.records.update(part);
            self.out.write_all(part)?;
        }
        self.offset += (FRAME + body.len()) as u64;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<FileEntry> {
        self.local.sort_unstable();
        self.foreign.sort_unstable();
        let mut tables = Vec::with_capacity(self.rows.len() * ROW + (self.local.len() + self.foreign.len()) * REPEAT);
        for (id, offset, count) in &self.rows {
            tables.extend_from_slice(&id.to_le_bytes());
            tables.extend_from_slice(&offset.to_le_bytes());
            tables.extend_from_slice(&count.to_le_bytes());
            tables.extend_from_slice(&[0; 4]);
        }
        for (id, offset) in self.local.iter().chain(&self.foreign) {
            tables.extend_from_slice(&id.to_le_bytes());
            tables.extend_from_slice(&offset.to_le_bytes());
        }
        self.out.write_all(&tables)?;
        let mut footer = Vec::with_capacity(FOOTER);
        footer.extend_from_slice(MAGIC);
        footer.extend_from_slice(&self.segment.to_le_bytes());
        footer.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        footer.extend_from_slice(&(self.local.len() as u64).to_le_bytes());
        footer.extend_from_slice(&(self.foreign.len() as u64).to_le_bytes());
        footer.extend_from_slice(&self.offset.to_le_bytes());
        footer.extend_from_slice(&self.records.finalize().to_le_bytes());
        footer.extend_from_slice(&crc32fast::hash(&tables).to_le_bytes());
        footer.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32fast::hash(&footer);
        footer.extend_from_slice(&crc.to_le_bytes());
        self.out.write_all(&footer)?;
        Ok(FileEntry { len: self.offset + (tables.len() + FOOTER) as u64, crc })
    }
}

/// The mapped captions of a segment. Header, tables and footer are checked when it is opened, each record when it is read.
pub(super) struct Captions {
    map: Mapped,
    rows: usize,
    local: usize,
    foreign: usize,
    /// Where the records end and the tables begin.
    tables: usize,
}

impl Captions {
    pub(super) fn open(path: &Path, entry: FileEntry, segment: u64, rows: usize, repeats: usize) -> Result<Self> {
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
    pub(super) fn id(&self, row: usize) -> u64 {
        u64_at(self.map.bytes(), self.tables + row * ROW)
    }

    /// How often this segment itself counts the caption of `row`.
    pub(super) fn occurrences(&self, row: usize) -> u32 {
        u32_at(self.map.bytes(), self.tables + row * ROW + 16)
    }

    /// The row of a caption.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        let row = partition_point(self.rows, |row| self.id(row) < id);
        (row < self.rows && self.id(row) == id).then_some(row)
    }

    /// The record of a row.
    pub(super) fn caption(&self, row: usize) -> Result<Record> {
        let at = self.tables + row * ROW;
        let record = self.record(u64_at(self.map.bytes(), at + 8))?;
        match &record {
            Record::Caption { id, .. } if *id == self.id(row) => Ok(record),
            other => Err(Error::damaged(self.map.path(), at as u64, format!("{other:?}"), format!("row {row}"))),
        }
    }

    /// The caption ids that repeats here refer to and that lie in other segments, ascending.
    pub(super) fn foreign_ids(&self) -> impl Iterator<Item = u64> {
        (self.local..self.local + self.foreign).map(|index| self.repeat_entry(index).0)
    }

    /// The records of the repeats of caption `id` in this segment.
    pub(super) fn repeats_of(&self, id: u64) -> impl Iterator<Item = Result<Record>> {
        let matching = move |from: usize, len: usize| {
            let first = from + partition_point(len, |index| self.repeat_entry(from + index).0 < id);
            (first..from + len).take_while(move |index| self.repeat_entry(*index).0 == id)
        };
        let indices = matching(0, self.local).chain(matching(self.local, self.foreign));
        indices.map(|index| self.record(self.repeat_entry(index).1))
    }

    /// Every record in the order of the file: captions, then repeats.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record>> {
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
    pub(super) fn repeats_foreign(&self, id: u64) -> bool {
        let first = self.local + partition_point(self.foreign, |index| self.repeat_entry(self.local + index).0 < id);
        first < self.local + self.foreign && self.repeat_entry(first).0 == id
    }

    /// The record of the repeat at `place` of the table: first those of captions of this segment, then the others.
    pub(super) fn repeat(&self, place: usize) -> Result<Record> {
        let (id, offset) = self.repeat_entry(place);
        match self.record(offset)? {
            record @ Record::Repeat { .. } if record.id() == id => Ok(record),
            other => Err(Error::damaged(self.map.path(), offset, format!("{other:?}"), format!("repeat {place}"))),
        }
    }

    /// Where the record of the repeat at `place` of the table begins.
    pub(super) fn repeat_offset(&self, place: usize) -> u64 {
        self.repeat_entry(place).1
    }

    /// Number of repeats.
    pub(super) fn repeats(&self) -> usize {
        self.local + self.foreign
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        self.map.path()
    }

    /// Reads everything and compares checksums, then tables with records.
    pub(super) fn verify(&self) -> Result<()> {
        let (path, bytes) = (self.map.path(), self.map.bytes());
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
        let footer = bytes.len() - FOOTER;
        check_crc(path, HEADER as u64, crc32fast::hash(&bytes[HEADER..self.tables]), u32_at(bytes, footer + 48))
    }

    fn repeat_entry(&self, index: usize) -> (u64, u64) {
        let at = self.tables + self.rows * ROW + index * REPEAT;
        (u64_at(self.map.bytes(), at), u64_at(self.map.bytes(), at + 8))
    }

    fn record(&self, offset: u64) -> Result<Record> {
        let (path, records) = (self.map.path(), &self.map.bytes()[..self.tables]);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let frame = start.checked_add(FRAME).and_then(|end| records.get(start..end));
        let Some(frame) = frame else {
            return Err(Error::damaged(path, offset, "the end of the records", "a record"));
        };
        let len = u32_at(frame, 0) as usize;
        let body = records.get(start + FRAME..).and_then(|rest| rest.get(..len));
        let Some(body) = body.filter(|_| len <= RECORD_LIMIT) else {
            return Err(Error::damaged(path, offset, format!("a record of {len} bytes"), "a shorter one"));
        };
        check_crc(path, offset, crc32fast::hash(body), u32_at(frame, 4))?;
        codec::decode::<_, RECORD_LIMIT>(body).map_err(|reason| Error::damaged(path, offset, reason, "a record"))
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

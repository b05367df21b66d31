//! Writing the captions of a segment: new ones, or those of other segments as they lie there.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use super::captions::{Captions, FOOTER, FRAME, HEADER, MAGIC, REPEAT, ROW, Record, VERSION};
use super::codec::{self, RECORD_LIMIT};
use super::manifest::FileEntry;
use crate::{Error, Result};

/// Writes a captions file: first every caption in ascending order of ids, then every repeat, then `finish`.
pub(super) struct CaptionsWriter<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
    segment: u64,
    offset: u64,
    records: crc32fast::Hasher,
    /// (caption id, offset, occurrences)
    rows: Vec<(u64, u64, u32)>,
    local: Vec<(u64, u64)>,
    foreign: Vec<(u64, u64)>,
}

impl<'a> CaptionsWriter<'a> {
    /// Begins the file of `segment` at `path`, into which `out` writes.
    pub(super) fn begin(out: &'a mut dyn Write, path: &'a Path, segment: u64) -> Result<Self> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&segment.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        out.write_all(&header).map_err(Error::io("write", path))?;
        let records = crc32fast::Hasher::new();
        let (rows, local, foreign) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { out, path, segment, offset: HEADER as u64, records, rows, local, foreign })
    }

    /// A new record.
    pub(super) fn push(&mut self, record: &Record<'_>) -> Result<()> {
        let body = codec::encode(record).map_err(Error::Internal)?;
        // What could not be read back must not be written; the limits on text and clip keep this from happening.
        if body.len() > RECORD_LIMIT {
            return Err(Error::Internal(format!("a record of {} bytes", body.len())));
        }
        match record {
            Record::Caption { id, .. } => self.enter_caption(*id, self.offset),
            Record::Repeat { id, .. } => self.enter_repeat(*id),
        }
        let mut framed = Vec::with_capacity(FRAME + body.len());
        framed.extend_from_slice(&(body.len() as u32).to_le_bytes());
        framed.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        framed.extend_from_slice(&body);
        self.write(&framed)
    }

    /// Takes over rows of another segment whose records are verified.
    pub(super) fn copy_rows(&mut self, from: &Captions, rows: Range<usize>) -> Result<()> {
        let records = from.rows_as_they_lie(rows.clone())?;
        let first = from.offset(rows.start);
        for row in rows {
            self.enter_caption(from.id(row), self.offset + (from.offset(row) - first));
        }
        self.write(records)
    }

    /// Takes over the repeat at `place` of another segment.
    pub(super) fn copy_repeat(&mut self, from: &Captions, place: usize) -> Result<()> {
        let record = from.repeat_as_it_lies(place)?;
        self.enter_repeat(from.repeat_id(place));
        self.write(record)
    }

    fn enter_caption(&mut self, id: u64, offset: u64) {
        debug_assert!(self.rows.last().is_none_or(|last| last.0 < id), "ids ascend");
        self.rows.push((id, offset, 1));
    }

    fn enter_repeat(&mut self, id: u64) {
        match self.rows.binary_search_by_key(&id, |row| row.0) {
            Ok(row) => {
                self.rows[row].2 = self.rows[row].2.saturating_add(1);
                self.local.push((id, self.offset));
            }
            Err(_) => self.foreign.push((id, self.offset)),
        }
    }

    fn write(&mut self, records: &[u8]) -> Result<()> {
        self.records.update(records);
        self.out.write_all(records).map_err(Error::io("write", self.path))?;
        self.offset += records.len() as u64;
        Ok(())
    }

    /// Writes tables and footer.
    pub(super) fn finish(mut self) -> Result<FileEntry> {
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
        let written = self.out.write_all(&tables).and_then(|()| self.out.write_all(&footer));
        written.map_err(Error::io("write", self.path))?;
        Ok(FileEntry { len: self.offset + (tables.len() + FOOTER) as u64, crc })
    }
}

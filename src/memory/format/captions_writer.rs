//! Writing the captions of a segment: new ones, or those of other segments as they lie there.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use super::captions::{Captions, FOOTER, FRAME, HEADER, MAGIC, REPEAT, ROW, Record, VERSION};
use super::codec::{self, RECORD_LIMIT};
use super::manifest::FileEntry;
use crate::{Error, Result};

/// Entries of a table that are written at once.
const ENTRIES: usize = 1024;

/// Writes a captions file: first every caption in ascending order of ids, then every repeat, then `finish`.
pub(crate) struct CaptionsWriter<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
    segment: u64,
    offset: u64,
    records: crc32fast::Hasher,
    /// (caption id, offset, occurrences)
    rows: Vec<(u64, u64, u32)>,
    local: Vec<(u64, u64)>,
    foreign: Vec<(u64, u64)>,
    /// The last record, whose memory the next one takes over.
    framed: Vec<u8>,
}

impl<'a> CaptionsWriter<'a> {
    /// Begins the file of `segment` at `path`, into which `out` writes.
    pub(crate) fn begin(out: &'a mut dyn Write, path: &'a Path, segment: u64) -> Result<Self> {
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
        let (rows, local, foreign, framed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { out, path, segment, offset: HEADER as u64, records, rows, local, foreign, framed })
    }

    /// A new record.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> Result<()> {
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        framed.resize(FRAME, 0);
        codec::encode_into(record, &mut framed).map_err(Error::Internal)?;
        let (frame, body) = framed.split_at_mut(FRAME);
        // What could not be read back must not be written; the limits on text and clip keep this from happening.
        if body.len() > RECORD_LIMIT {
            return Err(Error::Internal(format!("a record of {} bytes", body.len())));
        }
        frame[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        frame[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        match record {
            Record::Caption { id, .. } => self.enter_caption(*id, self.offset),
            Record::Repeat { id, .. } => self.enter_repeat(*id),
        }
        self.write(&framed)?;
        self.framed = framed;
        Ok(())
    }

    /// Takes over rows of another segment whose records are verified.
    pub(crate) fn copy_rows(&mut self, from: &Captions, rows: Range<usize>) -> Result<()> {
        let records = from.rows_as_they_lie(rows.clone())?;
        let first = from.offset(rows.start);
        for row in rows {
            self.enter_caption(from.id(row), self.offset + (from.offset(row) - first));
        }
        match from.checksum_of(records) {
            Some(checksum) => self.records.combine(&checksum),
            None => self.records.update(records),
        }
        self.write_summed(records)
    }

    /// Takes over the repeat at `place` of another segment.
    pub(crate) fn copy_repeat(&mut self, from: &Captions, place: usize) -> Result<()> {
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
        self.write_summed(records)
    }

    fn write_summed(&mut self, records: &[u8]) -> Result<()> {
        self.out.write_all(records).map_err(Error::io("write", self.path))?;
        self.offset += records.len() as u64;
        Ok(())
    }

    /// Makes room for that many captions at once.
    pub(crate) fn expect(&mut self, captions: usize) {
        self.rows.reserve_exact(captions);
    }

    /// Writes tables and footer.
    pub(crate) fn finish(mut self) -> Result<FileEntry> {
        self.local.sort_unstable();
        self.foreign.sort_unstable();
        let mut tables = crc32fast::Hasher::new();
        let rows = self.rows.iter().map(|(id, offset, count)| {
            let mut entry = [0; ROW];
            entry[..8].copy_from_slice(&id.to_le_bytes());
            entry[8..16].copy_from_slice(&offset.to_le_bytes());
            entry[16..20].copy_from_slice(&count.to_le_bytes());
            entry
        });
        let repeats = self.local.iter().chain(&self.foreign).map(|(id, offset)| {
            let mut entry = [0; REPEAT];
            entry[..8].copy_from_slice(&id.to_le_bytes());
            entry[8..].copy_from_slice(&offset.to_le_bytes());
            entry
        });
        let path = self.path;
        let rows = write_table(self.out, &mut tables, rows).map_err(Error::io("write", path))?;
        let repeats = write_table(self.out, &mut tables, repeats).map_err(Error::io("write", path))?;
        let mut footer = Vec::with_capacity(FOOTER);
        footer.extend_from_slice(MAGIC);
        footer.extend_from_slice(&self.segment.to_le_bytes());
        footer.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        footer.extend_from_slice(&(self.local.len() as u64).to_le_bytes());
        footer.extend_from_slice(&(self.foreign.len() as u64).to_le_bytes());
        footer.extend_from_slice(&self.offset.to_le_bytes());
        footer.extend_from_slice(&self.records.finalize().to_le_bytes());
        footer.extend_from_slice(&tables.finalize().to_le_bytes());
        footer.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32fast::hash(&footer);
        footer.extend_from_slice(&crc.to_le_bytes());
        self.out.write_all(&footer).map_err(Error::io("write", path))?;
        Ok(FileEntry { len: self.offset + rows + repeats + FOOTER as u64, crc })
    }
}

/// Writes the entries of a table, some at a time, since a table of a large segment would fill megabytes; returns its length.
fn write_table<const N: usize>(
    out: &mut dyn Write,
    crc: &mut crc32fast::Hasher,
    mut entries: impl Iterator<Item = [u8; N]>,
) -> io::Result<u64> {
    let (mut len, mut some) = (0, Vec::new());
    loop {
        some.clear();
        some.extend(entries.by_ref().take(ENTRIES));
        if some.is_empty() {
            return Ok(len);
        }
        let bytes = some.as_flattened();
        crc.update(bytes);
        out.write_all(bytes)?;
        len += bytes.len() as u64;
    }
}

//! The removed rows of a segment: a bitmap in a file of its own. When more rows go, a file of the next generation takes its place.

use std::collections::BTreeSet;
use std::path::Path;

use super::codec::{u32_at, u64_at};
use super::layout;
use super::manifest::{FileEntry, TombstoneEntry, check_crc};
use super::storage::{Storage, write_durably};
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"ECHOICTO";
const VERSION: u32 = 1;
const HEADER: usize = 64;

/// Which rows of a segment are removed.
#[derive(Debug)]
pub(crate) struct Tombstones {
    pub entry: TombstoneEntry,
    /// Row r is removed when bit r mod 64 of word r / 64 is set: the bytes of the file, eight to a word.
    words: Vec<u64>,
}

impl Tombstones {
    /// Reads and checks the whole file, which takes a bit for each of the segment's `rows`.
    pub(crate) fn open(dir: &Path, entry: &TombstoneEntry, rows: usize) -> Result<Self> {
        let path = layout::tombstones(dir, entry.segment, entry.generation);
        let bytes = std::fs::read(&path).map_err(Error::io("open", &path))?;
        if bytes.len() as u64 != entry.file.len || bytes.len() != HEADER + rows.div_ceil(8) {
            let expected = format!("{} bytes for {rows} rows", entry.file.len);
            return Err(Error::damaged(&path, bytes.len() as u64, format!("{} bytes", bytes.len()), expected));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(Error::damaged(&path, 0, "another kind of file", "the magic number ECHOICTO"));
        }
        check_crc(&path, 0, crc32fast::hash(&bytes[..60]), u32_at(&bytes, 60))?;
        check_crc(&path, 0, u32_at(&bytes, 60), entry.file.crc)?;
        let found = (u32_at(&bytes, 8), u32_at(&bytes, 12), u64_at(&bytes, 16), u32_at(&bytes, 24), u32_at(&bytes, 28));
        let expected = (VERSION, entry.generation, entry.segment, rows as u32, entry.rows);
        if found != expected {
            return Err(Error::damaged(&path, 0, format!("{found:?}"), format!("{expected:?}")));
        }
        check_crc(&path, HEADER as u64, crc32fast::hash(&bytes[HEADER..]), u32_at(&bytes, 32))?;
        let mut words = vec![0; rows.div_ceil(64)];
        for (index, byte) in bytes[HEADER..].iter().enumerate() {
            words[index / 8] |= u64::from(*byte) << (8 * (index % 8));
        }
        let count = words.iter().map(|word| word.count_ones()).sum::<u32>();
        let tombstones = Self { entry: entry.clone(), words };
        if count != entry.rows || tombstones.rows().any(|row| row >= rows) {
            return Err(Error::damaged(&path, HEADER as u64, format!("{count} removed rows"), entry.rows));
        }
        Ok(tombstones)
    }

    /// Writes and fsyncs the file that says which of the segment's `rows` are `removed`; the folder is the caller's to fsync.
    pub(crate) fn write(
        dir: &Path,
        storage: &dyn Storage,
        segment: u64,
        generation: u32,
        rows: usize,
        removed: &BTreeSet<usize>,
    ) -> Result<TombstoneEntry> {
        let mut bits = vec![0u8; rows.div_ceil(8)];
        for row in removed {
            bits[row / 8] |= 1 << (row % 8);
        }
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&generation.to_le_bytes());
        header.extend_from_slice(&segment.to_le_bytes());
        header.extend_from_slice(&(rows as u32).to_le_bytes());
        header.extend_from_slice(&(removed.len() as u32).to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&bits).to_le_bytes());
        header.resize(HEADER - 4, 0);
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        write_durably(&layout::tombstones(dir, segment, generation), &[&header, &bits], storage)?;
        let file = FileEntry { len: (HEADER + bits.len()) as u64, crc };
        Ok(TombstoneEntry { segment, generation, rows: removed.len() as u32, file })
    }

    /// True for a removed row.
    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Number of removed rows.
    pub(crate) fn len(&self) -> usize {
        self.entry.rows as usize
    }

    /// The removed rows, ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        let set = self.words.iter().enumerate().filter(|(_, word)| **word != 0);
        set.flat_map(|(index, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit))
    }

    /// A list of rows that no file holds.
    #[cfg(test)]
    pub(crate) fn of_words(words: Vec<u64>) -> Self {
        let rows = words.iter().map(|word| word.count_ones()).sum();
        let file = FileEntry { len: 0, crc: 0 };
        Self { entry: TombstoneEntry { segment: 0, generation: 0, rows, file }, words }
    }
}

//! The vectors of a segment: a header, then unit vectors as little-endian `f32`, row after row.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::codec::{u32_at, u64_at};
use super::manifest::{FileEntry, check_crc};
use super::mapping::{Mapped, bytes_of};
use crate::embedding::norm;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"ECHOICVE";
const VERSION: u32 = 1;
/// One cache line, so that rows of 16·n components never straddle one more line than they must.
const HEADER: usize = 64;
/// Components that are worth a thread.
pub(crate) const SOME: usize = 1 << 17;

/// Rows on their way into a file, wherever they lie, with the checksum of them all.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    parts: Vec<&'a [f32]>,
    crc: crc32fast::Hasher,
}

impl<'a> Rows<'a> {
    /// Adds rows that lie side by side.
    pub(crate) fn push(&mut self, rows: &'a [f32]) {
        self.crc.update(bytes_of(rows));
        self.parts.push(rows);
    }

    /// Adds rows of a file whose data has been verified, so that the checksum of all of them is known.
    pub(crate) fn push_verified(&mut self, file: &'a Vectors, rows: Range<usize>) {
        let part = file.rows(rows);
        if part.len() < file.as_slice().len() {
            return self.push(part);
        }
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(file.data_crc(), size_of_val(part) as u64));
        self.parts.push(part);
    }
}

/// Writes a vectors file.
pub(crate) fn write(out: &mut dyn Write, segment: u64, dim: usize, rows: &Rows<'_>) -> io::Result<FileEntry> {
    let len = rows.crc.total_len();
    debug_assert_eq!(len % (4 * dim as u64), 0);
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&(dim as u32).to_le_bytes());
    header.extend_from_slice(&(len / (4 * dim as u64)).to_le_bytes());
    header.extend_from_slice(&segment.to_le_bytes());
    header.extend_from_slice(&rows.crc.clone().finalize().to_le_bytes());
    header.resize(HEADER - 4, 0);
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    out.write_all(&header)?;
    for part in &rows.parts {
        out.write_all(bytes_of(part))?;
    }
    Ok(FileEntry { len: HEADER as u64 + len, crc })
}

/// The mapped vectors of a segment.
pub(crate) struct Vectors {
    map: Mapped,
    dim: usize,
    rows: usize,
}

impl Vectors {
    /// Maps a vectors file and checks that it is the one that the manifest names; the data itself is checked by [`Vectors::verify`].
    pub(crate) fn open(path: &Path, entry: FileEntry, segment: u64, dim: usize, rows: usize) -> Result<Self> {
        let map = Mapped::open(path)?;
        let bytes = map.bytes();
        if bytes.len() as u64 != entry.len || entry.len != HEADER as u64 + rows as u64 * dim as u64 * 4 {
            return Err(Error::damaged(path, bytes.len() as u64, format!("{} bytes", bytes.len()), entry.len));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(Error::damaged(path, 0, "another kind of file", "the magic number ECHOICVE"));
        }
        check_crc(path, 0, crc32fast::hash(&bytes[..60]), u32_at(bytes, 60))?;
        check_crc(path, 0, u32_at(bytes, 60), entry.crc)?;
        let shape = (u32_at(bytes, 8), u32_at(bytes, 12), u64_at(bytes, 16), u64_at(bytes, 24));
        if shape != (VERSION, dim as u32, rows as u64, segment) {
            return Err(Error::damaged(path, 0, format!("{shape:?}"), format!("{:?}", (VERSION, dim, rows, segment))));
        }
        Ok(Self { map, dim, rows })
    }

    /// All numbers, row after row.
    pub(crate) fn as_slice(&self) -> &[f32] {
        &self.map.floats(HEADER)[..self.rows * self.dim]
    }

    /// Components of a vector.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Row `row`; panics past the end, like a slice.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.as_slice()[row * self.dim..(row + 1) * self.dim]
    }

    /// Some rows; panics past the end, like a slice.
    pub(crate) fn rows(&self, rows: Range<usize>) -> &[f32] {
        &self.as_slice()[rows.start * self.dim..rows.end * self.dim]
    }

    /// The checksum of the data, which identifies the vectors that a graph was built on.
    pub(crate) fn data_crc(&self) -> u32 {
        u32_at(self.map.bytes(), 32)
    }

    /// Reads everything: every row must be a finite unit vector, and all together have their checksum. So a row that is no unit vector any
    /// more is named itself, and smaller damage by the region of the checksum.
    pub(crate) fn verify(&self) -> Result<()> {
        let path = self.map.path();
        let rows = self.as_slice().par_chunks_exact(self.dim).with_min_len(SOME / self.dim + 1).enumerate();
        let lengths = rows.map(|(index, row)| (index, norm(row)));
        if let Some((index, norm)) = lengths.find_first(|(_, norm)| norm.is_nan() || (norm - 1.0).abs() > 1e-3) {
            let offset = HEADER + index * self.dim * 4;
            return Err(Error::damaged(path, offset as u64, format!("a row of length {norm}"), "1"));
        }
        self.check_data()
    }

    /// Compares all rows with their checksum: then they may be taken over as they are.
    pub(crate) fn verify_data(&self) -> Result<()> {
        // Which row it is, its length may tell.
        self.check_data().or_else(|somewhere| self.verify().and(Err(somewhere)))
    }

    fn check_data(&self) -> Result<()> {
        check_crc(self.map.path(), HEADER as u64, crc32fast::hash(&self.map.bytes()[HEADER..]), self.data_crc())
    }
}

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
pub(super) const SOME: usize = 1 << 17;

/// Writes a vectors file. `rows` yields the same rows, any number at a time, whenever it is called: once for the checksum, which lies in
/// the header, and once for the file, so that merging needs no copy of all the vectors.
pub(super) fn write<'a, I>(out: &mut dyn Write, segment: u64, dim: usize, rows: impl Fn() -> I) -> io::Result<FileEntry>
where
    I: Iterator<Item = &'a [f32]>,
{
    let mut count = 0u64;
    let mut data = crc32fast::Hasher::new();
    for some in rows() {
        debug_assert_eq!(some.len() % dim, 0);
        data.update(bytes_of(some));
        count += (some.len() / dim) as u64;
    }
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&(dim as u32).to_le_bytes());
    header.extend_from_slice(&count.to_le_bytes());
    header.extend_from_slice(&segment.to_le_bytes());
    header.extend_from_slice(&data.finalize().to_le_bytes());
    header.resize(HEADER - 4, 0);
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    out.write_all(&header)?;
    for some in rows() {
        out.write_all(bytes_of(some))?;
    }
    Ok(FileEntry { len: HEADER as u64 + count * dim as u64 * 4, crc })
}

/// The mapped vectors of a segment.
pub(super) struct Vectors {
    map: Mapped,
    dim: usize,
    rows: usize,
}

impl Vectors {
    /// Maps a vectors file and checks that it is the one that the manifest names; the data itself is checked by [`Vectors::verify`].
    pub(super) fn open(path: &Path, entry: FileEntry, segment: u64, dim: usize, rows: usize) -> Result<Self> {
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
    pub(super) fn as_slice(&self) -> &[f32] {
        &self.map.floats(HEADER)[..self.rows * self.dim]
    }

    /// Components of a vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Row `row`; panics past the end, like a slice.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.as_slice()[row * self.dim..(row + 1) * self.dim]
    }

    /// Some rows; panics past the end, like a slice.
    pub(super) fn rows(&self, rows: Range<usize>) -> &[f32] {
        &self.as_slice()[rows.start * self.dim..rows.end * self.dim]
    }

    /// The checksum of the data, which identifies the vectors that a graph was built on.
    pub(super) fn data_crc(&self) -> u32 {
        u32_at(self.map.bytes(), 32)
    }

    /// Reads everything: every row must be a finite unit vector, and all together have their checksum. So a row that is no unit vector any
    /// more is named itself, and smaller damage by the region of the checksum.
    pub(super) fn verify(&self) -> Result<()> {
        let path = self.map.path();
        let rows = self.as_slice().par_chunks_exact(self.dim).with_min_len(SOME / self.dim + 1).enumerate();
        let lengths = rows.map(|(index, row)| (index, norm(row)));
        if let Some((index, norm)) = lengths.find_first(|(_, norm)| norm.is_nan() || (norm - 1.0).abs() > 1e-3) {
            let offset = HEADER + index * self.dim * 4;
            return Err(Error::damaged(path, offset as u64, format!("a row of length {norm}"), "1"));
        }
        check_crc(path, HEADER as u64, crc32fast::hash(&self.map.bytes()[HEADER..]), self.data_crc())
    }
}

//! Read-only mapped files: the one place in the store with `unsafe` code.
//!
//! # The contract
//! A file that is mapped here is never written again: segment and graph files appear under their final name only when complete,
//! are never changed, and are removed by unlinking, which leaves the mapping readable on unix. Whoever changes or truncates a
//! store's files by other means breaks this contract; on Linux a truncated mapped file raises SIGBUS.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::{Error, Result};

/// A file mapped into memory, or nothing for an empty file.
pub(crate) struct Mapped {
    path: PathBuf,
    map: Option<Mmap>,
}

impl Mapped {
    /// Maps the whole of `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let len = file.metadata().map_err(Error::io("read", path))?.len();
        // An empty range cannot be mapped on every system.
        let map = if len == 0 {
            None
        } else {
            // SAFETY: the file is never written after it got its name (the contract above), so the bytes do not change while
            // they are borrowed.
            Some(unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?)
        };
        Ok(Self { path: path.to_path_buf(), map })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// The bytes from `offset` on as little-endian `f32`; empty when the offset is outside or not a multiple of 4.
    pub(crate) fn floats(&self, offset: usize) -> &[f32] {
        words(self.bytes().get(offset..).unwrap_or_default())
    }

    /// The bytes from `offset` on as little-endian `u32`; empty when the offset is outside or not a multiple of 4.
    pub(crate) fn integers(&self, offset: usize) -> &[u32] {
        words(self.bytes().get(offset..).unwrap_or_default())
    }
}

/// Types of four bytes for which every bit pattern is a value.
trait Word: Copy {}
impl Word for f32 {}
impl Word for u32 {}

fn words<T: Word>(bytes: &[u8]) -> &[T] {
    // SAFETY: every four bytes are a valid `T` (`Word` is implemented for `f32` and `u32` alone), and `align_to` yields only the
    // aligned middle part. Files and mappings are little-endian, and so is every machine this crate compiles on.
    let (before, middle, _) = unsafe { bytes.align_to::<T>() };
    if before.is_empty() { middle } else { &[] }
}

/// The bytes of `numbers` as they lie in a file.
pub(crate) fn bytes_of(numbers: &[f32]) -> &[u8] {
    // SAFETY: any `f32` may be read as four bytes, and `u8` has no alignment.
    let (before, bytes, after) = unsafe { numbers.align_to::<u8>() };
    debug_assert!(before.is_empty() && after.is_empty());
    bytes
}

/// The bytes of `numbers` as they lie in a file.
pub(crate) fn bytes_of_u32(numbers: &[u32]) -> &[u8] {
    // SAFETY: any `u32` may be read as four bytes, and `u8` has no alignment.
    let (before, bytes, after) = unsafe { numbers.align_to::<u8>() };
    debug_assert!(before.is_empty() && after.is_empty());
    bytes
}

/// The bytes of `codes` as they lie in a file.
pub(crate) fn bytes_of_codes(codes: &[i8]) -> &[u8] {
    // SAFETY: `i8` and `u8` have one size and alignment, and every bit pattern is a value of both.
    unsafe { codes.align_to::<u8>().1 }
}

/// Bytes of a file as codes.
pub(crate) fn codes_of(bytes: &[u8]) -> &[i8] {
    // SAFETY: as in `bytes_of_codes`.
    unsafe { bytes.align_to::<i8>().1 }
}

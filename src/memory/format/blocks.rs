//! A mapped file whose checksums are compared block by block, each when it is first read: so a file of a million rows is opened at
//! once, and still no byte is used that was not compared.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::manifest::check_crc;
use super::mapping::Mapped;
use crate::Result;

/// Bytes that one checksum stands for.
pub(crate) const BLOCK: usize = 4096;

/// The checksum of each block of `body`; the last block may be shorter.
pub(crate) fn checksums(body: &[u8]) -> Vec<u32> {
    body.chunks(BLOCK).map(crc32fast::hash).collect()
}

/// The number of blocks of a body of that many bytes.
pub(crate) fn count(len: usize) -> usize {
    len.div_ceil(BLOCK)
}

/// The body of a mapped file.
pub(crate) struct Blocks {
    map: Mapped,
    /// Where the body begins.
    start: usize,
    checksums: Vec<u32>,
    /// One bit a block: it has been compared and is sound.
    sound: Box<[AtomicU64]>,
    broken: AtomicBool,
}

impl Blocks {
    /// The body from byte `start` on, with the checksum of each of its blocks.
    pub(crate) fn new(map: Mapped, start: usize, checksums: Vec<u32>) -> Self {
        let sound = (0..checksums.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { map, start, checksums, sound, broken: AtomicBool::new(false) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.map.path()
    }

    /// True once a block did not have its checksum.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// The body; only what [`Blocks::is_sound`] has looked at may be used.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.map.bytes().get(self.start..).unwrap_or_default()
    }

    /// The body as integers, under the same condition.
    pub(crate) fn integers(&self) -> &[u32] {
        self.map.integers(self.start)
    }

    /// The body as numbers, under the same condition.
    pub(crate) fn floats(&self) -> &[f32] {
        self.map.floats(self.start)
    }

    /// Compares the blocks that hold `range` with their checksums, unless that was done before.
    #[inline]
    pub(crate) fn is_sound(&self, range: Range<usize>) -> bool {
        let last = range.end.saturating_sub(1) / BLOCK;
        (range.start / BLOCK..=last).all(|block| {
            let known = self.sound.get(block / 64).is_some_and(|bits| bits.load(Relaxed) >> (block % 64) & 1 == 1);
            known || self.compare(block).is_ok()
        })
    }

    /// Compares every block.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] with the place of the first bad one.
    pub(crate) fn verify(&self) -> Result<()> {
        (0..self.checksums.len()).try_for_each(|block| self.compare(block))
    }

    #[cold]
    fn compare(&self, block: usize) -> Result<()> {
        let body = self.bytes();
        let start = (block * BLOCK).min(body.len());
        let bytes = &body[start..(start + BLOCK).min(body.len())];
        let expected = self.checksums.get(block).copied();
        let found = check_crc(
            self.path(),
            (self.start + start) as u64,
            crc32fast::hash(bytes),
            expected.unwrap_or(!crc32fast::hash(bytes)),
        );
        match (&found, self.sound.get(block / 64)) {
            (Ok(()), Some(bits)) => {
                bits.fetch_or(1 << (block % 64), Relaxed);
            }
            _ => {
                if !self.broken.swap(true, Relaxed) {
                    tracing::warn!(
                        "{} is damaged near byte {}; the segment is scanned instead, until the graph is built again",
                        self.path().display(),
                        self.start + start
                    );
                }
            }
        }
        found
    }
}

//! Pages of the catalogue: by their hashes, where the captions and the repeats of a segment are.
//!
//! A segment never changes, so neither do its pages; they are made from it in one go and dropped with it. Hashes only lead to a record;
//! whoever looks one up compares the record itself, so that 32 bits of a hash in each entry are enough.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::captions::Record;
use super::ledger::Entry;
use super::manifest::SegmentEntry;
use super::segment::Segment;
use crate::{Error, Result};

/// Entries of a page at most, on average. A look-up that finds its page in memory reads a few of them, one that does not reads all.
const ENTRIES: usize = 1024;
/// Entries for which to wake other threads costs more than they would spare.
const FEW: usize = 8192;
/// First bytes of keys.
const PAGE: u8 = b'p';
const MARKER: u8 = b'm';

/// What a page leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// By the hash of its text, the row of a caption.
    Captions,
    /// By the hash of caption id, clip and ordinal, the place of a repeat in its table.
    Repeats,
}

impl Kind {
    /// Number of entries that its pages hold together.
    pub(super) fn entries(self, segment: &SegmentEntry) -> usize {
        match self {
            Self::Captions => segment.rows as usize,
            Self::Repeats => segment.repeats as usize,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Captions => b'c',
            Self::Repeats => b'r',
        }
    }

    /// Number of pages of this kind that a segment has, a power of two or 0.
    pub(super) fn pages(self, segment: &SegmentEntry) -> usize {
        match self.entries(segment) {
            0 => 0,
            entries => entries.div_ceil(ENTRIES).next_power_of_two(),
        }
    }
}

/// 64 bits of SHA-256, which nobody can steer into one page.
pub(super) type Hash = u64;

/// The hash by which a caption is looked up.
pub(super) fn caption_hash(text: &str) -> Hash {
    shorten(Sha256::new_with_prefix(text))
}

/// The hash by which a repeat is looked up.
pub(super) fn repeat_hash(id: u64, clip: Option<&str>, ordinal: u32) -> Hash {
    let mut sha = Sha256::new_with_prefix(id.to_le_bytes());
    sha.update(ordinal.to_le_bytes());
    sha.update(clip.unwrap_or_default());
    shorten(sha)
}

fn shorten(sha: Sha256) -> Hash {
    let digest: [u8; 32] = sha.finalize().into();
    digest.first_chunk().map_or(0, |head| Hash::from_be_bytes(*head))
}

/// Which of `pages` pages a hash belongs to: its leading bits say so.
pub(super) fn page_of(hash: Hash, pages: usize) -> usize {
    hash.checked_shr(64 - pages.trailing_zeros()).unwrap_or(0) as usize
}

/// The 32 bits of a hash that follow those by which its page is known.
fn tail(hash: Hash, pages: usize) -> u32 {
    ((hash << pages.trailing_zeros()) >> 32) as u32
}

/// A page in memory: in ascending order, the tail of a hash in the upper half of each entry, its row or place in the lower.
pub(super) struct Page(Box<[u64]>);

impl Page {
    /// Reads a page; `None` when it is damaged, or of another segment.
    pub(super) fn decode(segment: &SegmentEntry, key: &[u8], value: &[u8]) -> Option<Self> {
        let (entries, crc) = value.split_last_chunk()?;
        let (entries, []) = entries.as_chunks() else { return None };
        let sound = checksum(segment, key, entries.as_flattened()) == u32::from_le_bytes(*crc);
        sound.then(|| Self(entries.iter().map(|entry| u64::from_le_bytes(*entry)).collect()))
    }

    /// Rows or places that `hash` may lead to; the records there tell.
    pub(super) fn find(&self, hash: Hash, pages: usize) -> impl Iterator<Item = usize> {
        let tail = u64::from(tail(hash, pages));
        let first = self.first_from(tail);
        let matching = self.0[first..].iter().take_while(move |entry| *entry >> 32 == tail);
        matching.map(|entry| *entry as u32 as usize)
    }

    /// The first entry with this tail or a higher one. Tails are spread evenly, so it is near where it should be.
    fn first_from(&self, tail: u64) -> usize {
        let below = |entry: &u64| entry >> 32 < tail;
        let len = self.0.len();
        // Below `len`, because a tail is below 2³²; from here on 0 ≤ low ≤ high ≤ len.
        let guess = ((len as u64 * tail) >> 32) as usize;
        let (mut low, mut high, mut step) = (guess, guess, 8);
        while low > 0 && !below(&self.0[low - 1]) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        while high < len && below(&self.0[high]) {
            high = (high + step).min(len);
            step *= 2;
        }
        low + self.0[low..high].partition_point(below)
    }

    /// The leading 32 bits of the hashes of all entries, ascending, of the page of that number.
    pub(super) fn hashes(&self, number: usize, pages: usize) -> impl Iterator<Item = Hash> {
        let before = (number as u64).checked_shl(64 - pages.trailing_zeros()).unwrap_or(0);
        self.0.iter().map(move |entry| (before | entry >> 32 << 32 >> pages.trailing_zeros()) >> 32 << 32)
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Covers place and content of a page, and through the checksum of the segment's file whose page it is.
fn checksum(segment: &SegmentEntry, key: &[u8], entries: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(&segment.captions.crc.to_le_bytes());
    crc.update(entries);
    crc.finalize()
}

/// The key of a page.
pub(super) fn key(segment: u64, kind: Kind, page: usize) -> Vec<u8> {
    [&key_prefix(segment)[..], &[kind.byte()], &(page as u32).to_be_bytes()].concat()
}

/// What the keys of all pages of a segment begin with.
pub(super) fn key_prefix(segment: u64) -> Vec<u8> {
    [&[PAGE], &segment.to_be_bytes()[..]].concat()
}

/// What the keys of all markers begin with.
pub(super) const MARKERS: &[u8] = &[MARKER];

/// The key of the marker of a segment, which is written after its pages and removed after them.
pub(super) fn marker_key(segment: u64) -> Vec<u8> {
    [MARKERS, &segment.to_be_bytes()].concat()
}

/// The segment of a marker.
pub(super) fn marked(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(MARKERS)?.try_into().ok()?))
}

/// The marker of a segment: says which pages there are.
pub(super) fn marker(segment: &SegmentEntry) -> Entry {
    let key = marker_key(segment.id);
    let mut value = segment.captions.len.to_le_bytes().to_vec();
    value.extend_from_slice(&segment.captions.crc.to_le_bytes());
    let crc = checksum(segment, &key, &value);
    value.extend_from_slice(&crc.to_le_bytes());
    (key, value)
}

/// All pages of a segment, made from its records.
///
/// # Errors
/// [`Error::Damaged`] when a record is.
pub(super) fn of(segment: &Segment) -> Result<impl Iterator<Item = Entry> + use<'_>> {
    let captions = gather(segment.rows(), |row| Ok((caption_hash(segment.captions.text(row)?.0), row as u32)))?;
    let repeats = gather(segment.captions.repeats(), |place| match segment.captions.repeat(place)? {
        Record::Repeat { id, clip, ordinal } => Ok((repeat_hash(id, clip, ordinal), place as u32)),
        Record::Caption { .. } => Err(Error::Internal("a repeat that is a caption".into())),
    })?;
    Ok(cut(&segment.entry, Kind::Captions, captions).chain(cut(&segment.entry, Kind::Repeats, repeats)))
}

/// What is to be found, in the order of the hashes.
fn gather(count: usize, find: impl Fn(usize) -> Result<(Hash, u32)> + Sync) -> Result<Vec<(Hash, u32)>> {
    if count < FEW {
        let mut found = (0..count).map(&find).collect::<Result<Vec<_>>>()?;
        found.sort_unstable();
        return Ok(found);
    }
    let mut found = (0..count).into_par_iter().map(&find).collect::<Result<Vec<_>>>()?;
    found.par_sort_unstable();
    Ok(found)
}

/// Cuts what is to be found, in the order of the hashes, into pages; those without an entry are there, too.
fn cut(segment: &SegmentEntry, kind: Kind, found: Vec<(Hash, u32)>) -> impl Iterator<Item = Entry> + use<'_> {
    let pages = kind.pages(segment);
    let mut first = 0;
    (0..pages).map(move |page| {
        let rest = &found[first..];
        let own = &rest[..rest.partition_point(|(hash, _)| page_of(*hash, pages) <= page)];
        first += own.len();
        let mut value = Vec::with_capacity(own.len() * size_of::<u64>() + size_of::<u32>());
        for (hash, place) in own {
            let entry = u64::from(tail(*hash, pages)) << 32 | u64::from(*place);
            value.extend_from_slice(&entry.to_le_bytes());
        }
        // Equal tails may have come in another order.
        value.as_chunks_mut::<8>().0.sort_unstable_by_key(|entry| u64::from_le_bytes(*entry));
        let key = key(segment.id, kind, page);
        let crc = checksum(segment, &key, &value);
        value.extend_from_slice(&crc.to_le_bytes());
        (key, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::manifest::FileEntry;

    fn segment(rows: u32) -> SegmentEntry {
        let file = FileEntry { len: 7, crc: 8 };
        SegmentEntry {
            id: 3,
            domain: 1,
            commit: 1,
            rows,
            repeats: 0,
            first_id: 1,
            last_id: 2,
            captions: file,
            vectors: file,
        }
    }

    #[test]
    fn whatever_is_put_into_pages_is_found_in_them() {
        for rows in [1, 2, 1024, 1025, 5000] {
            let segment = segment(rows);
            let hashes: Vec<Hash> = (0..rows).map(|row| caption_hash(&format!("text {}", row / 2))).collect();
            let found = gather(hashes.len(), |row| Ok((hashes[row], row as u32))).unwrap();
            let pages: Vec<Entry> = cut(&segment, Kind::Captions, found).collect();
            assert_eq!(pages.len(), Kind::Captions.pages(&segment));
            let pages: Vec<Page> =
                pages.iter().map(|(key, value)| Page::decode(&segment, key, value).unwrap()).collect();
            let found = |hash| pages[page_of(hash, pages.len())].find(hash, pages.len()).collect::<Vec<_>>();
            for (row, hash) in hashes.iter().enumerate() {
                assert!(found(*hash).contains(&row), "row {row} of {rows}");
            }
            assert!((0..5000).map(|i| caption_hash(&format!("none {i}"))).all(|hash| found(hash).is_empty()));
        }
    }

    #[test]
    fn a_page_is_of_one_place_in_one_segment() {
        let (own, mut other) = (segment(10), segment(10));
        other.captions.crc += 1;
        let (key, value) =
            cut(&own, Kind::Captions, (0..10).map(|row| (u64::from(row) << 60, row)).collect()).next().unwrap();
        assert!(Page::decode(&own, &key, &value).is_some());
        assert!(Page::decode(&other, &key, &value).is_none());
        assert!(Page::decode(&own, &super::key(3, Kind::Repeats, 0), &value).is_none());
        for at in 0..value.len() {
            let mut bad = value.clone();
            bad[at] ^= 1;
            assert!(Page::decode(&own, &key, &bad).is_none(), "byte {at}");
            assert!(Page::decode(&own, &key, &value[..at]).is_none(), "cut at {at}");
        }
    }
}

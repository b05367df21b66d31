//! Pages of the catalogue: by their hashes, where the captions and the repeats of a segment are.
//!
//! A segment never changes, so neither do its pages; they are made from it in one go and dropped with it. Hashes only lead to a record;
//! whoever looks one up compares the record itself, so that 32 bits of a hash in each entry are enough. These are the same bits whatever
//! the segment, so that a merge takes its pages over from those of the segments that it merges.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::memory::format::captions::Record;
use crate::memory::format::manifest::SegmentEntry;
use crate::memory::read::segment::Segment;
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
pub(crate) enum Kind {
    /// By the hash of its text, the row of a caption.
    Captions,
    /// By the hash of caption id, clip and ordinal, the place of a repeat in its table.
    Repeats,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub(crate) const ALL: [Self; 2] = [Self::Captions, Self::Repeats];

    /// Number of entries that its pages hold together.
    pub(crate) fn entries(self, segment: &SegmentEntry) -> usize {
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
    pub(crate) fn pages(self, segment: &SegmentEntry) -> usize {
        match self.entries(segment) {
            0 => 0,
            entries => entries.div_ceil(ENTRIES).next_power_of_two(),
        }
    }
}

/// 64 bits of SHA-256, which nobody can steer into one page.
pub(crate) type Hash = u64;

/// The hash by which a caption is looked up.
pub(crate) fn caption_hash(text: &str) -> Hash {
    shorten(Sha256::new_with_prefix(text))
}

/// The hash by which a repeat is looked up.
pub(crate) fn repeat_hash(id: u64, clip: Option<&str>, ordinal: u32) -> Hash {
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
pub(crate) fn page_of(hash: Hash, pages: usize) -> usize {
    hash.checked_shr(64 - pages.trailing_zeros()).unwrap_or(0) as usize
}

/// What a page holds: the leading 32 bits of a hash above a row or place.
pub(crate) type Entry = u64;

/// The entry that leads from a hash to a row or place.
pub(crate) fn entry(hash: Hash, place: u32) -> Entry {
    hash >> 32 << 32 | Entry::from(place)
}

/// What of a hash an entry has kept.
pub(crate) fn hash_of(entry: Entry) -> Hash {
    entry >> 32 << 32
}

/// The row or place that an entry leads to.
pub(crate) fn place_of(entry: Entry) -> usize {
    entry as u32 as usize
}

/// A page in memory: entries in ascending order.
#[derive(Debug, PartialEq)]
pub(crate) struct Page(Box<[Entry]>);

impl Page {
    /// Reads a page; `None` when it is damaged, or of another segment.
    pub(crate) fn decode(segment: &SegmentEntry, key: &[u8], value: &[u8]) -> Option<Self> {
        let (entries, crc) = value.split_last_chunk()?;
        let (entries, []) = entries.as_chunks() else { return None };
        let sound = checksum(segment, key, entries.as_flattened()) == u32::from_le_bytes(*crc);
        sound.then(|| Self(entries.iter().map(|entry| Entry::from_le_bytes(*entry)).collect()))
    }

    /// The page as the key-value store keeps it under `key`.
    pub(crate) fn encode(&self, segment: &SegmentEntry, key: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.bytes() + size_of::<u32>());
        self.0.iter().for_each(|entry| value.extend_from_slice(&entry.to_le_bytes()));
        let crc = checksum(segment, key, &value);
        value.extend_from_slice(&crc.to_le_bytes());
        value
    }

    /// Its entries, ascending.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Rows or places that `hash`, which belongs to this of `pages` pages, may lead to; the records there tell.
    pub(crate) fn find(&self, hash: Hash, pages: usize) -> impl Iterator<Item = usize> {
        let hash_of_all = hash_of(hash);
        let first = self.first_from(hash_of_all, pages);
        self.0[first..].iter().take_while(move |entry| hash_of(**entry) == hash_of_all).map(|entry| place_of(*entry))
    }

    /// The first entry with this hash or a higher one. Hashes are spread evenly, so it is near where it should be.
    fn first_from(&self, hash: Hash, pages: usize) -> usize {
        let below = |entry: &Entry| *entry < hash;
        let len = self.0.len();
        // Where the hash lies in the page's share of all hashes, as a fraction of 2³²; so from here on 0 ≤ low ≤ high ≤ len.
        let share = (hash << pages.trailing_zeros()) >> 32;
        let guess = ((len as u64 * share) >> 32) as usize;
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

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
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
pub(crate) fn key(segment: u64, kind: Kind, page: usize) -> Vec<u8> {
    [&key_prefix(segment)[..], &[kind.byte()], &(page as u32).to_be_bytes()].concat()
}

/// What the keys of all pages of a segment begin with.
pub(crate) fn key_prefix(segment: u64) -> Vec<u8> {
    [&[PAGE], &segment.to_be_bytes()[..]].concat()
}

/// What the keys of all markers begin with.
pub(crate) const MARKERS: &[u8] = &[MARKER];

/// The key of the marker of a segment, which is written after its pages and removed after them.
pub(crate) fn marker_key(segment: u64) -> Vec<u8> {
    [MARKERS, &segment.to_be_bytes()].concat()
}

/// The segment of a marker.
pub(crate) fn marked(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(MARKERS)?.try_into().ok()?))
}

/// The marker of a segment: says which pages there are.
pub(crate) fn marker(segment: &SegmentEntry) -> (Vec<u8>, Vec<u8>) {
    let key = marker_key(segment.id);
    let mut value = segment.captions.len.to_le_bytes().to_vec();
    value.extend_from_slice(&segment.captions.crc.to_le_bytes());
    let crc = checksum(segment, &key, &value);
    value.extend_from_slice(&crc.to_le_bytes());
    (key, value)
}

/// All pages of a segment, by [`Kind`], made from its records.
///
/// # Errors
/// [`Error::Damaged`] when a record is.
pub(crate) fn of(segment: &Segment) -> Result<[Vec<Page>; 2]> {
    let captions = entries_of(segment, Kind::Captions)?;
    with_captions(segment, captions)
}

/// All pages of a segment, of which the entries of the captions are known.
///
/// # Errors
/// [`Error::Damaged`] when the record of a repeat is.
pub(crate) fn with_captions(segment: &Segment, captions: Vec<Entry>) -> Result<[Vec<Page>; 2]> {
    let repeats = entries_of(segment, Kind::Repeats)?;
    Ok([cut(captions, Kind::Captions.pages(&segment.entry)), cut(repeats, Kind::Repeats.pages(&segment.entry))])
}

/// What is to be found in a segment, made from its records, in no order.
///
/// # Errors
/// [`Error::Damaged`] when a record is.
pub(crate) fn entries_of(segment: &Segment, kind: Kind) -> Result<Vec<Entry>> {
    let captions = &segment.captions;
    let entry = |place: usize| {
        let hash = match kind {
            Kind::Captions => caption_hash(captions.text(place)?.0),
            Kind::Repeats => match captions.repeat(place)? {
                Record::Repeat { id, clip, ordinal } => repeat_hash(id, clip, ordinal),
                Record::Caption { .. } => return Err(Error::Internal("a repeat that is a caption".into())),
            },
        };
        Ok(entry(hash, place as u32))
    };
    let count = kind.entries(&segment.entry);
    if count < FEW { (0..count).map(entry).collect() } else { (0..count).into_par_iter().map(entry).collect() }
}

/// Sorts what is to be found, and cuts it into pages; those without an entry are there, too.
fn cut(mut entries: Vec<Entry>, pages: usize) -> Vec<Page> {
    if entries.len() < FEW {
        entries.sort_unstable()
    } else {
        entries.par_sort_unstable()
    }
    let mut rest = &entries[..];
    let page = |number| {
        let (own, others) = rest.split_at(rest.partition_point(|entry| page_of(*entry, pages) <= number));
        rest = others;
        Page(own.into())
    };
    (0..pages).map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::format::manifest::FileEntry;

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
            let hashes: Vec<Hash> = (0..rows).map(|row| caption_hash(&format!("text {}", row / 2))).collect();
            let entries = hashes.iter().zip(0..).map(|(hash, row)| entry(*hash, row)).collect();
            let pages = cut(entries, Kind::Captions.pages(&segment(rows)));
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
        let page = cut((0..10).map(|row| entry(Hash::from(row) << 60, row)).collect(), 1).pop().unwrap();
        let key = key(3, Kind::Captions, 0);
        let value = page.encode(&own, &key);
        assert_eq!(Page::decode(&own, &key, &value), Some(page));
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

//! Pages of the catalogue that are in memory: those that look-ups have read, and those of new segments, which are written later or, where a
//! merge takes the segments away first, never.

use std::collections::BTreeMap;

use super::pages::{Kind, Page};
use crate::memory::format::manifest::SegmentEntry;

/// Bytes of written pages that are kept, 8 a row; when they are more, all are let go and those in use read again.
const KEPT: usize = 64 << 20;

/// The segments that the catalogue knows, with those of their pages that are in memory.
#[derive(Default)]
pub(crate) struct PageCache {
    known: BTreeMap<u64, Known>,
    /// Bytes of pages that can be read again.
    written: usize,
    /// Bytes of pages that are nowhere else.
    unwritten: usize,
}

/// A segment that the catalogue knows.
struct Known {
    entry: SegmentEntry,
    /// Whether the key-value store has its pages; if not, they are all here.
    is_written: bool,
    /// By kind and number.
    pages: [Vec<Option<Page>>; 2],
}

impl Known {
    fn bytes(&self) -> usize {
        self.pages.iter().flatten().flatten().map(Page::bytes).sum()
    }
}

impl PageCache {
    /// True for a segment whose pages there are, in memory or in the key-value store.
    pub(crate) fn knows(&self, segment: u64) -> bool {
        self.known.contains_key(&segment)
    }

    /// The segments that it knows.
    pub(crate) fn segments(&self) -> impl Iterator<Item = u64> {
        self.known.keys().copied()
    }

    /// The segments whose pages are to be written.
    pub(crate) fn to_write(&self) -> Vec<u64> {
        self.known.iter().filter(|(_, known)| !known.is_written).map(|(id, _)| *id).collect()
    }

    /// Bytes of pages that are nowhere else.
    pub(crate) fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Takes in a segment whose pages the key-value store has.
    pub(crate) fn insert_written(&mut self, entry: &SegmentEntry) {
        self.remove(entry.id);
        self.known.insert(entry.id, Known { entry: entry.clone(), is_written: true, pages: [Vec::new(), Vec::new()] });
    }

    /// Takes in a segment with all its pages, which the key-value store does not have.
    pub(crate) fn insert(&mut self, entry: &SegmentEntry, pages: [Vec<Page>; 2]) {
        self.remove(entry.id);
        let pages = pages.map(|pages| pages.into_iter().map(Some).collect());
        let known = Known { entry: entry.clone(), is_written: false, pages };
        self.unwritten += known.bytes();
        self.known.insert(entry.id, known);
    }

    /// Forgets a segment; true when the key-value store may have pages of it.
    pub(crate) fn remove(&mut self, segment: u64) -> bool {
        let Some(known) = self.known.remove(&segment) else { return true };
        let sum = if known.is_written { &mut self.written } else { &mut self.unwritten };
        *sum -= known.bytes();
        known.is_written
    }

    /// All pages of a segment that is to be written: kind, number, page.
    pub(crate) fn pages(&self, segment: u64) -> Option<(&SegmentEntry, impl Iterator<Item = (Kind, usize, &Page)>)> {
        let known = self.known.get(&segment)?;
        let pages = Kind::ALL.into_iter().zip(&known.pages).flat_map(|(kind, pages)| {
            pages.iter().enumerate().filter_map(move |(number, page)| Some((kind, number, page.as_ref()?)))
        });
        Some((&known.entry, pages))
    }

    /// Notes that the key-value store has the pages of a segment now.
    pub(crate) fn mark_written(&mut self, segment: u64) {
        if let Some(known) = self.known.get_mut(&segment).filter(|known| !known.is_written) {
            known.is_written = true;
            let bytes = known.bytes();
            self.unwritten -= bytes;
            self.written += bytes;
        }
        self.make_room();
    }

    /// A page, if it is in memory.
    pub(crate) fn get(&self, segment: u64, kind: Kind, number: usize) -> Option<&Page> {
        self.known.get(&segment)?.pages[kind as usize].get(number)?.as_ref()
    }

    /// Keeps a page that was read from the key-value store, one of `count`.
    pub(crate) fn put(&mut self, segment: u64, kind: Kind, number: usize, count: usize, page: Page) {
        self.make_room();
        let Some(known) = self.known.get_mut(&segment).filter(|known| known.is_written) else { return };
        let pages = &mut known.pages[kind as usize];
        pages.resize_with(count, || None);
        if let Some(place) = pages.get_mut(number) {
            self.written += page.bytes();
            let before = place.replace(page);
            self.written -= before.as_ref().map_or(0, Page::bytes);
        }
    }

    fn make_room(&mut self) {
        if self.written > KEPT {
            let written = self.known.values_mut().filter(|known| known.is_written);
            written.for_each(|known| known.pages = [Vec::new(), Vec::new()]);
            self.written = 0;
        }
    }
}

//! Looking texts and rows up in the catalogue: a filter holds back what is not there, pages lead to the rest.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::bloom::{BloomFilter, DomainFilter};
use super::key_value::Broken;
use super::pages::{self, Entry, Hash, Kind, Page};
use super::stored::{Known, Occurrence};
use super::table::{Catalogue, Trouble};
use crate::Result;
use crate::memory::format::captions::Record;
use crate::memory::read::segment::Segment;
use crate::memory::read::snapshot::Snapshot;

/// Rows of a segment that a merge moved, and the row that the first of them is now.
pub(crate) type Moved = (Range<usize>, usize);

impl Catalogue {
    /// The captions of a domain that have these texts, whose hashes are given.
    pub(crate) fn captions(
        &mut self,
        memory: &Snapshot,
        domain: u32,
        texts: &[&str],
        hashes: &[Hash],
    ) -> Result<Vec<Option<Known>>, Trouble> {
        let mut found = vec![None; texts.len()];
        self.look_up(memory, domain, Kind::Captions, hashes.iter().copied(), |segment, row, text| {
            if !segment.is_live(row) {
                return Ok(false);
            }
            let Record::Caption { id, text: stored, clip, ordinal } = segment.captions.caption(row)? else {
                return Ok(false);
            };
            if stored == texts[text] {
                found[text] = Some(Known { id, clip: clip.map(str::to_owned), ordinal });
            }
            Ok(found[text].is_some())
        })?;
        Ok(found)
    }

    /// For each of these rows of a domain, whether it is stored as a repeat of its caption.
    pub(crate) fn repeats(
        &mut self,
        memory: &Snapshot,
        domain: u32,
        rows: &[Occurrence<'_>],
    ) -> Result<Vec<bool>, Trouble> {
        let mut found = vec![false; rows.len()];
        let hashes = rows.iter().map(|row| pages::repeat_hash(row.id, row.clip, row.ordinal));
        self.look_up(memory, domain, Kind::Repeats, hashes, |segment, place, row| {
            if let Record::Repeat { id, clip, ordinal } = segment.captions.repeat(place)? {
                found[row] |= Occurrence { id, clip, ordinal } == rows[row];
            }
            Ok(found[row])
        })?;
        Ok(found)
    }

    /// Calls `f` with records of the domain that the hashes may lead to (segment, row or place, number of the hash), each hash until `f`
    /// says that it has found what was asked for.
    fn look_up(
        &mut self,
        memory: &Snapshot,
        domain: u32,
        kind: Kind,
        hashes: impl Iterator<Item = Hash>,
        mut f: impl FnMut(&Segment, usize, usize) -> Result<bool>,
    ) -> Result<(), Trouble> {
        let mut hashes: Vec<(Hash, usize)> = hashes.zip(0..).collect();
        let segments = memory.0.segments.iter().filter(|segment| segment.entry.domain == domain);
        let mut segments: Vec<&Segment> =
            segments.map(|segment| &**segment).filter(|segment| kind.pages(&segment.entry) > 0).collect();
        self.drop_absent(&segments, domain, kind, &mut hashes)?;
        // In the order of the pages, so that each is looked for once.
        hashes.sort_unstable();
        // Most are found in the largest.
        segments.sort_by_key(|segment| std::cmp::Reverse(kind.pages(&segment.entry)));
        let mut found = HashSet::new();
        for segment in segments {
            let count = kind.pages(&segment.entry);
            for asked in hashes.chunk_by(|a, b| pages::page_of(a.0, count) == pages::page_of(b.0, count)) {
                let page = self.page(segment, kind, pages::page_of(asked[0].0, count))?;
                for (hash, number) in asked {
                    for place in page.find(*hash, count) {
                        if f(segment, place, *number)? {
                            found.insert(*number);
                        }
                    }
                }
            }
            hashes.retain(|(_, number)| !found.contains(number));
            found.clear();
        }
        Ok(())
    }

    /// Drops hashes that surely lead nowhere. A filter is made when that reads no more pages than doing without.
    fn drop_absent(
        &mut self,
        segments: &[&Segment],
        domain: u32,
        kind: Kind,
        hashes: &mut Vec<(Hash, usize)>,
    ) -> Result<(), Trouble> {
        let pages: usize = segments.iter().map(|segment| kind.pages(&segment.entry)).sum();
        let made = self.filters.remove(&(domain, kind));
        if made.is_none() && hashes.len() * segments.len() < pages {
            return Ok(());
        }
        let mut known = made.unwrap_or_default();
        let entries: usize = segments.iter().map(|segment| kind.entries(&segment.entry)).sum();
        if known.filter.capacity() < entries {
            known = DomainFilter { filter: BloomFilter::for_entries(2 * entries), segments: HashSet::new() };
        }
        for segment in segments.iter().filter(|segment| !known.segments.contains(&segment.entry.id)) {
            self.for_each_page(segment, kind, |entries| known.filter.insert(entries))?;
        }
        known.segments = segments.iter().map(|segment| segment.entry.id).collect();
        *hashes = known.filter.may_contain_of(hashes);
        self.filters.insert((domain, kind), known);
        Ok(())
    }

    /// Takes in the segment that a commit has just made of those of `group`: what leads to their captions leads to its own.
    /// `moved` says, for each of the group, which rows became which; all others are gone.
    pub(crate) fn merge(
        &mut self,
        segment: &Segment,
        group: &[Arc<Segment>],
        moved: &[Vec<Moved>],
    ) -> Result<(), Trouble> {
        let mut captions = Vec::with_capacity(segment.rows());
        for (from, moved) in group.iter().zip(moved) {
            let row_now = |row: usize| {
                let next = moved.partition_point(|(rows, _)| rows.start <= row);
                let (rows, to) = moved.get(next.checked_sub(1)?)?;
                (row < rows.end).then(|| (to + (row - rows.start)) as u32)
            };
            self.for_each_page(from, Kind::Captions, |entries| {
                let here = |entry: &Entry| Some(pages::entry(*entry, row_now(pages::place_of(*entry))?));
                captions.extend(entries.iter().filter_map(here));
            })?;
        }
        self.add_known(segment, captions)?;
        // What led to captions and repeats of the group leads to this segment's: no filter needs to take them in again.
        for (_, known) in self.filters.iter_mut().filter(|((of, _), _)| *of == segment.entry.domain) {
            if group.iter().all(|from| known.segments.contains(&from.entry.id)) {
                known.segments.insert(segment.entry.id);
            }
        }
        Ok(())
    }

    /// Calls `f` with all that leads to records of a segment, some entries at a time.
    fn for_each_page(&mut self, segment: &Segment, kind: Kind, mut f: impl FnMut(&[Entry])) -> Result<(), Trouble> {
        let id = segment.entry.id;
        if !self.cache.knows(id) {
            f(&pages::entries_of(segment, kind)?);
            return Ok(());
        }
        for number in 0..kind.pages(&segment.entry) {
            match self.cache.get(id, kind, number) {
                Some(page) => f(page.entries()),
                None => f(self.read(segment, kind, number)?.entries()),
            }
        }
        Ok(())
    }

    /// A page of a segment, which is kept in memory.
    fn page(&mut self, segment: &Segment, kind: Kind, number: usize) -> Result<&Page, Trouble> {
        let id = segment.entry.id;
        if self.cache.get(id, kind, number).is_none() {
            let page = self.read(segment, kind, number)?;
            self.cache.put(id, kind, number, kind.pages(&segment.entry), page);
        }
        let kept = self.cache.get(id, kind, number);
        kept.ok_or_else(|| Trouble::Sled("a page that was just kept is gone".into()))
    }

    /// Reads a page of a segment. If it is lost or damaged, all pages of the segment are made again.
    fn read(&mut self, segment: &Segment, kind: Kind, number: usize) -> Result<Page, Trouble> {
        let key = pages::key(segment.entry.id, kind, number);
        let read = |catalogue: &Self| -> Result<Option<Page>, Broken> {
            Ok(catalogue.kv.get(&key)?.and_then(|value| Page::decode(&segment.entry, &key, &value)))
        };
        if let Some(page) = read(self)? {
            return Ok(page);
        }
        tracing::warn!("a page of the catalogue is damaged; those of segment {} are built again", segment.entry.id);
        self.renew(segment)?;
        read(self)?.ok_or_else(|| Trouble::Sled("a page that was just written is damaged".into()))
    }
}

//! Looking texts and rows up in the catalogue: a sieve holds back what is not there, pages lead to the rest.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::captions::Record;
use super::catalogue::{Catalogue, Trouble};
use super::ledger::Broken;
use super::pages::{self, Hash, Kind, Page};
use super::plan::{Known, Occurrence};
use super::segment::Segment;
use super::sieve::Sieve;
use super::snapshot::Memory;
use crate::Result;

/// Bytes of pages kept in memory, 8 a row; when they are more, all are let go and those in use read again.
const KEPT: usize = 64 << 20;

/// Pages of a segment by their numbers, of captions and of repeats; empty until one is read.
#[derive(Default)]
pub(super) struct Kept([Vec<Option<Page>>; 2]);

impl Kept {
    fn get(&self, kind: Kind, number: usize) -> Option<&Page> {
        self.0[kind as usize].get(number)?.as_ref()
    }

    fn put(&mut self, kind: Kind, number: usize, pages: usize, page: Page) {
        let kept = &mut self.0[kind as usize];
        kept.resize_with(pages, || None);
        kept[number] = Some(page);
    }

    /// Bytes that the pages take.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().flatten().flatten().map(Page::bytes).sum()
    }
}

/// By domain.
pub(super) type Sieves = HashMap<(u32, Kind), Filled>;

/// A sieve and the segments whose entries it has taken in; it may know others that are no more.
#[derive(Default)]
pub(super) struct Filled {
    sieve: Sieve,
    segments: HashSet<u64>,
}

impl Catalogue {
    /// The captions of a domain that have these texts.
    pub(super) fn captions(
        &mut self,
        memory: &Memory,
        domain: u32,
        texts: &[&str],
    ) -> Result<Vec<Option<Known>>, Trouble> {
        let mut found = vec![None; texts.len()];
        let hashes = texts.iter().map(|text| pages::caption_hash(text));
        self.look_up(memory, domain, Kind::Captions, hashes, |segment, row, text| {
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
    pub(super) fn repeats(
        &mut self,
        memory: &Memory,
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
        memory: &Memory,
        domain: u32,
        kind: Kind,
        hashes: impl Iterator<Item = Hash>,
        mut f: impl FnMut(&Segment, usize, usize) -> Result<bool>,
    ) -> Result<(), Trouble> {
        // In the order of the pages, so that each is looked for once.
        let mut hashes: Vec<(Hash, usize)> = hashes.zip(0..).collect();
        hashes.sort_unstable();
        let segments = memory.0.segments.iter().filter(|segment| segment.entry.domain == domain);
        let mut segments: Vec<&Segment> =
            segments.map(|segment| &**segment).filter(|segment| kind.pages(&segment.entry) > 0).collect();
        self.sift(&segments, domain, kind, &mut hashes)?;
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

    /// Drops hashes that surely lead nowhere. A sieve is made when that reads no more pages than doing without.
    fn sift(
        &mut self,
        segments: &[&Segment],
        domain: u32,
        kind: Kind,
        hashes: &mut Vec<(Hash, usize)>,
    ) -> Result<(), Trouble> {
        let pages: usize = segments.iter().map(|segment| kind.pages(&segment.entry)).sum();
        let made = self.sieves.remove(&(domain, kind));
        if made.is_none() && hashes.len() * segments.len() < pages {
            return Ok(());
        }
        let mut filled = made.unwrap_or_default();
        let entries: usize = segments.iter().map(|segment| kind.entries(&segment.entry)).sum();
        if filled.sieve.capacity() < entries {
            filled = Filled { sieve: Sieve::for_entries(2 * entries), segments: HashSet::new() };
        }
        for segment in segments.iter().filter(|segment| !filled.segments.contains(&segment.entry.id)) {
            let count = kind.pages(&segment.entry);
            for number in 0..count {
                self.read(segment, kind, number)?.hashes(number, count).for_each(|hash| filled.sieve.insert(hash));
            }
        }
        filled.segments = segments.iter().map(|segment| segment.entry.id).collect();
        hashes.retain(|(hash, _)| filled.sieve.may_hold(*hash));
        self.sieves.insert((domain, kind), filled);
        Ok(())
    }

    /// A page of a segment, which is kept in memory.
    fn page(&mut self, segment: &Segment, kind: Kind, number: usize) -> Result<&Page, Trouble> {
        let id = segment.entry.id;
        let is_kept = |known: &BTreeMap<u64, Kept>| known.get(&id).is_some_and(|kept| kept.get(kind, number).is_some());
        if !is_kept(&self.known) {
            let page = self.read(segment, kind, number)?;
            if self.kept > KEPT {
                self.known.values_mut().for_each(|kept| *kept = Kept::default());
                self.kept = 0;
            }
            self.kept += page.bytes();
            self.known.entry(id).or_default().put(kind, number, kind.pages(&segment.entry), page);
        }
        let kept = self.known.get(&id).and_then(|kept| kept.get(kind, number));
        kept.ok_or_else(|| Trouble::Sled("a page that was just kept is gone".into()))
    }

    /// Reads a page of a segment. If it is lost or damaged, all pages of the segment are made again.
    fn read(&mut self, segment: &Segment, kind: Kind, number: usize) -> Result<Page, Trouble> {
        let key = pages::key(segment.entry.id, kind, number);
        let read = |catalogue: &Self| -> Result<Option<Page>, Broken> {
            Ok(catalogue.ledger.get(&key)?.and_then(|value| Page::decode(&segment.entry, &key, &value)))
        };
        if let Some(page) = read(self)? {
            return Ok(page);
        }
        tracing::warn!("a page of the catalogue is damaged; those of segment {} are built again", segment.entry.id);
        self.add(segment)?;
        read(self)?.ok_or_else(|| Trouble::Sled("a page that was just written is damaged".into()))
    }
}

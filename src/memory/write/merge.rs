//! Merging segments of a domain into larger ones: by itself, so that their number stays small however often is ingested, and on
//! request, so that removed captions free their space.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::append::write_segment;
use super::writer::Writer;
use crate::memory::catalogue::lookup::Moved;
use crate::memory::format::captions_writer::CaptionsWriter;
use crate::memory::format::layout;
use crate::memory::format::manifest::{SegmentEntry, TombstoneEntry};
use crate::memory::format::storage::remove_quietly;
use crate::memory::format::tombstones::Tombstones;
use crate::memory::format::vectors::Rows;
use crate::memory::read::planner::GRAPH_ROWS;
use crate::memory::read::segment::Segment;
use crate::memory::read::snapshot::Snapshot;
use crate::progress::Control;
use crate::{Error, Result};

/// Segments of one size class that are merged into one. A size class spans a factor of 8, so each merge lifts its rows into a higher
/// class: a row is rewritten once a class, and a domain keeps at most 7 segments a class.
const FAN_IN: usize = 8;
/// Segments of one size class that an append tolerates before it merges by itself; more than [`FAN_IN`], because to rewrite a row once more
/// costs half as much as to ingest it, and to look new rows up costs the same however many segments there are.
const FAN_IN_AT_APPEND: usize = 64;

/// What [`Writer::compact`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Compacted {
    /// Removed captions whose space is free now.
    pub captions: u64,
    /// Segments before.
    pub segments_before: u64,
    /// Segments after.
    pub segments_after: u64,
    /// Bytes of captions, vectors and tombstones before.
    pub bytes_before: u64,
    /// The same after.
    pub bytes_after: u64,
}

impl Writer {
    /// Merges wherever a domain has 8 segments or more of one size class; returns the number of segments made. Call it at the end of
    /// an ingest. Each merge is a commit of its own; graphs of the merged segments go with them.
    ///
    /// # Errors
    /// [`Error::Interrupted`] between two merges, [`Error::Damaged`] when a segment cannot be read, [`Error::Io`] when writing fails.
    pub fn merge(&mut self, control: &Control<'_>) -> Result<usize> {
        self.check_poison()?;
        let mut merged = 0;
        while let Some(group) = self.crowded(FAN_IN) {
            control.check()?;
            let _phase = control.begin("merging segments", Some(group.len() as u64));
            self.merge_group(&group)?;
            control.advance(group.len() as u64);
            merged += 1;
        }
        Ok(merged)
    }

    /// Drops removed captions and merges, in each domain, the segments that are too small for a graph. Segments that are large and
    /// whole are left alone. One commit a domain; readers keep the snapshot that they opened. Call [`Writer::index`] afterwards.
    ///
    /// # Errors
    /// As [`Writer::merge`].
    pub fn compact(&mut self, control: &Control<'_>) -> Result<Compacted> {
        self.check_poison()?;
        let before = Size::of(&self.memory);
        let domains: Vec<u32> = self.memory.0.manifest.domains.iter().map(|domain| domain.id).collect();
        let phase = control.begin("compacting", Some(domains.len() as u64));
        for domain in domains {
            control.check()?;
            for group in self.compactable(domain) {
                self.merge_group(&group)?;
            }
            control.advance(1);
        }
        phase.end();
        let after = Size::of(&self.memory);
        Ok(Compacted {
            captions: before.removed - after.removed,
            segments_before: before.segments,
            segments_after: after.segments,
            bytes_before: before.bytes,
            bytes_after: after.bytes,
        })
    }

    /// Keeps the number of segments bounded in a long ingest.
    pub(crate) fn merge_when_many(&mut self) -> Result<()> {
        while let Some(group) = self.crowded(FAN_IN_AT_APPEND) {
            self.merge_group(&group)?;
        }
        Ok(())
    }

    /// The segments of a domain and size class of which there are `limit` or more, the smallest class first.
    fn crowded(&self, limit: usize) -> Option<Vec<Arc<Segment>>> {
        let mut classes: BTreeMap<(u32, u32), Vec<Arc<Segment>>> = BTreeMap::new();
        for segment in &self.memory.0.segments {
            let class = size_class(&segment.entry);
            classes.entry((class, segment.entry.domain)).or_default().push(Arc::clone(segment));
        }
        let fits = |group: &Vec<Arc<Segment>>| group.len() >= limit && fits_one_segment(group);
        classes.into_values().find(fits)
    }

    /// What compacting rewrites in a domain: segments that hold something removed, and small ones. All of it makes one segment; where
    /// that would be too large, each segment is rewritten for itself.
    fn compactable(&self, domain: u32) -> Vec<Vec<Arc<Segment>>> {
        let of_domain = || self.memory.0.segments.iter().filter(|segment| segment.entry.domain == domain);
        let gone: Vec<u64> = of_domain().flat_map(|s| removed_rows(s).map(|row| s.captions.id(row))).collect();
        let wasteful = |segment: &Segment| {
            segment.removed.is_some() || gone.iter().any(|id| segment.captions.repeats_foreign(*id))
        };
        let chosen: Vec<_> = of_domain().filter(|s| s.rows() < GRAPH_ROWS || wasteful(s)).map(Arc::clone).collect();
        match &chosen[..] {
            [] => Vec::new(),
            [only] if !wasteful(only) => Vec::new(),
            _ if fits_one_segment(&chosen) => vec![chosen],
            _ => chosen.into_iter().filter(|segment| wasteful(segment)).map(|segment| vec![segment]).collect(),
        }
    }

    /// Makes one segment of `group`, which is of one domain, without the captions that are removed.
    ///
    /// Every repeat refers to a caption that is stored, be it removed. So a removed caption stays where a segment outside the group
    /// holds a repeat of it.
    fn merge_group(&mut self, group: &[Arc<Segment>]) -> Result<()> {
        let memory = self.memory.clone();
        let domain = group.first().map_or(0, |segment| segment.entry.domain);
        let outside = memory.0.segments.iter().filter(|s| s.entry.domain == domain);
        let outside: Vec<_> = outside.filter(|s| group.iter().all(|inside| inside.entry.id != s.entry.id)).collect();
        let is_needed = |id: u64| outside.iter().any(|segment| segment.captions.repeats_foreign(id));
        // 16 bytes a row while merging.
        let mut order: Vec<Placed> = Vec::with_capacity(group.iter().map(|segment| segment.rows()).sum());
        for (index, segment) in group.iter().enumerate() {
            let rows = (0..segment.rows()).map(|row| (segment.captions.id(row), row));
            let kept = rows.filter(|(id, row)| segment.is_live(*row) || is_needed(*id));
            order.extend(kept.map(|(id, row)| (id, index as u32, row as u32)));
        }
        order.sort_unstable();
        let live = |(_, segment, row): &Placed| group[*segment as usize].is_live(*row as usize);
        let removed: BTreeSet<usize> = (0..order.len()).filter(|index| !live(&order[*index])).collect();
        let runs_of_group = || runs(&order).map(|(segment, rows)| (&group[segment], rows));
        let anything_removed = memory.0.segments.iter().any(|s| s.entry.domain == domain && s.removed.is_some());
        let is_kept = |id: u64| !anything_removed || memory.0.find(id).is_some();
        let mut repeats = 0u32;
        let records = |out: &mut CaptionsWriter<'_>| {
            out.expect(order.len());
            runs_of_group().try_for_each(|(segment, rows)| out.copy_rows(&segment.captions, rows))?;
            for captions in group.iter().map(|segment| &segment.captions) {
                for place in (0..captions.repeats()).filter(|place| is_kept(captions.repeat_id(*place))) {
                    out.copy_repeat(captions, place)?;
                    repeats += 1;
                }
            }
            Ok(())
        };
        // Checksums are taken over or made anew from what is read, so what is read must be right.
        for segment in group {
            segment.captions.verify_records()?;
            segment.vectors.verify_data()?;
        }
        let mut rows = Rows::default();
        runs_of_group().for_each(|(segment, run)| rows.push_verified(&segment.vectors, run));
        let mut manifest = memory.0.manifest.clone();
        let (id, dim) = (manifest.next_segment, manifest.space.dim);
        let written = write_segment(&self.dir(), id, dim, &*self.storage, records, &rows);
        let (captions, vectors) = written.inspect_err(|error| {
            if matches!(error, Error::Io { .. }) {
                self.poison();
            }
        })?;
        let merged = |segment: u64| group.iter().any(|inside| inside.entry.id == segment);
        manifest.segments.retain(|segment| !merged(segment.id));
        manifest.tombstones.retain(|tombstones| !merged(tombstones.segment));
        manifest.next_segment += 1;
        if !removed.is_empty() {
            manifest.tombstones.push(self.carry(id, order.len(), &removed)?);
        }
        let entry = SegmentEntry {
            id,
            domain,
            commit: manifest.commit + 1,
            rows: order.len() as u32,
            repeats,
            first_id: order.first().map_or(0, |first| first.0),
            last_id: order.last().map_or(0, |last| last.0),
            captions,
            vectors,
        };
        // Nothing may be left; then the files just written are named by nobody, and go with the others.
        if records_of(&entry) > 0 {
            manifest.segments.push(entry);
        } else {
            let files = [layout::captions(&self.dir(), id), layout::vectors(&self.dir(), id)];
            files.iter().for_each(|path| remove_quietly(path, &*self.storage));
        }
        self.commit(manifest)?;
        let moved = moved(&order, group.len());
        self.tell_catalogue(id, |catalogue, segment| catalogue.merge(segment, group, &moved));
        Ok(())
    }

    /// Writes the tombstones of a merged segment.
    fn carry(&mut self, segment: u64, rows: usize, removed: &BTreeSet<usize>) -> Result<TombstoneEntry> {
        let dir = self.dir();
        let folder = layout::segments(&dir);
        Tombstones::write(&dir, &*self.storage, segment, 1, rows, removed)
            .and_then(|entry| {
                self.storage.sync_folder(&folder).map_err(Error::io("flush", &folder))?;
                Ok(entry)
            })
            .inspect_err(|_| self.give_up())
    }
}

/// Rows of a segment of the group, as (caption id, segment, row).
type Placed = (u64, u32, u32);

/// Rows that lie side by side in one segment: the number of the segment in the group, and its rows.
fn runs(order: &[Placed]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let runs = order.chunk_by(|a, b| a.1 == b.1 && a.2 + 1 == b.2);
    runs.filter_map(|run| run.first().map(|first| (first.1 as usize, first.2 as usize..first.2 as usize + run.len())))
}

/// For each segment of a group, which of its rows became which.
fn moved(order: &[Placed], segments: usize) -> Vec<Vec<Moved>> {
    let (mut moved, mut to) = (vec![Vec::new(); segments], 0);
    for (segment, rows) in runs(order) {
        let len = rows.len();
        moved[segment].push((rows, to));
        to += len;
    }
    moved
}

/// What compacting is to make smaller.
struct Size {
    removed: u64,
    segments: u64,
    bytes: u64,
}

impl Size {
    fn of(memory: &Snapshot) -> Self {
        let manifest = &memory.0.manifest;
        let segments = manifest.segments.iter().map(|segment| segment.captions.len + segment.vectors.len);
        Self {
            removed: manifest.tombstones.iter().map(|tombstones| u64::from(tombstones.rows)).sum(),
            segments: manifest.segments.len() as u64,
            bytes: segments.chain(manifest.tombstones.iter().map(|tombstones| tombstones.file.len)).sum(),
        }
    }
}

fn removed_rows(segment: &Segment) -> impl Iterator<Item = usize> {
    segment.removed.iter().flat_map(Tombstones::rows)
}

fn fits_one_segment(group: &[Arc<Segment>]) -> bool {
    group.iter().map(|segment| records_of(&segment.entry)).sum::<u64>() < u64::from(u32::MAX)
}

fn records_of(entry: &SegmentEntry) -> u64 {
    u64::from(entry.rows) + u64::from(entry.repeats)
}

/// The whole part of the logarithm to base 8 of the number of records.
fn size_class(entry: &SegmentEntry) -> u32 {
    records_of(entry).max(1).ilog2() / 3
}

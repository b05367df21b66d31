//! Merging small segments of a domain into larger ones, so that their number stays small however often is ingested.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::append::write_segment;
use super::captions::Record;
use super::manifest::SegmentEntry;
use super::segment::Segment;
use super::writer::Writer;
use crate::progress::{Progress, Stop};
use crate::{Error, Result};

/// Segments of one size class that are merged into one. A size class spans a factor of 8, so each merge lifts its rows into a higher
/// class: a row is rewritten once a class, and a domain keeps at most 7 segments a class.
const FAN_IN: usize = 8;
/// Segments of one size class that an append tolerates before it merges by itself; more than [`FAN_IN`], so that many small commits
/// do not stop for it each time.
const FAN_IN_AT_APPEND: usize = 32;

impl Writer {
    /// Merges wherever a domain has 8 segments or more of one size class; returns the number of segments made. Call it at the end of
    /// an ingest. Each merge is a commit of its own; graphs of the merged segments go with them.
    ///
    /// # Errors
    /// [`Error::Interrupted`] between two merges, [`Error::Damaged`] when a segment cannot be read, [`Error::Io`] when writing fails.
    pub fn merge(&mut self, progress: &dyn Progress, stop: &Stop) -> Result<usize> {
        self.check_poison()?;
        let mut merged = 0;
        while let Some(group) = self.crowded(FAN_IN) {
            stop.check()?;
            progress.begin("merging segments", Some(group.len() as u64));
            self.merge_group(&group)?;
            progress.advance(group.len() as u64);
            progress.end();
            merged += 1;
        }
        Ok(merged)
    }

    /// Keeps the number of segments bounded in a long ingest.
    pub(super) fn merge_when_many(&mut self) -> Result<()> {
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
        let fits = |group: &Vec<Arc<Segment>>| {
            let records = group.iter().map(|segment| records(&segment.entry)).sum::<u64>();
            group.len() >= limit && records < u64::from(u32::MAX)
        };
        classes.into_values().find(fits)
    }

    fn merge_group(&mut self, group: &[Arc<Segment>]) -> Result<()> {
        let mut manifest = self.memory.0.manifest.clone();
        let (id, dim) = (manifest.next_segment, manifest.space.dim);
        // (caption id, segment, row), which is 16 bytes a row while merging.
        let mut order: Vec<(u64, u32, u32)> = Vec::new();
        for (index, segment) in group.iter().enumerate() {
            order.extend((0..segment.rows()).map(|row| (segment.captions.id(row), index as u32, row as u32)));
        }
        order.sort_unstable();
        let captions = order.iter().map(|(_, segment, row)| group[*segment as usize].captions.caption(*row as usize));
        let repeats = group.iter().flat_map(|segment| segment.captions.records());
        let repeats = repeats.filter(|record| !matches!(record, Ok(Record::Caption { .. })));
        let rows = || order.iter().map(|(_, segment, row)| group[*segment as usize].vectors.row(*row as usize));
        // Checksums are made anew from what is read, so what is read must be right.
        group.iter().try_for_each(|segment| segment.vectors.verify())?;
        let written = write_segment(&self.dir(), id, dim, &*self.storage, captions.chain(repeats), rows);
        let (captions, vectors) = written.inspect_err(|error| {
            if matches!(error, Error::Io { .. }) {
                self.poison();
            }
        })?;
        let merged: Vec<u64> = group.iter().map(|segment| segment.entry.id).collect();
        manifest.segments.retain(|segment| !merged.contains(&segment.id));
        manifest.segments.push(SegmentEntry {
            id,
            domain: group.first().map_or(0, |segment| segment.entry.domain),
            commit: manifest.commit + 1,
            rows: order.len() as u32,
            repeats: group.iter().map(|segment| segment.entry.repeats).sum(),
            first_id: order.first().map_or(0, |first| first.0),
            last_id: order.last().map_or(0, |last| last.0),
            captions,
            vectors,
        });
        manifest.next_segment += 1;
        self.commit(manifest)?;
        self.remove_segment_files(&merged);
        Ok(())
    }
}

fn records(entry: &SegmentEntry) -> u64 {
    u64::from(entry.rows) + u64::from(entry.repeats)
}

/// The whole part of the logarithm to base 8 of the number of records.
fn size_class(entry: &SegmentEntry) -> u32 {
    records(entry).max(1).ilog2() / 3
}

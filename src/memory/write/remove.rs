//! Removing: whole domains leave the manifest, single captions get a tombstone. Files of segments stay as they are until `compact`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::append::write_segment;
use super::writer::Writer;
use crate::error::Missing;
use crate::memory::format::captions::Record;
use crate::memory::format::captions_writer::CaptionsWriter;
use crate::memory::format::layout;
use crate::memory::format::manifest::{Manifest, SegmentEntry};
use crate::memory::format::tombstones::Tombstones;
use crate::memory::format::vectors;
use crate::memory::read::segment::Segment;
use crate::{Error, Result};

/// What a removal took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Removed {
    /// Captions that are gone.
    pub captions: u64,
    /// Ingested rows that are gone: all those of the captions that are gone, and single ones of others.
    pub occurrences: u64,
}

/// Rows to remove, by segment.
type Rows = BTreeMap<u64, BTreeSet<usize>>;

/// A row of a corpus as it is stored: its clip and its ordinal.
type Occurrence = (Option<String>, u32);

impl Writer {
    /// Removes a domain with all its captions; returns their number. At once invisible to new snapshots.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain, [`Error::Io`] when the commit fails.
    pub fn remove_domain(&mut self, name: &str) -> Result<u64> {
        self.check_poison()?;
        let mut manifest = self.memory.0.manifest.clone();
        let id = manifest.domain(name).ok_or_else(|| manifest.no_domain(name))?.id;
        let of_domain = self.memory.0.segments.iter().filter(|segment| segment.entry.domain == id);
        let captions = of_domain.map(|segment| segment.live() as u64).sum();
        manifest.domains.retain(|domain| domain.id != id);
        manifest.segments.retain(|segment| segment.domain != id);
        manifest.tombstones.retain(|tombstones| manifest.segments.iter().any(|s| s.id == tombstones.segment));
        self.commit_removal(manifest)?;
        Ok(captions)
    }

    /// Removes captions with all their occurrences, in one commit: all of them or, when it fails, none. At once invisible to new
    /// snapshots; a source that is ingested again brings them back, under new ids. [`Writer::compact`] frees the space.
    ///
    /// # Errors
    /// [`Error::NotFound`] when one of the ids is not stored; then nothing is removed. [`Error::Io`] when writing or the commit fails.
    pub fn remove_captions(&mut self, ids: &[u64]) -> Result<Removed> {
        self.check_poison()?;
        let mut rows = Rows::new();
        let mut removed = Removed::default();
        for id in ids {
            let found = self.memory.0.find(*id);
            let unknown = || Error::NotFound { kind: Missing::Caption, name: id.to_string(), known: Vec::new() };
            let (segment, row) = found.ok_or_else(unknown)?;
            if rows.entry(segment.entry.id).or_default().insert(row) {
                removed.captions += 1;
                removed.occurrences += u64::from(self.memory.0.multiplicity(segment, row));
            }
        }
        if rows.is_empty() {
            return Ok(removed);
        }
        let manifest = self.bury(self.memory.0.manifest.clone(), &rows)?;
        self.commit_removal(manifest)?;
        Ok(removed)
    }

    /// Keeps, of the rows of a domain, those for which `keep` returns true, given text and clip; all in one commit. A caption of which
    /// some rows stay and some go is stored anew, under a new id. Nothing is committed when all are kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain, [`Error::Damaged`] when a record is, [`Error::Io`] when writing or the commit fails.
    pub fn retain(&mut self, domain: &str, mut keep: impl FnMut(&str, Option<&str>) -> bool) -> Result<Removed> {
        self.check_poison()?;
        let memory = self.memory.clone();
        let mut manifest = memory.0.manifest.clone();
        let domain = manifest.domain(domain).ok_or_else(|| manifest.no_domain(domain))?.id;
        let mut rows = Rows::new();
        let mut removed = Removed::default();
        let mut renewed: Vec<(&Segment, usize, String, Vec<Occurrence>)> = Vec::new();
        for segment in memory.0.segments.iter().filter(|segment| segment.entry.domain == domain) {
            for row in segment.live_rows() {
                let (text, all) = self.occurrences_of(segment, row)?;
                let count = all.len();
                let kept: Vec<_> = all.into_iter().filter(|(clip, _)| keep(&text, clip.as_deref())).collect();
                if kept.len() == count {
                    continue;
                }
                removed.occurrences += (count - kept.len()) as u64;
                removed.captions += u64::from(kept.is_empty());
                rows.entry(segment.entry.id).or_default().insert(row);
                if !kept.is_empty() {
                    renewed.push((segment, row, text, kept));
                }
            }
        }
        if rows.is_empty() {
            return Ok(removed);
        }
        // New ids follow the order of the old ones.
        renewed.sort_by_key(|(segment, row, _, _)| segment.captions.id(*row));
        self.store_anew(&mut manifest, domain, &renewed)?;
        let manifest = self.bury(manifest, &rows)?;
        self.commit_removal(manifest)?;
        Ok(removed)
    }

    /// The text of a caption, and every row that carries it; the one that brought it first.
    fn occurrences_of(&self, home: &Segment, row: usize) -> Result<(String, Vec<Occurrence>)> {
        let Record::Caption { id, text, clip, ordinal } = home.captions.caption(row)? else {
            return Err(Error::Internal("a row that is a repeat".into()));
        };
        let mut all = vec![(clip.map(str::to_owned), ordinal)];
        for segment in self.memory.0.segments.iter().filter(|segment| segment.entry.domain == home.entry.domain) {
            for record in segment.captions.repeats_of(id) {
                if let Record::Repeat { clip, ordinal, .. } = record? {
                    all.push((clip.map(str::to_owned), ordinal));
                }
            }
        }
        Ok((text.to_owned(), all))
    }

    /// Writes a segment of captions that lose some of their rows, and adds it to `manifest`.
    fn store_anew(
        &mut self,
        manifest: &mut Manifest,
        domain: u32,
        renewed: &[(&Segment, usize, String, Vec<Occurrence>)],
    ) -> Result<()> {
        if renewed.is_empty() {
            return Ok(());
        }
        let (mut captions, mut repeats) = (Vec::new(), Vec::new());
        for ((_, _, text, kept), id) in renewed.iter().zip(manifest.next_caption..) {
            for (index, (clip, ordinal)) in kept.iter().enumerate() {
                let (clip, ordinal) = (clip.as_deref(), *ordinal);
                if index == 0 {
                    captions.push(Record::Caption { id, text, clip, ordinal });
                } else {
                    repeats.push(Record::Repeat { id, clip, ordinal });
                }
            }
        }
        let (rows, further) = (captions.len() as u64, repeats.len());
        let id = manifest.next_segment;
        let mut unit = vectors::Rows::default();
        renewed.iter().for_each(|(segment, row, _, _)| unit.push(segment.vectors.row(*row)));
        let records = |out: &mut CaptionsWriter<'_>| captions.iter().chain(&repeats).try_for_each(|r| out.push(r));
        let files = write_segment(&self.dir(), id, manifest.space.dim, &*self.storage, records, &unit);
        let (captions, vectors) = files.inspect_err(|_| self.poison())?;
        manifest.segments.push(SegmentEntry {
            id,
            domain,
            commit: manifest.commit + 1,
            rows: rows as u32,
            repeats: further as u32,
            first_id: manifest.next_caption,
            last_id: manifest.next_caption + rows - 1,
            captions,
            vectors,
        });
        manifest.next_segment += 1;
        manifest.next_caption += rows;
        Ok(())
    }

    /// Writes the tombstones of `rows`, beside those that there are, and names them in `manifest`.
    pub(crate) fn bury(&mut self, mut manifest: Manifest, rows: &Rows) -> Result<Manifest> {
        let dir = self.dir();
        let mut write = || {
            for (id, rows) in rows {
                let segment = self.memory.0.segment(*id);
                let segment = segment.ok_or_else(|| Error::Internal(format!("no segment {id}")))?;
                let earlier = segment.removed.as_ref();
                let generation = earlier.map_or(0, |earlier| earlier.entry.generation).checked_add(1);
                let generation = generation.ok_or_else(|| Error::Internal("too many generations".into()))?;
                let all = earlier.into_iter().flat_map(Tombstones::rows).chain(rows.iter().copied()).collect();
                let entry = Tombstones::write(&dir, &*self.storage, *id, generation, segment.rows(), &all)?;
                manifest.tombstones.retain(|tombstones| tombstones.segment != *id);
                manifest.tombstones.push(entry);
            }
            manifest.tombstones.sort_by_key(|tombstones| tombstones.segment);
            let folder = layout::segments(&dir);
            self.storage.sync_folder(&folder).map_err(Error::io("flush", &folder))
        };
        write().inspect_err(|_| self.give_up())?;
        Ok(manifest)
    }

    /// Commits a manifest from which something is gone.
    pub(crate) fn commit_removal(&mut self, manifest: Manifest) -> Result<()> {
        self.commit(manifest)?;
        self.last_removal = self.memory.commit();
        Ok(())
    }
}

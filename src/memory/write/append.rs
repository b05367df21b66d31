//! Adding planned rows to a domain: one new segment, one commit.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use super::plan::{self, Decision, Plan};
use super::writer::Writer;
use crate::embedding::{is_unit, norm};
use crate::memory::catalogue::pages;
use crate::memory::format::captions::Record;
use crate::memory::format::captions_writer::CaptionsWriter;
use crate::memory::format::manifest::{DomainEntry, FileEntry, Manifest, SegmentEntry};
use crate::memory::format::storage::{Storage, remove_quietly};
use crate::memory::format::{layout, vectors};
use crate::{Embeddings, Error, Result};

/// Bytes that are gathered before they are written; what is longer, as merges have it, is written without a copy.
const BUFFER: usize = 64 << 10;

/// What an append changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Appended {
    /// Captions that were not stored in the domain before.
    pub new: u64,
    /// Further occurrences of stored captions.
    pub repeats: u64,
    /// Rows that were stored already.
    pub duplicates: u64,
}

impl std::ops::AddAssign for Appended {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.repeats += other.repeats;
        self.duplicates += other.duplicates;
    }
}

impl Writer {
    /// Stores what `plan` found to be new, in one commit that is durable when this returns. A plan of duplicates commits nothing.
    ///
    /// `embeddings` has one row for each of [`Plan::texts`], in that order; they need not have unit length.
    ///
    /// # Errors
    /// [`Error::Dimension`] when the embeddings have another dimension than the store; [`Error::Input`] when they do not fit the plan, or hold
    /// a row of length zero or not finite, or when the plan is from before a removal or a renaming: then nothing has changed. [`Error::Io`] when writing
    /// failed: then partial files are removed, nothing has changed, and the writer is poisoned.
    pub fn append(&mut self, domain: &str, mut plan: Plan, embeddings: &Embeddings) -> Result<Appended> {
        self.check_poison()?;
        if plan.domain != domain {
            return Err(Error::input("the plan", format!("one for the domain {}", plan.domain), domain));
        }
        if plan.commit < self.last_removal {
            return Err(Error::input("the plan", "one from before a removal or a renaming", "a plan made anew"));
        }
        if plan.commit != self.memory.commit() {
            plan::renew(&mut plan, &mut self.in_domain(domain))?;
        }
        let vectors = self.unit_vectors(&plan, embeddings)?;
        let chunk = Chunk::new(&plan, self.memory.0.manifest.next_caption)?;
        if chunk.records.is_empty() {
            return Ok(chunk.appended);
        }
        let mut manifest = self.memory.0.manifest.clone();
        let domain = domain_id(&mut manifest, domain)?;
        let segment = manifest.next_segment;
        let dim = manifest.space.dim;
        // A plan that was renewed may have fewer captions than embeddings, and so leave gaps. A run has one row at least.
        let mut rows = vectors::Rows::default();
        for run in chunk.rows.chunk_by(|a, b| a + 1 == *b) {
            rows.push(&vectors[run[0] * dim..(run[0] + run.len()) * dim]);
        }
        let records = |out: &mut CaptionsWriter<'_>| chunk.records.iter().try_for_each(|record| out.push(record));
        let files = write_segment(&self.dir(), segment, dim, &*self.storage, records, &rows);
        let (captions, vectors) = files.inspect_err(|_| self.poison())?;
        let count = chunk.appended.new;
        manifest.segments.push(SegmentEntry {
            id: segment,
            domain,
            commit: manifest.commit + 1,
            rows: count as u32,
            repeats: chunk.appended.repeats as u32,
            first_id: if count == 0 { 0 } else { manifest.next_caption },
            last_id: if count == 0 { 0 } else { manifest.next_caption + count - 1 },
            captions,
            vectors,
        });
        manifest.next_segment += 1;
        manifest.next_caption += count;
        self.commit(manifest)?;
        let entries = chunk.rows.iter().zip(0..).map(|(index, row)| pages::entry(plan.hashes[*index], row)).collect();
        self.tell_catalogue(segment, |catalogue, segment| catalogue.add_known(segment, entries));
        // The rows are durable; that old segments cannot be merged is no failure of this append.
        if let Err(error) = self.merge_when_many() {
            tracing::warn!("small segments could not be merged: {error}");
        }
        Ok(chunk.appended)
    }

    /// The embeddings at unit length; a copy only where one is not.
    fn unit_vectors<'a>(&self, plan: &Plan, embeddings: &'a Embeddings) -> Result<Cow<'a, [f32]>> {
        let dim = self.space().dim;
        if embeddings.dim() != dim {
            return Err(Error::Dimension { subject: "the embeddings".into(), found: embeddings.dim(), expected: dim });
        }
        if embeddings.len() != plan.texts.len() {
            let found = format!("{} rows", embeddings.len());
            return Err(Error::input("the embeddings", found, format!("{} rows", plan.texts.len())));
        }
        let given = embeddings.as_slice();
        if given.par_chunks_exact(dim).with_min_len(vectors::SOME / dim + 1).all(|row| is_unit(norm(row))) {
            return Ok(Cow::Borrowed(given));
        }
        let mut scaled = embeddings.clone();
        let directed = scaled.normalize();
        if let Some((text, _)) = plan.texts.iter().zip(directed).find(|(_, directed)| !directed) {
            let subject = format!("the embedding of {text:?}");
            return Err(Error::input(subject, "length zero or a number that is not finite", "a direction"));
        }
        Ok(Cow::Owned(scaled.into_vec()))
    }
}

/// The records that a plan comes to.
struct Chunk<'a> {
    records: Vec<Record<'a>>,
    /// Which row of the embeddings belongs to each caption.
    rows: Vec<usize>,
    appended: Appended,
}

impl<'a> Chunk<'a> {
    fn new(plan: &'a Plan, first_id: u64) -> Result<Self> {
        // The caption id of each text of the plan; 0 for one that is stored already.
        let mut ids = vec![0; plan.texts.len()];
        let (mut captions, mut repeats, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut duplicates = 0;
        for row in &plan.rows {
            let (clip, ordinal) = (row.clip.as_deref(), row.ordinal);
            match row.decision {
                Decision::New(index) => {
                    let id = first_id + captions.len() as u64;
                    ids[index] = id;
                    rows.push(index);
                    captions.push(Record::Caption { id, text: &plan.texts[index], clip, ordinal });
                }
                Decision::Repeat(id) => repeats.push(Record::Repeat { id, clip, ordinal }),
                Decision::RepeatOfNew(index) => repeats.push(Record::Repeat { id: ids[index], clip, ordinal }),
                Decision::Duplicate => duplicates += 1,
            }
        }
        if captions.len().max(repeats.len()) >= u32::MAX as usize {
            return Err(Error::input("the chunk", format!("{} rows", plan.rows.len()), "fewer than 2³²"));
        }
        let appended = Appended { new: captions.len() as u64, repeats: repeats.len() as u64, duplicates };
        captions.append(&mut repeats);
        Ok(Self { records: captions, rows, appended })
    }
}

fn domain_id(manifest: &mut Manifest, name: &str) -> Result<u32> {
    if let Some(domain) = manifest.domain(name) {
        return Ok(domain.id);
    }
    let id = manifest.next_domain;
    manifest.next_domain = id.checked_add(1).ok_or_else(|| Error::Internal("too many domains".into()))?;
    manifest.domains.push(DomainEntry { id, name: name.to_owned() });
    Ok(id)
}

/// Writes and fsyncs the files of a segment; when that fails, removes them.
pub(crate) fn write_segment(
    dir: &Path,
    segment: u64,
    dim: usize,
    storage: &dyn Storage,
    records: impl FnOnce(&mut CaptionsWriter<'_>) -> Result<()>,
    rows: &vectors::Rows<'_>,
) -> Result<(FileEntry, FileEntry)> {
    let (captions, vectors) = (layout::captions(dir, segment), layout::vectors(dir, segment));
    let write = || {
        let captions = write_file(&captions, storage, |out| {
            let mut writer = CaptionsWriter::begin(out, &captions, segment)?;
            records(&mut writer)?;
            writer.finish()
        })?;
        let vectors = write_file(&vectors, storage, |out| {
            vectors::write(out, segment, dim, rows).map_err(Error::io("write", &vectors))
        })?;
        let folder = layout::segments(dir);
        storage.sync_folder(&folder).map_err(Error::io("flush", &folder))?;
        Ok((captions, vectors))
    };
    write().inspect_err(|_| {
        remove_quietly(&captions, storage);
        remove_quietly(&vectors, storage);
    })
}

/// Writes a file through `fill` and fsyncs it.
fn write_file<T>(path: &Path, storage: &dyn Storage, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let file = storage.create(path).map_err(Error::io("create", path))?;
    let mut out = BufWriter::with_capacity(BUFFER, file);
    let value = fill(&mut out)?;
    let flushed = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut file| file.sync());
    flushed.map_err(Error::io("write", path))?;
    Ok(value)
}

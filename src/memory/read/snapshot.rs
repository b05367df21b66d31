//! A read-only view of one commit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::decoders::DecoderEntry;
use super::model::ModelEntry;
use super::options::Scope;
use super::planner::GRAPH_ROWS;
use super::segment::Segment;
use crate::memory::format::manifest::{DomainEntry, Manifest};
use crate::memory::format::named::missing_is_damage;
use crate::memory::format::tombstones::Tombstones;
use crate::memory::format::{layout, limits};
use crate::{EmbeddingSpace, Error, Result};

/// How often opening begins anew because a writer replaced files under its hands. Each time another commit has come between.
const OPEN_ATTEMPTS: usize = 16;

/// A snapshot of a store: what one commit left. It is cheap to clone, and stays readable while a writer goes on.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub dir: PathBuf,
    pub manifest: Manifest,
    pub segments: Vec<Arc<Segment>>,
    pub decoders: Vec<DecoderEntry>,
    /// Occurrences of a caption that segments other than its own count. Gathered at first use.
    foreign: OnceLock<HashMap<u64, u32>>,
    /// By domain, the occurrences of removed captions that its segments still hold. Summed at first use.
    buried: OnceLock<HashMap<u32, u64>>,
}

/// A stored caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Caption {
    /// Its id, never given to another caption of this store.
    pub id: u64,
    /// The domain that it belongs to.
    pub domain: String,
    /// The text as it was given, trimmed; `caption` in JSON, as everywhere.
    #[serde(rename = "caption")]
    pub text: String,
    /// The clip that it was first seen with.
    pub clip: Option<String>,
    /// How many rows of the ingested corpora carry this text.
    pub multiplicity: u32,
}

impl Snapshot {
    /// Opens the newest commit for reading. Needs read permission only.
    ///
    /// Checks the manifest and the headers, tables and lengths of all files, not the records and vectors themselves; a record is
    /// checked when it is read, and [`Snapshot::verify`] checks everything.
    ///
    /// # Errors
    /// [`Error::NoStore`], [`Error::Version`], [`Error::Damaged`], or [`Error::Io`].
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let mut manifest = Manifest::read(dir)?;
        for _ in 0..OPEN_ATTEMPTS {
            let error = match Self::assemble(dir, manifest.clone(), &[]) {
                Ok(memory) => {
                    let (commit, segments) = (memory.commit(), memory.0.segments.len());
                    tracing::debug!("opened commit {commit} of {}: {segments} segments", dir.display());
                    return Ok(memory);
                }
                Err(error) => error,
            };
            // A merge may have removed a file between our reading the manifest and opening the file: then there is a newer commit.
            let newer = Manifest::read(dir)?;
            if newer.commit == manifest.commit {
                return Err(missing_is_damage(error));
            }
            manifest = newer;
        }
        Err(Error::Internal("the store changed each time it was opened".into()))
    }

    /// The newest commit of the same store; this one where nothing was committed since. What did not change stays open, so that it costs little to
    /// ask before each of many answers.
    ///
    /// # Errors
    /// As [`Store::snapshot`](crate::Store::snapshot).
    pub fn newest(&self) -> Result<Self> {
        let (dir, known) = (self.dir(), &self.0.manifest);
        let manifest = Manifest::read(dir)?;
        if manifest == *known {
            return Ok(self.clone());
        }
        // Another store, or another copy of this one, came into the folder's place: its files are others, whatever they are called.
        if manifest.store != known.store || manifest.commit <= known.commit {
            return Self::open(dir);
        }
        // A file may be gone by now, of a commit that is no longer the newest.
        Self::assemble(dir, manifest, &self.0.segments).or_else(|_| Self::open(dir))
    }

    /// The snapshot of `manifest`, taking segments that `known`, in the order of their ids, has open already.
    pub(crate) fn assemble(dir: &Path, manifest: Manifest, known: &[Arc<Segment>]) -> Result<Self> {
        let mut segments = Vec::with_capacity(manifest.segments.len());
        for entry in &manifest.segments {
            let removed = manifest.tombstones_of(entry.id);
            let domain = manifest.domains.iter().find(|domain| domain.id == entry.domain);
            let domain = domain.ok_or_else(|| Error::Internal("a segment without a domain".into()))?;
            let same = known.binary_search_by_key(&entry.id, |segment| segment.entry.id).ok();
            let open = same.and_then(|index| known.get(index)).filter(|segment| segment.entry == *entry);
            let is_same = |open: &&Arc<Segment>| {
                open.domain == domain.name && open.removed.as_ref().map(|removed| &removed.entry) == removed
            };
            if let Some(same) = open.filter(is_same) {
                segments.push(Arc::clone(same));
            } else if let Some(open) = open {
                segments.push(Arc::new(open.renewed(domain, removed)?));
            } else {
                let segment = Segment::open(dir, entry, domain, manifest.space.dim)?;
                segments.push(Arc::new(if removed.is_some() { segment.renewed(domain, removed)? } else { segment }));
            }
        }
        let decoders = manifest.decoders.iter().map(DecoderEntry::from_record).collect();
        let dir = dir.to_path_buf();
        let (foreign, buried) = (OnceLock::new(), OnceLock::new());
        Ok(Self(Arc::new(Inner { dir, manifest, segments, decoders, foreign, buried })))
    }

    /// The store's folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The embedding space that the store is bound to.
    pub fn space(&self) -> &EmbeddingSpace {
        &self.0.manifest.space
    }

    /// The number of the commit that this snapshot shows.
    pub fn commit(&self) -> u64 {
        self.0.manifest.commit
    }

    /// Number of distinct captions.
    pub fn len(&self) -> u64 {
        self.0.segments.iter().map(|segment| segment.live() as u64).sum()
    }

    /// True when there is no caption.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The caption with that id, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`] when its record is.
    pub fn caption(&self, id: u64) -> Result<Option<Caption>> {
        let Some((segment, row)) = self.0.find(id) else { return Ok(None) };
        let (text, clip) = segment.text(row)?;
        let multiplicity = self.0.multiplicity(segment, row);
        Ok(Some(Caption { id, domain: segment.domain.clone(), text, clip, multiplicity }))
    }

    /// The unit vector of a caption.
    pub fn embedding(&self, id: u64) -> Option<&[f32]> {
        self.0.find(id).map(|(segment, row)| segment.vectors.row(row))
    }

    /// [`Snapshot::clips`] of a caption that was read, which knows its own where it occurred once.
    ///
    /// # Errors
    /// As [`Snapshot::clips`].
    pub fn clips_of(&self, caption: &Caption) -> Result<Vec<String>> {
        match caption.multiplicity {
            1 => Ok(caption.clip.iter().cloned().collect()),
            _ => self.clips(caption.id),
        }
    }

    /// Every clip that carries the caption's text; one that carries it twice is there twice. The clip that it was first seen with
    /// comes first, the order of the others is not promised.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a record is.
    pub fn clips(&self, id: u64) -> Result<Vec<String>> {
        let Some((home, row)) = self.0.find(id) else { return Ok(Vec::new()) };
        let mut clips: Vec<String> = home.text(row)?.1.into_iter().collect();
        for segment in self.0.segments.iter().filter(|segment| segment.entry.domain == home.entry.domain) {
            for record in segment.captions.repeats_of(id) {
                clips.extend(record?.clip().map(str::to_owned));
            }
        }
        Ok(clips)
    }

    /// The stored vectors in contiguous blocks, for sums over all that take part. Rows of removed captions may
    /// be among them, with a multiplicity of 0.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain.
    pub fn blocks(&self, scope: &Scope) -> Result<Vec<Block<'_>>> {
        let segments = self.0.selected(scope)?;
        Ok(segments
            .into_iter()
            .filter(|segment| segment.live() > 0)
            .map(|segment| Block { snapshot: &self.0, segment })
            .collect())
    }

    /// Every caption with its vector, in ascending order of ids. After an error the iterator ends.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain; each item may be [`Error::Damaged`].
    pub fn captions(&self, scope: &Scope) -> Result<Captions<'_>> {
        let segments = self.0.selected(scope)?;
        let rows = segments.into_iter().map(|segment| Live { segment, row: 0 }).collect();
        Ok(Captions { snapshot: &self.0, segments: rows, failed: false })
    }

    /// What belongs to the model and lies in the store; `None` where nothing does.
    pub fn model(&self) -> Option<ModelEntry> {
        self.0.manifest.model.as_ref().map(|record| ModelEntry::from_record(self.dir(), record))
    }

    /// The published decoders.
    pub fn decoders(&self) -> &[DecoderEntry] {
        &self.0.decoders
    }

    /// The file of a published decoder.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of that name.
    pub fn decoder_path(&self, name: &str) -> Result<PathBuf> {
        let entry = self.decoders().iter().find(|decoder| decoder.name == name);
        let entry = entry.ok_or_else(|| self.0.manifest.no_decoder(name))?;
        Ok(layout::decoders(self.dir()).join(&entry.file))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("dir", &self.dir()).field("commit", &self.commit()).finish_non_exhaustive()
    }
}

impl Inner {
    /// The segment of that id.
    pub(crate) fn segment(&self, id: u64) -> Option<&Segment> {
        let index = self.segments.binary_search_by_key(&id, |segment| segment.entry.id).ok()?;
        self.segments.get(index).map(|segment| &**segment)
    }

    /// Where a caption lies, unless it is removed.
    pub(crate) fn find(&self, id: u64) -> Option<(&Segment, usize)> {
        self.find_stored(id).filter(|(segment, row)| segment.is_live(*row))
    }

    /// Where a caption lies, which may be removed.
    pub(crate) fn find_stored(&self, id: u64) -> Option<(&Segment, usize)> {
        let holding = self
            .segments
            .iter()
            .filter(|segment| segment.rows() > 0 && (segment.entry.first_id..=segment.entry.last_id).contains(&id));
        holding.into_iter().find_map(|segment| segment.captions.find(id).map(|row| (&**segment, row)))
    }

    /// How many ingested rows carry the text of a caption; 0 when it is removed.
    pub(crate) fn multiplicity(&self, segment: &Segment, row: usize) -> u32 {
        if segment.is_live(row) { self.stored_occurrences(segment, row) } else { 0 }
    }

    /// Occurrences of a caption in the files, whether or not it is removed.
    fn stored_occurrences(&self, segment: &Segment, row: usize) -> u32 {
        let foreign = self.foreign();
        let elsewhere =
            if foreign.is_empty() { 0 } else { foreign.get(&segment.captions.id(row)).copied().unwrap_or(0) };
        segment.captions.occurrences(row).saturating_add(elsewhere)
    }

    /// Occurrences of removed captions that the segments of a domain hold.
    pub(crate) fn buried(&self, domain: u32) -> u64 {
        let sums = self.buried.get_or_init(|| {
            let mut sums = HashMap::new();
            for segment in &self.segments {
                for row in segment.removed.iter().flat_map(Tombstones::rows) {
                    *sums.entry(segment.entry.domain).or_default() += u64::from(self.stored_occurrences(segment, row));
                }
            }
            sums
        });
        sums.get(&domain).copied().unwrap_or(0)
    }

    fn foreign(&self) -> &HashMap<u64, u32> {
        self.foreign.get_or_init(|| {
            let mut counts = HashMap::new();
            for id in self.segments.iter().flat_map(|segment| segment.captions.foreign_ids()) {
                let count: &mut u32 = counts.entry(id).or_default();
                *count = count.saturating_add(1);
            }
            counts
        })
    }

    /// The segments that take part.
    pub(crate) fn selected(&self, scope: &Scope) -> Result<Vec<&Segment>> {
        let Some(names) = scope.names() else { return Ok(self.segments.iter().map(|segment| &**segment).collect()) };
        let named: Vec<&DomainEntry> = names
            .iter()
            .map(|name| self.manifest.domain(name).ok_or_else(|| self.manifest.no_domain(name)))
            .collect::<Result<_>>()?;
        let wanted = |segment: &&Arc<Segment>| named.iter().any(|domain| domain.id == segment.entry.domain);
        Ok(self.segments.iter().filter(wanted).map(|segment| &**segment).collect())
    }
}

/// The captions of a snapshot, made by [`Snapshot::captions`].
pub struct Captions<'a> {
    snapshot: &'a Inner,
    segments: Vec<Live<'a>>,
    failed: bool,
}

/// What is still to come of a segment.
struct Live<'a> {
    segment: &'a Segment,
    /// No row before this one is to come.
    row: usize,
}

impl Live<'_> {
    /// The id of the next caption, if there is one.
    fn next_id(&mut self) -> Option<u64> {
        while self.row < self.segment.rows() && !self.segment.is_live(self.row) {
            self.row += 1;
        }
        (self.row < self.segment.rows()).then(|| self.segment.captions.id(self.row))
    }
}

impl Captions<'_> {
    /// Those of the captions that are to come whose ids are above `id`. So a list can be read in parts, each from the last id of the one before,
    /// whatever is added or removed between.
    #[must_use]
    pub fn after(mut self, id: u64) -> Self {
        for live in &mut self.segments {
            live.row = live.row.max(live.segment.captions.rows_up_to(id));
        }
        self
    }
}

impl<'a> Iterator for Captions<'a> {
    type Item = Result<(Caption, &'a [f32])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        // Segments are few, so the lowest id is found by looking at each.
        let heads = self.segments.iter_mut().filter_map(|live| Some((live.next_id()?, live)));
        let (id, live) = heads.min_by_key(|(id, _)| *id)?;
        let (segment, row) = (live.segment, live.row);
        live.row += 1;
        let caption = segment.text(row).map(|(text, clip)| {
            let multiplicity = self.snapshot.multiplicity(segment, row);
            (Caption { id, domain: segment.domain.clone(), text, clip, multiplicity }, segment.vectors.row(row))
        });
        self.failed = caption.is_err();
        Some(caption)
    }
}

impl std::fmt::Debug for Captions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captions").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}

/// Rows of one segment.
pub struct Block<'a> {
    snapshot: &'a Inner,
    segment: &'a Segment,
}

impl<'a> Block<'a> {
    /// Number of rows, removed ones counted too.
    pub fn len(&self) -> usize {
        self.segment.rows()
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The domain of all its rows.
    pub fn domain(&self) -> &'a str {
        &self.segment.domain
    }

    /// The segment whose rows these are.
    pub(crate) fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// The number of the segment whose rows these are.
    pub fn number(&self) -> u64 {
        self.segment.entry.id
    }

    /// Whether an index is walked to find the nearest of its rows; without one they are scanned.
    pub fn has_index(&self) -> bool {
        self.segment.graph().is_some()
    }

    /// Whether it has as many rows as get an index, and none.
    pub fn lacks_index(&self) -> bool {
        self.len() >= GRAPH_ROWS && !self.has_index()
    }

    /// Number of rows whose captions are not removed.
    pub fn live(&self) -> usize {
        self.segment.live()
    }

    /// The rows whose captions are not removed, ascending.
    pub fn live_rows(&self) -> impl Iterator<Item = usize> + use<'a> {
        self.segment.live_rows()
    }

    /// Whether the caption of a row is not removed.
    pub fn is_live(&self, row: usize) -> bool {
        self.segment.is_live(row)
    }

    /// The caption of a row.
    ///
    /// # Errors
    /// [`Error::Damaged`] when its record is.
    pub fn caption(&self, row: usize) -> Result<Caption> {
        let (text, clip) = self.segment.text(row)?;
        let (id, domain) = (self.id(row), self.segment.domain.clone());
        Ok(Caption { id, domain, text, clip, multiplicity: self.multiplicity(row) })
    }

    /// The unit vectors, row after row.
    pub fn vectors(&self) -> &'a [f32] {
        self.segment.vectors.as_slice()
    }

    /// The caption ids of the rows, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u64> + use<'a> {
        let segment = self.segment;
        (0..segment.rows()).map(|row| segment.captions.id(row))
    }

    /// The caption id of a row.
    pub fn id(&self, row: usize) -> u64 {
        self.segment.captions.id(row)
    }

    /// How many ingested rows carry the text of this row; 0 when its caption is removed.
    pub fn multiplicity(&self, row: usize) -> u32 {
        self.snapshot.multiplicity(self.segment, row)
    }
}

impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("domain", &self.domain()).field("rows", &self.len()).finish_non_exhaustive()
    }
}

/// Checks a query and returns it with unit length.
pub(crate) fn unit_query(query: &[f32], dim: usize) -> Result<Vec<f32>> {
    if query.len() != dim {
        return Err(Error::Dimension { subject: "the query".into(), found: query.len(), expected: dim });
    }
    debug_assert!(limits::check_dim(dim).is_ok());
    let mut query = query.to_vec();
    if crate::embedding::normalize(&mut query) == 0.0 {
        return Err(Error::input(
            "the query",
            "a vector of length zero or with a number that is not finite",
            "a direction",
        ));
    }
    Ok(query)
}

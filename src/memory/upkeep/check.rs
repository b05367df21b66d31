//! Checking a store: every byte of truth against its checksum, everything derived against the truth.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use crate::digest::hex;
use crate::file;
use crate::memory::catalogue::state::CatalogueState;
use crate::memory::catalogue::table::Catalogue;
use crate::memory::format::captions::Captions;
use crate::memory::format::gap;
use crate::memory::format::layout;
use crate::memory::format::manifest::{Manifest, SegmentEntry};
use crate::memory::format::named::{compare_hash, missing_is_damage};
use crate::memory::format::storage::Disk;
use crate::memory::format::tombstones::Tombstones;
use crate::memory::format::vectors::Vectors;
use crate::memory::nearest::graph::Graph;
use crate::memory::nearest::walk;
use crate::memory::nearest::width::{LEAST_MARGIN, SearchWidth};
use crate::memory::read::segment::Segment;
use crate::memory::read::snapshot::Snapshot;
use crate::memory::write::lock;
use crate::memory::write::writer::{Writer, leftovers};
use crate::progress::Control;
use crate::simd::Kernels;
use crate::{Error, Result};

/// How often checking begins anew because a writer went on meanwhile.
const ATTEMPTS: usize = 16;

/// Something in a store that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where, in bytes from its start: the beginning of the record, vector, table or region that is not as it was written. `None` where it is
    /// the file as a whole: one that is missing, or that has a checksum for all of it.
    pub offset: Option<u64>,
    /// What is there.
    pub found: String,
    /// What should be there.
    pub expected: String,
    /// True for a graph or the catalogue, which can be built again from the rest, and for the measured gap, which can be measured again.
    pub derived: bool,
}

impl Damage {
    /// As an error about its file.
    pub(super) fn into_error(self) -> Error {
        Error::damaged(self.file, self.offset, self.found, self.expected)
    }

    /// The damage that an error reports; another error is given back.
    fn of(error: Error, derived: bool) -> Result<Self> {
        match error {
            Error::Damaged { path, offset, found, expected } => {
                Ok(Self { file: path, offset, found, expected, derived })
            }
            other => Err(other),
        }
    }
}

/// What [`Store::check`](crate::Store::check) found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The commit that was checked; 0 when the manifest cannot be read.
    pub commit: u64,
    /// Segments.
    pub segments: u64,
    /// Captions that are stored and not removed.
    pub captions: u64,
    /// Ingested rows that they stand for.
    pub occurrences: u64,
    /// Captions that are removed and still take up space.
    pub removed: u64,
    /// Vectors that were looked for through their graph.
    pub walked: u64,
    /// Bytes of truth that were read and compared with checksums.
    pub bytes: u64,
    /// What is damaged; nothing in a sound store.
    pub damage: Vec<Damage>,
    /// Files that no commit names: of a writer at work or, if there is none, of one that crashed. Harmless.
    pub leftovers: Vec<PathBuf>,
    /// What the catalogue is worth.
    pub catalogue: CatalogueState,
    /// What [`Store::repair`](crate::Store::repair) did.
    pub repaired: Vec<String>,
}

impl CheckReport {
    /// True when nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// See [`Store::check`](crate::Store::check).
pub(crate) fn check(dir: &Path, control: &Control<'_>) -> Result<CheckReport> {
    let mut report = examine(dir, control)?;
    for _ in 1..ATTEMPTS {
        // A writer that went on meanwhile has unlinked files of the commit that we were looking at.
        let newer = Manifest::read(dir).is_ok_and(|manifest| manifest.commit != report.commit);
        if report.is_sound() || !newer {
            break;
        }
        report = examine(dir, control)?;
    }
    Ok(report)
}

/// See [`Store::repair`](crate::Store::repair).
pub(crate) fn repair(dir: &Path, control: &Control<'_>) -> Result<CheckReport> {
    let before = check(dir, control)?;
    if before.damage.iter().any(|damage| !damage.derived) {
        return Ok(before);
    }
    let mut repaired: Vec<String> = Vec::new();
    let mut writer = Writer::open(dir, Arc::new(Disk))?;
    repaired.extend(before.leftovers.iter().map(|path| format!("removed {}", path.display())));
    let manifest = writer.snapshot()?.0.manifest.clone();
    let is_damaged = |path: &Path| before.damage.iter().any(|damage| damage.file == path);
    let graphs: Vec<u64> = manifest.segments.iter().map(|segment| segment.id).collect();
    let graphs: Vec<u64> = graphs.into_iter().filter(|id| is_damaged(&layout::graph(dir, *id))).collect();
    writer.rebuild_graphs(&graphs, control)?;
    repaired.extend(graphs.iter().map(|id| format!("built {} again", layout::graph(dir, *id).display())));
    let outdated = matches!(before.catalogue, CatalogueState::Outdated(_) | CatalogueState::Absent);
    if outdated || is_damaged(&layout::catalogue(dir)) {
        writer.rebuild_catalogue()?;
        repaired.push(format!("built {} again", layout::catalogue(dir).display()));
    }
    drop(writer);
    let gap = layout::gap(dir);
    if is_damaged(&gap) {
        // The sounds that it was measured with are not here.
        std::fs::remove_file(&gap).map_err(Error::io("remove", &gap))?;
        repaired.push(format!("removed {}, which can only be measured again", gap.display()));
    }
    Ok(CheckReport { repaired, ..check(dir, control)? })
}

fn examine(dir: &Path, control: &Control<'_>) -> Result<CheckReport> {
    let mut report = CheckReport {
        commit: 0,
        segments: 0,
        captions: 0,
        occurrences: 0,
        removed: 0,
        walked: 0,
        bytes: 0,
        damage: Vec::new(),
        leftovers: Vec::new(),
        catalogue: CatalogueState::NotChecked("the segments must be sound first".into()),
        repaired: Vec::new(),
    };
    let manifest = match Manifest::read(dir) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.damage.push(Damage::of(error, false)?);
            return Ok(report);
        }
    };
    report.commit = manifest.commit;
    report.segments = manifest.segments.len() as u64;
    report.leftovers = leftovers(dir, &manifest);
    let truth = read_truth(dir, &manifest, control)?;
    report.bytes = truth.bytes;
    report.damage = truth.damage;
    note(gap_damage(dir, &manifest), true, &mut report.damage)?;
    let are_segments_sound = truth.damaged_segments == 0;
    // Captions and vectors can be counted and compared without a decoder or the model's files.
    if !are_segments_sound {
        return Ok(report);
    }
    // Each file is as it was written; now, whether they fit each other.
    let memory = match Snapshot::assemble(dir, manifest, &[]) {
        Ok(memory) => memory,
        Err(error) => {
            report.damage.push(Damage::of(missing_is_damage(error), false)?);
            return Ok(report);
        }
    };
    report.captions = memory.len();
    report.removed = memory.domains().iter().map(|domain| domain.removed).sum();
    report.occurrences = memory.domains().iter().map(|domain| domain.occurrences).sum();
    let mut do_repeats_fit = true;
    for segment in &memory.0.segments {
        let before = report.damage.len();
        note(memory.verify_repeats(segment), false, &mut report.damage)?;
        do_repeats_fit &= report.damage.len() == before;
        report.walked += verify_graph(dir, segment, control, &mut report.damage)?;
    }
    if do_repeats_fit {
        report.catalogue = catalogue_state(&memory);
        if let CatalogueState::Wrong(found) = &report.catalogue {
            let (file, found) = (layout::catalogue(dir), found.clone());
            report.damage.push(Damage { file, offset: None, found, expected: "the stored rows".into(), derived: true });
        }
    }
    Ok(report)
}

/// What reading all files of a commit that are not derived came to.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) damage: Vec<Damage>,
    damaged_segments: usize,
    bytes: u64,
}

/// Reads every file that is not derived, each for itself, and compares it with its checksums.
pub(super) fn read_truth(dir: &Path, manifest: &Manifest, control: &Control<'_>) -> Result<Truth> {
    let mut truth = Truth::default();
    let others = manifest.other_files(dir);
    let files = (manifest.segments.len() + others.len()) as u64;
    let _phase = control.begin("checking", Some(files));
    for entry in &manifest.segments {
        control.check()?;
        let before = truth.damage.len();
        segment_damage(dir, manifest, entry, &mut truth)?;
        truth.damaged_segments += usize::from(truth.damage.len() > before);
        control.advance(1);
    }
    for (path, sha256) in &others {
        control.check()?;
        note(verify_hash(path, sha256, &mut truth.bytes), false, &mut truth.damage)?;
        control.advance(1);
    }
    Ok(truth)
}

/// Notes damage; another error ends the check.
fn note(result: Result<()>, derived: bool, damage: &mut Vec<Damage>) -> Result<()> {
    if let Err(error) = result {
        damage.push(Damage::of(missing_is_damage(error), derived)?);
    }
    Ok(())
}

/// The measured gap must be as it was written, and of the space of the store.
fn gap_damage(dir: &Path, manifest: &Manifest) -> Result<()> {
    match gap::read(&layout::gap(dir))? {
        Some(kept) if kept.space != manifest.space => {
            let (found, expected) = (format!("a gap measured in {}", kept.space), manifest.space.to_string());
            Err(Error::damaged(layout::gap(dir), None, found, expected))
        }
        _ => Ok(()),
    }
}

/// Reads the files of a segment, each for itself, so that damage in one does not hide damage in another.
fn segment_damage(dir: &Path, manifest: &Manifest, entry: &SegmentEntry, truth: &mut Truth) -> Result<()> {
    let (id, rows, repeats) = (entry.id, entry.rows as usize, entry.repeats as usize);
    let captions = Captions::open(&layout::captions(dir, id), entry.captions, id, rows, repeats);
    note(captions.and_then(|captions| captions.verify()), false, &mut truth.damage)?;
    let vectors = Vectors::open(&layout::vectors(dir, id), entry.vectors, id, manifest.space.dim, rows);
    note(vectors.and_then(|vectors| vectors.verify()), false, &mut truth.damage)?;
    truth.bytes += entry.captions.len + entry.vectors.len;
    if let Some(removed) = manifest.tombstones_of(id) {
        note(Tombstones::open(dir, removed, rows).map(|_| ()), false, &mut truth.damage)?;
        truth.bytes += removed.file.len;
    }
    Ok(())
}

/// Checks the graph of a segment, if it has one, and looks every vector up through it; returns the number looked up.
fn verify_graph(dir: &Path, segment: &Segment, control: &Control<'_>, damage: &mut Vec<Damage>) -> Result<u64> {
    let path = layout::graph(dir, segment.entry.id);
    let graph = match Graph::open(&path, &segment.vectors, segment.rows()) {
        Ok(Some(graph)) => graph,
        Ok(None) => return Ok(0),
        Err(error) => {
            damage.push(Damage::of(error, true)?);
            return Ok(0);
        }
    };
    if let Err(error) = graph.verify() {
        damage.push(Damage::of(error, true)?);
        return Ok(0);
    }
    let _phase = control.begin("walking the graph", Some(segment.live() as u64));
    let vectors = segment.vectors.as_slice();
    let kernels = Kernels::get();
    let is_lost = |row: &usize| {
        let vector = segment.vectors.row(*row);
        let found =
            walk::search(&graph, vectors, vector, 1, SearchWidth::Margin(LEAST_MARGIN), None).unwrap_or_default();
        // Another row with the same vector, or one that rounding takes for it, is as good.
        !found.iter().any(|best| best.row as usize == *row || best.similarity >= kernels.dot(vector, vector))
    };
    let rows: Vec<usize> = segment.live_rows().collect();
    let mut lost = Vec::new();
    for batch in rows.chunks(4096) {
        control.check()?;
        lost.extend(batch.par_iter().copied().filter(is_lost).collect::<Vec<_>>());
        control.advance(batch.len() as u64);
    }
    if let Some(first) = lost.first() {
        let found = format!("{} vectors that no walk finds, the first in row {first}", lost.len());
        damage.push(Damage { file: path, offset: None, found, expected: "a way to each".into(), derived: true });
    }
    Ok(rows.len() as u64)
}

/// Compares the catalogue with the segments. sled is opened under the writer's lock alone.
fn catalogue_state(memory: &Snapshot) -> CatalogueState {
    if !layout::catalogue(memory.dir()).exists() {
        return CatalogueState::Absent;
    }
    match lock::take(memory.dir()) {
        Ok(_lock) => Catalogue::inspect(memory),
        Err(error) => CatalogueState::NotChecked(error.to_string()),
    }
}

/// Compares a whole file with its checksum, and counts its bytes.
fn verify_hash(path: &Path, sha256: &[u8; 32], bytes: &mut u64) -> Result<()> {
    let (found, len) = file::sha256_and_len(path)?;
    *bytes += len;
    compare_hash(path, &hex(&found), &hex(sha256))
}

impl Snapshot {
    /// Reads all files of this snapshot and compares every checksum; returns what is damaged, nothing for a sound store. Unlike
    /// [`Store::check`](crate::Store::check), it looks at what this snapshot has open, and does not walk graphs.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read for another reason than damage.
    pub fn verify(&self, control: &Control<'_>) -> Result<Vec<Damage>> {
        let mut damage = Vec::new();
        let snapshot = &self.0;
        let others = snapshot.manifest.other_files(self.dir());
        let files = (snapshot.segments.len() + others.len() + 1) as u64;
        let _phase = control.begin("checking", Some(files));
        note(Manifest::read(self.dir()).map(|_| ()), false, &mut damage)?;
        control.advance(1);
        for segment in &snapshot.segments {
            note(segment.captions.verify(), false, &mut damage)?;
            note(self.verify_repeats(segment), false, &mut damage)?;
            note(segment.vectors.verify(), false, &mut damage)?;
            let graph = Graph::open(&layout::graph(self.dir(), segment.entry.id), &segment.vectors, segment.rows());
            note(graph.and_then(|graph| graph.map_or(Ok(()), |graph| graph.verify())), true, &mut damage)?;
            control.advance(1);
        }
        for (path, sha256) in &others {
            note(verify_hash(path, sha256, &mut 0), false, &mut damage)?;
            control.advance(1);
        }
        Ok(damage)
    }

    /// Every repeat must refer to a stored caption of its own domain, be it removed.
    fn verify_repeats(&self, segment: &Segment) -> Result<()> {
        for place in 0..segment.captions.repeats() {
            // A damaged record has been reported already.
            let Ok(record) = segment.captions.repeat(place) else { continue };
            let home = self.0.find_stored(record.id()).map(|(home, _)| home.entry.domain);
            if home != Some(segment.entry.domain) {
                let (path, offset) = (segment.captions.path(), segment.captions.repeat_offset(place));
                let found = format!("a repeat of caption {}", record.id());
                return Err(Error::damaged(path, offset, found, "a caption of the same domain"));
            }
        }
        Ok(())
    }
}

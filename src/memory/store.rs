//! The way into a store: a folder that snapshots read and one writer writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::gap::{self, KeptGap};
use super::format::layout;
use super::format::manifest::Manifest;
use super::format::storage::{Disk, Storage};
use super::read::snapshot::Snapshot;
use super::upkeep::backup::{BackedUp, BackupMode, backup};
use super::upkeep::check::{CheckReport, check, repair};
use super::write::commit;
use super::write::model_parts::ModelParts;
use super::write::writer::Writer;
use crate::progress::Control;
use crate::{EmbeddingSpace, Error, Result};

/// A store: any number of snapshots read it, in this process and in others, while one writer writes.
///
/// ```
/// use echoic::{EmbeddingSpace, Store};
///
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let dir = folder.path().join("sounds");
/// let store = Store::create(&dir, EmbeddingSpace::external(512))?;
/// assert!(store.snapshot()?.is_empty());
/// # Ok::<(), echoic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Creates an empty store in `dir`, which must not exist or be empty.
    ///
    /// # Errors
    /// [`Error::Input`] when the folder holds something already or the space is not usable, [`Error::Io`] when it cannot be written.
    pub fn create(dir: impl AsRef<Path>, space: EmbeddingSpace) -> Result<Self> {
        Self::create_on(dir.as_ref(), space, None, &Disk)
    }

    /// [`Store::create`] that keeps with the store what belongs to its model; see [`Snapshot::model`].
    ///
    /// # Errors
    /// As [`Store::create`] and [`Writer::keep_model`].
    pub fn create_with_model(dir: impl AsRef<Path>, space: EmbeddingSpace, model: &ModelParts) -> Result<Self> {
        Self::create_on(dir.as_ref(), space, Some(model), &Disk)
    }

    /// Creates a store through another storage.
    pub(crate) fn create_on(
        dir: &Path,
        space: EmbeddingSpace,
        model: Option<&ModelParts>,
        storage: &dyn Storage,
    ) -> Result<Self> {
        commit::create(dir, space, model, storage)?;
        Self::open(dir)
    }

    /// The store in `dir`. Nothing of it is read yet but that it is there.
    ///
    /// # Errors
    /// [`Error::NoStore`] where there is none.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref().to_path_buf();
        if layout::manifest(&dir).symlink_metadata().is_err_and(|error| is_absent(&error)) {
            return Err(Error::NoStore { path: dir });
        }
        Ok(Self { dir })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the newest commit for reading. Needs read permission only.
    ///
    /// Checks the manifest and the headers, tables and lengths of all files, not the records and vectors themselves; a record is
    /// checked when it is read, and [`Store::check`] checks everything.
    ///
    /// # Errors
    /// [`Error::NoStore`], [`Error::Version`], [`Error::Damaged`], or [`Error::Io`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::open(&self.dir)
    }

    /// Opens the store for writing; there can be one writer at a time.
    ///
    /// # Errors
    /// [`Error::Locked`] when there is a writer already, and what [`Store::snapshot`] returns.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_on(Arc::new(Disk))
    }

    /// [`Store::writer`] through another storage.
    pub(crate) fn writer_on(&self, storage: Arc<dyn Storage>) -> Result<Writer> {
        Writer::open(&self.dir, storage)
    }

    /// Reads all files of the newest commit and compares checksums, counts and references; looks every vector up through its graph;
    /// compares the catalogue with the segments, under the lock of the writer, unless one is at work. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NoStore`] and [`Error::Version`]; [`Error::Io`] when a file cannot be read for another reason than damage;
    /// [`Error::Interrupted`]. Damage is no error but part of the report.
    pub fn check(&self, control: &Control<'_>) -> Result<CheckReport> {
        check(&self.dir, control)
    }

    /// Checks, then mends what can be mended without touching truth: removes leftovers, builds graphs and the catalogue again where they
    /// are damaged. The report is of a second check. Where truth is damaged nothing is changed.
    ///
    /// # Errors
    /// As [`Store::check`] and [`Store::writer`].
    pub fn repair(&self, control: &Control<'_>) -> Result<CheckReport> {
        repair(&self.dir, control)
    }

    /// Keeps a measurement of the modality gap in the store, in place of the one before. It is no commit: no answer depends on it, and a writer
    /// may be at work.
    ///
    /// # Errors
    /// [`Error::SpaceMismatch`] for one of another space; [`Error::Io`].
    pub fn keep_gap(&self, gap: &KeptGap) -> Result<()> {
        let store = Manifest::read(&self.dir)?.space;
        if gap.space != store {
            return Err(Error::SpaceMismatch { store: store.to_string(), given: gap.space.to_string() });
        }
        gap::write(&layout::gap(&self.dir), gap)
    }

    /// The measurement of the modality gap that the store keeps; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`] where its file is not as it was written; [`Error::SpaceMismatch`] for one of another space, which was brought here
    /// from another store; [`Error::Io`].
    pub fn kept_gap(&self) -> Result<Option<KeptGap>> {
        let store = Manifest::read(&self.dir)?.space;
        match gap::read(&layout::gap(&self.dir))? {
            Some(gap) if gap.space != store => {
                Err(Error::SpaceMismatch { store: store.to_string(), given: gap.space.to_string() })
            }
            kept => Ok(kept),
        }
    }

    /// Makes a store of its own in `target`, which must not exist or be empty, with all that the newest commit holds: captions, vectors,
    /// graphs, decoders and what belongs to the model. The catalogue, with its history, is left to be built again.
    ///
    /// Interrupted, it leaves a folder without a manifest, which is no store, and can be started again.
    ///
    /// # Errors
    /// [`Error::Input`] when the target is occupied; what [`Store::snapshot`] returns; [`Error::Io`]; [`Error::Interrupted`].
    pub fn backup(&self, target: impl AsRef<Path>, mode: BackupMode, control: &Control<'_>) -> Result<BackedUp> {
        backup(&self.dir, target.as_ref(), mode, control)
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

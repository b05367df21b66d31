//! A backup: the files of one commit, linked or copied to another folder, while a writer may go on.

use std::path::Path;

use serde::Serialize;

use crate::memory::format::layout;
use crate::memory::format::manifest::Manifest;
use crate::memory::format::storage::{Disk, Storage};
use crate::memory::read::snapshot::missing_is_damage;
use crate::memory::write::commit::{random_id, refuse_occupied, replace_manifest};
use crate::memory::write::lock;
use crate::memory::write::writer::leftovers;
use crate::progress::{Phase, Progress, Stop};
use crate::{Error, Result};

/// How often a backup begins anew because a writer unlinked a file that was not linked yet.
const ATTEMPTS: usize = 16;

/// What a backup took along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// The commit that the backup shows.
    pub commit: u64,
    /// Files that share their blocks with the store.
    pub linked: u64,
    /// Files that were copied.
    pub copied: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Makes a store of its own in `target`, which must not exist or be empty, with all that the newest commit of the store at `dir` holds:
/// captions, vectors, graphs and decoders. The catalogue, with its history, is left to be built again.
///
/// No file of a store ever changes, so files are hard links where both folders are on one file system, and take no time and no space;
/// elsewhere, or with `copy`, they are copied. Links share the fate of the store's blocks on a failing medium: to be safe from that,
/// copy to another.
///
/// Interrupted, it leaves a folder without a manifest, which is no store, and can be started again.
///
/// # Errors
/// [`Error::Input`] when the target is occupied; what [`crate::memory::Memory::open`] returns; [`Error::Io`]; [`Error::Interrupted`].
pub fn backup(dir: &Path, target: &Path, copy: bool, progress: &dyn Progress, stop: &Stop) -> Result<BackedUp> {
    refuse_occupied(target)?;
    Manifest::read(dir)?;
    for folder in [layout::segments(target), layout::decoders(target)] {
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    let _lock = lock::take(target)?;
    refuse_occupied(target)?;
    for _ in 0..ATTEMPTS {
        let manifest = Manifest::read(dir)?;
        match take_files(dir, target, &manifest, copy, progress, stop) {
            Ok(taken) => {
                finish(target, manifest)?;
                return Ok(taken);
            }
            // A merge may have removed a file meanwhile: then there is a newer commit.
            Err(error) if Manifest::read(dir)?.commit == manifest.commit => return Err(missing_is_damage(error)),
            Err(Error::Io { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Error::Internal("the store changed each time it was backed up".into()))
}

fn take_files(
    dir: &Path,
    target: &Path,
    manifest: &Manifest,
    copy: bool,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<BackedUp> {
    let mut taken = BackedUp { commit: manifest.commit, ..BackedUp::default() };
    let decoders = manifest.decoders.iter().map(|decoder| layout::decoders(dir).join(&decoder.file));
    let files: Vec<_> = manifest.segment_files(dir).into_iter().chain(decoders).collect();
    let _phase = Phase::begin(progress, "backing up", Some(files.len() as u64));
    for from in files {
        stop.check()?;
        progress.advance(1);
        let is_graph = from.extension().is_some_and(|kind| kind == "graph");
        if is_graph && !from.exists() {
            continue;
        }
        let to = target.join(from.strip_prefix(dir).unwrap_or(&from));
        // An earlier attempt may have left one.
        let _ = std::fs::remove_file(&to);
        match std::fs::hard_link(&from, &to) {
            Ok(()) if !copy => taken.linked += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::io("link", &from)(error)),
            _ => {
                copy_durably(&from, &to)?;
                taken.copied += 1;
            }
        }
        taken.bytes += to.metadata().map_err(Error::io("read", &to))?.len();
    }
    Ok(taken)
}

fn copy_durably(from: &Path, to: &Path) -> Result<()> {
    let _ = std::fs::remove_file(to);
    // Where the file system can share blocks until one of the files changes, this does.
    std::fs::copy(from, to).map_err(Error::io("copy", from))?;
    let file = std::fs::OpenOptions::new().write(true).open(to).map_err(Error::io("open", to))?;
    file.sync_all().map_err(Error::io("flush", to))
}

/// Makes a store of the files: the manifest comes last.
fn finish(target: &Path, mut manifest: Manifest) -> Result<()> {
    for path in leftovers(target, &manifest) {
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    for folder in [layout::segments(target), layout::decoders(target)] {
        Disk.sync_folder(&folder).map_err(Error::io("flush", &folder))?;
    }
    // From here on it has a history of its own, which no catalogue of the other may be taken for.
    manifest.store = random_id();
    replace_manifest(target, &manifest, &Disk)?;
    match target.canonicalize().ok().as_deref().and_then(Path::parent) {
        Some(parent) => Disk.sync_folder(parent).map_err(Error::io("flush", parent)),
        None => Ok(()),
    }
}

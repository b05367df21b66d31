//! A backup: the files of one commit, linked or copied to another folder, while a writer may go on.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::check::read_truth;
use crate::memory::format::gap;
use crate::memory::format::layout;
use crate::memory::format::manifest::Manifest;
use crate::memory::format::named::missing_is_damage;
use crate::memory::format::storage::{Disk, Storage};
use crate::memory::write::commit::{random_id, refuse_occupied, replace_manifest};
use crate::memory::write::lock;
use crate::memory::write::writer::leftovers;
use crate::progress::Control;
use crate::{Error, Result, file};

/// How often a backup begins anew because a writer unlinked a file that was not linked yet.
const ATTEMPTS: usize = 16;

/// What a backup took along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
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

/// How the files come into a backup. No file of a store ever changes, so a link is as good as a copy, but for what happens to the medium.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupMode {
    /// Hard links where both folders are on one file system, which take no time and no space; copies elsewhere. Links share the fate of the
    /// store's blocks on a failing medium.
    #[default]
    Link,
    /// Copies, as a backup on another medium needs them.
    Copy,
}

/// See [`Store::backup`](crate::Store::backup).
pub(crate) fn backup(dir: &Path, target: &Path, mode: BackupMode, control: &Control<'_>) -> Result<BackedUp> {
    Manifest::read(dir)?;
    refuse_inside(dir, target)?;
    refuse_occupied(target)
        .map_err(|error| error.with_hint("choose another folder, or move this one away: a backup replaces nothing"))?;
    let is_new = !target.exists();
    let made = make(dir, target, mode, control);
    if made.is_err() {
        clear(target, is_new);
    }
    made
}

/// A backup in the folder of its store would go with it.
fn refuse_inside(dir: &Path, target: &Path) -> Result<()> {
    let absolute = std::path::absolute(target).map_err(Error::io("find", target))?;
    let there = absolute.ancestors().find_map(|folder| folder.canonicalize().ok());
    let store = dir.canonicalize().map_err(Error::io("find", dir))?;
    match there {
        Some(there) if there.starts_with(&store) => {
            Err(Error::input(target.display(), "a folder inside the store itself", "a folder elsewhere")
                .with_hint("choose a folder outside the store, best on another medium"))
        }
        _ => Ok(()),
    }
}

/// Removes what a backup that failed has left, as far as that is possible: nothing of it is of use.
fn clear(target: &Path, is_new: bool) {
    // One that another process makes there is not ours to remove.
    let Ok(lock) = lock::take(target) else { return };
    if layout::manifest(target).exists() {
        return;
    }
    for folder in folders(target) {
        let _ = std::fs::remove_dir_all(folder);
    }
    drop(lock);
    let _ = std::fs::remove_file(layout::lock(target));
    let _ = std::fs::remove_file(layout::gap(target));
    let _ = std::fs::remove_file(layout::confidence(target));
    if is_new {
        let _ = std::fs::remove_dir(target);
    }
}

fn make(dir: &Path, target: &Path, mode: BackupMode, control: &Control<'_>) -> Result<BackedUp> {
    for folder in folders(dir).iter().zip(folders(target)).filter(|(from, _)| from.is_dir()).map(|(_, to)| to) {
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    let _lock = lock::take(target)?;
    refuse_occupied(target)?;
    for _ in 0..ATTEMPTS {
        let manifest = Manifest::read(dir)?;
        match take_files(dir, target, &manifest, mode, control) {
            Ok(taken) => {
                refuse_damage(dir, target, &manifest, control)?;
                let taken = with_confidence(dir, target, mode, with_gap(dir, target, mode, taken)?)?;
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

/// Reads what was taken along: a backup that holds damage would be found out when it is needed.
fn refuse_damage(dir: &Path, target: &Path, manifest: &Manifest, control: &Control<'_>) -> Result<()> {
    let Some(damage) = read_truth(target, manifest, control)?.damage.into_iter().next() else { return Ok(()) };
    // The store itself, or the way to the other medium?
    let original = read_truth(dir, manifest, control)?.damage.into_iter().next();
    Err(original.unwrap_or(damage).into_error())
}

/// The folders of a store whose files a backup takes along.
fn folders(dir: &Path) -> [PathBuf; 3] {
    [layout::segments(dir), layout::decoders(dir), layout::model(dir)]
}

/// Takes the measured gap along, which no manifest names. One that is damaged is of no use, and nothing depends on it.
fn with_gap(dir: &Path, target: &Path, mode: BackupMode, taken: BackedUp) -> Result<BackedUp> {
    let from = layout::gap(dir);
    match gap::read(&from) {
        Ok(Some(_)) => take(&from, &layout::gap(target), mode, taken),
        Ok(None) => Ok(taken),
        Err(error) => {
            tracing::warn!("the measured gap is left behind: {error}");
            Ok(taken)
        }
    }
}

/// Takes along how far captions can be trusted, which no manifest names either.
fn with_confidence(dir: &Path, target: &Path, mode: BackupMode, taken: BackedUp) -> Result<BackedUp> {
    let from = layout::confidence(dir);
    match from.is_file() {
        true => take(&from, &layout::confidence(target), mode, taken),
        false => Ok(taken),
    }
}

fn take_files(
    dir: &Path,
    target: &Path,
    manifest: &Manifest,
    mode: BackupMode,
    control: &Control<'_>,
) -> Result<BackedUp> {
    let mut taken = BackedUp { commit: manifest.commit, ..BackedUp::default() };
    let others = manifest.other_files(dir).into_iter().map(|(path, _)| path);
    let files: Vec<_> = manifest.segment_files(dir).into_iter().chain(others).collect();
    let _phase = control.begin("backing up", Some(files.len() as u64));
    for from in files {
        control.check()?;
        control.advance(1);
        let is_graph = from.extension().is_some_and(|kind| kind == "graph");
        if is_graph && !from.exists() {
            continue;
        }
        let to = target.join(from.strip_prefix(dir).unwrap_or(&from));
        taken = take(&from, &to, mode, taken)?;
    }
    Ok(taken)
}

/// Links or copies a file, and counts it.
fn take(from: &Path, to: &Path, mode: BackupMode, mut taken: BackedUp) -> Result<BackedUp> {
    // An earlier attempt may have left one.
    let _ = std::fs::remove_file(to);
    match std::fs::hard_link(from, to) {
        Ok(()) if mode != BackupMode::Copy => taken.linked += 1,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::io("link", from)(error)),
        _ => {
            copy_durably(from, to)?;
            taken.copied += 1;
        }
    }
    taken.bytes += to.metadata().map_err(Error::io("read", to))?.len();
    Ok(taken)
}

fn copy_durably(from: &Path, to: &Path) -> Result<()> {
    let _ = std::fs::remove_file(to);
    file::copy(from, to).map_err(Error::io("copy", from))?;
    let copied = std::fs::OpenOptions::new().write(true).open(to).map_err(Error::io("open", to))?;
    copied.sync_all().map_err(Error::io("flush", to))
}

/// Makes a store of the files: the manifest comes last.
fn finish(target: &Path, mut manifest: Manifest) -> Result<()> {
    for path in leftovers(target, &manifest) {
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    for folder in folders(target).iter().filter(|folder| folder.is_dir()) {
        Disk.sync_folder(folder).map_err(Error::io("flush", folder))?;
    }
    // From here on it has a history of its own, which no catalogue of the other may be taken for.
    manifest.store = random_id();
    replace_manifest(target, &manifest, &Disk)?;
    match target.canonicalize().ok().as_deref().and_then(Path::parent) {
        Some(parent) => Disk.sync_folder(parent).map_err(Error::io("flush", parent)),
        None => Ok(()),
    }
}

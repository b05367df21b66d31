//! The commit: a new manifest takes the place of the old one in a single rename.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::lock;
use super::model_parts::ModelParts;
use crate::error::{Hint, Topic};
use crate::memory::format::manifest::Manifest;
use crate::memory::format::storage::{Storage, write_durably};
use crate::memory::format::{layout, limits};
use crate::{EmbeddingSpace, Error, Result};

/// Creates an empty store.
pub(crate) fn create(
    dir: &Path,
    space: EmbeddingSpace,
    model: Option<&ModelParts>,
    storage: &dyn Storage,
) -> Result<()> {
    limits::check_dim(space.dim)?;
    if space.model.is_empty() || space.model.len() > 4096 || space.sha256.len() > 64 {
        return Err(Error::input(
            "the embedding space",
            format!("{space}"),
            "a model name and at most 64 digits of SHA-256",
        ));
    }
    refuse_occupied(dir)?;
    let segments = layout::segments(dir);
    std::fs::create_dir_all(&segments).map_err(Error::io("create", &segments))?;
    let decoders = layout::decoders(dir);
    std::fs::create_dir_all(&decoders).map_err(Error::io("create", &decoders))?;
    // Two that create at once: the second finds the lock taken, or the store made.
    let _lock = lock::take(dir)?;
    refuse_occupied(dir)?;
    let model = model.map(|parts| parts.write(dir, storage)).transpose()?;
    let manifest = Manifest {
        store: random_id(),
        commit: 0,
        space,
        // Ids begin at 1, so that 0 can mean "none" wherever numbers are kept.
        next_caption: 1,
        next_segment: 1,
        next_domain: 1,
        domains: Vec::new(),
        segments: Vec::new(),
        tombstones: Vec::new(),
        decoders: Vec::new(),
        model,
    };
    replace_manifest(dir, &manifest, storage)?;
    // The folder itself may be new, too.
    match dir.canonicalize().ok().as_deref().and_then(Path::parent) {
        Some(parent) => storage.sync_folder(parent).map_err(Error::io("flush", parent)),
        None => Ok(()),
    }
}

/// Makes `manifest` the store's newest commit. Durable when it returns.
///
/// # Errors
/// After an error it is not known whether the commit took place; the caller must not go on writing.
pub(crate) fn replace_manifest(dir: &Path, manifest: &Manifest, storage: &dyn Storage) -> Result<()> {
    let (new, path) = (layout::manifest_new(dir), layout::manifest(dir));
    write_durably(&new, &[&manifest.encode()?], storage)?;
    storage.rename(&new, &path).map_err(Error::io("replace", &path))?;
    storage.sync_folder(dir).map_err(Error::io("flush", dir))
}

/// A folder that holds anything but the beginnings of a store that was never finished is left alone.
pub(crate) fn refuse_occupied(dir: &Path) -> Result<()> {
    let subject = || dir.display().to_string();
    if layout::manifest(dir).exists() {
        return Err(Error::input(subject(), "a store", "a new or empty folder")
            .with_hint(Hint::about(Topic::StoreFolder, "use it as it is, or choose another folder")));
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(Error::input(subject(), "a file", "a new or empty folder")
                .with_hint(Hint::about(Topic::StoreFolder, "choose another folder")));
        }
        Err(error) => return Err(Error::io("read", dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(Error::io("read", dir))?.file_name();
        if !["segments", "decoders", "model", "lock", "manifest.new"].iter().any(|own| name == *own) {
            return Err(Error::input(
                subject(),
                format!("{:?} in it", name.to_string_lossy()),
                "a new or empty folder",
            )
            .with_hint(Hint::about(Topic::StoreFolder, "choose another folder")));
        }
    }
    Ok(())
}

/// A number that no other store has. It guards against mix-ups, not against adversaries.
pub(crate) fn random_id() -> [u8; 16] {
    let bytes: [u8; 16] = rand::random();
    let mut sha = Sha256::new_with_prefix(bytes);
    sha.update(std::process::id().to_le_bytes());
    let digest: [u8; 32] = sha.finalize().into();
    *digest.first_chunk().unwrap_or(&bytes)
}

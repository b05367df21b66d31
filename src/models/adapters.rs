//! Adapters of the user's own, kept in the cache for the stores that are bound to them.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::cache::ModelCache;
use crate::digest::hex;
use crate::file;
use crate::{Error, Result};

/// Copies an adapter into the cache, so that stores that are bound to it find it again. Returns its place.
///
/// # Errors
/// [`crate::Error::Io`] when it cannot be read or the cache cannot be written.
pub fn keep_adapter(adapter: &Path) -> Result<PathBuf> {
    let bytes = std::fs::read(adapter).map_err(Error::io("read", adapter))?;
    let folder = ModelCache::from_env()?.root().join("adapters");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let kept = folder.join(format!("{}.safetensors", hex(&Sha256::digest(&bytes))));
    file::replace(&kept, &bytes)?;
    Ok(kept)
}

/// The adapters that [`keep_adapter`] has kept.
///
/// # Errors
/// [`crate::Error::Input`] when no place for the cache is known.
pub fn kept_adapters() -> Result<Vec<PathBuf>> {
    let folder = ModelCache::from_env()?.root().join("adapters");
    // A folder that does not exist yet holds none.
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kept: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    kept.sort();
    Ok(kept)
}

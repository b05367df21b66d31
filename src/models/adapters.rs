//! Adapters of the user's own in the cache. Builds before 0.2 kept them there, and not in the stores that are bound to them.

use std::path::PathBuf;

use super::cache::ModelCache;
use crate::Result;

/// The adapters that the cache holds.
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

//! The cache that the environment names, asked without naming it.

use std::path::PathBuf;

use super::cache::{ModelCache, ModelInfo};
use super::record::Record;
use crate::Result;
#[cfg(feature = "hub")]
use crate::progress::Control;

/// Every known model and sample set, installed or not.
///
/// # Errors
/// [`crate::Error::Io`] when the cache cannot be read.
pub fn list() -> Result<Vec<ModelInfo>> {
    ModelCache::from_env()?.list()
}

/// The folder of an installed model.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::ModelMissing`] when it is not installed.
pub fn path(name: &str) -> Result<PathBuf> {
    ModelCache::from_env()?.path(name)
}

/// The record of an installed model that was pulled from a hub or from a file; `None` for the starter, which needs none.
///
/// # Errors
/// [`crate::Error::Io`] or [`crate::Error::Input`] when the record cannot be read.
pub fn record(name: &str) -> Result<Option<Record>> {
    ModelCache::from_env()?.record(name)
}

/// Checks every file of an installed model against its recorded SHA-256.
///
/// # Errors
/// As [`path`], and [`crate::Error::Input`] naming the first file that differs.
pub fn verify(name: &str) -> Result<ModelInfo> {
    ModelCache::from_env()?.verify(name)
}

/// Removes an installed model from the cache; false when it was not installed.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::Io`] when it cannot be removed.
pub fn remove(name: &str) -> Result<bool> {
    ModelCache::from_env()?.remove(name)
}

/// Fetches `name` if it is not installed, and returns its folder.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::ModelMissing`] when fetching fails, with a hint.
#[cfg(feature = "hub")]
pub fn pull(name: &str, control: &Control<'_>) -> Result<PathBuf> {
    ModelCache::from_env()?.pull(name, control)
}

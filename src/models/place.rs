//! Where a model lies, and the lock of who works on it.

use std::fs::File;
use std::path::Path;

use crate::{Error, Result};

/// The name of a model's folder: a repository's slash becomes two dashes, which no name contains.
pub(crate) fn folder_name(name: &str) -> String {
    name.replace('/', "--")
}

/// Takes the lock at `path`, waiting for whoever holds it.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let lock = File::create(path).map_err(Error::io("create", path))?;
    if lock.try_lock().is_err() {
        tracing::warn!("another process works on this model: waiting for it");
        lock.lock().map_err(Error::io("lock", path))?;
    }
    Ok(lock)
}

//! Files that a manifest names: what is damage, not an error of the operating system.

use std::path::Path;

use crate::{Error, Result};

/// A file that the newest manifest names and that is not there is damaged.
pub(crate) fn missing_is_damage(error: Error) -> Error {
    match error {
        Error::Io { path, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::damaged(path, None, "no file", "the file that the manifest names")
        }
        other => other,
    }
}

/// Compares the SHA-256 of a whole file with the one that the manifest has, both in hexadecimal.
pub(crate) fn compare_hash(path: &Path, found: &str, expected: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::damaged(path, None, format!("SHA-256 {found}"), format!("SHA-256 {expected}")))
}

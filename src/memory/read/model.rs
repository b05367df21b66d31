//! What a commit says of the model that the store is bound to.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::memory::format::layout;
use crate::memory::format::manifest::ModelRecord;
use crate::memory::format::named::{compare_hash, missing_is_damage};
use crate::{Error, Result};

/// The role of an adapter of the user's own.
pub const ADAPTER: &str = "adapter";

/// What belongs to the model and lies in the store, as its maker noted it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelEntry {
    /// What the model is and how to get it again.
    pub details: serde_json::Value,
    /// Its files.
    pub files: Vec<ModelFile>,
}

/// A file that belongs to the model, such as its adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelFile {
    /// What it is to the model, such as [`ADAPTER`].
    pub role: String,
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

impl ModelFile {
    /// Its content, compared with what the manifest says of it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is not there or another, [`Error::Io`] when it cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let path = &self.path;
        let bytes = std::fs::read(path).map_err(Error::io("read", path)).map_err(missing_is_damage)?;
        compare_hash(path, &hex(&Sha256::digest(&bytes)), &self.sha256)?;
        Ok(bytes)
    }
}

impl ModelEntry {
    pub(crate) fn from_record(dir: &Path, record: &ModelRecord) -> Self {
        let files = record.files.iter().map(|file| ModelFile {
            role: file.role.clone(),
            path: layout::model(dir).join(&file.file),
            sha256: hex(&file.sha256),
            bytes: file.len,
        });
        let details = serde_json::from_str(&record.details).unwrap_or(serde_json::Value::Null);
        Self { details, files: files.collect() }
    }

    /// The file with this role.
    pub fn file(&self, role: &str) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.role == role)
    }
}

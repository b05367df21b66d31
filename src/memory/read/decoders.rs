//! The decoders that a commit names.

use serde::Serialize;

use crate::digest::hex;
use crate::memory::format::manifest::DecoderRecord;

/// A published decoder.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DecoderEntry {
    /// Its name.
    pub name: String,
    /// Its file in the store's folder `decoders`.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// When it was published, in seconds since 1970.
    pub created: u64,
    /// What its maker noted about it.
    pub details: serde_json::Value,
}

impl DecoderEntry {
    pub(crate) fn from_record(record: &DecoderRecord) -> Self {
        Self {
            name: record.name.clone(),
            file: record.file.clone(),
            sha256: hex(&record.sha256),
            bytes: record.len,
            created: record.created,
            details: serde_json::from_str(&record.details).unwrap_or(serde_json::Value::Null),
        }
    }
}

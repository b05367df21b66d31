//! Which decoder a training begins with, and what is noted of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The decoder that a training begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// What it is called, for the record.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// The decoder that a training began with, as its record tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// What it was called.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

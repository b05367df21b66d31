//! The record of an installed model: the registry file that makes a folder a model.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::towers::Family;
use crate::{Error, Result};

/// The name of the record in the model's folder.
pub(crate) const RECORD: &str = "model.json";

/// The version of the record's format.
const FORMAT: u32 = 1;

/// What is known of an installed model. It is written last: a folder without it is no model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The version of this format.
    format: u32,
    /// The name that `init --model` takes.
    pub name: String,
    /// Its family.
    pub family: Family,
    /// Components of its embeddings.
    pub dim: usize,
    /// Its licence, as its publisher states it, or else the usual one of the family.
    pub licence: String,
    /// Where it came from.
    pub source: Source,
    /// Which of the files holds the weights.
    pub weights: String,
    /// Every file.
    pub files: Vec<Kept>,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Source {
    /// A repository of a hub.
    Hub {
        /// The address of the hub.
        endpoint: String,
        /// `OWNER/NAME`.
        repository: String,
        /// The branch, tag or commit that was asked for.
        revision: String,
        /// The commit that it was then.
        commit: String,
    },
    /// A file or folder of this machine.
    Local {
        /// Where it lay.
        path: String,
    },
}

/// A file of an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Kept {
    /// Its name in the model's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

impl Record {
    /// The record of what was found and kept.
    pub(crate) fn new(name: &str, family: Family, dim: usize, licence: String, source: Source, files: Files) -> Self {
        let Files { weights, kept } = files;
        Self { format: FORMAT, name: name.to_owned(), family, dim, licence, source, weights, files: kept }
    }

    /// SHA-256 of the weights.
    pub fn weights_sha256(&self) -> Option<&str> {
        self.files.iter().find(|file| file.name == self.weights).map(|file| file.sha256.as_str())
    }

    /// Reads the record of the model in `folder`; `None` where there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(RECORD);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(cause) => return Err(Error::io("read", &path)(cause)),
        };
        let damaged = |found: String| {
            Error::input(path.display(), found, format!("the record of a model, format {FORMAT}"))
                .with_hint("delete the folder and pull the model again")
        };
        let record: Self = serde_json::from_slice(&bytes).map_err(|cause| damaged(cause.to_string()))?;
        if record.format != FORMAT {
            return Err(damaged(format!("format {}", record.format)));
        }
        let plain = |name: &str| Path::new(name).file_name().is_some_and(|only| only == name);
        if let Some(odd) = record.files.iter().find(|file| !plain(&file.name)) {
            return Err(damaged(format!("a file named '{}'", odd.name)));
        }
        Ok(Some(record))
    }

    /// Writes the record into `folder`, durably.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(RECORD);
        let json = serde_json::to_vec_pretty(self).map_err(|cause| Error::Internal(cause.to_string()))?;
        let mut file = File::create(&path).map_err(Error::io("create", &path))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(Error::io("write", &path))
    }
}

/// The files of a model that is about to be recorded.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Which of them holds the weights.
    pub weights: String,
    /// All of them.
    pub kept: Vec<Kept>,
}

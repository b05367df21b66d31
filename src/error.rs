//! The one error type of the library: what went wrong, where, what was expected, and what to do about it.

use std::path::{Path, PathBuf};

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// [`Error::is_user`] separates what the user can mend (exit code 1) from what should not happen (exit code 2);
/// [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read, write, map, rename, … a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb phrase: `read`, `create`, `replace`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// Something the user gave is not usable: a file, a value, a name.
    #[error("{subject}: found {found}, expected {expected}")]
    Input {
        /// The file, option or value, with its line where known.
        subject: String,
        /// What was there.
        found: String,
        /// What would have been usable.
        expected: String,
        /// What to do.
        hint: Option<String>,
    },

    /// Something that was asked for does not exist.
    #[error("no {kind} named '{name}'{}", known_names(known))]
    NotFound {
        /// `domain`, `decoder`, `model`, …
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },

    /// A file of the store is damaged: a checksum, length or magic number does not match.
    #[error("{} is damaged at byte {offset}: found {found}, expected {expected}", path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// Where the check failed, in bytes from the start.
        offset: u64,
        /// What was read.
        found: String,
        /// What should have been there.
        expected: String,
    },

    /// The folder holds no store.
    #[error("there is no Echoic store at {}", path.display())]
    NoStore {
        /// The folder that was looked at.
        path: PathBuf,
    },

    /// The store was written by another format version.
    #[error("{} has store format version {found}; this build reads version {supported}", path.display())]
    Version {
        /// The store.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this build knows.
        supported: u32,
    },

    /// Another process is writing to the store.
    #[error("the store at {} is being written by another process ({owner})", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
        /// Who holds the lock, as it named itself.
        owner: String,
    },

    /// Another training works in the folder.
    #[error("a decoder is being trained in {} by another process ({owner})", path.display())]
    Training {
        /// The folder.
        path: PathBuf,
        /// Who trains there, as it named itself.
        owner: String,
    },

    /// Embeddings of one space were offered to a store of another.
    #[error("the store is bound to the embedding space {store}, but the embeddings come from {given}")]
    SpaceMismatch {
        /// The store's space.
        store: String,
        /// The space of what was offered.
        given: String,
    },

    /// A model is not on this machine yet.
    #[error("the model '{model}' is not installed: {reason}")]
    ModelMissing {
        /// The model's name.
        model: String,
        /// Which file is missing, or why fetching failed.
        reason: String,
        /// What to do.
        hint: String,
    },

    /// An earlier commit of this writer failed; it refuses further work so that nothing half-done is built upon.
    #[error("this writer failed to commit earlier and refuses further work")]
    Poisoned,

    /// Work was stopped on request (Ctrl-C); what was committed stays.
    #[error("stopped on request")]
    Interrupted,

    /// A tensor computation failed.
    #[error("a tensor computation failed: {0}")]
    Tensor(#[from] candle_core::Error),

    /// An invariant did not hold: a defect in Echoic.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// An operating-system error on `path` while trying to `action` it.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// Unusable input without a hint; see [`Error::with_hint`].
    pub fn input(subject: impl ToString, found: impl ToString, expected: impl ToString) -> Self {
        Self::Input {
            subject: subject.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
            hint: None,
        }
    }

    /// A damaged store file.
    pub fn damaged(path: impl AsRef<Path>, offset: u64, found: impl ToString, expected: impl ToString) -> Self {
        Self::Damaged {
            path: path.as_ref().to_path_buf(),
            offset,
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    /// Adds advice to an [`Error::Input`]; other variants carry their own.
    #[must_use]
    pub fn with_hint(mut self, advice: impl ToString) -> Self {
        if let Self::Input { hint, .. } = &mut self {
            *hint = Some(advice.to_string());
        }
        self
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input { hint, .. } => hint.clone(),
            Self::ModelMissing { hint, .. } => Some(hint.clone()),
            Self::NoStore { .. } => Some("create one with `echoic init`, or name another with --store".into()),
            Self::Locked { .. } => Some("wait until it has finished, or end it; readers are not affected".into()),
            Self::Training { .. } => Some("wait until it has finished, end it, or train under another --name".into()),
            Self::Damaged { .. } => {
                Some("restore the file from a backup, or remove the domain and ingest it again".into())
            }
            Self::Version { found, supported, .. } if found > supported => {
                Some("use a newer version of echoic; the store was left untouched".into())
            }
            Self::SpaceMismatch { .. } => Some(
                "use the model that the store was created with, or create another store with `echoic init --model`"
                    .into(),
            ),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => Some("free some space; what was committed before is safe".into()),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    Some("check the permissions of the file and of its folder".into())
                }
                _ => None,
            },
            Self::Poisoned => Some("open the store again; what was committed before is safe".into()),
            _ => None,
        }
    }

    /// True where the user can mend the cause (exit code 1), false for the unexpected (exit code 2).
    pub fn is_user(&self) -> bool {
        !matches!(self, Self::Tensor(_) | Self::Internal(_))
    }
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (there are: {})", known.join(", ")) }
}

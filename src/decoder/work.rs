//! The folder that a decoder trains in.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::{decoder_file::read_facts, state, state::LogEntry};
use crate::error::{Hint, Topic};
use crate::file;
use crate::lock::{Lock, Taken};
use crate::{Error, Result};

const BEST: &str = "best.safetensors";
const STATE: &str = "state.safetensors";
const LOG: &str = "log.jsonl";
const LOCK: &str = "lock";

/// The log of the training in a folder, an entry for each epoch.
pub(crate) fn log_entries(folder: &Path) -> Result<Vec<LogEntry>> {
    let path = folder.join(LOG);
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let read = |(number, line): (usize, &str)| {
        let subject = format!("{}, line {}", path.display(), number + 1);
        serde_json::from_str(line).map_err(|cause| Error::input(subject, cause, "what was noted of an epoch"))
    };
    text.lines().enumerate().map(read).collect()
}

/// The folder of one training, which no other takes part in as long as this lives: two would write over each other's files. The lock of a
/// training that crashed is free.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    _lock: Lock,
}

/// How far a training has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Epochs that it has finished.
    pub(crate) epochs: usize,
    /// Epochs that it was to have; 0 where that cannot be read.
    pub(crate) planned: usize,
}

impl Standing {
    /// True where it has come to its end, and only its decoder may not have been published.
    pub(crate) fn is_finished(self) -> bool {
        self.planned > 0 && self.epochs >= self.planned
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.planned {
            0 => f.write_str("epochs that cannot be told"),
            planned => write!(f, "{} of {planned} epochs", self.epochs),
        }
    }
}

/// How far the training in the folder at `path` has come; `None` where it has left nothing to go on from.
pub(crate) fn standing(path: &Path) -> Option<Standing> {
    let (state, best) = (path.join(STATE), path.join(BEST));
    // What cannot be read any more has not been finished either.
    state.exists().then(|| Standing {
        epochs: state::epochs(&state).unwrap_or(0),
        planned: read_facts(&best).map_or(0, |facts| facts.epochs),
    })
}

/// Whether the folder at `path` is one that a training works in, or has worked in.
pub(crate) fn is_work_folder(path: &Path) -> bool {
    our_files(path).next().is_some()
}

/// Bytes of all that trainings have written into the folder at `path`.
pub(crate) fn bytes(path: &Path) -> u64 {
    our_files(path).filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

fn our_files(path: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
}

/// Whether a training writes a file of this name.
fn is_ours(name: &str) -> bool {
    [BEST, STATE, LOG, LOCK].contains(&name) || name.starts_with(file::UNFINISHED)
}

impl WorkFolder {
    /// Takes the folder, which is made where there is none.
    ///
    /// # Errors
    /// [`Error::Training`] while another training, of any process, works in it; [`Error::Io`].
    pub(crate) fn take(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let _lock = match Lock::take(&path.join(LOCK))? {
            Taken::Held(owner) => return Err(Error::Training { path: path.to_path_buf(), owner }),
            Taken::Ours(lock, former) => {
                if let Some(former) = former {
                    tracing::warn!("took over {} from a training that ended in the middle: {former}", path.display());
                }
                lock
            }
        };
        let folder = Self { path: path.to_path_buf(), _lock };
        // A training that was killed while it wrote a checkpoint has left it half-written.
        folder.remove_files(|name| name.starts_with(file::UNFINISHED));
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How far the training has come that is there already; `None` where it has left nothing to go on from.
    pub(crate) fn standing(&self) -> Option<Standing> {
        standing(&self.path)
    }

    /// The decoder as it was after its best epoch.
    pub(crate) fn best(&self) -> PathBuf {
        self.path.join(BEST)
    }

    /// What a resumed training goes on from.
    pub(super) fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// A line of JSON for each epoch.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Refuses a beginning that would write over a training that was stopped.
    ///
    /// # Errors
    /// [`Error::Input`] where there is one.
    pub(super) fn refuse_stopped(&self) -> Result<()> {
        match self.standing() {
            Some(standing) if !standing.is_finished() => {
                let found = format!("a training that was stopped after {standing}");
                let expected = "to go on with it, or to discard it";
                Err(Error::input(self.path.display(), found, expected).with_hint(Hint::about(
                    Topic::StoppedTraining,
                    "go on with it, or discard what it has learned and begin anew",
                )))
            }
            _ => Ok(()),
        }
    }

    /// Removes what only a training that goes on has a use for, once its decoder is published: the log stays.
    pub(crate) fn shrink(self) {
        self.remove_files(|name| [BEST, STATE].contains(&name));
    }

    /// Removes the folder with all that a training writes there, and returns how many bytes that were. Files of others stay, and so does
    /// the folder then.
    pub(crate) fn remove(self) -> u64 {
        let bytes = self.remove_files(is_ours);
        if let Err(error) = fs::remove_dir(&self.path) {
            tracing::debug!("cannot remove {}: {error}", self.path.display());
        }
        bytes
    }

    fn remove_files(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let meant = entries.filter(|entry| entry.file_name().to_str().is_some_and(&is_meant));
        let removed = meant.filter_map(|entry| {
            let bytes = entry.metadata().map_or(0, |meta| meta.len());
            match fs::remove_file(entry.path()) {
                Ok(()) => Some(bytes),
                Err(error) => {
                    tracing::debug!("cannot remove {}: {error}", entry.path().display());
                    None
                }
            }
        });
        removed.sum()
    }
}

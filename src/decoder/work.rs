//! The folder that a decoder trains in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::file;
use crate::lock::{Lock, Taken};
use crate::{Error, Result};

const BEST: &str = "best.safetensors";
const STATE: &str = "state.safetensors";
const LOG: &str = "log.jsonl";
const LOCK: &str = "lock";

/// The folder of one training, which no other takes part in as long as this lives: two would write over each other's files. The lock of a
/// training that crashed is free.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    _lock: Lock,
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

    /// The decoder as it was after its best epoch.
    pub(super) fn best(&self) -> PathBuf {
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

    /// Removes the folder with all that a training writes there, and returns how many bytes that were. Files of others stay, and so does
    /// the folder then.
    pub(crate) fn remove(self) -> u64 {
        let bytes = self.remove_files(|name| [BEST, STATE, LOG, LOCK].contains(&name));
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

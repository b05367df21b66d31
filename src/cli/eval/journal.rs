//! Lines of JSON that are added one by one, so that a run which was stopped finds what it had done.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use echoic::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file of lines, which nobody else writes as long as this lives.
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or creates the file; returns the lines that it holds. A last line that was cut is dropped.
    ///
    /// # Errors
    /// [`Error::Input`] for a file of anything else, or that another run writes; [`Error::Io`].
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>)> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::input(path.display(), "another run that writes it", "a folder for each run"));
            }
            Err(TryLockError::Error(cause)) => return Err(Error::io("lock", path)(cause)),
        }
        let (mut held, mut end) = (Vec::new(), 0u64);
        let mut lines = BufReader::new(&mut file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(Error::io("read", path))? > 0 {
            if line.last() != Some(&b'\n') {
                break;
            }
            held.push(serde_json::from_slice(&line).map_err(|cause| {
                Error::input(path.display(), format!("line {}: {cause}", held.len() + 1), "what an experiment kept")
                    .with_hint("name another folder, or remove this file")
            })?);
            end += line.len() as u64;
            line.clear();
        }
        file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).map_err(Error::io("write", path))?;
        Ok((Self { path: path.to_path_buf(), file }, held))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let mut line =
            serde_json::to_vec(value).map_err(|e| Error::Internal(format!("a line that is no JSON: {e}")))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_dropped_and_what_is_strange_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.jsonl");
        std::fs::write(&path, "1\n2\n3").unwrap();
        let (mut journal, held) = Journal::open::<u32>(&path).unwrap();
        assert_eq!(held, [1, 2]);
        assert!(Journal::open::<u32>(&path).is_err(), "another run writes it");
        journal.put(&7).unwrap();
        drop(journal);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n7\n");
        std::fs::write(&path, "1\nnot ours\n").unwrap();
        let error = Journal::open::<u32>(&path).err().unwrap().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\nnot ours\n", "it stays as it was");
    }
}

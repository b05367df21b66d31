//! The few ways in which the store changes its folder, narrow enough that a test can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::{Error, Result};

/// Everything that changes files on the way to a commit. [`Disk`] is the real one; tests inject failures with their own.
///
/// A method that returns `Ok` promises what its description says, down to the medium; the commit protocol of `schema/v1.md` rests on it.
pub trait Storage: Send + Sync {
    /// Creates `path`, replacing what a crashed writer may have left there.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Gives `from` the name `to` in one step, replacing `to`.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file being written by a [`Storage`].
pub trait StorageFile: Write {
    /// Makes the content durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Default, Clone, Copy)]
pub struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Windows offers no handle on a folder that can be flushed; NTFS journals names by itself.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl StorageFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Writes a whole file and fsyncs it; a file that cannot be finished is removed.
pub(crate) fn write_durably(path: &Path, parts: &[&[u8]], storage: &dyn Storage) -> Result<()> {
    let written = storage.create(path).and_then(|mut file| {
        for part in parts {
            file.write_all(part)?;
        }
        file.sync()
    });
    written.map_err(|source| {
        let _ = storage.remove(path);
        Error::io("write", path)(source)
    })
}

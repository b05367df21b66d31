//! The few ways in which the store changes its folder, narrow enough that a test can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::file;
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

/// Removes a file that nobody refers to; if that fails, the next writer will.
pub(crate) fn remove_quietly(path: &Path, storage: &dyn Storage) {
    match storage.remove(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::debug!("cannot remove {}: {error}", path.display()),
    }
}

/// Copies a file whose SHA-256 is known to `to`, under another name first, so that what has the name is whole.
pub(crate) fn copy_durably(from: &Path, to: &Path, sha256: &[u8; 32], storage: &dyn Storage) -> Result<()> {
    put_in_place(to, storage, |new| {
        let mut out = storage.create(new).map_err(Error::io("create", new))?;
        let mut source = File::open(from).map_err(Error::io("open", from))?;
        let (found, _) = file::copy_hashed(&mut source, &mut out).map_err(Error::io("copy", from))?;
        if found != *sha256 {
            return Err(Error::input(from.display(), "a file that changes while it is copied", "a finished file"));
        }
        out.sync().map_err(Error::io("write", new))
    })
}

/// Writes a file, under another name first, so that what has the name is whole.
pub(crate) fn write_in_place(to: &Path, bytes: &[u8], storage: &dyn Storage) -> Result<()> {
    put_in_place(to, storage, |new| write_durably(new, &[bytes], storage))
}

fn put_in_place(to: &Path, storage: &dyn Storage, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut new = to.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    let folder = to.parent().unwrap_or(to);
    let is_new = !to.exists();
    let written = write(new).and_then(|()| {
        storage.rename(new, to).map_err(Error::io("replace", to))?;
        storage.sync_folder(folder).map_err(Error::io("flush", folder))
    });
    written.inspect_err(|_| {
        remove_quietly(new, storage);
        // One that was there before belongs to a commit, and is whole, whether or not it was replaced.
        if is_new {
            remove_quietly(to, storage);
        }
    })
}

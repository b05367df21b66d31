//! Files as a whole: their SHA-256, and putting a new one in the place of an old one.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempPath;

use crate::digest::hex;
use crate::{Error, Result};

/// What the names of files begin with that are still being written.
pub(crate) const UNFINISHED: &str = ".tmp";

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// What tells one content from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fingerprint {
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

impl Fingerprint {
    /// That of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { sha256: hex(&Sha256::digest(bytes)), bytes: bytes.len() as u64 }
    }

    /// That of numbers, as little-endian f32.
    pub fn of_numbers(numbers: &[f32]) -> Self {
        let mut hasher = Sha256::new();
        numbers.iter().for_each(|number| hasher.update(number.to_le_bytes()));
        Self { sha256: hex(&hasher.finalize()), bytes: size_of_val(numbers) as u64 }
    }

    /// That of a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self> {
        let (hash, bytes) = sha256_and_len(path.as_ref())?;
        Ok(Self { sha256: hex(&hash), bytes })
    }
}

/// SHA-256 of a file, in lower-case hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    sha256_and_len(path).map(|(hash, _)| hex(&hash))
}

/// SHA-256 and length in bytes of a file.
pub(crate) fn sha256_and_len(path: &Path) -> Result<([u8; 32], u64)> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    copy_hashed(&mut file, &mut io::sink()).map_err(Error::io("read", path))
}

/// Copies all that `from` gives to `to`; returns its SHA-256 and length in bytes.
pub(crate) fn copy_hashed(from: &mut impl Read, to: &mut dyn Write) -> io::Result<([u8; 32], u64)> {
    let (mut hasher, mut len) = (Sha256::new(), 0);
    for_each_piece(from, |piece| {
        hasher.update(piece);
        len += piece.len() as u64;
        to.write_all(piece)
    })?;
    Ok((hasher.finalize().into(), len))
}

/// Copies a file, sharing its blocks where the file system can. The copy is readable for all whom the umask lets read: `std::fs::copy` would hand on the
/// rights of a file that was private for a while.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(from)?, &mut File::create(to)?)
}

/// Calls `take` with all that `from` gives, piece by piece.
pub(crate) fn for_each_piece(from: &mut impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&buffer[..read])?,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// Replaces the file at `path`, or creates it; a crash leaves the old content or the new. A link stays one, and a new file is readable for all
/// whom the umask lets read.
///
/// # Errors
/// [`Error::Io`]; the old content is then still there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = Replacement::beside(path)?;
    let mut out = new.create()?;
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::io("write", path))?;
    new.keep()
}

/// A file that is written beside the one whose place it takes when it is whole. It is readable for all whom the umask lets read. What is no
/// regular file, such as a pipe, is written itself.
pub(crate) struct Replacement {
    path: PathBuf,
    /// The file being written, which is removed when it is not kept; `None` where `path` itself is written.
    aside: Option<TempPath>,
}

impl Replacement {
    /// Makes an empty file in the folder of `path`.
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        // The file behind a link is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if std::fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
            return Ok(Self { path, aside: None });
        }
        let folder = folder_of(&path);
        std::fs::metadata(folder).map_err(Error::io("create", &path))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        // Temporary files are private to their owner unless it is said otherwise.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // The reason alone: the name of the file aside is nothing that anybody knows.
        let bare = |cause: std::io::Error| match cause.raw_os_error() {
            Some(code) => std::io::Error::from_raw_os_error(code),
            None => cause.kind().into(),
        };
        let aside = builder.tempfile_in(folder).map_err(|cause| Error::io("create", &path)(bare(cause)))?;
        let aside = aside.into_temp_path();
        Ok(Self { path, aside: Some(aside) })
    }

    /// Where to write.
    pub(crate) fn place(&self) -> &Path {
        self.aside.as_deref().unwrap_or(&self.path)
    }

    /// Opens the place for writing. The writer must be flushed and closed before [`Replacement::keep`].
    pub(crate) fn create(&self) -> Result<BufWriter<File>> {
        File::create(self.place()).map(BufWriter::new).map_err(Error::io("create", &self.path))
    }

    /// Puts what was written in its place, durably.
    pub(crate) fn keep(self) -> Result<()> {
        let Self { path, aside } = self;
        let Some(aside) = aside else { return Ok(()) };
        File::open(&aside).and_then(|file| file.sync_all()).map_err(Error::io("write", &path))?;
        aside.persist(&path).map_err(|error| Error::io("replace", &path)(error.error))?;
        // Not every platform can flush a folder; the rename itself has happened.
        if let Ok(folder) = File::open(folder_of(&path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// The folder that a file is in: `.` for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let hash = sha256(&path).unwrap();
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(sha256(&folder.path().join("absent")).is_err());
        let print = Fingerprint::of_file(&path).unwrap();
        assert_eq!((print.sha256.as_str(), print.bytes), (hash.as_str(), 3));
        assert_eq!(print, Fingerprint::of_bytes(b"abc"));
        let numbers = [1.5f32, -2.0];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(Fingerprint::of_numbers(&numbers), Fingerprint::of_bytes(&bytes));
    }

    #[test]
    fn a_replacement_that_is_not_kept_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"old").unwrap();
        {
            let new = Replacement::beside(&path).unwrap();
            new.create().unwrap().write_all(b"new").unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        replace(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_has_the_rights_that_any_new_file_has() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let [private, copied, plain] = ["private", "copied", "plain"].map(|name| folder.path().join(name));
        std::fs::write(&private, "content").unwrap();
        std::fs::set_permissions(&private, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&plain, "").unwrap();
        assert_eq!(copy(&private, &copied).unwrap(), 7);
        assert_eq!(std::fs::read(&copied).unwrap(), b"content");
        let mode = |path: &Path| path.metadata().unwrap().mode();
        assert_eq!(mode(&copied), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_link_is_replaced_with_the_rights_that_any_new_file_has() {
        use std::os::unix::fs::{MetadataExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [link, target, plain] = ["link", "target", "plain"].map(|name| folder.path().join(name));
        std::fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        std::fs::write(&plain, "").unwrap();
        replace(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        let mode = |path: &Path| path.metadata().unwrap().mode();
        assert_eq!(mode(&target), mode(&plain));
    }
}

//! The checksums that the hub gives for files, and comparing with them.

use std::fs::File;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::file::for_each_piece;
use crate::{Error, Result};

/// What a file's content must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// SHA-256 of the content: files in large-file storage.
    Sha256(String),
    /// SHA-1 of `blob LENGTH\0` and the content: files that lie in git itself.
    Git(String),
}

impl Checksum {
    /// The checksum that an entity tag of the hub is, if it is one.
    pub fn from_etag(etag: &str) -> Option<Self> {
        let tag = etag.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        let is_hex = tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        match tag.len() {
            64 if is_hex => Some(Self::Sha256(tag)),
            40 if is_hex => Some(Self::Git(tag)),
            _ => None,
        }
    }

    /// The tag itself, which also names the file in caches.
    pub fn tag(&self) -> &str {
        match self {
            Self::Sha256(tag) | Self::Git(tag) => tag,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::Git(_) => "git hash",
        }
    }
}

/// Reads `file` through: its SHA-256, or an error that says what was found where it is not what `expected` says.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Input`] when it is another file.
pub(crate) fn check(file: &Path, expected: &Checksum) -> Result<String> {
    let mut reader = File::open(file).map_err(Error::io("open", file))?;
    let length = reader.metadata().map_err(Error::io("read", file))?.len();
    let (mut sha256, mut git) = (Sha256::new(), Sha1::new());
    git.update(format!("blob {length}\0"));
    let hash = |piece: &[u8]| {
        sha256.update(piece);
        if matches!(expected, Checksum::Git(_)) {
            git.update(piece);
        }
        Ok(())
    };
    for_each_piece(&mut reader, hash).map_err(Error::io("read", file))?;
    let sha256 = hex(&sha256.finalize());
    let found = match expected {
        Checksum::Sha256(_) => sha256.clone(),
        Checksum::Git(_) => hex(&git.finalize()),
    };
    if found == expected.tag() {
        return Ok(sha256);
    }
    Err(Error::input(file.display(), format!("{} {found}", expected.kind()), expected.tag()))
}

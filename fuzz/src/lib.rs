//! What each fuzz target does with its input, and what must hold whatever the input is: no panic, no hang, no unbounded memory, and
//! either an answer or an error that names the input as its cause.
//!
//! The targets in `fuzz_targets/` hand their bytes to the function of the same name here. Every function returns true when the input was
//! accepted, which the tests ask of the seeds that are meant to be sound: they would notice a target that no longer gets past the
//! first checksum.

mod corpora;
mod files;
#[cfg(test)]
mod seeds;
mod store;
mod tensors;

use std::path::{Path, PathBuf};

pub use corpora::{arrow, audiocaps, auto, clotho, csv, json, jsonl, parquet, text, wavcaps, yaml};
use echoic::Error;
pub use files::{audio, npy, npz, safetensors_rows};
pub use store::{captions, graph, manifest, records, tombstones, vectors};
pub use tensors::{adapter, checkpoint, decoder};

/// A function that takes an input; true when the input was accepted.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name.
pub const TARGETS: [(&str, Target); 24] = [
    ("adapter", adapter),
    ("arrow", arrow),
    ("audio", audio),
    ("audiocaps", audiocaps),
    ("auto", auto),
    ("captions", captions),
    ("checkpoint", checkpoint),
    ("clotho", clotho),
    ("csv", csv),
    ("decoder", decoder),
    ("graph", graph),
    ("json", json),
    ("jsonl", jsonl),
    ("manifest", manifest),
    ("npy", npy),
    ("npz", npz),
    ("parquet", parquet),
    ("records", records),
    ("safetensors_rows", safetensors_rows),
    ("text", text),
    ("tombstones", tombstones),
    ("vectors", vectors),
    ("wavcaps", wavcaps),
    ("yaml", yaml),
];

/// A path in this thread's folder. Inputs become files there, because that is how they reach the library; set `TMPDIR` to a folder in
/// memory.
fn scratch(name: &str) -> PathBuf {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    FOLDER.with(|folder| folder.path().join(name))
}

/// Writes an input where the library will read it.
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("room for the input");
}

/// The value, or `None` for an error that blames the input. Any other error is a finding.
fn blamed<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Input { .. } | Error::Damaged { .. } | Error::Version { .. }) => None,
        Err(other) => panic!("an error that does not blame the input: {other:?}"),
    }
}

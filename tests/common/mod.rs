//! What the stories share. Each room takes all of it and uses its part.
#![allow(dead_code, reason = "each room uses another part")]

use std::path::{Path, PathBuf};

use echoic::Error;

pub mod bench;
pub mod browser;
pub mod checkpoints;
pub mod clap_models;
pub mod hub;
pub mod log;
pub mod model;
pub mod needs;
pub mod process;
pub mod sounds;
pub mod stores;
pub mod texts;

/// A file below `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What is advised about an error.
pub fn hint(error: &Error) -> String {
    error.hint().map(|hint| hint.to_string()).unwrap_or_default()
}

/// Whether it is the user who can mend it; all else is a defect.
pub fn is_for_the_user(error: &Error) -> bool {
    !matches!(error, Error::Tensor(_) | Error::Internal(_))
}

/// Numbers that look random and are the same in every run.
pub fn scattered(rows: usize, dim: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..rows * dim).map(|_| next()).collect()
}

/// A version 1.0 `.npy` file of little-endian f32.
pub fn npy(data: &[f32], rows: usize, dim: usize) -> Vec<u8> {
    assert_eq!(data.len(), rows * dim);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// Name and content of every file below a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.path().to_path_buf(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Copies a folder with all that is in it.
pub fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

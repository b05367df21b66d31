//! What the store's tests share: stores in temporary folders, and embeddings made from the text itself.
#![allow(dead_code, reason = "each test file uses another part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

pub mod model;

use std::path::{Path, PathBuf};

use echoic::memory::{Appended, RowKey, Snapshot, Writer};
use echoic::{EmbeddingSpace, Embeddings};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub const DIM: usize = 8;

pub fn space(dim: usize) -> EmbeddingSpace {
    EmbeddingSpace { model: "external".into(), sha256: String::new(), dim }
}

/// An empty store of [`DIM`] dimensions in a folder that goes away with the returned guard.
pub fn empty_store() -> (TempDir, PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    Store::create(&dir, space(DIM)).unwrap();
    (guard, dir)
}

/// Any text has a vector of its own, the same each time.
pub fn embed(text: &str, dim: usize) -> Vec<f32> {
    let seed: [u8; 32] = Sha256::digest(text).into();
    let mut rng = ChaCha8Rng::from_seed(seed);
    let mut vector: Vec<f32> = (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect();
    echoic::embedding::normalize(&mut vector);
    vector
}

pub fn row(text: &str, clip: Option<&str>, ordinal: u32) -> RowKey {
    RowKey { text: text.into(), clip: clip.map(str::to_owned), ordinal }
}

/// Plans, embeds and appends.
pub fn ingest(writer: &mut Writer, domain: &str, rows: &[RowKey]) -> echoic::Result<Appended> {
    let plan = writer.plan(domain, rows)?;
    let dim = writer.space().dim;
    let mut embeddings = Embeddings::new(dim);
    for text in plan.texts() {
        embeddings.push(&embed(text, dim))?;
    }
    writer.append(domain, plan, &embeddings)
}

/// Rows `prefix 0` to `prefix n-1`, each with a clip.
pub fn numbered(prefix: &str, n: usize) -> Vec<RowKey> {
    (0..n).map(|i| row(&format!("{prefix} {i}"), Some(&format!("{prefix}-{i}.wav")), 0)).collect()
}

/// A caption as a reader sees it: id, domain, text, multiplicity, clips.
pub type Seen = (u64, String, String, u32, Vec<String>);

/// Everything that a reader can see, for comparing two stores or two moments.
pub fn contents(memory: &Snapshot) -> Vec<Seen> {
    let mut all = Vec::new();
    memory
        .for_each_caption(None, |caption, vector| {
            assert_eq!(memory.embedding(caption.id), Some(vector));
            let mut clips = memory.clips(caption.id)?;
            clips.sort(); // their order is not promised
            all.push((caption.id, caption.domain, caption.text, caption.multiplicity, clips));
            Ok(())
        })
        .unwrap();
    all
}

/// Name and content of every file below `dir`.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target)
        } else {
            _ = std::fs::copy(entry.path(), target).unwrap()
        }
    }
}

/// `rows` unit vectors around 200 centres that do not depend on `seed`, as the captions of a corpus lie around its subjects.
pub fn clustered(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut centres = ChaCha8Rng::seed_from_u64(1);
    let centres: Vec<f32> = (0..200 * dim).map(|_| centres.random_range(-1.0..1.0)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut vectors = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let centre = rng.random_range(0..200);
        // Clusters of different widths.
        let width = 0.3 + 0.7 * (centre % 7) as f32 / 7.0;
        let mut vector: Vec<f32> =
            centres[centre * dim..(centre + 1) * dim].iter().map(|x| x + width * rng.random_range(-1.0..1.0)).collect();
        echoic::embedding::normalize(&mut vector);
        vectors.extend(vector);
    }
    vectors
}

/// Removes the catalogue. sled's threads may still be finishing a file when its database is closed, so it is tried again.
pub fn lose_catalogue(dir: &Path) {
    let catalogue = dir.join("catalogue");
    for _ in 0..200 {
        if std::fs::remove_dir_all(&catalogue).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{} cannot be removed", catalogue.display());
}

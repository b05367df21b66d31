//! Stores in temporary folders, and embeddings made from the text itself.

use std::path::{Path, PathBuf};

use echoic::memory::{Appended, BackedUp, BackupMode, CheckReport, ModelParts, Removed, RowKey, Scope};
use echoic::progress::Control;
use echoic::{EmbeddingSpace, Embeddings, Snapshot, Store, Writer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub const DIM: usize = 8;

pub fn space(dim: usize) -> EmbeddingSpace {
    EmbeddingSpace::external(dim)
}

/// An empty store of [`DIM`] dimensions in a folder that goes away with the returned guard.
pub fn empty_store() -> (TempDir, PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    Store::create(&dir, space(DIM)).unwrap();
    (guard, dir)
}

/// The newest commit of the store in `dir`.
pub fn open(dir: &Path) -> Snapshot {
    try_open(dir).expect("a sound store")
}

/// [`open`], where it may fail.
pub fn try_open(dir: &Path) -> echoic::Result<Snapshot> {
    Store::open(dir)?.snapshot()
}

/// The writer of the store in `dir`.
pub fn writing(dir: &Path) -> Writer {
    try_writing(dir).expect("a writer")
}

/// [`writing`], where it may fail.
pub fn try_writing(dir: &Path) -> echoic::Result<Writer> {
    Store::open(dir)?.writer()
}

/// What a check of the store in `dir` finds.
pub fn check(dir: &Path) -> echoic::Result<CheckReport> {
    Store::open(dir)?.check(&Control::default())
}

/// What a repair of the store in `dir` did.
pub fn repair(dir: &Path) -> echoic::Result<CheckReport> {
    Store::open(dir)?.repair(&Control::default())
}

/// A backup of the store in `dir`, nothing reported and never stopped.
pub fn backup(dir: &Path, target: &Path, mode: BackupMode) -> echoic::Result<BackedUp> {
    Store::open(dir)?.backup(target, mode, &Control::default())
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

/// What a removal took away: captions, and the rows that they stood for.
pub fn removed(outcome: echoic::Result<Removed>) -> (u64, u64) {
    let removed = outcome.unwrap();
    (removed.captions, removed.occurrences)
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
    for stored in memory.captions(&Scope::all()).unwrap() {
        let (caption, vector) = stored.unwrap();
        assert_eq!(memory.embedding(caption.id), Some(vector));
        let mut clips = memory.clips(caption.id).unwrap();
        clips.sort(); // their order is not promised
        all.push((caption.id, caption.domain, caption.text, caption.multiplicity, clips));
    }
    all
}

/// What a store keeps beside its captions: the decoders, by name and content; the model's details, and its files by role and content.
pub type Beside = (Vec<(String, Vec<u8>)>, Option<(serde_json::Value, Vec<(String, Vec<u8>)>)>);

/// Everything that a reader can see.
pub fn whole(memory: &Snapshot) -> (Vec<Seen>, Beside) {
    let read = |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let decoders = memory.decoders().iter().map(|decoder| decoder.name.clone());
    let decoders = decoders.map(|name| (name.clone(), read(&memory.decoder_path(&name).unwrap()))).collect();
    let model = memory.model().map(|model| {
        let files = model.files.iter().map(|file| (file.role.clone(), read(&file.path))).collect();
        (model.details, files)
    });
    (contents(memory), (decoders, model))
}

/// Parts of a model: details that name it, and files of these roles and contents.
pub fn parts(name: &str, files: &[(&str, &[u8])]) -> ModelParts {
    let details = serde_json::json!({ "model": name, "weights": ["00"] });
    let files = files.iter().map(|(role, content)| ((*role).to_owned(), content.to_vec())).collect();
    ModelParts { details, files }
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

/// The key-value store of the catalogue. sled's threads may still hold the lock of the one that was just closed, so it is tried again.
pub fn opened_catalogue(dir: &Path) -> sled::Db {
    for _ in 0..500 {
        if let Ok(database) = sled::open(dir.join("catalogue")) {
            return database;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    sled::open(dir.join("catalogue")).expect("a catalogue that can be opened")
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

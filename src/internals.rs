//! Doors for this project's own tests, benches and fuzz targets, behind the feature `internals`. Nothing here is promised.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::history::History;
use crate::memory::ModelParts;
use crate::memory::storage::Storage;
use crate::progress::Control;
pub use crate::retrieval::project_on_all;
use crate::simd::Kernels;
use crate::{EmbeddingSpace, Result, Store, Writer};

/// Rooms that are closed to the public, each with what it holds for its neighbours.
macro_rules! doors {
    ($($name:ident => $room:path;)*) => { $(pub mod $name { pub use $room::*; })* };
}

doors! {
    checkpoint => crate::formats::checkpoint;
    cnn14 => crate::towers::encoders::cnn14;
    decode => crate::audio::decode;
    framing => crate::towers::framing;
    htsat => crate::towers::encoders::htsat;
    mel => crate::audio::mel;
    ops => crate::nn::ops;
    resample => crate::audio::resample;
    sfx => crate::towers::encoders::sfx;
    storage => crate::memory::storage;
    windows => crate::towers::windows;
}

/// A page of one kind with data that was written by hand, and drawings.
///
/// # Errors
/// As [`crate::page::caption`].
pub fn page(kind: &str, data: &serde_json::Value, figures: &[(&str, String)]) -> Result<String> {
    crate::page::document("a page", kind, data, figures)
}

/// The batches of a training's epoch: indices into `texts` texts that occur once each, none of them held out.
pub fn batch_order(texts: usize, batch: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    crate::decoder::shuffled(std::iter::repeat_n(1, texts), batch, seed, epoch)
}

/// The dot product with the very bits that searches have on this machine; those of [`crate::embedding::dot`] may differ by rounding.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Kernels::get().dot(a, b)
}

/// [`Store::writer`] through a storage that tests make fail.
///
/// # Errors
/// As [`Store::writer`].
pub fn writer_on(store: &Store, storage: Arc<dyn Storage>) -> Result<Writer> {
    store.writer_on(storage)
}

/// [`Store::create`] and [`Store::create_with_model`] through a storage that tests make fail.
///
/// # Errors
/// As these.
pub fn create_on(
    dir: &Path,
    space: EmbeddingSpace,
    model: Option<&ModelParts>,
    storage: &dyn Storage,
) -> Result<Store> {
    Store::create_on(dir, space, model, storage)
}

/// [`History::of`] with other limits: entries at most, and how long to wait for others.
pub fn small_history(store: &Store, most: u64, patience: Duration) -> History {
    History::with_limits(store, most, patience)
}

/// [`Writer::index`] for segments of at least `rows` rows.
///
/// # Errors
/// As [`Writer::index`].
pub fn index_above(writer: &mut Writer, rows: usize, control: &Control<'_>) -> Result<usize> {
    writer.index_above(rows, control)
}

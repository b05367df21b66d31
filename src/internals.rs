//! Doors for this project's own tests, benches and fuzz targets, behind the feature `internals`. Nothing here is promised.

use std::sync::Arc;

pub use crate::audio::mel::{self, LogMel, MelParameters};
pub use crate::audio::{decode, resample};
pub use crate::decoder::ops;
pub use crate::formats::checkpoint;
pub use crate::memory::storage;
use crate::memory::storage::Storage;
use crate::progress::Control;
pub use crate::retrieval::project_on_all;
pub use crate::towers::encoders::{cnn14, htsat, sfx};
pub use crate::towers::framing::Framing;
pub use crate::towers::{pooling, windows};
use crate::{Result, Store, Writer};

/// [`Store::writer`] through a storage that tests make fail.
///
/// # Errors
/// As [`Store::writer`].
pub fn writer_on(store: &Store, storage: Arc<dyn Storage>) -> Result<Writer> {
    store.writer_on(storage)
}

/// [`Writer::index`] for segments of at least `rows` rows.
///
/// # Errors
/// As [`Writer::index`].
pub fn index_above(writer: &mut Writer, rows: usize, control: &Control<'_>) -> Result<usize> {
    writer.index_above(rows, control)
}

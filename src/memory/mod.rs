//! The database: captions and their embeddings, in segments that never change and a manifest that names them.
//!
//! ```
//! use echoic::memory::{Memory, RowKey, SearchOptions};
//! use echoic::{EmbeddingSpace, Embeddings};
//!
//! # fn main() -> echoic::Result<()> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let dir = folder.path().join("store");
//! let space = EmbeddingSpace { model: "external".into(), sha256: String::new(), dim: 2 };
//! Memory::create(&dir, space)?;
//!
//! let mut writer = Memory::writer(&dir)?;
//! let plan = writer.plan("street", &[RowKey::new("A tram rings."), RowKey::new("Rain falls.")])?;
//! assert_eq!(plan.texts(), ["A tram rings.", "Rain falls."]); // only these need an embedding
//! writer.append("street", plan, &Embeddings::from_vec(2, vec![1.0, 0.0, 0.0, 1.0])?)?;
//!
//! let memory = Memory::open(&dir)?; // any number of readers, beside the one writer
//! let best = memory.search(&[0.9, 0.1], &SearchOptions { k: 1, ..SearchOptions::default() })?;
//! assert_eq!(best[0].caption, "A tram rings.");
//! # Ok(())
//! # }
//! ```
//!
//! # How it holds together
//! **Truth** is the segment files and the manifest. A segment (`segment.rs`) is written once, fsynced and never changed; a commit
//! replaces the manifest (`manifest.rs`) by a rename. What was acknowledged is named by the manifest, and what the manifest does not
//! name does not exist. `schema/v1.md` describes every byte.
//!
//! **All else is derived**: the flat HNSW graph beside a segment, and the sled catalogue of the writer. Both can be deleted or
//! damaged at any time; answers stay the same, and `tracing::warn!` tells.
//!
//! Invariant: nothing here knows models, audio or decoding, and no reader ever opens sled, takes a lock or writes.

#[cfg(target_endian = "big")]
compile_error!("the store's files are mapped as little-endian numbers; big-endian machines are not supported");

mod catalogue;
mod format;
mod nearest;
mod read;
mod upkeep;
mod write;

pub use catalogue::state::CatalogueState;
pub use catalogue::table::HistoryEntry;
pub use format::limits::{CAPTION_BYTES, CLIP_BYTES, DIMENSIONS, DOMAIN_BYTES, check_caption, check_clip, check_name};
pub use format::manifest::FORMAT_VERSION;
pub use read::decoders::DecoderEntry;
pub use read::options::{Neighbour, SearchOptions};
pub use read::snapshot::{Block, Caption, Memory};
pub use read::stats::{DiskUse, DomainStats, StoreStats};
pub use upkeep::backup::{BackedUp, backup};
pub use upkeep::check::{CheckReport, Damage, check, repair};
pub use write::append::Appended;
pub use write::merge::Compacted;
pub use write::plan::{Decision, Ordinals, Plan, RowKey};
pub use write::remove::Removed;
pub use write::writer::Writer;

pub use format::storage;

#[cfg(test)]
mod tests {
    use super::{Block, Memory, Writer};

    #[test]
    fn readers_are_shared_between_threads_and_writers_sent_to_them() {
        fn shared<T: Send + Sync>() {}
        fn sent<T: Send>() {}
        shared::<Memory>();
        shared::<Block<'_>>();
        sent::<Writer>();
    }
}

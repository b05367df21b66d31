//! The database: captions and their embeddings, in segments that never change and a manifest that names them.
//!
//! ```
//! use echoic::memory::{RowKey, SearchOptions};
//! use echoic::{EmbeddingSpace, Embeddings, Store};
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let dir = folder.path().join("store");
//! let store = Store::create(&dir, EmbeddingSpace::external(2))?;
//! let mut writer = store.writer()?;
//! let plan = writer.plan("street", &[RowKey::new("A tram rings."), RowKey::new("Rain falls.")])?;
//! assert_eq!(plan.texts(), ["A tram rings.", "Rain falls."]); // only these need an embedding
//! writer.append("street", plan, &Embeddings::from_vec(2, vec![1.0, 0.0, 0.0, 1.0])?)?;
//!
//! let snapshot = store.snapshot()?; // any number of readers, beside the one writer
//! let best = snapshot.search(&[0.9, 0.1], &SearchOptions::default().k(1))?;
//! assert_eq!(best[0].caption, "A tram rings.");
//! # Ok::<(), echoic::Error>(())
//! ```
//!
//! # How it holds together
//! **Truth** is the segment files and the manifest. A segment (`read/segment.rs`) is written once, fsynced and never changed; a commit
//! replaces the manifest (`format/manifest.rs`) by a rename. What was acknowledged is named by the manifest, and what the manifest does not
//! name does not exist. `schema/v1.md` and `schema/v2.md` describe every byte.
//!
//! **All else is derived**: the flat HNSW graph beside a segment, and the sled catalogue of the writer. Both can be deleted or
//! damaged at any time; answers stay the same, and `tracing::warn!` tells. So is a measurement of the modality gap, which is derived from
//! sounds, too, that are not in the store: it can be measured again, and no answer depends on it.
//!
//! # The staircase
//! Each room uses only those before it: `format` (the files byte by byte), `nearest` (search within a segment), `read` (snapshots),
//! `catalogue` (what the writer looks up), `write` (commits), `upkeep` (check and backup); [`Store`] is the way in.
//!
//! Invariant: nothing here knows models, audio or decoding, and no reader ever opens sled, takes a lock or writes.

#[cfg(target_endian = "big")]
compile_error!("the store's files are mapped as little-endian numbers; big-endian machines are not supported");

mod catalogue;
mod format;
mod nearest;
mod read;
mod store;
mod upkeep;
mod write;

pub use catalogue::state::CatalogueState;
pub use catalogue::table::HistoryEntry;
pub use format::gap::KeptGap;
pub(crate) use format::layout::confidence as confidence_file;
pub use format::limits::{CAPTION_BYTES, CLIP_BYTES, DIMENSIONS, DOMAIN_BYTES, check_caption, check_clip, check_name};
pub use format::manifest::FORMAT_VERSION;
pub use read::decoders::DecoderEntry;
pub use read::matching::TextPattern;
pub use read::model::{ADAPTER, ModelEntry, ModelFile};
pub use read::options::{Effort, Hit, Neighbour, Scope, SearchOptions};
pub use read::search::Widening;
pub(crate) use read::snapshot::unit_query;
pub use read::snapshot::{Block, Caption, Captions, Snapshot};
pub use read::stats::{DiskUse, DomainStats, StoreStats};
pub use store::Store;
pub use upkeep::backup::{BackedUp, BackupMode};
pub use upkeep::check::{CheckReport, Damage};
pub use write::append::Appended;
pub use write::merge::Compacted;
pub use write::model_parts::ModelParts;
pub use write::plan::{Decision, Ordinals, Plan, RowKey};
pub use write::remove::Removed;
pub use write::writer::Writer;

pub(crate) use format::layout;
#[cfg(feature = "internals")]
pub(crate) use format::storage;

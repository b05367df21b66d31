//! Retrieval: the stored texts that stand near a query, and the query's projection onto them.
//!
//! Everything here works on a [`TextStore`], of which a [`Snapshot`](crate::Snapshot) is one. [`retrieve`] looks a query up and projects it
//! (WSAC, arXiv 2309.12242, eq. 4-5); [`nearest`] only looks it up.
//!
//! ```
//! use echoic::retrieval::{RetrievalOptions, retrieve};
//! use echoic::{EmbeddingSpace, Embeddings, Store};
//! use echoic::memory::RowKey;
//!
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let dir = folder.path().join("store");
//! let store = Store::create(&dir, EmbeddingSpace::external(2))?;
//! let mut writer = store.writer()?;
//! let plan = writer.plan("street", &[RowKey::new("A tram rings."), RowKey::new("Rain falls.")])?;
//! writer.append("street", plan, &Embeddings::from_vec(2, vec![1.0, 0.0, 0.0, 1.0])?)?;
//!
//! let found = retrieve(&store.snapshot()?, &[0.9, 0.1], &RetrievalOptions::default())?;
//! assert_eq!(found.neighbours[0].caption, "A tram rings.");
//! assert!(found.neighbours[0].weight > 0.99);
//! # Ok::<(), echoic::Error>(())
//! ```

mod exact;
mod local;
mod options;
mod retrieve;
mod store;

#[cfg(feature = "internals")]
pub use exact::project_on_all;
pub use options::RetrievalOptions;
pub use retrieve::{Provenance, Retrieval, nearest, retrieve};
pub use store::{Counts, Match, TextStore, Widening};

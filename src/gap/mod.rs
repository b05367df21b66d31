//! The modality gap of a memory, measured: how far sounds lie from texts, in what shape, and what bridges it in training.
//!
//! [`measure`] looks at the stored texts, and at pairs of sounds and texts where there are some. What it finds is kept in the store
//! ([`GapReport::keep`]), so that a training can shift its texts by it (WSAC, arXiv 2309.12242, section 2.2).
//!
//! ```
//! use echoic::gap::{Pairs, measure};
//! use echoic::memory::Scope;
//! use echoic::progress::Control;
//! use echoic::{EmbeddingSpace, Embeddings, Store};
//!
//! # let folder = tempfile::tempdir()?;
//! let store = Store::create(folder.path().join("store"), EmbeddingSpace::external(2))?;
//! let (sounds, texts) = (vec![1.0, 0.0, 0.8, 0.6], vec![0.0, 1.0, -0.6, 0.8]);
//! let pairs = Pairs::one_to_one(Embeddings::from_vec(2, sounds)?, Embeddings::from_vec(2, texts)?)?;
//! let report = measure(&store.snapshot()?, &Scope::all(), Some(&pairs), 0, &Control::default())?;
//! let paired = report.pairs.as_ref().expect("pairs were given");
//! assert_eq!(paired.paired.mean, 0.0);
//! assert!((paired.distance - 1.3416).abs() < 1e-4);
//! report.keep(&store)?;
//! assert_eq!(echoic::gap::kept(&store)?.expect("it is kept").1.expect("its shift").len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod estimate;
mod keep;
mod measure;
mod pairs;
mod report;

pub use estimate::estimate_noise;
pub use keep::{Summary, kept, summary};
pub use measure::measure;
pub use pairs::Pairs;
pub use report::{Cosines, GapReport, PairsGap, Side};

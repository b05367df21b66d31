//! Captions scored against references, as the tools of the field score them.
//!
//! The numbers are those of the COCO caption tools (`pycocoevalcap` 1.2); `docs/metrics.md` defines each, and says where others differ.
//!
//! ```
//! use echoic::metrics::{Clip, Metric, Scorer};
//! use echoic::progress::Control;
//!
//! let clips = [
//!     Clip::new("a.wav", "A dog barks", ["A dog is barking.", "Dogs bark."]),
//!     Clip::new("b.wav", "Rain falls", ["Heavy rain falls on a roof."]),
//! ];
//! let report = Scorer::default().score(&clips, &Control::default())?;
//! let rouge = report.score(Metric::RougeL).unwrap();
//! assert_eq!(rouge.clips.len(), 2);
//! assert!(report.score(Metric::Meteor).is_none(), "its data were not named");
//! # Ok::<(), echoic::Error>(())
//! ```

mod bleu;
mod bootstrap;
mod cider;
mod clip;
mod fense;
pub mod meteor;
mod metric;
mod ngrams;
mod pairs;
pub mod ptb;
mod rouge;
mod scorer;
mod spice;
mod wording;

pub use bootstrap::{Bootstrap, Difference, Interval};
pub use clip::{Clip, Tokenized, TokenizedClip};
pub use fense::{ErrorDetector, SentenceEncoder};
pub use metric::{Absence, Metric, Rules, Score};
pub use pairs::{Captions, Pairs, Unmatched};
pub use scorer::{Report, Scorer};
pub use spice::Spice;

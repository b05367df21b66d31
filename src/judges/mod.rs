//! Networks that judge captions as FENSE has them (Zhou et al. 2022, arXiv 2110.04684): a sentence encoder, and a detector of errors of
//! fluency. Both are kinds of BERT that whoever wants the metrics brings; [`locate`] finds them where the field's own tools keep them.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use echoic::judges::{FluencyDetector, SentenceBert};
//! use echoic::metrics::{Metric, Scorer};
//! # use echoic::metrics::Clip;
//! # use echoic::progress::Control;
//! # fn main() -> echoic::Result<()> {
//! # let clips = [Clip::new("a.wav", "A dog barks", ["A dog is barking."])];
//! let sentences = SentenceBert::open("paraphrase-TinyBERT-L6-v2")?;
//! let fluency = FluencyDetector::open("echecker_clotho_audiocaps_base.ckpt")?;
//! let scorer = Scorer::default().sentences(Some(Arc::new(sentences))).fluency(Some(Arc::new(fluency)));
//! println!("{:?}", scorer.score(&clips, &Control::default())?.score(Metric::Fense));
//! # Ok(())
//! # }
//! ```

mod encoder;
mod fluency;
#[cfg(feature = "hub")]
pub mod locate;
mod sentences;

pub use fluency::FluencyDetector;
pub use sentences::SentenceBert;

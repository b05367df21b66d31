//! Echoic: an embedded vector-memory database for sound.
//!
//! Echoic stores caption corpora as text embeddings and captions audio that it has never heard from text alone: it embeds
//! the audio with a frozen model, retrieves its neighbours among the stored texts, bridges the gap between the two
//! modalities, and decodes with a language model trained on the stored texts. The method is WSAC, "Weakly-supervised
//! Automated Audio Captioning via text only training" (arXiv 2309.12242).
//!
//! ```no_run
//! use std::path::Path;
//!
//! use echoic::captioner::{CaptionOptions, Captioner};
//! use echoic::towers::Clap;
//! use echoic::decoder::TrainOptions;
//! use echoic::ingest::{Mode, Source, ingest};
//! use echoic::memory::Memory;
//! use echoic::progress::Stop;
//! use echoic::{corpus, training};
//!
//! # fn main() -> echoic::Result<()> {
//! let (store, stop) = (Path::new("my-store"), Stop::new());
//! let clap = Clap::load("starter")?;
//! Memory::create(store, clap.space().clone())?;
//!
//! let captions = corpus::open(Path::new("captions.csv"), &corpus::Options::default())?;
//! let mut writer = Memory::writer(store)?;
//! let report = ingest(&mut writer, "street", captions, Source::Tower(&clap), Mode::Add, &(), &stop)?;
//! println!("{} captions are new", report.new);
//! drop(writer);
//!
//! let memory = Memory::open(store)?;
//! let options = TrainOptions::for_projection(memory.space().dim);
//! training::train_decoder(&memory, None, "mine", clap.tokenizer(), &options, &(), &stop)?;
//!
//! let captioner = Captioner::open(store, Some("mine"))?;
//! let captioned = captioner.caption(Path::new("recording.wav"), &CaptionOptions::default())?;
//! println!("{}", captioned.caption);
//! for text in captioned.neighbours {
//!     println!("{:.3} {:.2} {}", text.similarity, text.weight, text.caption);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | room | holds |
//! |---|---|
//! | [`memory`] | the database: segments, manifest, search |
//! | [`audio`] | decoding, resampling, log-mel |
//! | [`towers`] | the frozen towers and the embedding space |
//! | [`bridge`] | the modality gap: projection, noise, shift |
//! | [`decoder`] | the language model: training and generation |
//! | [`corpus`], [`ingest`] | caption corpora and their way into the memory |
//! | [`training`], [`captioner`] | where the rooms meet |
//! | [`export`] | captions and vectors for other programs |
//! | [`models`] | getting and keeping models |
//! | [`formats`] | files of embeddings |
//! | [`embedding`], [`progress`], [`error`] | vectors and the identity of their space; how long work reports and stops; what goes wrong |
//! | [`clock`] | how points in time are written |

pub mod align;
pub mod audio;
pub mod bridge;
pub mod captioner;
pub mod clock;
pub mod corpus;
pub mod decoder;
mod digest;
pub mod embedding;
pub mod error;
pub mod export;
mod file;
pub mod formats;
pub mod ingest;
mod lock;
pub mod memory;
pub mod models;
mod nn;
pub mod progress;
mod quiet;
mod simd;
#[cfg(test)]
mod testing;
pub mod towers;
pub mod training;

pub use crate::bridge::Strategy;
pub use crate::captioner::Captioner;
pub use crate::decoder::Decoder;
pub use crate::embedding::{EmbeddingSpace, Embeddings};
pub use crate::error::{Error, Result};
pub use crate::memory::Memory;
pub use crate::towers::Clap;

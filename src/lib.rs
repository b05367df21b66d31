//! Echoic: an embedded vector-memory database for sound.
//!
//! Echoic stores caption corpora as text embeddings and captions new audio from text alone: it embeds
//! the audio with a frozen model, retrieves its neighbours among the stored texts, bridges the gap between the two
//! modalities, and decodes with a language model trained on the stored texts. The method is WSAC, "Weakly-supervised
//! Automated Audio Captioning via text only training" (arXiv 2309.12242).
//!
//! ```no_run
//! use echoic::captioner::{CaptionOptions, Captioner};
//! use echoic::ingest::Ingest;
//! use echoic::training::Training;
//! use echoic::{Clap, Store, corpus};
//!
//! # fn main() -> echoic::Result<()> {
//! let clap = Clap::load("starter")?;
//! let store = Store::create_for("my-store", &clap)?;
//! let captions = corpus::open("captions.csv", &corpus::Options::default())?;
//! Ingest::new(&mut store.writer()?, "street").run(captions, &clap)?;
//! Training::new(&store.snapshot()?, "mine").run(clap.tokenizer())?;
//!
//! let captioner = Captioner::open("my-store", Some("mine"))?;
//! let captioned = captioner.caption("recording.wav", &CaptionOptions::default())?;
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
//! | [`memory`] | the database: a [`Store`], its [`Snapshot`]s and its [`Writer`] |
//! | [`corpus`], [`ingest`] | caption corpora and their way into the memory |
//! | [`towers`], [`audio`] | the frozen models, and the sounds that they embed |
//! | [`retrieval`], [`bridge`], [`gap`] | the stored texts near a sound; the modality gap between them, bridged and measured |
//! | [`decoder`], [`training`], [`decoders`] | the language model: its training, and the trained ones of a store |
//! | [`captioner`], [`confidence`], [`audit`] | where all of them meet; how likely a caption is to fit; why a sound got its caption, and whether the memory can be trusted |
//! | [`page`], [`plot`] | audits as one page to look at and listen to; plots as SVG and PNG |
//! | [`history`] | the log of captions and audits, and captioning once more what was logged |
//! | `metrics` | captions scored against references: BLEU, ROUGE-L, METEOR, CIDEr-D and more |
//! | `judges` | networks that judge captions, for FENSE and SPIDEr-FL |
//! | `eval` | experiments: ways to caption beside each other, measured, with controls that hear nothing |
//! | [`models`], [`binding`], [`align`] | getting and keeping models, binding a store to one, adapting one |
//! | `serve` | captions, audits and searches over HTTP, and the page that asks for them |
//! | [`export`], [`formats`] | captions and vectors for other programs, and their files |
//! | [`embedding`], [`progress`], [`error`], [`clock`], [`file`](mod@file) | vectors and the identity of their space; how long work reports and stops; what goes wrong; points in time; files that are replaced whole |
//!
//! # Features
//! | feature | brings |
//! |---|---|
//! | none | the memory, retrieval and the bridge, corpora, `.npy`, `.npz` and safetensors files: a vector database for texts whose embeddings you bring |
//! | `audio` | sounds, the towers of CLAP models, and the models that are installed |
//! | `hub` | getting models: from hubs, from pinned Python wheels, from files |
//! | `decoder` | writing captions with a trained decoder |
//! | `train` | training decoders, and aligning adapters |
//! | `metrics` | scoring captions against references |
//! | `page` | plots, and pages that show and play what an audit found |
//! | `parquet` | Parquet and Arrow files |
//! | `serve` | answering over HTTP, with the page that asks |
//! | `cli` | the program `echoic`, with all of these |
//!
//! All are on by default.
//!
//! # Panics of others
//! Some crates panic on damaged input: sled on some damaged databases, decoders on some damaged files. Calls into them are guarded, and the
//! panic becomes an error. So that its message does not reach the terminal, the first such call puts a panic hook before the one that is
//! there ([`std::panic::set_hook`]); for every other panic it calls that one. A program that sets a hook of its own later takes ours away
//! and loses nothing but the silence. Under `panic = "abort"` nothing can be guarded.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What only a room that is switched off, or a test, uses is not dead.
#![cfg_attr(not(all(feature = "cli", feature = "internals")), allow(dead_code, unused_imports))]

#[cfg(feature = "train")]
pub mod align;
#[cfg(feature = "audio")]
pub mod audio;
#[cfg(all(feature = "audio", feature = "decoder"))]
pub mod audit;
#[cfg(feature = "audio")]
pub mod binding;
pub mod bridge;
#[cfg(all(feature = "audio", feature = "decoder"))]
pub mod captioner;
pub mod clock;
#[cfg(all(feature = "audio", feature = "decoder"))]
pub mod confidence;
#[cfg(any(feature = "decoder", feature = "metrics"))]
mod content_words;
pub mod corpus;
#[cfg(feature = "decoder")]
pub mod decoder;
#[cfg(feature = "decoder")]
pub mod decoders;
mod digest;
pub mod embedding;
pub mod error;
#[cfg(all(feature = "audio", feature = "decoder", feature = "metrics"))]
pub mod eval;
pub mod export;
pub mod file;
pub mod formats;
pub mod gap;
#[cfg(all(feature = "audio", feature = "decoder"))]
pub mod history;
pub mod ingest;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
#[cfg(all(feature = "audio", feature = "metrics"))]
pub mod judges;
mod lock;
pub mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "audio")]
pub mod models;
#[cfg(any(feature = "audio", feature = "decoder"))]
mod nn;
#[cfg(feature = "page")]
pub mod page;
#[cfg(feature = "page")]
pub mod plot;
pub mod progress;
mod quiet;
pub mod retrieval;
#[cfg(feature = "serve")]
pub mod serve;
mod simd;
#[cfg(feature = "decoder")]
mod tensor;
#[cfg(test)]
mod testing;
#[cfg(any(feature = "audio", feature = "decoder"))]
mod tokenizer;
#[cfg(feature = "audio")]
pub mod towers;
#[cfg(feature = "train")]
pub mod training;

pub use crate::bridge::Strategy;
#[cfg(all(feature = "audio", feature = "decoder"))]
pub use crate::captioner::Captioner;
#[cfg(feature = "decoder")]
pub use crate::decoder::Decoder;
pub use crate::embedding::{EmbeddingSpace, Embeddings};
pub use crate::error::{Error, Result};
pub use crate::memory::{Snapshot, Store, Writer};
#[cfg(any(feature = "audio", feature = "decoder"))]
pub use crate::tokenizer::Tokenizer;
#[cfg(feature = "audio")]
pub use crate::towers::Clap;

#[cfg(test)]
mod tests {
    use super::{Embeddings, Error, Snapshot, Store, Writer};

    fn shared<T: Send + Sync + ?Sized>() {}

    #[test]
    fn what_threads_would_share_can_be_shared() {
        shared::<Store>();
        shared::<Snapshot>();
        shared::<Embeddings>();
        shared::<Error>();
        shared::<crate::memory::Block<'_>>();
        shared::<dyn crate::retrieval::TextStore>();
        fn sent<T: Send>() {}
        sent::<Writer>();
    }

    #[cfg(all(feature = "audio", feature = "decoder"))]
    #[test]
    fn models_can_be_shared_too() {
        shared::<crate::Clap>();
        shared::<crate::Decoder>();
        shared::<crate::Captioner>();
        shared::<crate::Tokenizer>();
    }
}

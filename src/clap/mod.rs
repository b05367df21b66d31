//! The frozen towers that embed texts and audio into one space.
//!
//! [`Clap`] is the way in: it loads a model by name and embeds texts and audio files. The towers themselves are [`minilm`] (text) and
//! [`sfx`] (audio) with the [`adapter`] that joins them; both run on the product in `gemm`, whose results do not depend on batches or threads.
//!
//! ```no_run
//! # fn main() -> echoic::Result<()> {
//! let clap = echoic::clap::Clap::load("starter")?;
//! let texts = clap.embed_texts(&["A dog barks.", "Rain falls on a roof."])?;
//! let audio = clap.embed_audio("bark.wav".as_ref())?;
//! for (index, text) in texts.rows().enumerate() {
//!     println!("{index}: {:.3}", echoic::embedding::dot(text, &audio.embedding));
//! }
//! # Ok(())
//! # }
//! ```

pub mod adapter;
pub mod align;
pub mod checkpoint;
pub mod cnn14;
pub mod family;
pub mod framing;
pub(crate) mod gemm;
pub mod htsat;
pub(crate) mod map;
pub mod minilm;
mod model;
pub(crate) mod narrow;
pub(crate) mod pickle;
pub mod pooling;
pub mod sfx;
mod swin;
pub mod windows;
pub(crate) mod winograd;

#[cfg(test)]
pub(crate) use gemm::tests::noise;
pub use model::{AudioEmbedding, Clap};

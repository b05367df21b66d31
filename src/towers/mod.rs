//! The frozen towers that embed texts and audio into one space.
//!
//! [`Clap`] is the way in: it loads a model by name or from a folder, and embeds texts and audio files. A [`Family`] is told by the
//! tensors of a checkpoint. Text towers are kinds of BERT (`bert`) and GPT-2 (`gpt2`), audio towers `cnn14`, `htsat` and the starter's `sfx`,
//! which an [`adapter`] joins to its text tower. All run on the product in `gemm`, whose results do not depend on batches or threads.
//!
//! ```no_run
//! # fn main() -> echoic::Result<()> {
//! let clap = echoic::Clap::load("starter")?;
//! let texts = clap.embed_texts(&["A dog barks.", "Rain falls on a roof."])?;
//! let audio = clap.embed_audio("bark.wav")?;
//! for (index, text) in texts.rows().enumerate() {
//!     println!("{index}: {:.3}", echoic::embedding::dot(text, &audio.embedding));
//! }
//! # Ok(())
//! # }
//! ```

pub mod adapter;
pub(crate) mod audio_tower;
mod detect;
mod dual_encoder;
pub(crate) mod encoders;
pub(crate) mod families;
pub mod features;
pub(crate) mod framing;
pub(crate) mod model;
pub(crate) mod pair;
pub(crate) mod plan;
pub mod pooling;
mod projection;
mod text;
pub(crate) mod tokens;
pub(crate) mod windows;

pub(crate) use detect::other_kind;
pub use detect::{Detected, WEIGHTS, detect, from_config, weights};
pub use families::spec::Family;
pub(crate) use model::WindowMean;
pub use model::{AudioEmbedding, Clap, WindowEmbedding};

//! The language model that turns an embedding into a caption, and its training on texts alone (WSAC, arXiv 2309.12242).
//!
//! A mapping network of two layers turns an embedding into the first position of a GPT-like Transformer, which then
//! writes a caption token by token. It learns from pairs of a text and the text's own embedding: no audio. What keeps it
//! usable on audio embeddings is the [bridge](crate::bridge).
//!
//! [`train`] writes a decoder's file; [`Decoder::load`] reads it; [`Decoder::generate`] writes captions.
//!
//! Where the authors' code differs from the paper, this follows the paper: two layers in the mapping network, and a shift
//! that does not depend on the noise. Where the paper is silent, it follows the code: one prefix position, tied input and
//! output embeddings, dropout 0.1, learned positions (all from DeCap's GPT-2).

mod changes;
mod config;
mod decoder_file;
mod draft;
mod explain;
mod foundation;
mod generate;
mod generate_options;
mod inference;
mod lesson;
mod model;
mod network;
mod options;
mod origin;
mod packing;
mod said;
mod search;
mod split;
mod state;
#[cfg(test)]
mod tests;
mod train;
mod vocabulary;
mod work;

pub use crate::decoder::changes::{RecipeChanges, ScheduleKind, ShapeChanges};
pub use crate::decoder::config::{DecoderConfig, Preset, Recipe, Schedule, default_noise_variance};
pub use crate::decoder::explain::Explained;
pub use crate::decoder::generate::{Decoder, DecoderInfo, Generated};
pub use crate::decoder::generate_options::GenerateOptions;
pub use crate::decoder::options::{
    Rows, TrainOptions, TrainReport, TrainingBridge, TrainingFacts, TrainingSet, TrainingText,
};
pub use crate::decoder::origin::{Beginning, Origin};
pub use crate::decoder::packing::MULTIPLICITY_CAP;
#[cfg(feature = "internals")]
pub(crate) use crate::decoder::packing::shuffled;
pub use crate::decoder::state::LogEntry;
pub use crate::decoder::train::train;
pub(crate) use crate::decoder::train::train_in;
pub use crate::decoder::vocabulary::Vocabulary;
pub(crate) use crate::decoder::work::{WorkFolder, bytes as work_bytes, is_work_folder, log_entries, standing};

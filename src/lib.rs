//! Echoic: an embedded vector-memory database for sound.

pub mod audio;
pub mod bridge;
pub mod clap;
pub mod corpus;
pub mod decoder;
pub mod embedding;
pub mod error;
pub mod memory;
pub mod models;
pub mod progress;

pub use embedding::{EmbeddingSpace, Embeddings};
pub use error::{Error, Result};

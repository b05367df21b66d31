//! Files of other programs, read as data: what a file says of itself is checked before it is believed. And embeddings written for them.

mod array;
#[cfg(feature = "audio")]
pub(crate) mod checkpoint;
mod choice;
pub mod embeddings;
pub mod npy;
mod npy_header;
mod npy_writer;
mod npz;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(feature = "audio")]
mod pickle;
mod safetensors;
#[cfg(feature = "parquet")]
pub mod tables;

pub use npy_writer::NpyWriter;

//! Parquet files of captions and embeddings, one row for each ingested row: `export --format parquet` writes them, `ingest` reads them.
//!
//! | column | type | |
//! |---|---|---|
//! | `caption_id` | INT64 | |
//! | `domain` | UTF8 | |
//! | `caption` | UTF8 | |
//! | `multiplicity` | INT32 | how many rows have the caption |
//! | `clip` | UTF8, optional | |
//! | `embedding` | LIST of FLOAT | as many numbers in each row |
//!
//! The metadata `echoic.space` names the embedding space as JSON. Files of others are read as [`super::tables`] are.

mod codecs;
mod delta;
mod footer;
mod pages;
mod read;
#[cfg(test)]
mod tests;
mod thrift;
mod write;

pub(crate) use super::parquet::read::ParquetFile;
pub(crate) use super::parquet::write::{Row, Writer};

/// The key of the metadata that names the embedding space.
const SPACE: &str = "echoic.space";
/// What every Parquet file begins and ends with.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";
/// Rows of a group that is written.
const GROUP_ROWS: usize = 8192;

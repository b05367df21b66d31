//! Files of other programs, read as data.

pub mod checkpoint;
pub mod npy;
pub mod parquet;
mod pickle;

//! Files of other programs, read as data: what a file says of itself is checked before it is believed.

#[cfg(feature = "audio")]
pub(crate) mod checkpoint;
pub mod npy;
mod npy_header;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(feature = "audio")]
mod pickle;

//! The files of a store, byte by byte: `schema/v1.md` in code.

pub(crate) mod blocks;
pub(crate) mod captions;
pub(crate) mod captions_writer;
pub(crate) mod codec;
pub(crate) mod gap;
pub(crate) mod layout;
pub(crate) mod limits;
pub(crate) mod manifest;
pub(crate) mod mapping;
pub(crate) mod named;
pub(crate) mod storage;
pub(crate) mod tombstones;
pub(crate) mod vectors;

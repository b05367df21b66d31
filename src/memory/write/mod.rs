//! Writing: the one writer and what it commits.

pub(crate) mod append;
pub(crate) mod commit;
pub(crate) mod decoders;
pub(crate) mod index;
pub(crate) mod lock;
pub(crate) mod merge;
pub(crate) mod model;
pub(crate) mod model_parts;
pub(crate) mod plan;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod writer;

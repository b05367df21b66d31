//! Reading: a snapshot of one commit, and searching it.

pub(crate) mod bounds;
pub(crate) mod decoders;
pub(crate) mod matching;
pub(crate) mod model;
pub(crate) mod options;
pub(crate) mod planner;
pub(crate) mod search;
pub(crate) mod segment;
pub(crate) mod snapshot;
pub(crate) mod stats;

//! Nearest-neighbour search within one segment: int8 codes, the exact scan, and the flat HNSW graph with its building.

pub(crate) mod calibrate;
pub(crate) mod candidates;
pub(crate) mod codes;
pub(crate) mod graph;
pub(crate) mod graph_build;
pub(crate) mod graph_refine;
pub(crate) mod links;
pub(crate) mod scan;
pub(crate) mod top;
pub(crate) mod visited;
pub(crate) mod walk;
pub(crate) mod width;

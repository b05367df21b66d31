//! Retrieval and the bridge between sounds and texts.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod double;
mod noise;
mod projection;
mod widening;

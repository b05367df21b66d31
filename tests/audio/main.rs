//! From files, bytes and samples to what a tower hears.
//!
//! Who measures the memory of a process has one of its own (`common::process::alone`).
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod formats;
mod lengths;
mod real;
mod resampling_drift;
mod sources;

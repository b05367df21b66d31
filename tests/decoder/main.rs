//! The decoder: its operations, its training, and what it writes.
//!
//! Who measures the memory of a process, or is killed while training, has a process of its own (`common::process`).
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod generate;
mod ops;
mod train;
mod training_memory;
mod training_twice;

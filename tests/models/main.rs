//! Models: told apart, fetched and kept.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod family;
mod hub;
mod pull;

//! Pages, as a person sees, hears and works them, in a headless Chromium. Where there is none, these stories are skipped.
//!
//! Pictures of them lie in `target/pages/` afterwards.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod by_hand;
mod caption;
mod memory;
mod real;

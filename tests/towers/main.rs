//! The towers of every family: against their references, on real data, and what they hear in real recordings.
//!
//! Who measures the memory of a process has one of its own (`common::process::alone`).
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod align;
mod damage;
mod esc50;
mod laion_geometry;
mod long_audio;
mod parity_clap;
mod parity_laion_audio;
mod parity_laion_fused;
mod parity_msclap_audio;
mod parity_starter;
mod parity_wavcaps_audio;
mod silence;

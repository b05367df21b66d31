//! Everything through the program, as a user does it.
//!
//! Where the library itself must look into another cache, a process of its own has another environment (`common::process::child`).
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod bad_audio;
mod bad_corpora;
mod batch;
mod caption_audit;
mod captions_from_text;
mod clap_store;
mod compare;
mod confidence;
mod curves;
mod decoders;
mod editing;
mod embed;
mod eval;
mod finding;
mod friction;
mod gap;
mod history;
mod interrupted_ingest;
mod keeping;
mod layouts;
mod memory_audit;
mod models_local;
mod moments;
mod one_folder;
mod pipes;
mod readme;
mod real_corpora;
mod recipes;
mod reproduce;
mod score;
mod stopped_training;
mod tables;
mod unwilling_stores;
mod wording;

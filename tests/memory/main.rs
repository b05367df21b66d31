//! The store: what it holds, and what becomes of it when media fail, processes die and bytes flip.
//!
//! Who kills a writer, or is killed, does so in a process of its own (`common::process::child`); logs are collected for a thread.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod catalogue;
mod check;
mod damage;
mod errors;
mod faults;
mod golden;
mod graph;
mod limits;
mod lock_takeover;
mod merge;
mod model;
mod power;
mod progress_ends;
mod readers;
mod remove;
mod store;
mod survives_kill;
mod weights;

//! The server, as its clients meet it: those who ask, those who may not, and those who do not behave.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on shall fail")]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod guarded;
mod limited;
mod live_page;
mod rude;
mod served;
mod written;

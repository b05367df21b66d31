//! `echoic audit`: captions taken apart, the memory examined, two ways to caption compared, and what was logged.

mod caption;
mod compare;
mod describe;
mod history;
mod html;
mod memory;
mod way;

use clap::{Args, Subcommand};
use echoic::Result;

use super::context::Context;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Take captions apart: neighbours and their weights, words, windows, and what each of them did
    Caption(caption::Arguments),
    /// Examine the memory: near-duplicates, hubs, orphans, overlaps, anomalies, the recall of its indexes
    Memory(memory::Arguments),
    /// Compare two stores, decoders, strategies or numbers of neighbours on the same sounds
    Compare(Box<compare::Arguments>),
    /// List, show, replay, export or clear what was logged
    History(history::Arguments),
}

/// Audits.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    match &arguments.subject {
        Subject::Caption(arguments) => caption::run(context, arguments),
        Subject::Memory(arguments) => memory::run(context, arguments),
        Subject::Compare(arguments) => compare::run(context, arguments),
        Subject::History(arguments) => history::run(context, arguments),
    }
}

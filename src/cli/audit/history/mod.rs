//! `echoic audit history`: what was logged.

mod list;
mod replay;

use std::io::{BufWriter, stdout};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use echoic::clock::from_utc;
use echoic::history::{Cleared, History};
use echoic::{Error, Result};

use crate::cli::context::Context;
use crate::cli::output::{counted, number};
use crate::cli::pipes::is_pipe;

/// Arguments of `audit history`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: list::Arguments,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what was logged, the newest first (the default)
    List(list::Arguments),
    /// Show an entry with all that was noted
    Show {
        /// Its number
        #[arg(value_name = "N")]
        number: u64,
    },
    /// Caption the same input once more, with the parameters that were logged, and say what differs
    Replay(replay::Arguments),
    /// Write all entries as lines of JSON, the oldest first
    Export {
        /// The file to write; `-` is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove all entries, or the old ones, and free their space
    Clear {
        /// Remove those alone from before this date (UTC): 2026-11-28, or "2026-11-28 13:37"
        #[arg(long, value_name = "DATE", value_parser = date)]
        before: Option<u64>,
    },
}

/// Lists, shows, replays, exports or clears.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let history = History::of(&context.store()?);
    match &arguments.action {
        None => list::list(context, &history, &arguments.list),
        Some(Action::List(arguments)) => list::list(context, &history, arguments),
        Some(Action::Show { number }) => list::show(context, &history.entry(*number)?),
        Some(Action::Replay(arguments)) => replay::replay(context, &history, arguments),
        Some(Action::Export { file }) => export(context, &history, file),
        Some(Action::Clear { before }) => clear(context, &history, *before),
    }
}

/// A point in time, in seconds since 1970.
fn date(text: &str) -> Result<u64, &'static str> {
    from_utc(text).ok_or("give a date as 2026-11-28, or with a time as \"2026-11-28 13:37\"")
}

fn export(context: &Context, history: &History, file: &PathBuf) -> Result<()> {
    // What can be read is written; then it is told that something could not.
    let mut damaged: Option<Error> = None;
    if is_pipe(file) {
        // The entries are the result: nothing else goes where they go.
        history.write_lines_to("stdout", BufWriter::new(stdout().lock()), |error| _ = damaged.get_or_insert(error))?;
        return damaged.map_or(Ok(()), Err);
    }
    let entries = history.export(file, |error| _ = damaged.get_or_insert(error))?;
    let result = serde_json::json!({ "file": file, "entries": entries });
    context.out.item(&result, |_| format!("{}: {}", entries_counted(entries), file.display()))?;
    damaged.map_or(Ok(()), Err)
}

fn clear(context: &Context, history: &History, before: Option<u64>) -> Result<()> {
    let cleared = history.clear(before)?;
    context.out.item(&cleared, |Cleared { removed, unreadable, left, .. }| {
        let removed = match (removed, unreadable) {
            (None, _) => "removed a log that could not be read".to_owned(),
            (Some(removed), 0) => format!("removed {}", entries_counted(*removed)),
            (Some(removed), lost) => {
                format!("removed {}, of which {} could not be read", entries_counted(*removed), number(*lost))
            }
        };
        format!("{removed}, {} left", if *left == 0 { "none".to_owned() } else { entries_counted(*left) })
    })
}

/// `1 entry`, `1,234 entries`.
fn entries_counted(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { counted(count, "entrie") }
}

/// The error of a log that says nothing.
fn nothing_logged(history: &History) -> Error {
    Error::input(history.path().display(), "nothing logged", "a caption or an audit that was")
        .with_hint("`echoic caption … --log` logs what it captions")
}

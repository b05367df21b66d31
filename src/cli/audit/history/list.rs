//! What was logged, in lines, and one entry as a whole.

use clap::{Args, ValueEnum};
use echoic::Result;
use echoic::clock::utc;
use echoic::history::{Entry, History, Kind, Order, Record};
use echoic::memory::TextPattern;
use serde_json::Value;

use super::date;
use crate::cli::context::Context;
use crate::cli::output::table;
use crate::cli::search::{at_least_one, describe, span, words};

/// Which entries.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Entries whose captions hold these words, or parts of words, in capitals or not
    #[arg(long, value_name = "TEXT", value_parser = words)]
    find: Option<String>,
    /// Entries of this kind only
    #[arg(long, value_name = "KIND")]
    kind: Option<Only>,
    /// Entries from this date on (UTC): 2026-11-28, or "2026-11-28 13:37"
    #[arg(long, value_name = "DATE", value_parser = date)]
    since: Option<u64>,
    /// Print so many at most
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Go on behind the entry of this number, such as the last of the page before
    #[arg(long, value_name = "N")]
    after: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// What was captioned
    Caption,
    /// What was taken apart
    Audit,
}

impl Only {
    fn kind(self) -> Kind {
        match self {
            Self::Caption => Kind::Caption,
            Self::Audit => Kind::Audit,
        }
    }
}

/// Prints the entries that are asked for, the newest first. That there are more is told on stderr.
pub fn list(context: &Context, history: &History, arguments: &Arguments) -> Result<()> {
    let Arguments { find, kind, since, limit, after } = arguments;
    let (pattern, kind) = (find.as_deref().map(TextPattern::part), kind.map(Only::kind));
    let (mut printed, mut last) = (0, 0);
    for entry in history.entries(Order::NewestFirst, *after) {
        context.control().check()?;
        let entry = match entry {
            Ok(entry) => entry,
            // One that cannot be read does not hide the others.
            Err(error) => {
                context.out.failure(&history.path(), None, &error)?;
                continue;
            }
        };
        let is_sought = kind.is_none_or(|kind| entry.kind == kind)
            && since.is_none_or(|since| entry.time >= since)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_in(&entry.record.caption));
        if !is_sought {
            continue;
        }
        if limit.is_some_and(|limit| printed >= limit) {
            tracing::warn!("there are more: go on with --after {last}");
            break;
        }
        context.out.item(&entry, line)?;
        (printed, last) = (printed + 1, entry.number);
    }
    if printed == 0 && context.out.code() == 0 {
        let is_empty = history.is_empty()?;
        context.out.remark(match is_empty {
            true => "nothing is logged: `echoic caption … --log` logs what it captions",
            false => "no such entry",
        })?;
    }
    Ok(())
}

/// An entry in a line.
fn line(entry: &Entry) -> String {
    let Entry { number, time, kind, record, .. } = entry;
    format!("{number}  {}  {kind:7}  {}  {}", utc(*time), name(record), record.caption)
}

/// What was captioned, as captions are told.
pub fn name(record: &Record) -> String {
    let row = record.row.map(|row| format!(" [{row}]")).unwrap_or_default();
    format!("{}{row}{}", record.path, span(record.start, record.end))
}

/// Prints an entry.
pub fn show(context: &Context, entry: &Entry) -> Result<()> {
    context.out.item(entry, |Entry { number, time, kind, record, .. }| {
        let p = &record.parameters;
        let decoder = p
            .decoder
            .as_ref()
            .map(|name| format!("{name}, SHA-256 {}", p.decoder_sha256.as_deref().unwrap_or("unknown")));
        // Through text, which has the fewest digits.
        let how = serde_json::to_string(p).and_then(|text| serde_json::from_str::<Value>(&text)).unwrap_or_default();
        let plain = ["decoder", "decoder_sha256", "commit", "domains"];
        let how = how
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, value)| !plain.contains(&name.as_str()) && !value.is_null());
        let how = how.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ");
        let audit = record.audit.as_ref().map(|_| "--json prints all that it found".to_owned());
        let rows = [
            ("entry", Some(number.to_string())),
            ("logged", Some(format!("{} UTC, by echoic {}", utc(*time), record.echoic))),
            ("kind", Some(kind.to_string())),
            ("audit", audit),
            ("input", Some(name(record))),
            ("in the folder", record.root.clone()),
            ("SHA-256", Some(format!("{}, {} bytes", record.input.sha256, record.input.bytes))),
            ("caption", Some(record.caption.clone())),
            ("strategy", Some(record.strategy.to_string())),
            ("decoder", decoder),
            ("commit", p.commit.map(|commit| commit.to_string())),
            ("domains", p.domains.as_ref().or(record.domains.as_ref()).map(|names| names.join(", "))),
            ("embedding space", Some(record.space.to_string())),
            ("parameters", Some(how)),
            ("lost mass", Some(record.lost_mass.to_string())),
        ];
        let rows = rows.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
        let rows = table(&rows.collect::<Vec<_>>());
        format!("{rows}\n{}", describe(&record.neighbours, record.neighbours.len()))
    })
}

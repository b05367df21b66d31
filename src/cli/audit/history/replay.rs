//! Captioning once more what was logged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use echoic::captioner::Captioner;
use echoic::error::{Hint, Topic};
use echoic::formats::embeddings;
use echoic::history::{Difference, Entry, History, Input, Order, Record, Replayed, Subject, replay as caption_again};
use echoic::retrieval::Provenance;
use echoic::{Error, Result, Snapshot};
use serde::Serialize;

use super::list::name;
use super::nothing_logged;
use crate::cli::context::Context;
use crate::cli::output::{counted, number};
use crate::cli::pipes::{STDIN, is_pipe};

/// Arguments of `audit history replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The number of the entry
    #[arg(value_name = "N", required_unless_present = "all")]
    number: Option<u64>,
    /// Replay all entries
    #[arg(long, conflicts_with = "number")]
    all: bool,
    /// The file that was captioned, or the folder that it lies in, where it is not where it was
    #[arg(long, value_name = "FILE|DIR")]
    audio: Option<PathBuf>,
}

/// An answer, with what the input is called.
#[derive(Serialize)]
struct Answer<'a> {
    path: &'a str,
    #[serde(flatten)]
    replayed: Replayed,
}

/// Replays one entry, or all; one that fails does not stop the others. Where one comes out otherwise that is an error.
pub fn replay(context: &Context, history: &History, arguments: &Arguments) -> Result<()> {
    let mut again =
        Again { context, memory: context.snapshot()?, captioners: HashMap::new(), from: arguments.audio.as_deref() };
    if let Some(number) = arguments.number {
        let entry = history.entry(number)?;
        let answer = again.replay(&entry)?;
        print(context, &entry, answer.clone())?;
        return if answer.identical { Ok(()) } else { Err(otherwise(&name(&entry.record))) };
    }
    let total = history.len()?;
    if total == 0 {
        return Err(nothing_logged(history));
    }
    let control = context.control();
    let phase = control.begin("replaying", Some(total));
    let (mut replayed, mut differing) = (0, 0);
    for entry in history.entries(Order::OldestFirst, None) {
        control.check()?;
        match entry {
            Ok(entry) => match again.replay(&entry) {
                Ok(answer) => {
                    replayed += 1;
                    differing += u64::from(!answer.identical);
                    context.bars.aside(|| print(context, &entry, answer))?;
                }
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) => {
                    context.bars.aside(|| context.out.failure(Path::new(&entry.record.path), None, &error))?;
                }
            },
            Err(error) => context.bars.aside(|| context.out.failure(&history.path(), None, &error))?,
        }
        control.advance(1);
    }
    phase.end();
    match differing {
        0 => Ok(()),
        _ => Err(otherwise(&format!("{} of {}", number(differing), counted(replayed, "replayed caption")))),
    }
}

fn otherwise(what: &str) -> Error {
    Error::input(what, "another outcome than was logged", "the same caption from the same neighbours")
}

/// What replaying takes.
struct Again<'a> {
    context: &'a Context,
    memory: Snapshot,
    /// By the decoder's name; those that cannot be had with the reason.
    captioners: HashMap<Option<String>, Result<Captioner>>,
    from: Option<&'a Path>,
}

impl Again<'_> {
    fn replay(&mut self, entry: &Entry) -> Result<Replayed> {
        let record = &entry.record;
        let place = self.place(record)?;
        let memory = &self.memory;
        let decoder = record.parameters.decoder.clone();
        let made = self.captioners.entry(decoder.clone());
        let captioner = made.or_insert_with(|| Captioner::of(memory.clone(), decoder.as_deref())).as_ref();
        if record.subject == Subject::Embedding {
            let row = row(&place, record, memory.space().dim)?;
            return caption_again(entry, Input::Embedding(&row), memory, captioner);
        }
        let audio = self.context.global.audio(&place);
        caption_again(entry, Input::Sound(&audio), memory, captioner)
    }

    /// Where the input lies.
    fn place(&self, record: &Record) -> Result<PathBuf> {
        let logged = Path::new(record.root.as_deref().unwrap_or_default()).join(&record.path);
        let place = match self.from {
            Some(folder) if folder.is_dir() => folder.join(&record.path),
            Some(file) => file.to_path_buf(),
            None if is_pipe(&logged) => {
                return Err(Error::input(&record.path, format!("a sound from {STDIN}"), "a sound with a name")
                    .with_hint(Hint::about(Topic::LoggedInput, "name a file with that sound")));
            }
            None => logged,
        };
        // An array in a file of embeddings is named behind a colon.
        let is_there = place.exists() || record.subject == Subject::Embedding;
        if is_there {
            return Ok(place);
        }
        Err(Error::input(place.display(), "no file", "the sound that was captioned")
            .with_hint(Hint::about(Topic::LoggedInput, "name the file, or the folder that it lies in")))
    }
}

/// The embedding that was captioned.
fn row(place: &Path, record: &Record, dim: usize) -> Result<Vec<f32>> {
    let mut rows = embeddings::open(place)?;
    let wanted = record.row.unwrap_or(0) as u64;
    if rows.dim() != dim {
        let (found, expected) = (format!("rows of {} numbers", rows.dim()), format!("rows of {dim}, as in the store"));
        return Err(Error::input(rows.name(), found, expected));
    }
    if wanted >= rows.rows() {
        return Err(Error::input(
            rows.name(),
            counted(rows.rows(), "row"),
            format!("a row {wanted}, which was captioned"),
        ));
    }
    for _ in 0..wanted {
        rows.next_rows(1)?;
    }
    Ok(rows.next_rows(1)?.into_vec())
}

fn print(context: &Context, entry: &Entry, replayed: Replayed) -> Result<()> {
    let answer = Answer { path: &entry.record.path, replayed };
    context.out.item(&answer, |Answer { replayed, .. }| {
        let verdict = if replayed.identical { "bit-identical" } else { "differs" };
        let mut lines = vec![format!("{}  {}: {verdict}", entry.number, name(&entry.record))];
        lines.extend(replayed.differences.iter().flat_map(told).map(|line| format!("    {line}")));
        lines.join("\n")
    })
}

/// Neighbours that are shown of each kind of change: the verdict is what is asked for.
const SHOWN: usize = 3;

/// The first of some neighbours in words, and how many more there are.
fn shown(words: &str, all: &[Provenance], text: impl Fn(&Provenance) -> String) -> Vec<String> {
    let mut lines: Vec<String> =
        all.iter().take(SHOWN).map(|neighbour| format!("{words}{}", text(neighbour))).collect();
    let left = all.len().saturating_sub(SHOWN);
    if left > 0 {
        lines.push(format!("{words}and {} more; --json lists them", number(left as u64)));
    }
    lines
}

/// A difference in words.
fn told(difference: &Difference) -> Vec<String> {
    match difference {
        Difference::Input { logged, found } => vec![
            "the input is another one; it was not captioned".to_owned(),
            format!("  logged: SHA-256 {}, {} bytes", logged.sha256, logged.bytes),
            format!("  found:  SHA-256 {}, {} bytes", found.sha256, found.bytes),
        ],
        Difference::Space { logged, found } => vec![format!("the store is for {found}; it was for {logged}")],
        Difference::Version { logged, found } => vec![format!("this is echoic {found}; it was logged by {logged}")],
        Difference::Commit { logged, found, new_domains, gone_domains } => {
            let logged = logged.map_or_else(|| "unknown".to_owned(), number);
            let mut line = format!("the store has commit {}; it was {logged}", number(*found));
            for (words, names) in [("new domains", new_domains), ("domains that are gone", gone_domains)] {
                if !names.is_empty() {
                    line += &format!("; {words}: {}", names.join(", "));
                }
            }
            vec![line]
        }
        Difference::Decoder { name, logged, found } => {
            let short =
                |sha: &Option<String>| sha.as_ref().and_then(|sha| sha.get(..12)).unwrap_or("unknown").to_owned();
            vec![format!("the decoder {name} was trained anew: SHA-256 {}…; it was {}…", short(found), short(logged))]
        }
        Difference::Impossible { reason } => vec![format!("it cannot be captioned so any more: {reason}")],
        Difference::Caption { logged, found } => {
            vec![format!("caption now: {found}"), format!("as logged:   {logged}")]
        }
        Difference::Neighbours { new, gone, changed } => {
            let text =
                |text: &Provenance| format!("{:.3}  {} [{} {}]", text.similarity, text.caption, text.domain, text.id);
            let new = shown("new neighbour:  ", new, text);
            let gone = shown("gone neighbour: ", gone, text);
            let changed = (*changed > 0).then(|| {
                format!(
                    "{} with another place, similarity, weight, text or multiplicity",
                    counted(*changed, "other neighbour")
                )
            });
            new.into_iter().chain(gone).chain(changed).collect()
        }
        Difference::LostMass { logged, found } => vec![format!("lost mass now {found}; it was {logged}")],
        other => vec![format!("{other:?}")],
    }
}

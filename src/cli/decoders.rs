//! `echoic decoders`: what decoders there are, and removing one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use echoic::clock::utc;
use echoic::decoder::{DecoderConfig, LogEntry, Recipe, Schedule};
use echoic::decoders::{self, DecoderSummary};
use echoic::memory::DecoderEntry;
use echoic::{Error, Result};
use serde::Serialize;

use super::context::Context;
use super::curves;
use super::output::{bytes, counted, number, table};

/// Arguments of `decoders`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the trained decoders (the default)
    List,
    /// Show a decoder and all that was noted of its training
    Show {
        /// The decoder
        name: String,
        #[command(flatten)]
        curves: curves::Arguments,
    },
    /// Write captions with this decoder where none is named
    Use {
        /// The decoder
        name: String,
    },
    /// Remove a decoder, with the folder in which it trained
    Remove {
        /// The decoder
        name: String,
    },
}

/// A decoder with everything that the store knows of it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    summary: &'a DecoderSummary,
    path: PathBuf,
    sha256: &'a str,
    details: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<LogEntry>>,
}

/// Lists, shows or removes.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        None | Some(Action::List) => list(context),
        Some(Action::Show { name, curves }) => show(context, name, curves),
        Some(Action::Use { name }) => {
            decoders::choose(&context.store()?, name)?;
            context.out.item(&serde_json::json!({ "default": name }), |_| format!("captions are written by {name}"))
        }
        Some(Action::Remove { name }) => {
            let removed = decoders::remove(&context.store()?, name)?;
            let what = if removed.published { "the decoder" } else { "the unfinished training of" };
            let result = serde_json::json!({ "decoder": name, "published": removed.published, "bytes": removed.bytes });
            context.out.item(&result, |_| format!("removed {what} {name}, {}", bytes(removed.bytes)))
        }
    }
}

fn list(context: &Context) -> Result<()> {
    let all = decoders::summaries(&context.snapshot()?);
    context.out.item(&all, |all| {
        if all.is_empty() {
            return "no decoder yet; train one from the stored texts with: echoic train".into();
        }
        let heading = ["decoder", "domains", "preset", "tokens", "epochs", "loss", "size", "published (UTC)", ""];
        let rows = all.iter().map(|d| {
            let remark = match (d.default, d.finished) {
                (true, true) => "used where none is named",
                (true, false) => "stopped before the end; used where none is named",
                (false, false) => "stopped before the end",
                (false, true) => "",
            };
            let (tokens, epochs) = (d.vocabulary.map(number), d.epochs.map(number));
            let noted = [Some(domains(d)), d.preset.clone(), tokens, epochs, d.validation_loss.map(rounded)];
            let noted = noted.map(|cell| cell.unwrap_or_default());
            [vec![d.name.clone()], noted.to_vec(), vec![bytes(d.bytes), utc(d.created), remark.to_owned()]].concat()
        });
        table(&std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>())
    })
}

fn show(context: &Context, name: &str, curves: &curves::Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let path = memory.decoder_path(name)?;
    let all = decoders::summaries(&memory);
    let found = all.iter().zip(memory.decoders()).find(|(summary, _)| summary.name == name);
    let (summary, DecoderEntry { sha256, details, .. }) =
        found.ok_or_else(|| Error::Internal(format!("the decoder {name} has a path and no entry")))?;
    let log = if curves.are_wanted() { Some(decoders::training_log(memory.dir(), name)?) } else { None };
    if let Some(log) = &log {
        curves.write(name, log)?;
    }
    context.out.item(&Shown { summary, path, sha256, details, log }, |shown| {
        let (d, report) = (shown.summary, &shown.details["report"]);
        let count = |value: &serde_json::Value| value.as_u64().map(number);
        let epochs = d.epochs.map(|epochs| match report["best_epoch"].as_u64() {
            Some(best) => format!("{}, the best after {best}", number(epochs)),
            None => number(epochs),
        });
        let rows = [
            ("decoder", Some(d.name.clone())),
            ("training", Some(if d.finished { "finished" } else { "stopped before the end" }.to_owned())),
            ("domains", Some(domains(d))),
            ("captions", d.captions.map(number)),
            ("preset", d.preset.clone()),
            (
                "began with",
                d.from.as_ref().map(|from| format!("{} ({})", from.name, from.sha256.get(..12).unwrap_or(""))),
            ),
            ("shape", d.shape.as_ref().map(shape)),
            ("recipe", d.recipe.as_ref().map(recipe)),
            ("schedule", d.recipe.as_ref().map(schedule)),
            ("tokens", d.vocabulary.map(number)),
            ("parameters", count(&report["parameters"])),
            ("epochs", epochs),
            ("validation loss", d.validation_loss.map(rounded)),
            ("training loss", report["train_loss"].as_f64().map(rounded)),
            ("noise variance", shown.details["noise_variance"].as_f64().map(|variance| format!("{variance:.5}"))),
            (
                "shift",
                d.shift_length.map(|length| match &d.shift_from {
                    Some(from) => format!("of length {length:.5}, from {from}"),
                    None => format!("of length {length:.5}"),
                }),
            ),
            ("held out", d.held_out.map(|held_out| format!("{} captions, by clip", number(held_out)))),
            ("seed", d.seed.map(number)),
            ("training time", report["seconds"].as_f64().map(|seconds| format!("{seconds:.0} s"))),
            ("published", Some(format!("{} UTC", utc(d.created)))),
            ("size", Some(bytes(d.bytes))),
            ("file", Some(shown.path.display().to_string())),
            ("SHA-256", Some(shown.sha256.to_owned())),
        ];
        let noted = rows.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
        let facts = table(&noted.collect::<Vec<_>>());
        match &shown.log {
            Some(log) if curves.are_drawn() => format!("{facts}\n\n{}", curves::drawn(log)),
            _ => facts,
        }
    })
}

/// The domains that it was trained on; nothing for a decoder of which only the file is known.
fn domains(decoder: &DecoderSummary) -> String {
    match &decoder.domains {
        Some(names) => names.join(", "),
        None => if decoder.captions.is_some() { "all" } else { "" }.to_owned(),
    }
}

fn shape(shape: &DecoderConfig) -> String {
    let DecoderConfig { layers, width, heads, prefix_tokens, max_tokens, tied, .. } = shape;
    let tied = if *tied { "tied" } else { "not tied" };
    format!(
        "{}, width {width}, {}, prefix of {prefix_tokens}, {max_tokens} tokens at most, {tied}",
        counted(*layers as u64, "layer"),
        counted(*heads as u64, "head")
    )
}

fn recipe(recipe: &Recipe) -> String {
    let Recipe { batch, weight_decay, beta2, dropout, smoothing, least_count, informed_start, .. } = recipe;
    let clip = recipe.clip.map_or("not clipped".to_owned(), |clip| format!("clipped at {clip}"));
    let start = if *informed_start { "informed" } else { "drawn" };
    format!(
        "batches of {batch}, weight decay {weight_decay}, beta2 {beta2}, dropout {dropout}, label smoothing {smoothing}, \
         gradients {clip}, words from {least_count} on, start {start}"
    )
}

fn schedule(of: &Recipe) -> String {
    let rate = of.learning_rate;
    match of.schedule {
        Schedule::Steps { warm_up, every, factor } => {
            format!("to {rate} over {warm_up} epochs, then times {factor} every {every}")
        }
        Schedule::Cosine { warm_up, floor } => {
            format!("to {rate} over {warm_up} of the training, then half a cosine to {floor} of it")
        }
    }
}

fn rounded(loss: f64) -> String {
    format!("{loss:.3}")
}

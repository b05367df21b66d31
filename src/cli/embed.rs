//! `echoic embed`: the vectors of sounds or captions, for other programs.

use std::fs::File;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use echoic::audio::Level;
use echoic::corpus::{Item, Survey};
use echoic::formats::NpyWriter;
use echoic::models::STARTER;
use echoic::towers::{AudioEmbedding, Clap, WindowEmbedding};
use echoic::{EmbeddingSpace, Error, Result};
use serde::Serialize;

use super::context::Context;
use super::ingest::{Reading, nothing_usable};
use super::output::{counted, number};
use super::pipes;
use super::sounds::{Sound, legible, sounds};

/// Captions that are embedded at once.
const CHUNK: usize = 2048;

/// Rejected captions that are named one by one.
const NAMED: u64 = 100;

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Where the vectors go: a `.npy` of float32, one row each; what each row is goes beside it, under the ending .jsonl. `-` is standard output,
    /// for the vectors alone
    #[arg(long, value_name = "X.npy")]
    out: PathBuf,
    /// A row for each window of a long recording, with its seconds in the lines beside it; otherwise the windows of a file are averaged
    #[arg(long, conflicts_with = "text")]
    windows: bool,
    /// The model: a name of `echoic models list`, or a folder or file with a checkpoint. By default that of the store, with its adapter, or the
    /// starter where there is no store
    #[arg(long, value_name = "NAME|DIR")]
    model: Option<String>,
    /// An adapter for the model, made by `echoic align`
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Audio files, folders of them, or `-` for standard input
    #[arg(long, value_name = "AUDIO", num_args = 1..)]
    audio: Vec<PathBuf>,
    /// Caption corpora, read as `ingest` reads them; row i is caption i, and `ingest --embeddings` takes both. `-` is standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    text: Vec<PathBuf>,
}

/// What is printed in the end.
#[derive(Debug, Serialize)]
struct Embedded<'a> {
    files: Vec<String>,
    rows: u64,
    /// Captions that cannot be used; their rows are zeros.
    rejected: u64,
    /// Sounds that cannot be used; they have no rows.
    failed: u64,
    store: Option<String>,
    space: &'a EmbeddingSpace,
    seconds: f64,
}

/// What stands beside the vector of a sound.
#[derive(Serialize)]
struct Line<'a> {
    row: u64,
    path: &'a str,
    /// Where the path begins, if in a folder that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(flatten)]
    heard: &'a Heard,
}

/// A file or a window of one, as it was heard.
#[derive(Serialize)]
struct Heard {
    #[serde(flatten)]
    extent: Extent,
    #[serde(flatten)]
    level: Level,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Extent {
    File {
        seconds: f64,
    },
    /// With how much it counts in the whole.
    Window {
        start: f64,
        end: f64,
        weight: f64,
    },
}

/// What stands beside the vector of a caption. No name here but `clip` is one that corpora have for the clip, so that the lines are a corpus.
#[derive(Serialize)]
struct Caption<'a> {
    row: u64,
    corpus: &'a str,
    line: u64,
    #[serde(flatten)]
    text: Text<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Usable {
        caption: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        clip: Option<&'a str>,
    },
    Rejected {
        rejected: &'a str,
    },
}

/// Embeds sounds or captions.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    let Source { audio, text } = &arguments.source;
    let out = Out::to(context, &arguments.out)?;
    refuse_others(&out.path, text)?;
    if !audio.is_empty() {
        arguments.reading.refuse_for("--audio")?;
    }
    // What cannot be read is found out before a model is loaded.
    let known = text.iter().map(|file| count(file, &arguments.reading)).collect::<Result<Vec<_>>>()?;
    let (clap, store) = model(context, arguments.model.as_deref(), arguments.adapter.as_deref())?;
    let mut rows = NpyWriter::create(&out.path, clap.space().dim)?;
    let rejected = match audio.is_empty() {
        true => captions(context, arguments, &clap, &known, &mut rows)?,
        false => recordings(context, arguments, &clap, &mut rows).map(|()| 0)?,
    };
    let failed = context.out.failures().count;
    let (count, seconds) = (rows.rows(), begun.elapsed().as_secs_f64());
    let files = rows.finish()?.iter().map(|file| legible(file)).collect();
    let store = store.map(legible);
    let embedded = Embedded { files, rows: count, rejected, failed, store, space: clap.space(), seconds };
    out.deliver(context, &embedded)
}

/// The model that embeds, and the store that it is of: the one that was named, with its adapter; else that of the store, else the starter.
pub(super) fn model<'a>(
    context: &'a Context,
    named: Option<&str>,
    adapter: Option<&Path>,
) -> Result<(Clap, Option<&'a Path>)> {
    let store = context.global.store.as_path();
    match (named, adapter) {
        (model, Some(adapter)) => Ok((Clap::load_with_adapter(model.unwrap_or(STARTER), adapter)?, None)),
        (Some(model), None) => Ok((Clap::load(model)?, None)),
        (None, None) => match context.snapshot() {
            Ok(memory) if memory.space().is_external() => Err(Error::input(
                store.display(),
                "a store of external embeddings, which has no model",
                "a store with a model",
            )
            .with_hint("name a model with --model")),
            Ok(memory) => Ok((Clap::for_store(&memory)?, Some(store))),
            Err(Error::NoStore { .. }) if !context.global.store_is_named => Ok((Clap::load(STARTER)?, None)),
            Err(error) => Err(error),
        },
    }
}

/// Where vectors go.
struct Out {
    path: PathBuf,
    /// The folder that keeps them until all are there, where they go to standard output: the length stands at the beginning.
    aside: Option<tempfile::TempDir>,
}

impl Out {
    fn to(context: &Context, path: &Path) -> Result<Self> {
        if !pipes::is_pipe(path) {
            let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            if !ending.eq_ignore_ascii_case("npy") {
                let found = if ending.is_empty() { "no ending".to_owned() } else { format!("the ending .{ending}") };
                return Err(Error::input(path.display(), found, "a name that ends in .npy, or - for standard output"));
            }
            return Ok(Self { path: path.to_path_buf(), aside: None });
        }
        if context.global.json {
            return Err(Error::input("--out -", "--json, too", "one of the two: standard output takes the vectors"));
        }
        let aside = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
        Ok(Self { path: aside.path().join("standard output.npy"), aside: Some(aside) })
    }

    fn deliver(self, context: &Context, embedded: &Embedded<'_>) -> Result<()> {
        if self.aside.is_none() {
            return context.out.item(embedded, describe);
        }
        let mut vectors = File::open(&self.path).map_err(Error::io("read", &self.path))?;
        let mut stdout = stdout().lock();
        std::io::copy(&mut vectors, &mut stdout).and_then(|_| stdout.flush()).map_err(Error::io("write", "stdout"))
    }
}

/// The vectors and the lines beside them must not take the place of the corpus that they are of, nor the lines that of a file that is no part of an
/// earlier run.
fn refuse_others(out: &Path, corpora: &[PathBuf]) -> Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let lines = out.with_extension("jsonl");
    for written in [out, &lines] {
        let Some(there) = real(written) else { continue };
        if corpora.iter().any(|corpus| real(corpus).as_ref() == Some(&there)) {
            let found = format!("the corpus itself, which {} would replace", out.display());
            return Err(Error::input(written.display(), found, "another name for the vectors"));
        }
    }
    if lines.exists() && !out.exists() {
        let expected = format!("no file, because what describes the rows of {} goes there", out.display());
        return Err(Error::input(lines.display(), "a file without vectors beside it", expected)
            .with_hint("give the vectors another name, or move the file away"));
    }
    Ok(())
}

/// What a corpus holds, where it can be read twice.
fn count(file: &Path, reading: &Reading) -> Result<Option<Survey>> {
    if pipes::is_pipe(file) || !std::fs::metadata(file).map_err(Error::io("read", file))?.is_file() {
        return Ok(None);
    }
    let survey = Survey::of(reading.open(file, None)?);
    reading.check_clips(file, &survey)?;
    match survey.rejected == survey.rows {
        true => Err(nothing_usable(file, survey.rows, &survey.rejections)),
        false => Ok(Some(survey)),
    }
}

/// Writes a row for each caption; returns how many cannot be used.
fn captions(
    context: &Context,
    arguments: &Arguments,
    clap: &Clap,
    known: &[Option<Survey>],
    rows: &mut NpyWriter,
) -> Result<u64> {
    let total = known.iter().map(|survey| Some(survey.as_ref()?.rows)).sum();
    let _phase = context.control().begin("embedding captions", total);
    let mut rejected = 0;
    for file in &arguments.source.text {
        let (name, mut read) = (legible(file), Survey::default());
        let mut corpus = arguments.reading.open(file, None)?.peekable();
        while corpus.peek().is_some() {
            context.control().check()?;
            let items: Vec<Item> = corpus.by_ref().take(CHUNK).collect();
            chunk(context, clap, &name, &items, rows)?;
            read.rows += items.len() as u64;
            for item in items {
                match item {
                    Ok(row) => read.with_clip += u64::from(row.clip.is_some()),
                    Err(unusable) => {
                        read.rejected += 1;
                        if read.rejected <= NAMED {
                            tracing::warn!("{}, line {}: {}", file.display(), unusable.line, unusable.reason);
                        }
                        read.rejections.extend((read.rejections.is_empty()).then_some(unusable));
                    }
                }
            }
        }
        if read.rejected == read.rows {
            return Err(nothing_usable(file, read.rows, &read.rejections));
        }
        arguments.reading.check_clips(file, &read)?;
        rejected += read.rejected;
    }
    if rejected > 0 {
        tracing::warn!("{} cannot be used, and have rows of zeros", counted(rejected, "caption"));
    }
    Ok(rejected)
}

/// Writes the rows of some captions of a corpus. What cannot be used has a row, too, of zeros: the numbers of rows are those of captions.
fn chunk(context: &Context, clap: &Clap, corpus: &str, items: &[Item], rows: &mut NpyWriter) -> Result<()> {
    let texts: Vec<&str> = items.iter().flatten().map(|row| row.text.as_str()).collect();
    // Progress counts rows, which the tower does not know of.
    let embeddings = clap.embed_texts_with(&texts, &context.control().with_progress(&()))?;
    let mut embeddings = embeddings.rows();
    let zeros = vec![0.0; clap.space().dim];
    for item in items {
        let (line, text, embedding) = match item {
            Ok(row) => {
                let text = Text::Usable { caption: &row.text, clip: row.clip.as_deref() };
                (row.line, text, embeddings.next().unwrap_or(&zeros))
            }
            Err(unusable) => (unusable.line, Text::Rejected { rejected: &unusable.reason }, &zeros[..]),
        };
        rows.push(embedding, &Caption { row: rows.rows(), corpus, line, text })?;
    }
    context.control().advance(items.len() as u64);
    Ok(())
}

/// Writes the rows of each sound. One that fails does not stop the others.
fn recordings(context: &Context, arguments: &Arguments, clap: &Clap, rows: &mut NpyWriter) -> Result<()> {
    let all = sounds(context, &arguments.source.audio)?;
    let _phase = context.control().begin("embedding sounds", Some(all.len() as u64));
    for sound in &all {
        context.control().check()?;
        context.control().note(&sound.name);
        match heard(context, clap, sound, arguments.windows) {
            Ok(heard) => heard.iter().try_for_each(|(embedding, heard)| {
                let (path, root) = (sound.name.as_str(), sound.root_name());
                rows.push(embedding, &Line { row: rows.rows(), path, root, heard })
            })?,
            Err(error) => context.bars.aside(|| context.out.failure_of(sound, &error))?,
        }
        context.control().advance(1);
    }
    match rows.rows() {
        0 => Err(Error::input("--audio", "no sound that could be embedded", "one at least")),
        _ => Ok(()),
    }
}

/// The vector of a sound, or those of its windows.
fn heard(context: &Context, clap: &Clap, sound: &Sound, windows: bool) -> Result<Vec<(Vec<f32>, Heard)>> {
    let audio = sound.audio(&context.global)?;
    if windows {
        let heard = |window: WindowEmbedding| {
            let WindowEmbedding { start, end, weight, level, embedding, .. } = window;
            (embedding, Heard { extent: Extent::Window { start, end, weight }, level })
        };
        return Ok(clap.embed_windows(audio)?.into_iter().map(heard).collect());
    }
    let AudioEmbedding { embedding, seconds, level, .. } = clap.embed_audio(audio)?;
    Ok(vec![(embedding, Heard { extent: Extent::File { seconds }, level })])
}

fn describe(embedded: &Embedded<'_>) -> String {
    let Embedded { files, rows, rejected, failed, space, .. } = embedded;
    let mut text =
        format!("{} of {} numbers by {space}: {}", counted(*rows, "row"), number(space.dim as u64), files.join(", "));
    if *rejected > 0 {
        text += &format!("; {} of zeros for captions that cannot be used", number(*rejected));
    }
    if *failed > 0 {
        text += &format!("; {} failed", counted(*failed, "file"));
    }
    text
}

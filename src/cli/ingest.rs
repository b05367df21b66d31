//! `echoic ingest`: a caption corpus into a domain.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::binding::keep_model;
use echoic::corpus::{self, Corpus, Format};
use echoic::embedding::EmbeddingRows;
use echoic::formats::embeddings;
use echoic::formats::tables::TableRows;
use echoic::ingest::{Ingest, IngestReport, Mode, Source};
use echoic::towers::Clap;
use echoic::{Error, Result, Writer};
use serde::Serialize;

use super::context::Context;
use super::output::number;

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The corpus, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The domain to add the captions to; it is created when new
    #[arg(long, value_name = "NAME")]
    domain: String,
    /// The layout: auto, clotho, audiocaps, wavcaps, csv, jsonl, text, parquet or arrow
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Auto)]
    format: Format,
    /// The column (CSV) or key (JSON) that holds the captions
    #[arg(long, value_name = "C")]
    column: Option<String>,
    /// Text embeddings that you computed: row i of this file (.npy, .npz, safetensors, Parquet, Arrow) belongs to caption i; an array or column
    /// in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]")]
    embeddings: Option<PathBuf>,
    /// Replace the captions of clips that the corpus names: texts that it no longer gives them are removed
    #[arg(long)]
    replace_clips: bool,
}

/// What is printed: the report, with where it came from and went.
#[derive(Serialize)]
struct Ingested<'a> {
    file: &'a Path,
    domain: &'a str,
    format: String,
    #[serde(flatten)]
    report: &'a IngestReport,
    seconds: f64,
}

/// Ingests the corpus.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let start = std::time::Instant::now();
    let options = corpus::Options::default().format(arguments.format).column(arguments.column.clone());
    // Counted before it is opened to be stored, so that it is held in memory once. A pipe can be read but once.
    let from_stdin = arguments.file.as_os_str() == "-";
    let is_file = !from_stdin && std::fs::metadata(&arguments.file).is_ok_and(|meta| meta.is_file());
    let captions = is_file.then(|| corpus::open(&arguments.file, &options)).transpose()?.map(|c| c.count() as u64);
    let corpus = match from_stdin {
        true => corpus::parse("standard input", std::io::stdin(), &options)?,
        false => corpus::open(&arguments.file, &options)?,
    };
    let format = corpus.format().to_string();

    let mut writer = context.store()?.writer()?;
    let clap;
    let carried = match corpus.format() {
        Format::Parquet | Format::Arrow if arguments.embeddings.is_none() => TableRows::carried(&arguments.file)?,
        _ => None,
    };
    // Embeddings of another space, or of none that the file names, are of no use to a store with a model.
    let carried = carried.filter(|rows| writer.space().is_external() || rows.space().as_ref() == Some(writer.space()));
    let source = match (&arguments.embeddings, carried) {
        (Some(file), _) => Source::rows(matching(embeddings::open(file)?, captions)?),
        (None, Some(rows)) => Source::rows(matching(rows, captions)?),
        (None, None) if writer.space().is_external() => {
            return Err(without_embeddings(&arguments.file, corpus.format()));
        }
        (None, None) => {
            clap = Clap::for_store(&writer.snapshot()?)?;
            // Stores from before 0.2 did not keep their adapter themselves.
            keep_model(&mut writer, &clap)?;
            Source::Tower(&clap)
        }
    };
    let mode = if arguments.replace_clips { Mode::ReplaceClips } else { Mode::Add };
    let report = store(context, &mut writer, &arguments.domain, corpus, source, mode, captions)?;
    let ingested = Ingested {
        file: &arguments.file,
        domain: &arguments.domain,
        format,
        report: &report,
        seconds: start.elapsed().as_secs_f64(),
    };
    writer.record("ingest", serde_json::json!(ingested))?;
    context.out.item(&ingested, |i| describe(i.domain, i.report))?;
    if report.interrupted {
        return Err(Error::Interrupted);
    }
    if report.rejected == report.read {
        return Err(Error::input(arguments.file.display(), "no usable caption", "a caption corpus")
            .with_hint("name the layout with --format or the column with --column"));
    }
    Ok(())
}

/// Stores a corpus with a progress bar, merges small segments and indexes large ones, and says what is worth saying.
pub fn store<'s>(
    context: &Context,
    writer: &mut Writer,
    domain: &str,
    corpus: Corpus,
    source: impl Into<Source<'s>>,
    mode: Mode,
    captions: Option<u64>,
) -> Result<IngestReport> {
    let ingest = Ingest::new(writer, domain).mode(mode).expecting(captions).control(context.control());
    let report = ingest.run(corpus, source)?;
    for rejected in &report.rejections {
        tracing::warn!("line {}: {}", rejected.line, rejected.reason);
    }
    if report.rejected > report.rejections.len() as u64 {
        tracing::warn!("{} rows are unusable; these are the first", number(report.rejected));
    }
    if mode == Mode::ReplaceClips && report.rejected > 0 {
        tracing::warn!(
            "nothing was removed, because rows that were rejected may name what is to stay: mend them and go on"
        );
    }
    super::compact::advise(&writer.snapshot()?);
    Ok(report)
}

/// The error for captions whose embeddings nobody brought; a table may have some under a name that does not say what they are.
fn without_embeddings(file: &Path, format: Format) -> Error {
    let candidates = match format {
        Format::Parquet | Format::Arrow => TableRows::candidates(file).unwrap_or_default(),
        _ => Vec::new(),
    };
    let expected = "--embeddings FILE: a store of external embeddings embeds nothing itself";
    let Some((first, _)) = candidates.first() else {
        return Error::input(file.display(), "captions without embeddings", expected)
            .with_hint("compute the embeddings of the captions with your model, one row a caption");
    };
    let listed: Vec<String> = candidates.iter().map(|(name, what)| format!("{name} ({what})")).collect();
    let found = format!("no column 'embedding' or 'vector', but {}", listed.join(", "));
    Error::input(file.display(), found, expected)
        .with_hint(format!("name the column of text embeddings: --embeddings {}:{first}", file.display()))
}

/// The embeddings, when there are as many as captions: that is known before anything is stored.
fn matching<R: EmbeddingRows>(rows: R, captions: Option<u64>) -> Result<R> {
    match captions {
        Some(captions) if captions != rows.rows() => Err(Error::input(
            rows.name(),
            format!("{} rows", rows.rows()),
            format!("{captions} rows, one for each caption of the corpus"),
        )),
        _ => Ok(rows),
    }
}

/// The report in one line for people.
pub fn describe(domain: &str, report: &IngestReport) -> String {
    let IngestReport { read, new, repeats, duplicate, rejected, replaced, interrupted, .. } = *report;
    let mut text = format!("{domain}: {} read, {} new", number(read), number(new));
    if repeats > 0 {
        text += &format!(", {} further occurrences of stored texts", number(repeats));
    }
    if replaced > 0 {
        text += &format!(", {} outdated removed", number(replaced));
    }
    text += &format!(", {} duplicate, {} rejected", number(duplicate), number(rejected));
    if interrupted { text + "; stopped: the same command goes on" } else { text }
}

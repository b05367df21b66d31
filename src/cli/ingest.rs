//! `echoic ingest`: a caption corpus into a domain.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::binding::keep_model;
use echoic::corpus::{self, Corpus, Format, Rejected, Survey};
use echoic::embedding::EmbeddingRows;
use echoic::formats::tables::TableRows;
use echoic::ingest::{Ingest, IngestReport, Mode, Source};
use echoic::towers::Clap;
use echoic::{Error, Result, Writer};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::context::Context;
use super::output::{counted, number};
use super::pipes::{self, STDIN, is_pipe};

/// Arguments of `ingest`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The corpora, plain or packed with gzip or Zstandard, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The domain to add the captions to; it is created when new
    #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
    domain: Option<String>,
    #[command(flatten)]
    reading: Reading,
    /// Text embeddings that you computed: row i of this file (.npy, .npz, safetensors, Parquet, Arrow) belongs to caption i; an array or column
    /// in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]")]
    embeddings: Option<PathBuf>,
    /// Replace the captions of clips that the corpus names: texts that it no longer gives them are removed
    #[arg(long)]
    replace_clips: bool,
    /// Show how the corpora are read, with their first rows and what is rejected, and store nothing
    #[arg(long, conflicts_with_all = ["embeddings", "replace_clips"])]
    dry_run: bool,
}

/// How corpora are read.
#[derive(Debug, Args)]
pub struct Reading {
    /// The layout: auto, clotho, audiocaps, wavcaps, csv, json, jsonl, yaml, text, parquet or arrow
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Auto)]
    format: Format,
    /// The column (CSV, tables) or key (JSON, YAML) that holds the captions
    #[arg(long, value_name = "C")]
    column: Option<String>,
    /// The column or key that names the clip
    #[arg(long, value_name = "C")]
    clip_column: Option<String>,
}

impl Reading {
    /// Opens a corpus; standard input from the file that keeps it, where there is one.
    pub fn open(&self, file: &Path, kept: Option<&NamedTempFile>) -> Result<Corpus> {
        let options = corpus::Options::default().format(self.format);
        let options = options.column(self.column.clone()).clip_column(self.clip_column.clone());
        match (is_pipe(file), kept) {
            (true, Some(kept)) => {
                corpus::parse(STDIN, kept.reopen().map_err(Error::io("read", kept.path()))?, &options)
            }
            (true, None) => corpus::parse(STDIN, std::io::stdin(), &options),
            (false, _) => corpus::open(file, &options),
        }
    }

    /// Refuses options of corpora beside `option`, which reads none.
    pub fn refuse_for(&self, option: &str) -> Result<()> {
        let given = [
            ("--format", self.format != Format::Auto),
            ("--column", self.column.is_some()),
            ("--clip-column", self.clip_column.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(Error::input(*name, option, "a corpus, which it says how to read")),
            None => Ok(()),
        }
    }

    /// Refuses a corpus of which no row has the column of clips that was named.
    pub fn check_clips(&self, file: &Path, survey: &Survey) -> Result<()> {
        match &self.clip_column {
            Some(column) if survey.with_clip == 0 && survey.rejected < survey.rows => Err(Error::input(
                file.display(),
                format!("no clip under '{column}' in any of {}", counted(survey.rows, "row")),
                "a column or key that names the clip, for --clip-column",
            )
            .with_hint("`echoic ingest --dry-run` without --clip-column shows what is found")),
            _ => Ok(()),
        }
    }
}

/// What is printed: the report, with where it came from and went.
#[derive(Serialize)]
struct Ingested<'a> {
    file: &'a Path,
    domain: &'a str,
    format: String,
    read_as: String,
    #[serde(flatten)]
    report: &'a IngestReport,
    seconds: f64,
}

/// Ingests the corpora one by one, or shows how they would be read.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    if arguments.dry_run {
        return arguments.files.iter().try_for_each(|file| show(context, file, &arguments.reading));
    }
    if arguments.embeddings.is_some() && arguments.files.len() > 1 {
        let found = format!("{} corpora", arguments.files.len());
        return Err(Error::input("--embeddings", found, "one corpus, whose captions the embeddings belong to"));
    }
    let takes_stdin = |file: &PathBuf| is_pipe(file);
    if arguments.embeddings.as_ref().is_some_and(takes_stdin) && arguments.files.iter().any(takes_stdin) {
        return Err(Error::input("--embeddings", "standard input, which the corpus is read from, too", "a file"));
    }
    // What cannot be read is found out before anything is stored.
    let kept = keep_stdin(arguments)?;
    let kept = kept.as_ref();
    let surveys = arguments.files.iter().map(|file| survey(file, kept, arguments)).collect::<Result<Vec<_>>>()?;
    let mut files = arguments.files.iter().zip(surveys);
    files.try_for_each(|(file, survey)| ingest(context, file, kept, survey.as_ref(), arguments))
}

/// Standard input as a file, where it must be read twice: what its clips are is to be known before anything is removed or stored.
fn keep_stdin(arguments: &Arguments) -> Result<Option<NamedTempFile>> {
    let is_read_twice = arguments.replace_clips || arguments.reading.clip_column.is_some();
    if !is_read_twice || !arguments.files.iter().any(|file| is_pipe(file)) {
        return Ok(None);
    }
    let mut kept = NamedTempFile::new().map_err(Error::io("create", std::env::temp_dir()))?;
    std::io::copy(&mut std::io::stdin().lock(), &mut kept).map_err(Error::io("write", kept.path()))?;
    Ok(Some(kept))
}

/// Reads a corpus once before it is opened to be stored, so that it is held in memory once. A pipe can be read but once.
fn survey(file: &Path, kept: Option<&NamedTempFile>, arguments: &Arguments) -> Result<Option<Survey>> {
    let is_read_twice = match is_pipe(file) {
        true => kept.is_some(),
        false => std::fs::metadata(file).map_err(Error::io("read", file))?.is_file(),
    };
    if !is_read_twice {
        return Ok(None);
    }
    let survey = Survey::of(arguments.reading.open(file, kept)?);
    arguments.reading.check_clips(file, &survey)?;
    if arguments.replace_clips && survey.with_clip == 0 && survey.rejected < survey.rows {
        return Err(no_clips(file));
    }
    match &survey.only_clip {
        Some(clip) if arguments.replace_clips => Err(Error::input(
            file.display(),
            format!("the clip '{clip}' in all {} rows that name one", number(survey.with_clip)),
            "the clip that each caption describes",
        )
        .with_hint("name the column of clips with --clip-column")),
        Some(clip) => {
            let file = file.display();
            tracing::warn!(
                "{file}: all rows name the clip '{clip}'; if that is no clip, name the right column with --clip-column"
            );
            Ok(Some(survey))
        }
        None => Ok(Some(survey)),
    }
}

fn no_clips(file: &Path) -> Error {
    Error::input(file.display(), "a corpus that names no clip", "one that does, for --replace-clips")
        .with_hint("name the column of clips with --clip-column, or leave --replace-clips out")
}

fn ingest(
    context: &Context,
    file: &Path,
    kept: Option<&NamedTempFile>,
    survey: Option<&Survey>,
    arguments: &Arguments,
) -> Result<()> {
    let start = std::time::Instant::now();
    let captions = survey.map(|survey| survey.rows);
    let domain = arguments.domain.as_deref().unwrap_or_default();
    let corpus = arguments.reading.open(file, kept)?;
    let (format, read_as) = (corpus.format().to_string(), corpus.layout().to_owned());

    let mut writer = context.store()?.writer()?;
    let clap;
    let carried = match corpus.format() {
        Format::Parquet | Format::Arrow if arguments.embeddings.is_none() => TableRows::carried(file)?,
        _ => None,
    };
    // Embeddings of another space, or of none that the file names, are of no use to a store with a model.
    let carried = carried.filter(|rows| writer.space().is_external() || rows.space().as_ref() == Some(writer.space()));
    let source = match (&arguments.embeddings, carried) {
        (Some(given), _) => Source::rows(matching(pipes::embeddings(given)?, captions)?),
        (None, Some(rows)) => Source::rows(matching(rows, captions)?),
        (None, None) if writer.space().is_external() => {
            return Err(without_embeddings(file, corpus.format()));
        }
        (None, None) => {
            clap = Clap::for_store(&writer.snapshot()?)?;
            // Stores from before 0.2 did not keep their adapter themselves.
            keep_model(&mut writer, &clap)?;
            Source::Tower(&clap)
        }
    };
    let mode = if arguments.replace_clips { Mode::ReplaceClips } else { Mode::Add };
    let report = store(context, &mut writer, domain, corpus, source, mode, captions)?;
    let seconds = start.elapsed().as_secs_f64();
    let ingested = Ingested { file, domain, format, read_as, report: &report, seconds };
    writer.record("ingest", serde_json::json!(ingested))?;
    context.out.item(&ingested, |i| format!("{} (read as {})", describe(i.domain, i.report), i.read_as))?;
    if report.interrupted {
        return Err(Error::Interrupted);
    }
    if report.rejected == report.read {
        return Err(nothing_usable(file, report.read, &report.rejections));
    }
    if mode == Mode::ReplaceClips && report.with_clip == 0 {
        return Err(no_clips(file));
    }
    Ok(())
}

/// The error for a corpus of which no row can be used: the first reason is most likely that of all.
pub fn nothing_usable(file: &Path, rows: u64, rejections: &[Rejected]) -> Error {
    let found = match rejections.first() {
        Some(Rejected { line, reason, .. }) => {
            format!("no usable caption in {}; line {line}: {reason}", counted(rows, "row"))
        }
        None => "no usable caption, and no rows".to_owned(),
    };
    Error::input(file.display(), found, "a caption corpus").with_hint(
        "`echoic ingest --dry-run` shows how it is read; --format names the layout, --column the column of captions",
    )
}

/// What `--dry-run` prints of a corpus.
#[derive(Serialize)]
struct Shown<'a> {
    file: &'a Path,
    format: String,
    read_as: String,
    #[serde(flatten)]
    survey: Survey,
}

/// Reads a corpus, and shows what would be stored.
fn show(context: &Context, file: &Path, reading: &Reading) -> Result<()> {
    let corpus = reading.open(file, None)?;
    let (format, read_as) = (corpus.format().to_string(), corpus.layout().to_owned());
    let shown = Shown { file, format, read_as, survey: Survey::of(corpus) };
    context.out.item(&shown, |shown| {
        let survey = &shown.survey;
        let usable = counted(survey.rows - survey.rejected, "caption");
        let mut lines = vec![format!(
            "{}: read as {}; {usable}, {} with a clip, {} rejected; nothing was stored",
            shown.file.display(),
            shown.read_as,
            number(survey.with_clip),
            number(survey.rejected)
        )];
        lines.extend(survey.first.iter().map(|row| {
            let clip = row.clip.as_ref().map(|clip| format!(" [{clip}]")).unwrap_or_default();
            format!("  line {}: {}{clip}", row.line, row.text)
        }));
        lines.extend(
            survey.rejections.iter().map(|rejected| format!("  line {} rejected: {}", rejected.line, rejected.reason)),
        );
        lines.extend(
            survey
                .only_clip
                .iter()
                .map(|clip| format!("  all rows name the clip '{clip}'; --clip-column names another column")),
        );
        lines.join("\n")
    })?;
    reading.check_clips(file, &shown.survey)?;
    match shown.survey.rejected == shown.survey.rows {
        true => Err(nothing_usable(file, shown.survey.rows, &shown.survey.rejections)),
        false => Ok(()),
    }
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

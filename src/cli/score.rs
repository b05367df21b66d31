//! `echoic score`: predicted captions measured against references.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::Result;
use echoic::corpus::Options;
use echoic::embedding::dot;
use echoic::metrics::{Metric, Pairs, Report, Score, Unmatched};
use serde_json::{Map, Value, json};

use super::clip_files::ClipFiles;
use super::context::Context;
use super::embed;
use super::measures::{Measures, why_absent};
use super::output::{counted, no_row, table, written};
use super::pipes;

/// Clips that a remark names.
const NAMED: usize = 10;

/// Arguments of `score`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The captions to score, one for each clip: CSV (`file_name,caption_predicted`), lines of JSON, COCO results
    #[arg(value_name = "PREDICTIONS", value_parser = pipes::file)]
    predictions: PathBuf,
    /// What people wrote, one or several captions a clip: CSV of DCASE, Clotho or AudioCaps, lines of JSON, COCO annotations
    #[arg(value_name = "REFERENCES", value_parser = pipes::file)]
    references: PathBuf,
    #[command(flatten)]
    measures: Measures,
    /// Write the scores of each clip to this file (CSV)
    #[arg(long, value_name = "FILE")]
    per_clip: Option<PathBuf>,
    /// Clips that only one of the files has: `refuse` them, `skip` them, or count missing predictions as `empty` captions
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    unmatched: Unmatched,
    /// The folder of the sounds, whose names are those of the clips: how near each predicted caption comes to its sound
    #[arg(long, value_name = "DIR")]
    audio: Option<PathBuf>,
    /// The CLAP model that tells: by default that of the store, or the starter where there is no store
    #[arg(long, value_name = "NAME|DIR", requires = "audio")]
    model: Option<String>,
    /// The column or key that holds the captions, where it has an unusual name
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// The column or key that names the clip, in both files
    #[arg(long, value_name = "NAME")]
    clip_column: Option<String>,
}

/// Scores the predictions.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let options = Options::default().column(arguments.column.clone()).clip_column(arguments.clip_column.clone());
    let pairs = Pairs::read(&arguments.predictions, &arguments.references, &options, arguments.unmatched)?;
    remark(&pairs, arguments.unmatched);
    let measures = &arguments.measures;
    let mut report = measures.scorer(context)?.score(&pairs.clips, &context.control())?;
    if let Some(folder) = arguments.audio.as_ref().filter(|_| measures.want(Metric::ClapSimilarity)) {
        report.put(Metric::ClapSimilarity, similarity(context, &pairs, folder, arguments.model.as_deref())?);
    }
    measures.check(&report)?;
    if let Some(path) = &arguments.per_clip {
        write_clips(path, &pairs, &report)?;
    }
    let value = as_json(arguments, &pairs, &report);
    context.out.item(&value, |_| as_text(&pairs, &report))
}

/// The cosine of each sound and its predicted caption.
fn similarity(context: &Context, pairs: &Pairs, folder: &Path, model: Option<&str>) -> Result<Score> {
    let (clap, _) = embed::model(context, model, None)?;
    let captions: Vec<&str> = pairs.clips.iter().map(|clip| clip.predicted.as_str()).collect();
    let texts = clap.embed_texts(&captions)?;
    let _phase = context.control().begin("listening", Some(pairs.clips.len() as u64));
    let mut cosines = Vec::with_capacity(captions.len());
    let mut files = ClipFiles::of(folder);
    for (clip, text) in pairs.clips.iter().zip(texts.rows()) {
        context.control().check()?;
        let path = files.find(context, &clip.name)?;
        let sound = clap.embed_audio(context.global.audio(&path))?;
        cosines.push(f64::from(dot(&sound.embedding, text)));
        context.control().advance(1);
    }
    Ok(Score::mean(cosines))
}

/// The scores as one object: `null` for what was not computed, and why beside.
fn as_json(arguments: &Arguments, pairs: &Pairs, report: &Report) -> Value {
    let mut all = Map::new();
    all.insert("predictions".into(), json!(arguments.predictions));
    all.insert("references".into(), json!(arguments.references));
    all.insert("clips".into(), json!(pairs.clips.len()));
    all.insert("reference_captions".into(), json!(pairs.clips.iter().map(|clip| clip.references.len()).sum::<usize>()));
    let mut why = Map::new();
    for (name, metric) in Metric::NAMES {
        if let Some(score) = report.score(metric) {
            let whole = metric == Metric::Vocabulary;
            all.insert(name.into(), if whole { json!(score.corpus as u64) } else { json!(score.corpus) });
        } else {
            all.insert(name.into(), Value::Null);
            why.insert(name.into(), json!(why_absent(report, metric)));
        }
    }
    all.insert("why_null".into(), Value::Object(why));
    for (name, clips) in [("missing", &pairs.missing), ("extra", &pairs.extra), ("empty", &pairs.empty)] {
        all.insert(name.into(), json!(clips));
    }
    all.insert("empty_references".into(), json!(pairs.empty_references));
    all.insert("matched_by".into(), json!(pairs.matched_by));
    Value::Object(all)
}

fn as_text(pairs: &Pairs, report: &Report) -> String {
    let references = pairs.clips.iter().map(|clip| clip.references.len() as u64).sum();
    let head = format!("{}, {}", counted(pairs.clips.len() as u64, "clip"), counted(references, "reference"));
    let (mut rows, mut absent) = (vec![vec!["metric".to_owned(), "score".to_owned()]], Vec::new());
    for (name, metric) in Metric::NAMES {
        match (report.score(metric), report.absence(metric)) {
            (Some(score), _) if metric == Metric::Vocabulary => rows.push(vec![name.into(), score.corpus.to_string()]),
            (Some(score), _) => rows.push(vec![name.into(), format!("{:.4}", score.corpus)]),
            (None, Some(_)) => absent.push(format!("no {name}: {}", why_absent(report, metric))),
            (None, None) => {}
        }
    }
    let parts = [head, table(&rows), absent.join("\n")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Says which clips were treated otherwise than the rest.
fn remark(pairs: &Pairs, unmatched: Unmatched) {
    let named = |clips: &[String]| {
        let first = clips.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if clips.len() > NAMED { format!("{first}, …") } else { first }
    };
    let count = |clips: &[String]| counted(clips.len() as u64, "clip");
    if let Some(by) = &pairs.matched_by {
        tracing::warn!("clips are put together by {by}");
    }
    if !pairs.missing.is_empty() {
        let done = if unmatched == Unmatched::Empty { "scored with empty captions" } else { "left out" };
        tracing::warn!("{} without a prediction {done}: {}", count(&pairs.missing), named(&pairs.missing));
    }
    if !pairs.extra.is_empty() {
        tracing::warn!("{} without a reference left out: {}", count(&pairs.extra), named(&pairs.extra));
    }
    if !pairs.empty.is_empty() {
        tracing::warn!("{} with an empty prediction, scored as it is: {}", count(&pairs.empty), named(&pairs.empty));
    }
    if pairs.empty_references > 0 {
        tracing::warn!("{} left out", counted(pairs.empty_references as u64, "empty reference"));
    }
}

/// One row a clip: its captions as they were, and its scores.
fn write_clips(path: &Path, pairs: &Pairs, report: &Report) -> Result<()> {
    let scores: Vec<_> = Metric::NAMES
        .iter()
        .filter_map(|(name, metric)| Some((*name, &report.score(*metric)?.clips)))
        .filter(|(_, clips)| !clips.is_empty())
        .collect();
    let mut out = csv::Writer::from_writer(Vec::new());
    let heading = ["file_name", "caption_predicted"].into_iter().chain(scores.iter().map(|(name, _)| *name));
    out.write_record(heading).map_err(|cause| no_row(path, cause))?;
    for (index, clip) in pairs.clips.iter().enumerate() {
        let numbers = scores.iter().map(|(_, clips)| clips[index].to_string());
        let cells = [clip.name.clone(), clip.predicted.clone()].into_iter().chain(numbers);
        out.write_record(cells).map_err(|cause| no_row(path, cause))?;
    }
    echoic::file::replace(path, &written(out)?)
}

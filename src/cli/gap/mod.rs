//! `echoic gap`: how far sounds lie from texts, measured, and kept for trainings that bridge it.

mod describe;
mod pairs;

use std::path::PathBuf;

use clap::Args;
use echoic::Result;
use echoic::gap::{GapReport, PairsGap, measure};
use echoic::plot::{Axis, Bins, Histogram};
use serde::Serialize;

use super::context::Context;
use super::ingest::Reading;
use super::pipes;
use super::plots::Files;
use super::search::scope;

/// Arguments of `gap`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Captions of clips that you have, in any layout of a corpus that names its clips; the store's model hears and reads them
    #[arg(long, value_name = "CSV", value_parser = pipes::file, conflicts_with_all = ["audio_embeddings", "text_embeddings"])]
    pairs: Option<PathBuf>,
    /// The folder of the clips [default: that of the captions]
    #[arg(long, value_name = "DIR", value_parser = pipes::file, requires = "pairs")]
    audio: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Embeddings of sounds: row i of this file (.npy, .npz, safetensors, Parquet, Arrow) and row i of the texts' are a pair; an array or column
    /// in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]", requires = "text_embeddings")]
    audio_embeddings: Option<PathBuf>,
    /// Embeddings of the texts that belong to them
    #[arg(long, value_name = "FILE[:NAME]", requires = "audio_embeddings")]
    text_embeddings: Option<PathBuf>,
    /// Look at the texts of this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// What samples and halves are drawn by
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Measure, and keep nothing in the store
    #[arg(long, visible_alias = "no-save")]
    dry_run: bool,
    /// Draw the histograms of paired and unpaired similarity
    #[arg(long)]
    plot: bool,
    #[command(flatten)]
    files: Files,
}

/// What is printed.
#[derive(Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    report: &'a GapReport,
    /// Clips without a sound, or whose sound failed.
    failed: u64,
    /// Pairs that were left out because their embeddings have no direction.
    left_out: usize,
    /// Whether the store keeps it.
    kept: bool,
    /// Why it does not, and what is missing, for people.
    #[serde(skip)]
    remarks: Vec<String>,
}

/// Measures, keeps, prints.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let scope = scope(&arguments.domains);
    // A domain that is not there is found out before anything is listened to.
    memory.blocks(&scope)?;
    let pairs = pairs::read(context, &memory, arguments)?;
    if pairs.is_none() && arguments.files.are_wanted() {
        return Err(pairs::missing("the plot of paired and unpaired similarity", &memory));
    }
    let report = measure(&memory, &scope, pairs.as_ref(), arguments.seed, &context.control())?;
    if let Some(pairs) = &report.pairs {
        arguments.files.write(|look| Ok(drawn(pairs).svg(look)))?;
    }
    let kept = !arguments.dry_run && report.keep(&context.store()?)?;
    let measured = Measured {
        report: &report,
        failed: context.out.failures().count,
        left_out: pairs.as_ref().map_or(0, echoic::gap::Pairs::left_out),
        kept,
        remarks: describe::remarks(&report, kept, arguments.dry_run, memory.space().is_external()),
    };
    context.out.item(&measured, |measured| describe::text(measured, arguments.plot))
}

/// Both histograms over one axis.
fn drawn(pairs: &PairsGap) -> Histogram {
    let bins = |name: &str, cosines: &echoic::gap::Cosines| {
        Bins::new(name, cosines.histogram.edges.clone(), cosines.histogram.counts.clone())
    };
    let sets = vec![bins("a sound and its text", &pairs.paired), bins("a sound and another text", &pairs.unpaired)];
    Histogram::new("Similarity of sounds and texts", Axis::new("cosine"), sets)
}

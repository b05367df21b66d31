//! `echoic align`: an adapter from audio to text embeddings, learned from pairs.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::Result;
use echoic::align::{AlignOptions, AlignReport, Alignment};
use echoic::corpus::Rejected;
use echoic::models::STARTER;
use echoic::towers::Clap;
use echoic::towers::features::Features;
use echoic::towers::pooling::Pooling;

use super::advice::quoted;
use super::context::Context;
use super::output::{bytes, number};
use super::pipes;

/// Rows that are told one by one; the rest is counted, and listed with `--json`.
const TOLD: usize = 20;

/// Arguments of `align`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A CSV file with the columns audio and caption, and any of split (train or val), group, concepts (separated by spaces) and weight
    #[arg(value_name = "PAIRS.csv", value_parser = pipes::file)]
    pairs: PathBuf,
    /// The adapter's file to write; a log goes beside it
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    out: PathBuf,
    /// The model whose towers it joins: a name of `echoic models list`, or a folder or file with a checkpoint
    #[arg(long, value_name = "NAME|DIR", default_value = "starter")]
    model: String,
    /// Passes over the clips
    #[arg(long, value_name = "N", default_value_t = 30)]
    epochs: usize,
    /// Clips in a batch
    #[arg(long, value_name = "N", default_value_t = 128)]
    batch: usize,
    /// Highest learning rate
    #[arg(long, value_name = "LR", default_value_t = 2e-3)]
    learning_rate: f64,
    /// Width of the hidden layer
    #[arg(long, value_name = "N", default_value_t = 512)]
    hidden: usize,
    /// Temperature of the loss: lower tells the kinds of sound in the pairs apart more sharply, higher carries further to others
    #[arg(long, value_name = "T", default_value_t = 0.1)]
    temperature: f64,
    /// Seed of the split, the first weights, the batches and the dropout
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How the starter's audio tower's maps are pooled; other models have one kind of features, their audio embedding
    #[arg(long, value_name = "KIND", value_parser = kind)]
    features: Option<Pooling>,
    /// Where features are kept for the next run [default: .echoic-align-cache beside the pairs]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

fn kind(name: &str) -> Result<Pooling, String> {
    let known = || Pooling::ALL.map(Pooling::name).join(", ");
    Pooling::from_name(name).ok_or_else(|| format!("there are: {}", known()))
}

/// Trains and writes the adapter.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let options = AlignOptions::default()
        .epochs(arguments.epochs)
        .batch(arguments.batch)
        .learning_rate(arguments.learning_rate)
        .hidden(arguments.hidden)
        .temperature(arguments.temperature)
        .seed(arguments.seed)
        .features(arguments.features.map(Features::Maps))
        .cache(arguments.cache.clone())
        .ffmpeg(context.global.ffmpeg().cloned());
    let clap = Clap::load(&arguments.model)?;
    let alignment = Alignment::new(&clap).options(options).control(context.control());
    let report = alignment.learn(&arguments.pairs, &arguments.out)?;
    complain(&arguments.pairs, &report.rejected);
    let model = Some(arguments.model.as_str()).filter(|model| *model != STARTER);
    let model = model.map(|model| format!(" --model {}", quoted(model))).unwrap_or_default();
    context.out.item(&report, |report| {
        let out = quoted(&report.out.display().to_string());
        format!("{}\nuse it with: echoic init{model} --adapter {out}", describe(report))
    })
}

/// Tells the rows that were left out. They do not fail the run: the adapter is whole.
fn complain(pairs: &Path, rejected: &[Rejected]) {
    let file = pairs.display();
    for row in rejected.iter().take(TOLD) {
        tracing::warn!("{file}, line {}: {}", row.line, row.reason);
    }
    if rejected.len() > TOLD {
        tracing::warn!("{} more rows of {file} are left out", rejected.len() - TOLD);
    }
}

fn describe(report: &AlignReport) -> String {
    let validation = match &report.validation {
        None => "no clip was held out, so nothing is known of how well it does".to_owned(),
        Some(v) => format!(
            "{} held-out clips among {} captions: recall at 1 {:.3}, at 5 {:.3}, at 10 {:.3}; median place {}",
            number(v.clips as u64),
            number(v.captions as u64),
            v.recall_at_1,
            v.recall_at_5,
            v.recall_at_10,
            v.median_rank
        ),
    };
    format!(
        "wrote {} ({}): learned from {} clips and {} captions in {:.0} s; {} rows left out\n{validation}\nthe curve is in {}",
        report.out.display(),
        bytes(report.bytes),
        number(report.training_clips as u64),
        number(report.captions as u64),
        report.seconds,
        number(report.rejected.len() as u64),
        report.log.display()
    )
}

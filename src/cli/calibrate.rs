//! `echoic calibrate`: how far captions can be trusted, learned from sounds that people have described.

use std::path::PathBuf;

use clap::Args;
use echoic::Result;
use echoic::confidence::{Calibration, Curve};
use echoic::eval::calibrate;
use serde::Serialize;

use super::context::Context;
use super::eval::{Asked, Side, Source};
use super::how::How;
use super::output::table;
use super::pipes;

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    how: How,
    /// Which other sounds each caption is judged among
    #[arg(long = "drawn-by", value_name = "SEED", default_value_t = 1)]
    draws: u64,
    /// Measure and tell, and keep nothing in the store
    #[arg(long)]
    dry_run: bool,
    /// Write the calibration to this file, too
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Calibrated<'a> {
    sounds: usize,
    kept: bool,
    #[serde(flatten)]
    calibration: &'a Calibration,
}

/// Calibrates and keeps it in the store.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let (captioner, options) = arguments.how.captioner_of(memory.clone())?;
    let asked = Asked::gather(context, &arguments.source, Side::Sounds, &memory, captioner.towers().ok(), &mut None)?;
    let control = context.control();
    let calibration = calibrate(&captioner, &asked.questions, &asked.embeddings, &options, arguments.draws, &control)?;
    if let Some(path) = &arguments.out {
        calibration.write(path)?;
    }
    if !arguments.dry_run {
        calibration.keep(memory.dir())?;
    }
    let told = Calibrated { sounds: asked.questions.len(), kept: !arguments.dry_run, calibration: &calibration };
    context.out.item(&told, describe)
}

fn describe(told: &Calibrated<'_>) -> String {
    let mut rows =
        vec![["strategy", "right", "AUC", "calibration error", "Brier", "0.5 at"].map(str::to_owned).to_vec()];
    for (strategy, curve) in &told.calibration.curves {
        let figures = [curve.right, curve.auc, curve.calibration_error, curve.brier, even(curve)];
        let figures = figures.map(|figure| format!("{figure:.3}"));
        rows.push(std::iter::once(strategy.to_string()).chain(figures).collect());
    }
    let kept = if told.kept { "kept in the store" } else { "not kept" };
    format!(
        "{} sounds, each caption judged among {} descriptions; {kept}\n\n{}",
        told.sounds,
        told.calibration.among,
        table(&rows)
    )
}

/// The similarity from which on a caption is more likely right than wrong.
fn even(curve: &Curve) -> f64 {
    -curve.intercept / curve.slope
}

//! `echoic reproduce`: a paper's table, from data and weights that the user has.

mod estimate;
mod plan;
mod sets;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, Subcommand};
use echoic::decoder::Preset;
use echoic::{Error, Result};
use serde::Serialize;

use self::estimate::Estimate;
use self::plan::{Plan, Step};
use self::sets::Set;
use super::context::Context;
use super::pipes;
use super::search::at_least_one;

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    paper: Paper,
}

#[derive(Debug, Subcommand)]
enum Paper {
    /// Table 1 of WSAC (arXiv 2309.12242): baseline, noise (NI), shift (ES), nearest (NND), projection (PD) and their combinations
    Wsac(Wsac),
}

/// What WSAC's table is made from.
#[derive(Debug, Args)]
struct Wsac {
    /// The folder of Clotho: `clotho_captions_development.csv`, `clotho_captions_evaluation.csv`, and the sounds in `development/` and `evaluation/`
    #[arg(long, value_name = "DIR", value_parser = pipes::file, required_unless_present = "audiocaps")]
    clotho: Option<PathBuf>,
    /// The folder of AudioCaps: `train.csv`, `test.csv`, and the sounds, named by YouTube id, in `train/` and `test/`
    #[arg(long, value_name = "DIR", value_parser = pipes::file)]
    audiocaps: Option<PathBuf>,
    /// The CLAP model, as `init --model` takes it; the paper's is wavcaps-cnn14
    #[arg(long, value_name = "NAME|DIR", default_value = "wavcaps-cnn14")]
    model: String,
    /// Where stores, decoders and captions go: the same command goes on where it was stopped
    #[arg(long, value_name = "DIR", default_value = "./wsac", value_parser = pipes::file)]
    work: PathBuf,
    /// The decoders: `paper`, as in the paper, or `small`
    #[arg(long, default_value_t = Preset::Paper)]
    preset: Preset,
    /// Passes over the captions, where not the preset's
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    epochs: Option<usize>,
    /// Variance of the noise: a number, or `estimate`; by default the paper's 0.013 for a model of WavCaps, and an estimate for others
    #[arg(long, value_name = "VARIANCE")]
    noise: Option<String>,
    /// Training clips that the shift is measured with
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value_t = 2000)]
    pairs: usize,
    /// Evaluation clips, where not all
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Tell what would be done and what it takes, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is told before it begins.
#[derive(Serialize)]
struct Told<'a> {
    estimate: &'a Estimate,
    commands: Vec<String>,
}

/// Reproduces a table.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let Paper::Wsac(wsac) = &arguments.paper;
    let named = [("clotho", &wsac.clotho), ("audiocaps", &wsac.audiocaps)];
    let found = named.into_iter().filter_map(|(name, folder)| Some(Set::find(name, folder.as_deref()?)));
    let sets = found.collect::<Result<Vec<Set>>>()?;
    let plans: Vec<Plan> = sets.iter().map(|set| Plan::of(set, wsac)).collect();
    let estimate = Estimate::of(&sets, wsac);
    let commands = plans.iter().flat_map(|plan| &plan.steps).map(Step::shown).collect();
    if wsac.dry_run {
        return context.out.item(&Told { estimate: &estimate, commands }, |told| {
            format!("{}\n\n{}", told.estimate, told.commands.join("\n"))
        });
    }
    if !context.global.quiet {
        tracing::warn!("{estimate}");
    }
    for plan in &plans {
        plan.prepare(wsac.pairs)?;
        for step in &plan.steps {
            context.control().check()?;
            perform(context, step)?;
        }
    }
    Ok(())
}

/// Runs a command of this program, unless what it makes is there.
fn perform(context: &Context, step: &Step) -> Result<()> {
    if step.is_done()? {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(Error::io("find", Path::new("this program")))?;
    let mut command = Command::new(&program);
    command.args(context.global.json.then_some("--json")).args(context.global.quiet.then_some("--quiet"));
    command.args(context.global.offline.then_some("--offline")).arg("--store").arg(&step.store).args(step.words());
    command.stdin(Stdio::null()).stdout(if step.is_table() { Stdio::inherit() } else { Stdio::null() });
    tracing::info!("{}", step.shown());
    if step.is_table() {
        context.out.remark(&format!("\n{}", step.title))?;
    }
    let status = command.status().map_err(Error::io("run", &program))?;
    match status.code() {
        Some(0) => Ok(()),
        // Clips without a sound were told; the table is that of the rest.
        Some(1) if step.is_table() => Ok(()),
        Some(130) | None => Err(Error::Interrupted),
        Some(code) => {
            let found = format!("exit code {code} (why stands above)");
            Err(Error::input(step.shown(), found, "0").with_hint("mend it and give the same command again: it goes on"))
        }
    }
}

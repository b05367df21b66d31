//! `echoic train`: a decoder from stored texts.

mod flags;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use echoic::decoder::{Preset, TrainOptions, TrainReport, TrainingBridge, default_noise_variance};
use echoic::decoders::{default_decoder, work_folder};
use echoic::formats::embeddings;
use echoic::gap::{self, estimate_noise};
use echoic::memory::Scope;
use echoic::towers::Clap;
use echoic::training::Training;
use echoic::{Decoder, Error, Result, Snapshot, Store};
use serde::Serialize;

use flags::{NOT_WITH_FROM, Recipe, Shape};

use super::context::Context;
use super::output::{counted, number};
use super::pipes;
use super::search::scope;

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Train on this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// The decoder's name
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,
    /// Shape and recipe: `small` for minutes on a laptop, `paper` for that of WSAC [default: small, or with --from that of the other]
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
    /// Begin with the weights and words of this decoder of the store, and train it further on these texts: fine-tuning
    #[arg(long, value_name = "DECODER", conflicts_with_all = NOT_WITH_FROM)]
    from: Option<String>,
    /// How the decoder is prepared for embeddings off the texts
    #[arg(long, value_enum, default_value_t = BridgeKind::Noise)]
    bridge: BridgeKind,
    /// Variance of the noise: a number, or `estimate` from stored clips with several captions (the paper's way); by
    /// default one that suits nearest and projection
    #[arg(long, value_name = "VARIANCE", allow_negative_numbers = true)]
    noise: Option<Noise>,
    /// The shift from text to audio embeddings, where it is not the one that `echoic gap --pairs` has measured: a file of one row (.npy, .npz, safetensors, Parquet, Arrow); an array or column in it is named behind
    /// a colon
    #[arg(long, value_name = "FILE[:NAME]", value_parser = pipes::file)]
    shift: Option<PathBuf>,
    /// Passes over the captions
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Captions in a batch
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Highest learning rate
    #[arg(long, value_name = "LR", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// Share of the captions held out to choose the best checkpoint; those of one clip are held out together
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, default_value_t = 0.05)]
    validation: f32,
    /// Seed of the split, the initial weights and the noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on from the last checkpoint of this name
    #[arg(long)]
    resume: bool,
    /// Discard what a stopped training of this name has learned, and begin anew
    #[arg(long, conflicts_with = "resume")]
    restart: bool,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    recipe: Recipe,
}

/// What is done to a text embedding before the decoder sees it in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BridgeKind {
    /// Nothing
    None,
    /// Gaussian noise, drawn anew at each step
    Noise,
    /// A shift towards audio: the one that `echoic gap` has measured, or one that is given
    Shift,
    /// Shift and noise
    Both,
}

/// How much noise.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Noise {
    Estimate,
    Given(f32),
}

impl FromStr for Noise {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "estimate" {
            return Ok(Self::Estimate);
        }
        let number = text.parse().ok().filter(|variance: &f32| variance.is_finite() && *variance >= 0.0);
        number.map(Self::Given).ok_or_else(|| "give a number of at least 0, or `estimate`".to_owned())
    }
}

#[derive(Serialize)]
struct Trained<'a> {
    decoder: &'a str,
    noise_variance: Option<f32>,
    shift_length: Option<f32>,
    shift_sha256: Option<String>,
    shift_from: Option<String>,
    seed: u64,
    validation: f32,
    #[serde(flatten)]
    report: &'a TrainReport,
    log: PathBuf,
}

/// Trains and keeps the best checkpoint in the store.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let scope = scope(&arguments.domains);
    let bridge = bridge(arguments, &memory, &scope)?;
    let noise_variance = bridge.noise_variance;
    let (shift_length, shift_sha256) = (bridge.shift_length(), bridge.shift_sha256());
    let shift_from = bridge.shift_from.clone();
    let options = TrainOptions::default()
        .preset(preset(arguments, &memory)?)
        .shape(arguments.shape.changes())
        .recipe(arguments.recipe.changes())
        .epochs(arguments.epochs)
        .batch(arguments.batch)
        .learning_rate(arguments.learning_rate)
        .bridge(bridge)
        .validation(arguments.validation)
        .seed(arguments.seed)
        .resume(arguments.resume)
        .restart(arguments.restart);
    let tokenizer = Clap::tokenizer_for_store(&memory)?;
    let training =
        Training::new(&memory, &arguments.name).scope(scope).options(options).from(arguments.from.as_deref());
    let report = training.control(context.control()).run(&tokenizer)?;
    let log = work_folder(memory.dir(), &arguments.name).join("log.jsonl");
    let trained = Trained {
        decoder: &arguments.name,
        noise_variance,
        shift_length,
        shift_sha256,
        shift_from,
        seed: arguments.seed,
        validation: arguments.validation,
        report: &report,
        log,
    };
    context.out.item(&trained, describe)?;
    let newest = context.snapshot()?;
    if let Some(other) = default_decoder(&newest).filter(|other| other.name != arguments.name && !report.interrupted) {
        let (other, name) = (&other.name, &arguments.name);
        tracing::warn!("captions are still written by {other}; `echoic decoders use {name}` changes that");
    }
    if report.interrupted { Err(Error::Interrupted) } else { Ok(()) }
}

/// The preset that was asked for, or that of the decoder that is begun with.
fn preset(arguments: &Arguments, memory: &Snapshot) -> Result<Preset> {
    match (arguments.preset, &arguments.from) {
        (Some(preset), _) => Ok(preset),
        (None, None) => Ok(Preset::Small),
        (None, Some(from)) => Ok(Decoder::load(memory.decoder_path(from)?)?.info().training.preset),
    }
}

fn bridge(arguments: &Arguments, memory: &Snapshot, scope: &Scope) -> Result<TrainingBridge> {
    let (noisy, shifted) = match arguments.bridge {
        BridgeKind::None => (false, false),
        BridgeKind::Noise => (true, false),
        BridgeKind::Shift => (false, true),
        BridgeKind::Both => (true, true),
    };
    let unused = |option: &str, expected: &str| {
        let found = arguments.bridge.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        Err(Error::input(option, format!("--bridge {found}, which does not use it"), expected))
    };
    let noise_variance = match (noisy, arguments.noise) {
        (false, None) => None,
        (false, Some(_)) => return unused("--noise", "--bridge noise or --bridge both"),
        (true, None) => Some(default_noise_variance(memory.space().dim)),
        (true, Some(Noise::Given(variance))) => Some(variance),
        (true, Some(Noise::Estimate)) => {
            let estimate = estimate_noise(memory, scope)?.ok_or_else(|| {
                Error::input(
                    memory.dir().display(),
                    "no clip with several captions",
                    "some, to estimate the noise from",
                )
                .with_hint("give the variance as a number, such as the paper's --noise 0.013")
            })?;
            Some(estimate.variance)
        }
    };
    let bridge = TrainingBridge::default().noise_variance(noise_variance);
    match (shifted, &arguments.shift) {
        (false, None) => Ok(bridge),
        (false, Some(_)) => unused("--shift", "--bridge shift or --bridge both"),
        (true, Some(file)) => Ok(bridge.shift(one_row(file, memory.space().dim)?).shift_from("a file".to_owned())),
        (true, None) => {
            let (shift, from) = measured_shift(memory)?;
            Ok(bridge.shift(shift).shift_from(from))
        }
    }
}

/// The shift that the store keeps, and where it came from.
fn measured_shift(memory: &Snapshot) -> Result<(Vec<f32>, String)> {
    if let Some((report, Some(shift))) = gap::kept(&Store::open(memory.dir())?)? {
        let pairs = report.pairs.map_or(0, |pairs| pairs.count);
        return Ok((shift, format!("the gap measured at commit {} with {}", report.commit, counted(pairs, "pair"))));
    }
    let how = match memory.space().is_external() {
        true => "--audio-embeddings FILE --text-embeddings FILE",
        false => "--pairs CSV --audio DIR",
    };
    Err(Error::input("--bridge shift", "no --shift, and no gap measured with pairs in the store", "one of the two")
        .with_hint(format!(
            "measure it: echoic gap {how}; or give mean(audio) - mean(text) as one row with --shift FILE"
        )))
}

fn one_row(file: &Path, dim: usize) -> Result<Vec<f32>> {
    let mut rows = embeddings::open(file)?;
    if (rows.rows(), rows.dim()) != (1, dim) {
        let found = format!("shape [{}, {}]", rows.rows(), rows.dim());
        return Err(Error::input(file.display(), found, format!("one row of {dim}")));
    }
    Ok(rows.next_rows(1)?.into_vec())
}

fn describe(trained: &Trained<'_>) -> String {
    let r = trained.report;
    if r.interrupted {
        let (name, epochs, seconds) = (trained.decoder, r.epochs, r.seconds);
        return format!(
            "stopped training {name} after {epochs} epochs, {seconds:.0} s; the same command with --resume goes on"
        );
    }
    let split = match r.held_out {
        0 => String::new(),
        held_out => format!(", {} held out", number(held_out as u64)),
    };
    let (parameters, vocabulary) = (number(r.parameters as u64), number(r.vocabulary as u64));
    let loss = r.validation_loss.map(|loss| format!(", validation loss {loss:.3}")).unwrap_or_default();
    let from = r.from.as_ref().map_or(String::new(), |from| {
        let added = counted(r.added_tokens.unwrap_or(0) as u64, "token");
        format!("\nit began with {}, and knows {added} more", from.name)
    });
    let unknown = match r.unknown {
        share if share >= 0.0005 => {
            format!("\n{:.1} % of what the texts say are words that it does not know", 100.0 * share)
        }
        _ => String::new(),
    };
    format!(
        "trained the decoder {}: {} texts{split}, {parameters} parameters, {vocabulary} tokens{loss}, best after epoch {} of {}, {:.0} s{from}{unknown}\nthe curve is in {}",
        trained.decoder,
        number(r.texts as u64),
        r.best_epoch,
        r.epochs,
        r.seconds,
        trained.log.display()
    )
}

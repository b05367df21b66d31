//! Learning an adapter, from the file of pairs to the file of the adapter.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::options::{AlignOptions, AlignReport};
use super::pairs::Pairs;
use super::train::{Examples, Trainer};
use super::{features, pairs, retrieval, train};
use crate::digest::hex;
use crate::file::{self, Replacement};
use crate::progress::Control;
use crate::towers::Clap;
use crate::towers::adapter::{Activation, Adapter, AdapterFacts, AdapterParameters, Storage, VERSION};
use crate::{Error, Result};

/// The folder of kept features, beside the file of pairs.
const CACHE: &str = ".echoic-align-cache";

/// The learning of an adapter, about to begin.
///
/// ```no_run
/// use echoic::Clap;
/// use echoic::align::Alignment;
///
/// let clap = Clap::load("starter")?;
/// let report = Alignment::new(&clap).learn("pairs.csv", "mine.safetensors")?;
/// println!("{:?}", report.validation);
/// # Ok::<(), echoic::Error>(())
/// ```
#[derive(Debug)]
pub struct Alignment<'a> {
    clap: &'a Clap,
    options: AlignOptions,
    control: Control<'a>,
}

impl<'a> Alignment<'a> {
    /// Learns an adapter for this model.
    pub fn new(clap: &'a Clap) -> Self {
        Self { clap, options: AlignOptions::default(), control: Control::default() }
    }

    /// Learns so.
    #[must_use]
    pub fn options(self, options: AlignOptions) -> Self {
        Self { options, ..self }
    }

    /// Reports to `control`, and stops when it asks for it.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Trains an adapter on the pairs in `pairs` and writes it to `out`, with a log beside it.
    ///
    /// `pairs` is a CSV file with the columns `audio` (a path, relative to the file's folder) and `caption`, and any of `split` (`train` or
    /// `val`; without it a tenth is held out), `group` (clips that must stay on one side of that split), `concepts` (names, separated by
    /// spaces, of what is heard) and `weight` (how often the clip is drawn). Rows that cannot be used are reported, and the rest goes on.
    ///
    /// The same pairs, options and machine give the same file. When stopped, nothing is written but features for the next run.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] about the pairs, the options or the place of `out`; [`Error::Interrupted`].
    pub fn learn(self, pairs: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<AlignReport> {
        learn(self.clap, pairs.as_ref(), out.as_ref(), &self.options, &self.control)
    }
}

fn learn(clap: &Clap, pairs: &Path, out: &Path, options: &AlignOptions, control: &Control<'_>) -> Result<AlignReport> {
    let begun = Instant::now();
    options.check()?;
    let features = options.features.unwrap_or(clap.default_features());
    let log = log_path(out)?;
    let beside = || pairs.parent().unwrap_or(Path::new("")).join(CACHE);
    let cache = features::Cache::open(&options.cache.clone().unwrap_or_else(beside), features, clap.weights())
        .with_ffmpeg(options.ffmpeg.clone());
    let read = pairs::read(pairs, options.seed)?;
    let extracted = features::extract(clap, &read.clips, &cache, control)?;
    let feature_seconds = begun.elapsed().as_secs_f64();

    let Pairs { clips, texts, sets, mut rejected, rows } = read;
    let mut usable = Vec::new();
    for (clip, extracted) in clips.into_iter().zip(extracted) {
        match extracted {
            Ok(values) => usable.push((clip, values)),
            Err(reason) => rejected.push(reason),
        }
    }
    rejected.sort_by_key(|rejected| rejected.line);
    let phase = control.begin("captions", Some(texts.len() as u64));
    let captions = clap.embed_texts_with(&texts, control)?;
    phase.end();

    let (held_out, learned): (Vec<_>, Vec<_>) = usable.into_iter().partition(|(clip, _)| clip.held_out);
    let examples = Examples::new(learned, &captions, &sets, features.dim());
    if examples.is_empty() {
        let first = rejected.first().map(|r| format!(" (line {}: {})", r.line, r.reason)).unwrap_or_default();
        return Err(Error::input(
            pairs.display(),
            format!("no clip to learn from{first}"),
            "clips of the split `train`",
        ));
    }
    let validation_set = retrieval::Validation::new(&held_out, &captions, &sets, features.dim());
    let mut trainer = Trainer::new(&examples, options)?;
    let phase = control.begin("training", Some(trainer.steps() as u64));
    let entries = trainer.run(validation_set.as_ref(), control)?;
    phase.end();

    let mut facts = AdapterFacts {
        version: VERSION,
        features: features.name().to_owned(),
        inputs: features.dim(),
        outputs: clap.space().dim,
        activation: Activation::Gelu,
        layers: 2,
        training: Default::default(),
    };
    let counts = Counts { rows, training: examples.clips(), validation: held_out.len(), captions: texts.len() };
    describe(&mut facts, pairs, options, &counts, entries.last())?;
    let (layers, mean, scale) = trainer.finish()?;
    let parameters = layers.iter().map(|layer| layer.weight.len() + layer.bias.len()).sum();
    // What is measured is what the file holds, rounded as it is.
    let rounded =
        AdapterParameters { facts: facts.clone(), mean: mean.clone(), scale: scale.clone(), layers: layers.clone() };
    let validation = match &validation_set {
        Some(validation_set) => Some(
            validation_set.ask_adapter(&Adapter::from_bytes(&rounded.to_bytes(Storage::F16)?, "the new adapter")?)?,
        ),
        None => None,
    };
    facts.training.insert("validation".into(), json(&validation)?);
    control.check()?;
    AdapterParameters { facts, mean, scale, layers }.write(out, Storage::F16)?;
    write_log(&log, &entries)?;
    let written = std::fs::read(out).map_err(Error::io("read", out))?;
    Ok(AlignReport {
        out: out.to_path_buf(),
        bytes: written.len() as u64,
        sha256: hex(&Sha256::digest(&written)),
        parameters,
        features: features.name().to_owned(),
        training_clips: counts.training,
        validation_clips: counts.validation,
        captions: counts.captions,
        epochs: options.epochs,
        loss: entries.last().map_or(f64::NAN, |entry| entry.loss),
        validation,
        rejected,
        log,
        seconds: begun.elapsed().as_secs_f64(),
        feature_seconds,
    })
}

/// `OUT.log.jsonl`; finds out before hours of work whether `out` can be written at all.
fn log_path(out: &Path) -> Result<PathBuf> {
    if out.file_name().is_none() || out.is_dir() {
        return Err(Error::input(out.display(), "a folder", "the name of a file to write"));
    }
    drop(Replacement::beside(out)?);
    let mut log = out.as_os_str().to_owned();
    log.push(".log.jsonl");
    Ok(log.into())
}

fn write_log(path: &Path, entries: &[train::Entry]) -> Result<()> {
    let mut text = String::new();
    for entry in entries {
        text += &json(entry)?.to_string();
        text.push('\n');
    }
    file::replace(path, text.as_bytes())
}

struct Counts {
    rows: usize,
    training: usize,
    validation: usize,
    captions: usize,
}

/// Notes in the file how it was made.
fn describe(
    facts: &mut AdapterFacts,
    pairs: &Path,
    options: &AlignOptions,
    counts: &Counts,
    last: Option<&train::Entry>,
) -> Result<()> {
    let bytes = std::fs::read(pairs).map_err(Error::io("read", pairs))?;
    let training = serde_json::json!({
        "pairs_sha256": hex(&Sha256::digest(&bytes)),
        "rows": counts.rows,
        "training_clips": counts.training,
        "validation_clips": counts.validation,
        "captions": counts.captions,
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "hidden": options.hidden,
        "seed": options.seed,
        "loss": last.map(|entry| entry.loss),
        "temperature": options.temperature,
        "echoic": env!("CARGO_PKG_VERSION"),
    });
    if let serde_json::Value::Object(map) = training {
        facts.training.extend(map);
    }
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|e| Error::Internal(format!("no JSON: {e}")))
}

//! The state of a training: what `resume` needs to go on as if nothing had happened.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    decoder_file::{Block, Tensors, entry, json, read_metadata, read_tensors, write_tensors},
    model::{Held, Parameters},
};
use crate::error::{Hint, Topic};
use crate::nn::ops::Moments;
use crate::{Error, Result};

/// One line of `log.jsonl`, written after each epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Epochs finished.
    pub epoch: usize,
    /// Optimizer steps since the beginning.
    pub step: u64,
    /// Mean training loss of the epoch, nats a token, with dropout and smoothing.
    pub train_loss: f64,
    /// Validation loss, nats a token; null where nothing is held out.
    pub validation_loss: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Tokens learned from per second.
    pub tokens_per_second: f64,
    /// Seconds since the beginning.
    pub seconds: f64,
}

/// Where a training stands. Randomness needs no state: every step draws from a generator made of seed, epoch and step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progressed {
    /// Tells trainings of other texts, shapes or recipes apart.
    pub fingerprint: String,
    /// Epochs finished.
    pub epoch: usize,
    /// Steps done in the epoch that is under way.
    pub step: usize,
    /// Steps in all.
    pub updates: u64,
    /// Of the epoch under way: Σ loss · tokens, and tokens.
    #[serde(with = "exact")]
    pub loss_sum: f64,
    pub tokens: u64,
    /// Of the epoch under way: seconds spent training.
    pub epoch_seconds: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// Tokens and seconds of training in all.
    pub all_tokens: u64,
    pub training_seconds: f64,
    /// The epoch of the best checkpoint and its validation loss.
    pub best: Option<(usize, Option<f64>)>,
    pub log: Vec<LogEntry>,
}

/// A figure of the log, with as many digits as JSON brings back as they were, so that a resumed training writes the same log.
pub(super) fn told(figure: f64) -> f64 {
    format!("{figure:.12e}").parse().unwrap_or(figure)
}

/// A sum that goes on: JSON's reader may be off by the last bit of a number. States of 0.1.0 have a number.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Bits(String),
        Number(f64),
    }

    pub(super) fn serialize<S: Serializer>(sum: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:016x}", sum.to_bits()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Kept::deserialize(deserializer)? {
            Kept::Number(sum) => Ok(sum),
            Kept::Bits(bits) => u64::from_str_radix(&bits, 16).map(f64::from_bits).map_err(serde::de::Error::custom),
        }
    }
}

/// Writes the state file.
pub(super) fn save(
    path: &Path,
    progressed: &Progressed,
    parameters: &Parameters,
    moments: &BTreeMap<String, Moments>,
) -> Result<()> {
    let mut tensors = Vec::new();
    let held = parameters.held()?;
    for Held { name, shape, data } in &held {
        if let Some(moments) = moments.get(*name) {
            tensors.push((format!("first.{name}"), Block { shape, data: &moments.first }));
            tensors.push((format!("second.{name}"), Block { shape, data: &moments.second }));
        }
        tensors.push((format!("weight.{name}"), Block { shape, data }));
    }
    write_tensors(path, HashMap::from([("state".to_owned(), json(progressed)?)]), tensors)
}

/// Epochs that the training of a state file has finished, without reading its weights.
pub(super) fn epochs(path: &Path) -> Result<usize> {
    let progressed: Progressed = entry(path, &read_metadata(path)?, "state")?;
    Ok(progressed.epoch)
}

/// Reads the state file into `parameters` and the moments; `None` where there is no such file.
pub(super) fn load(
    path: &Path,
    fingerprint: &str,
    parameters: &Parameters,
) -> Result<Option<(Progressed, BTreeMap<String, Moments>)>> {
    if !path.exists() {
        tracing::warn!("there is no {} to resume from: training begins anew", path.display());
        return Ok(None);
    }
    let (metadata, mut tensors) = read_tensors(path)?;
    let progressed: Progressed = entry(path, &metadata, "state")?;
    if progressed.fingerprint != fingerprint {
        return Err(Error::input(path.display(), "the state of a training with other texts or options", "the same")
            .with_hint(Hint::about(
                Topic::StoppedTraining,
                "use the texts and options of the first time to go on, or discard what was learned and begin anew",
            )));
    }
    let mut loaded = BTreeMap::new();
    let mut moments = BTreeMap::new();
    for (name, var) in parameters.iter() {
        let mut take = |kind: &str| match tensors.remove(&format!("{kind}.{name}")) {
            Some((_, data)) if data.len() == var.elem_count() => Ok(data),
            _ => Err(Error::damaged(path, 0, format!("no {kind}.{name} of the right size"), "every parameter")),
        };
        loaded.insert(name.clone(), take("weight")?);
        moments.insert(name.clone(), Moments { first: take("first")?, second: take("second")? });
    }
    parameters.load(&loaded)?;
    Ok(Some((progressed, moments)))
}

/// A copy of the weights as they stand.
pub(super) fn weights(parameters: &Parameters) -> Result<Tensors> {
    let held = parameters.held()?;
    Ok(held.iter().map(|one| (one.name.to_owned(), (one.shape.to_vec(), one.data.to_vec()))).collect())
}

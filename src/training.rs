//! Training a decoder from what a store holds, and keeping it there.
//!
//! The store is only read while the decoder trains: others may ingest meanwhile. The finished decoder is published in
//! one short commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::bridge::estimate_noise_variance;
use crate::decoder::{TrainOptions, TrainReport, TrainingSet, TrainingText, WorkFolder, train_in};
use crate::memory::{DecoderEntry, Memory, check_name};
use crate::progress::{Progress, Stop};
use crate::{Error, Result};

/// The folder in which a decoder of this name trains: its resumable state and its log.
pub fn work_folder(memory: &Memory, name: &str) -> PathBuf {
    work_folder_in(memory.dir(), name)
}

fn work_folder_in(store: &Path, name: &str) -> PathBuf {
    store.join("decoders").join(name)
}

/// Trains a decoder on the stored texts of `domains` (all where `None`) and publishes its best checkpoint as `name`.
///
/// An interrupted training can be resumed. It publishes the best checkpoint so far, too, unless that would take the place of a finished
/// decoder (see [`is_finished`]).
///
/// # Errors
/// As [`crate::decoder::train`] and [`crate::memory::Writer::publish_decoder`]; [`Error::NotFound`] for an unknown domain;
/// [`Error::Training`] while a decoder of this name is being trained. Where training ends and publishing fails, because another process
/// is writing, nothing is lost: to resume it publishes it.
pub fn train_decoder(
    memory: &Memory,
    domains: Option<&[String]>,
    name: &str,
    tokenizer: &Tokenizer,
    options: &TrainOptions,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<TrainReport> {
    check_name("decoder", name)?;
    // Held until the decoder is published: the next training of this name begins by writing over it.
    let folder = WorkFolder::take(&work_folder(memory, name))?;
    let set = training_set(memory, domains)?;
    let report = train_in(&folder, &set, tokenizer, options, progress, stop)?;
    let details = serde_json::json!({
        "captions": set.texts.len(),
        "commit": memory.commit(),
        "domains": domains,
        "noise_variance": options.bridge.noise_variance,
        "preset": options.preset.to_string(),
        "report": report,
        "shift": options.bridge.shift.is_some(),
    });
    let published = Memory::writer(memory.dir()).and_then(|mut writer| {
        let present = writer.snapshot()?;
        let is_kept = |decoder: &DecoderEntry| decoder.name == name && is_finished(decoder);
        if !(report.interrupted && present.decoders().iter().any(is_kept)) {
            writer.publish_decoder(name, &report.best, details)?;
        }
        Ok(())
    });
    published.inspect_err(|_| {
        tracing::warn!(
            "the decoder is trained, but not published; it waits in {} to be resumed",
            report.best.display()
        );
    })?;
    Ok(report)
}

/// Whether the training that made a decoder came to its end.
pub fn is_finished(decoder: &DecoderEntry) -> bool {
    decoder.details["report"]["interrupted"] != true
}

/// The decoder that captions are written with where none is named: the newest; one whose training was interrupted comes behind all finished
/// ones. `None` where there is none.
pub fn default_decoder(memory: &Memory) -> Option<&DecoderEntry> {
    memory.decoders().iter().max_by_key(|decoder| (is_finished(decoder), decoder.created))
}

/// A decoder in a few facts, as [`train_decoder`] noted them. What it did not note, of a decoder published by other means, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecoderSummary {
    /// Its name.
    pub name: String,
    /// True for the one that [`default_decoder`] names.
    pub default: bool,
    /// False where its training was stopped before the end.
    pub finished: bool,
    /// The domains that it was trained on; `None` for all that there were.
    pub domains: Option<Vec<String>>,
    /// Distinct captions that it was trained on, those held out included.
    pub captions: Option<u64>,
    /// Shape and recipe.
    pub preset: Option<String>,
    /// Tokens that it knows.
    pub vocabulary: Option<u64>,
    /// Epochs that were finished.
    pub epochs: Option<u64>,
    /// Validation loss of the best of them, in nats a token.
    pub validation_loss: Option<f64>,
    /// Length of its file.
    pub bytes: u64,
    /// When it was published, in seconds since 1970.
    pub created: u64,
}

/// The published decoders in the order in which they were published.
pub fn decoders(memory: &Memory) -> Vec<DecoderSummary> {
    let default = default_decoder(memory).map(|decoder| decoder.name.as_str());
    let summary = |decoder: &DecoderEntry| {
        let (details, report) = (&decoder.details, &decoder.details["report"]);
        let names = |all: &Vec<Value>| all.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        DecoderSummary {
            name: decoder.name.clone(),
            default: default == Some(decoder.name.as_str()),
            finished: is_finished(decoder),
            domains: details["domains"].as_array().map(names),
            captions: details["captions"].as_u64(),
            preset: details["preset"].as_str().map(str::to_owned),
            vocabulary: report["vocabulary"].as_u64(),
            epochs: report["epochs"].as_u64(),
            validation_loss: report["validation_loss"].as_f64(),
            bytes: decoder.bytes,
            created: decoder.created,
        }
    };
    memory.decoders().iter().map(summary).collect()
}

/// What the removal of a decoder took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RemovedDecoder {
    /// False where there was only the work folder of a training that had never published one.
    pub published: bool,
    /// Bytes of the decoder and of its work folder.
    pub bytes: u64,
}

/// Removes the decoder `name` from the store at `store`, with the folder that it trained in: it cannot be resumed afterwards. Whoever has
/// loaded the decoder goes on writing captions with it.
///
/// # Errors
/// [`Error::NotFound`] with the names that there are; [`Error::Training`] while a decoder of this name is being trained; what
/// [`Memory::writer`] and [`crate::memory::Writer::remove_decoder`] return.
pub fn remove_decoder(store: &Path, name: &str) -> Result<RemovedDecoder> {
    check_name("decoder", name)?;
    let work = work_folder_in(store, name);
    // Before the store is opened for writing, which would be in the way of a training that wants to publish.
    let folder = if work.is_dir() { Some(WorkFolder::take(&work)?) } else { None };
    let mut writer = Memory::writer(store)?;
    let bytes = writer.snapshot()?.decoders().iter().find(|decoder| decoder.name == name).map(|decoder| decoder.bytes);
    match writer.remove_decoder(name) {
        Err(Error::NotFound { .. }) if folder.is_some() => {}
        outcome => outcome?,
    }
    let freed = folder.map_or(0, WorkFolder::remove);
    Ok(RemovedDecoder { published: bytes.is_some(), bytes: bytes.unwrap_or(0) + freed })
}

/// The stored texts of the domains with their embeddings, in the order of their ids. The texts are copied, the embeddings stay in the mapped
/// files.
///
/// # Errors
/// As [`Memory::for_each_caption`].
pub fn training_set<'a>(memory: &'a Memory, domains: Option<&[String]>) -> Result<TrainingSet<Vec<&'a [f32]>>> {
    let (mut texts, mut embeddings) = (Vec::new(), Vec::new());
    memory.for_each_caption(domains, |caption, embedding| {
        texts.push(TrainingText { text: caption.text, multiplicity: caption.multiplicity });
        embeddings.push(embedding);
        Ok(())
    })?;
    Ok(TrainingSet { texts, embeddings, space: memory.space().clone() })
}

/// The variance of the noise to inject, estimated from the stored clips that have several captions (WSAC §3.2), as if each ingested row were
/// stored for itself; `None` where there is no such clip.
///
/// # Errors
/// As [`Memory::for_each_caption`].
pub fn estimate_noise(memory: &Memory, domains: Option<&[String]>) -> Result<Option<f32>> {
    // In the order of domains and clips, so that the sum has one order.
    let mut clips: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    memory.for_each_caption(domains, |caption, _| {
        let of_caption = match caption.multiplicity {
            1 => caption.clip.into_iter().collect(),
            _ => memory.clips(caption.id)?,
        };
        for clip in of_caption {
            clips.entry((caption.domain.clone(), clip)).or_default().push(caption.id);
        }
        Ok(())
    })?;
    let embeddings = |ids: &Vec<u64>| ids.iter().filter_map(|id| memory.embedding(*id)).collect::<Vec<_>>();
    Ok(estimate_noise_variance(clips.values().map(embeddings)).map(|estimate| estimate.variance))
}

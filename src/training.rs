//! Training a decoder from what a store holds, and keeping it there.
//!
//! The store is only read while the decoder trains: others may ingest meanwhile. The finished decoder is published in
//! one short commit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokenizers::Tokenizer;

use crate::bridge::estimate_noise_variance;
use crate::decoder::{TrainOptions, TrainReport, TrainingSet, TrainingText, train};
use crate::memory::{DecoderEntry, Memory, check_name};
use crate::progress::{Progress, Stop};
use crate::{Embeddings, Result};

/// The folder in which a decoder of this name trains: its resumable state and its log.
pub fn work_folder(memory: &Memory, name: &str) -> PathBuf {
    memory.dir().join("decoders").join(name)
}

/// Trains a decoder on the stored texts of `domains` (all where `None`) and publishes its best checkpoint as `name`.
///
/// An interrupted training can be resumed. It publishes the best checkpoint so far, too, unless that would take the place of a finished
/// decoder (see [`is_finished`]).
///
/// # Errors
/// As [`train`] and [`crate::memory::Writer::publish_decoder`]; [`crate::Error::NotFound`] for an unknown domain. Where training ends and
/// publishing fails, because another process is writing, nothing is lost: to resume it publishes it.
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
    let set = training_set(memory, domains)?;
    let report = train(&set, tokenizer, options, &work_folder(memory, name), progress, stop)?;
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

/// The stored texts of the domains with their embeddings, in the order of their ids.
///
/// # Errors
/// As [`Memory::for_each_caption`].
pub fn training_set(memory: &Memory, domains: Option<&[String]>) -> Result<TrainingSet> {
    let mut texts = Vec::new();
    let mut embeddings = Embeddings::new(memory.space().dim);
    memory.for_each_caption(domains, |caption, embedding| {
        texts.push(TrainingText { text: caption.text, multiplicity: caption.multiplicity });
        embeddings.push(embedding)
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

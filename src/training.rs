//! Training a decoder from what a store holds, and keeping it there.
//!
//! The store is only read while the decoder trains: others may ingest meanwhile. The finished decoder is published in
//! one short commit.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::decoder::{Beginning, TrainOptions, TrainReport, TrainingSet, TrainingText, WorkFolder, train_in};
use crate::decoders::{is_finished, work_folder};
use crate::error::{Hint, Topic};
use crate::memory::{DecoderEntry, Scope, Snapshot, Store, check_name};
use crate::progress::Control;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result, file};

/// A training about to begin.
///
/// ```no_run
/// use echoic::training::Training;
/// use echoic::{Clap, Store};
///
/// let snapshot = Store::open("my-store")?.snapshot()?;
/// let tokenizer = Clap::tokenizer_for(snapshot.space())?;
/// let report = Training::new(&snapshot, "mine").run(&tokenizer)?;
/// println!("{:?}", report.validation_loss);
/// # Ok::<(), echoic::Error>(())
/// ```
#[derive(Debug)]
pub struct Training<'a> {
    snapshot: &'a Snapshot,
    name: &'a str,
    scope: Scope,
    options: TrainOptions,
    from: Option<&'a str>,
    control: Control<'a>,
}

impl<'a> Training<'a> {
    /// Trains the decoder `name` on all texts of a snapshot, with the small preset and the noise that suits projection.
    pub fn new(snapshot: &'a Snapshot, name: &'a str) -> Self {
        let options = TrainOptions::for_projection(snapshot.space().dim);
        Self { snapshot, name, scope: Scope::all(), options, from: None, control: Control::default() }
    }

    /// Trains on these texts alone.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Trains so.
    #[must_use]
    pub fn options(self, options: TrainOptions) -> Self {
        Self { options, ..self }
    }

    /// Begins with the weights and words of a decoder of the store, rather than with weights that are drawn; see [`TrainOptions::from`].
    #[must_use]
    pub fn from(self, decoder: impl Into<Option<&'a str>>) -> Self {
        Self { from: decoder.into(), ..self }
    }

    /// Reports to `control`, and stops when it asks for it.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Trains, and publishes the best checkpoint. `tokenizer` cuts the texts into tokens.
    ///
    /// An interrupted training can be resumed. It publishes the best checkpoint so far, too, unless that would take the place of a finished
    /// decoder (see [`is_finished`]). Of a finished one only the log stays in its folder: there is nothing to go on with.
    ///
    /// # Errors
    /// As [`train`](crate::decoder::train) and [`Writer::publish_decoder`](crate::Writer::publish_decoder);
    /// [`Error::NotFound`] for an unknown domain; [`Error::Training`] while a decoder of this name is being trained; [`Error::Input`] where a
    /// finished training is to be resumed. Where training ends and publishing fails, because another process is writing, nothing is lost: to resume it
    /// publishes it.
    pub fn run(self, tokenizer: &Tokenizer) -> Result<TrainReport> {
        let Self { snapshot, name, scope, mut options, from, control } = self;
        check_name("decoder", name)?;
        if let Some(from) = from {
            options.from = Some(Beginning { name: from.to_owned(), path: snapshot.decoder_path(from)? });
        }
        // Held until the decoder is published: the next training of this name begins by writing over it.
        let folder = WorkFolder::take(&work_folder(snapshot.dir(), name))?;
        let finished = snapshot.decoders().iter().find(|decoder| decoder.name == name && is_finished(decoder));
        check_beginning(&folder, finished, &options)?;
        let set = training_set(snapshot, &scope)?;
        tracing::info!("training {name} on {} texts of commit {}", set.texts.len(), snapshot.commit());
        let mut report = train_in(&folder, &set, tokenizer, &options, &control)?;
        let details = details(snapshot, &scope, &options, set.texts.len(), &report)?;
        let published = publish(snapshot, name, &report, details).inspect_err(|_| {
            tracing::warn!(
                "the decoder is trained, but not published; it waits in {} to be resumed",
                report.best.display()
            );
        })?;
        report.best = published.unwrap_or(report.best);
        if !report.interrupted {
            folder.shrink();
        }
        Ok(report)
    }
}

/// What a training does to what was there before it: nothing is discarded unasked, and nothing finished is done again in the name of going on.
fn check_beginning(folder: &WorkFolder, finished: Option<&DecoderEntry>, options: &TrainOptions) -> Result<()> {
    let path = folder.path().display();
    match (folder.standing(), finished) {
        (None, Some(decoder)) if options.resume => {
            let found = format!("the training of {}, which has come to its end", decoder.name);
            Err(Error::input(path, found, "one that was stopped")
                .with_hint("there is nothing to go on with; to train it anew, do not resume"))
        }
        (Some(standing), _) if standing.is_finished() && !options.resume && !options.restart => {
            // Older versions keep the state of what they have published.
            if let Some(decoder) = finished
                && file::sha256(&folder.best())? == decoder.sha256
            {
                return Ok(());
            }
            let found = "a training that has come to its end, whose decoder waits to be published";
            Err(Error::input(path, found, "to publish it, or to discard it").with_hint(Hint::about(
                Topic::StoppedTraining,
                "go on with it, which publishes it, or discard it and begin anew",
            )))
        }
        _ => Ok(()),
    }
}

/// What the store notes of a training, so that it can be told apart from others and done again.
fn details(
    snapshot: &Snapshot,
    scope: &Scope,
    options: &TrainOptions,
    captions: usize,
    report: &TrainReport,
) -> Result<serde_json::Value> {
    let mut noted =
        serde_json::to_value(report).map_err(|e| Error::Internal(format!("a report that is no JSON: {e}")))?;
    // Where it was is nothing to a store that may be copied.
    noted.as_object_mut().map(|report| report.remove("best"));
    Ok(json!({
        "captions": captions,
        "commit": snapshot.commit(),
        "domains": scope.names(),
        "from": report.from,
        "noise_variance": options.bridge.noise_variance,
        "preset": options.preset.to_string(),
        "report": noted,
        "seed": options.seed,
        "shift": options.bridge.shift.is_some(),
        "shift_length": options.bridge.shift_length(),
        "shift_from": options.bridge.shift_from,
        "shift_sha256": options.bridge.shift_sha256(),
        "split": { "by": "clip", "share": options.validation, "texts": report.texts, "held_out": report.held_out },
    }))
}

/// Publishes the decoder, unless it would take the place of a finished one and is not finished itself; returns its file in the store.
fn publish(
    snapshot: &Snapshot,
    name: &str,
    report: &TrainReport,
    details: serde_json::Value,
) -> Result<Option<PathBuf>> {
    let mut writer = Store::open(snapshot.dir())?.writer()?;
    let present = writer.snapshot()?;
    let is_kept = |decoder: &DecoderEntry| decoder.name == name && is_finished(decoder);
    if report.interrupted && present.decoders().iter().any(is_kept) {
        return Ok(None);
    }
    writer.publish_decoder(name, &report.best, details)?;
    writer.snapshot()?.decoder_path(name).map(Some)
}

/// The stored texts that take part with their embeddings and clips, in the order of their ids. The texts are copied, the embeddings stay in
/// the mapped files, and clips become numbers: those of one name in two domains are two.
///
/// # Errors
/// As [`Snapshot::captions`].
pub fn training_set<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Result<TrainingSet<Vec<&'a [f32]>>> {
    let (mut texts, mut embeddings) = (Vec::new(), Vec::new());
    let mut numbers = HashMap::new();
    for stored in snapshot.captions(scope)? {
        let (caption, embedding) = stored?;
        let names = snapshot.clips_of(&caption)?;
        let number = |name: &String| {
            let next = numbers.len() as u32;
            *numbers.entry(key(&caption.domain, name)).or_insert(next)
        };
        let clips = names.iter().map(number).collect();
        texts.push(TrainingText { text: caption.text, multiplicity: caption.multiplicity, clips });
        embeddings.push(embedding);
    }
    Ok(TrainingSet { texts, embeddings, space: snapshot.space().clone() })
}

/// A clip of a domain in 16 bytes: of many thousands, names would take more than the texts.
fn key(domain: &str, clip: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update((domain.len() as u64).to_le_bytes());
    hash.update(domain);
    hash.update(clip);
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

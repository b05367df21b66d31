//! Training a decoder from what a store holds, and keeping it there.
//!
//! The store is only read while the decoder trains: others may ingest meanwhile. The finished decoder is published in
//! one short commit.

use std::collections::BTreeMap;

use crate::Result;
use crate::bridge::estimate_noise_variance;
use crate::decoder::{TrainOptions, TrainReport, TrainingSet, TrainingText, WorkFolder, train_in};
use crate::decoders::{is_finished, work_folder};
use crate::memory::{DecoderEntry, Scope, Snapshot, Store, check_name};
use crate::progress::Control;
use crate::tokenizer::Tokenizer;

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
    control: Control<'a>,
}

impl<'a> Training<'a> {
    /// Trains the decoder `name` on all texts of a snapshot, with the small preset and the noise that suits projection.
    pub fn new(snapshot: &'a Snapshot, name: &'a str) -> Self {
        let options = TrainOptions::for_projection(snapshot.space().dim);
        Self { snapshot, name, scope: Scope::all(), options, control: Control::default() }
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

    /// Reports to `control`, and stops when it asks for it.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Trains, and publishes the best checkpoint. `tokenizer` cuts the texts into tokens.
    ///
    /// An interrupted training can be resumed. It publishes the best checkpoint so far, too, unless that would take the place of a finished
    /// decoder (see [`is_finished`]).
    ///
    /// # Errors
    /// As [`train`](crate::decoder::train) and [`Writer::publish_decoder`](crate::Writer::publish_decoder);
    /// [`Error::NotFound`](crate::Error::NotFound) for an unknown domain; [`Error::Training`](crate::Error::Training) while a decoder of this
    /// name is being trained. Where training ends and publishing fails, because another process is writing, nothing is lost: to resume it
    /// publishes it.
    pub fn run(self, tokenizer: &Tokenizer) -> Result<TrainReport> {
        let Self { snapshot, name, scope, options, control } = self;
        check_name("decoder", name)?;
        // Held until the decoder is published: the next training of this name begins by writing over it.
        let folder = WorkFolder::take(&work_folder(snapshot.dir(), name))?;
        let set = training_set(snapshot, &scope)?;
        let report = train_in(&folder, &set, tokenizer, &options, &control)?;
        let details = serde_json::json!({
            "captions": set.texts.len(),
            "commit": snapshot.commit(),
            "domains": scope.names(),
            "noise_variance": options.bridge.noise_variance,
            "preset": options.preset.to_string(),
            "report": report,
            "shift": options.bridge.shift.is_some(),
        });
        let published = publish(snapshot, name, &report, details);
        published.inspect_err(|_| {
            tracing::warn!(
                "the decoder is trained, but not published; it waits in {} to be resumed",
                report.best.display()
            );
        })?;
        Ok(report)
    }
}

fn publish(snapshot: &Snapshot, name: &str, report: &TrainReport, details: serde_json::Value) -> Result<()> {
    let mut writer = Store::open(snapshot.dir())?.writer()?;
    let present = writer.snapshot()?;
    let is_kept = |decoder: &DecoderEntry| decoder.name == name && is_finished(decoder);
    if !(report.interrupted && present.decoders().iter().any(is_kept)) {
        writer.publish_decoder(name, &report.best, details)?;
    }
    Ok(())
}

/// The stored texts that take part with their embeddings, in the order of their ids. The texts are copied, the embeddings stay in the mapped
/// files.
///
/// # Errors
/// As [`Snapshot::captions`].
pub fn training_set<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Result<TrainingSet<Vec<&'a [f32]>>> {
    let (mut texts, mut embeddings) = (Vec::new(), Vec::new());
    for stored in snapshot.captions(scope)? {
        let (caption, embedding) = stored?;
        texts.push(TrainingText { text: caption.text, multiplicity: caption.multiplicity });
        embeddings.push(embedding);
    }
    Ok(TrainingSet { texts, embeddings, space: snapshot.space().clone() })
}

/// The variance of the noise to inject, estimated from the stored clips that have several captions (WSAC §3.2), as if each ingested row were
/// stored for itself; `None` where there is no such clip.
///
/// # Errors
/// As [`Snapshot::captions`].
pub fn estimate_noise(snapshot: &Snapshot, scope: &Scope) -> Result<Option<f32>> {
    // In the order of domains and clips, so that the sum has one order.
    let mut clips: BTreeMap<(String, String), Vec<&[f32]>> = BTreeMap::new();
    for stored in snapshot.captions(scope)? {
        let (caption, embedding) = stored?;
        let of_caption = match caption.multiplicity {
            1 => caption.clip.into_iter().collect(),
            _ => snapshot.clips(caption.id)?,
        };
        for clip in of_caption {
            clips.entry((caption.domain.clone(), clip)).or_default().push(embedding);
        }
    }
    Ok(estimate_noise_variance(clips.into_values()).map(|estimate| estimate.variance))
}

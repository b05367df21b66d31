//! The decoders that a store keeps: listed, chosen, loaded, removed.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::decoder::{
    Decoder, DecoderConfig, LogEntry, Origin, Recipe, WorkFolder, is_work_folder, log_entries, standing, work_bytes,
};
use crate::error::{Hint, Topic};
use crate::memory::{DecoderEntry, Snapshot, Store, check_name};
use crate::{Error, Result};

/// Where a store keeps decoders, and the folders of trainings.
const FOLDER: &str = "decoders";

/// The folder in which a decoder of this name trains: its resumable state and its log.
pub fn work_folder(store: impl AsRef<Path>, name: &str) -> PathBuf {
    store.as_ref().join(FOLDER).join(name)
}

/// Whether the training that made a decoder came to its end.
pub fn is_finished(decoder: &DecoderEntry) -> bool {
    decoder.details["report"]["interrupted"] != true
}

/// The decoder that captions are written with where none is named: the last of those whose training came to its end, or else the last.
/// `None` where there is none.
pub fn default_decoder(snapshot: &Snapshot) -> Option<&DecoderEntry> {
    let all = snapshot.decoders();
    all.iter().rfind(|decoder| is_finished(decoder)).or(all.last())
}

/// Makes the decoder `name` the one that captions are written with where none is named.
///
/// # Errors
/// [`Error::NotFound`] with the names that there are; [`Error::Input`] for one whose training was stopped before its end; what
/// [`Store::writer`] and [`Writer::use_decoder`](crate::Writer::use_decoder) return.
pub fn choose(store: &Store, name: &str) -> Result<()> {
    let mut writer = store.writer()?;
    let snapshot = writer.snapshot()?;
    if snapshot.decoders().iter().any(|decoder| decoder.name == name && !is_finished(decoder)) {
        return Err(Error::input(name, "a decoder whose training was stopped", "one whose training came to its end")
            .with_hint("end its training first, or name it with each caption"));
    }
    writer.use_decoder(name)
}

/// Loads a decoder of the store: the named one, or [`default_decoder`]'s. One that was removed, or trained anew, since the snapshot was taken
/// is looked for in the newest commit.
///
/// # Errors
/// [`Error::NotFound`] when there is none of that name; [`Error::Input`] when there is none at all.
pub fn load(snapshot: &Snapshot, name: Option<&str>) -> Result<Decoder> {
    match load_committed(snapshot, name) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            load_committed(&Store::open(snapshot.dir())?.snapshot()?, name)
        }
        outcome => outcome,
    }
}

/// [`load`] from the very commit that was opened.
fn load_committed(snapshot: &Snapshot, name: Option<&str>) -> Result<Decoder> {
    let chosen = name.or_else(|| default_decoder(snapshot).map(|decoder| decoder.name.as_str()));
    let name = chosen.ok_or_else(|| {
        Error::input(snapshot.dir().display(), "no decoder", "a store with a trained decoder")
            .with_hint(Hint::about(Topic::Train, "train one from the stored texts"))
    })?;
    Decoder::load(snapshot.decoder_path(name)?)
}

/// A decoder in a few facts, as its training noted them. What it did not note, of a decoder published by other means, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
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
    /// Variance of the noise that it was trained with; `None` for none.
    pub noise_variance: Option<f64>,
    /// Length of the shift that it was trained with; `None` for none.
    pub shift_length: Option<f64>,
    /// SHA-256 of that shift's numbers.
    pub shift_sha256: Option<String>,
    /// Where that shift came from; `None` where it was not noted.
    pub shift_from: Option<String>,
    /// Texts that were held out, no clip of theirs among those that it learned from; `None` where the split was not by clip, or not noted.
    pub held_out: Option<u64>,
    /// The decoder that it began with; `None` for weights that were drawn.
    pub from: Option<Origin>,
    /// Its shape; `None` for decoders of 0.1.0, whose files alone have it.
    pub shape: Option<DecoderConfig>,
    /// How it was trained, number by number; `None` for decoders of 0.1.0.
    pub recipe: Option<Recipe>,
    /// The seed of its training.
    pub seed: Option<u64>,
    /// Length of its file.
    pub bytes: u64,
    /// When it was published, in seconds since 1970.
    pub created: u64,
}

/// The published decoders; the last that is finished is the one in use.
pub fn summaries(snapshot: &Snapshot) -> Vec<DecoderSummary> {
    let default = default_decoder(snapshot).map(|decoder| decoder.name.as_str());
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
            noise_variance: details["noise_variance"].as_f64(),
            shift_length: details["shift_length"].as_f64(),
            shift_sha256: details["shift_sha256"].as_str().map(str::to_owned),
            shift_from: details["shift_from"].as_str().map(str::to_owned),
            held_out: details["split"]["held_out"].as_u64(),
            from: noted(&details["from"]),
            shape: noted(&report["shape"]),
            recipe: noted(&report["recipe"]),
            seed: details["seed"].as_u64(),
            bytes: decoder.bytes,
            created: decoder.created,
        }
    };
    snapshot.decoders().iter().map(summary).collect()
}

/// What was noted, where it was.
fn noted<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

/// The folder of a training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TrainingFolder {
    /// The decoder's name.
    pub name: String,
    /// Bytes of the files in it.
    pub bytes: u64,
    /// False where it holds a training that has not come to its end: one that was stopped, or that is at work.
    pub finished: bool,
}

/// The folders of trainings in a store, in the order of their names. Of a finished training only its log is kept.
pub fn trainings(store: impl AsRef<Path>) -> Vec<TrainingFolder> {
    let entries = std::fs::read_dir(store.as_ref().join(FOLDER)).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| is_work_folder(path));
    let mut all: Vec<_> = folders
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let finished = standing(&path).is_none_or(|standing| standing.is_finished());
            Some(TrainingFolder { name, bytes: work_bytes(&path), finished })
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// What was noted after each epoch of the training of the decoder `name`.
///
/// # Errors
/// [`Error::Input`] where the store keeps no such log: those of backups and of decoders published by other means have none.
pub fn training_log(store: impl AsRef<Path>, name: &str) -> Result<Vec<LogEntry>> {
    match log_entries(&work_folder(store, name)) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let subject = format!("the decoder {name}");
            Err(Error::input(subject, "no log of its training in this store", "one with a line for each epoch")
                .with_hint("logs stay in the store that a decoder was trained in: backups have none"))
        }
        outcome => outcome,
    }
}

/// What the removal of a decoder took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RemovedDecoder {
    /// False where there was only the work folder of a training that had never published one.
    pub published: bool,
    /// Bytes of the decoder and of its work folder.
    pub bytes: u64,
}

/// Removes the decoder `name` from a store, with the folder that it trained in: it cannot be resumed afterwards. Whoever has
/// loaded the decoder goes on writing captions with it.
///
/// # Errors
/// [`Error::NotFound`] with the names that there are; [`Error::Training`] while a decoder of this name is being trained; what
/// [`Store::writer`] and [`Writer::remove_decoder`](crate::Writer::remove_decoder) return.
pub fn remove(store: &Store, name: &str) -> Result<RemovedDecoder> {
    check_name("decoder", name)?;
    let work = work_folder(store.dir(), name);
    // Before the store is opened for writing, which would be in the way of a training that wants to publish.
    let folder = if work.is_dir() { Some(WorkFolder::take(&work)?) } else { None };
    let mut writer = store.writer()?;
    let bytes = writer.snapshot()?.decoders().iter().find(|decoder| decoder.name == name).map(|decoder| decoder.bytes);
    match writer.remove_decoder(name) {
        Err(Error::NotFound { .. }) if folder.is_some() => {}
        outcome => outcome?,
    }
    let freed = folder.map_or(0, WorkFolder::remove);
    Ok(RemovedDecoder { published: bytes.is_some(), bytes: bytes.unwrap_or(0) + freed })
}

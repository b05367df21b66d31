//! Captioning what was logged once more, and saying what differs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::entry::{Entry, Record, Subject};
use crate::captioner::{CaptionOptions, Captioned, Captioner};
use crate::error::{Hint, Topic};
use crate::file::Fingerprint;
use crate::memory::Snapshot;
use crate::retrieval::Provenance;
use crate::{Error, Result};

/// What came of captioning the input of an entry once more.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Replayed {
    /// The entry.
    pub number: u64,
    /// Whether the caption, and all neighbours with the bits of their similarities and weights, are those that were logged.
    pub identical: bool,
    /// The caption now; `None` where the input is another one, or cannot be captioned so any more.
    pub caption: Option<String>,
    /// What differs: first what the caption depends on, then what came of it. An identical caption may come of another commit.
    pub differences: Vec<Difference>,
}

/// Something that is not as it was when it was logged.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// The input has another content; it was not captioned.
    Input {
        /// The one that was heard.
        logged: Fingerprint,
        /// The one that there is.
        found: Fingerprint,
    },
    /// The store is bound to another embedding space; nothing was captioned.
    Space {
        /// The one that it was bound to.
        logged: String,
        /// The one that it is bound to.
        found: String,
    },
    /// The version of Echoic.
    Version {
        /// The one that logged.
        logged: String,
        /// This one.
        found: String,
    },
    /// The store has another commit.
    Commit {
        /// The one that was captioned with.
        logged: Option<u64>,
        /// The one that there is.
        found: u64,
        /// Domains that it has now, and had not.
        new_domains: Vec<String>,
        /// Domains that it had.
        gone_domains: Vec<String>,
    },
    /// The decoder of this name was trained anew, or another one is used.
    Decoder {
        /// Its name.
        name: String,
        /// SHA-256 of its file, as it was.
        logged: Option<String>,
        /// As it is.
        found: Option<String>,
    },
    /// The input cannot be captioned so any more.
    Impossible {
        /// Why.
        reason: String,
    },
    /// The caption.
    Caption {
        /// What was logged.
        logged: String,
        /// What came of it now.
        found: String,
    },
    /// The neighbours.
    Neighbours {
        /// Those that were not among them.
        new: Vec<Provenance>,
        /// Those that are not among them any more.
        gone: Vec<Provenance>,
        /// How many of the others have another place, similarity, weight, text or multiplicity.
        changed: u64,
    },
    /// The bound of the softmax weight that was left out.
    LostMass {
        /// What was logged.
        logged: f32,
        /// What came of it now.
        found: f32,
    },
}

/// What an entry is captioned from once more.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A sound.
    Sound(&'a crate::audio::Audio<'a>),
    /// An embedding.
    Embedding(&'a [f32]),
}

/// Captions the input of an entry once more, with the parameters that were logged, and compares. `captioner` is made of `memory`, with the decoder
/// of the entry; where that cannot be had, it is the error that says why.
///
/// # Errors
/// [`Error::Input`] where a sound is given in place of an embedding, or the other way round; those of reading the input.
pub fn replay(
    entry: &Entry,
    input: Input<'_>,
    memory: &Snapshot,
    captioner: std::result::Result<&Captioner, &Error>,
) -> Result<Replayed> {
    let record = &entry.record;
    let found = match (input, record.subject) {
        (Input::Sound(audio), Subject::Sound | Subject::Window) => audio.fingerprint()?,
        (Input::Embedding(embedding), Subject::Embedding) => Fingerprint::of_numbers(embedding),
        _ => return Err(other_input(record)),
    };
    let mut replayed = Replayed { number: entry.number, identical: false, caption: None, differences: Vec::new() };
    if found != record.input {
        replayed.differences.push(Difference::Input { logged: record.input.clone(), found });
        return Ok(replayed);
    }
    if *memory.space() != record.space {
        let (logged, found) = (record.space.to_string(), memory.space().to_string());
        replayed.differences.push(Difference::Space { logged, found });
        return Ok(replayed);
    }
    replayed.differences = circumstances(record, memory, captioner.ok());
    match captioner.map_err(ToString::to_string).and_then(|captioner| caption(record, input, captioner)) {
        Ok(captioned) => {
            let outcome = outcome(record, &captioned);
            replayed.identical = outcome.is_empty();
            replayed.caption = Some(captioned.caption);
            replayed.differences.extend(outcome);
        }
        Err(reason) => replayed.differences.push(Difference::Impossible { reason }),
    }
    Ok(replayed)
}

fn other_input(record: &Record) -> Error {
    let (found, expected) = match record.subject {
        Subject::Embedding => ("a sound", "a file of embeddings, as it was captioned from"),
        _ => ("embeddings", "a sound, as it was captioned from"),
    };
    Error::input(&record.path, found, expected).with_hint(Hint::about(Topic::LoggedInput, "name the file"))
}

/// What a caption depends on that is not as it was.
fn circumstances(record: &Record, memory: &Snapshot, captioner: Option<&Captioner>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let this = env!("CARGO_PKG_VERSION");
    if record.echoic != this {
        differences.push(Difference::Version { logged: record.echoic.clone(), found: this.to_owned() });
    }
    let logged = &record.parameters;
    if logged.commit != Some(memory.commit()) {
        let now: BTreeSet<String> = memory.domains().into_iter().map(|domain| domain.name).collect();
        let then: BTreeSet<String> =
            record.domains.as_ref().unwrap_or(&now.iter().cloned().collect()).iter().cloned().collect();
        differences.push(Difference::Commit {
            logged: logged.commit,
            found: memory.commit(),
            new_domains: now.difference(&then).cloned().collect(),
            gone_domains: then.difference(&now).cloned().collect(),
        });
    }
    let found = captioner.map(|captioner| captioner.parameters(&CaptionOptions::of(record.strategy, logged)));
    if let (Some(name), Some(found)) = (&logged.decoder, found)
        && found.decoder_sha256 != logged.decoder_sha256
    {
        let (name, logged) = (name.clone(), logged.decoder_sha256.clone());
        differences.push(Difference::Decoder { name, logged, found: found.decoder_sha256 });
    }
    differences
}

fn caption(record: &Record, input: Input<'_>, captioner: &Captioner) -> std::result::Result<Captioned, String> {
    let options = CaptionOptions::of(record.strategy, &record.parameters);
    let captioned = match input {
        Input::Embedding(embedding) => captioner.caption_embedding(&record.path, embedding, &options),
        Input::Sound(audio) if record.subject == Subject::Window => {
            let windows = captioner.caption_windows(audio.clone(), &options).map_err(|error| error.to_string())?;
            // Reading numbers back may cost their last bit.
            let near = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| (a - b).abs() < 1e-6);
            let is_same = |window: &Captioned| near(window.start, record.start) && near(window.end, record.end);
            return windows.into_iter().find(is_same).ok_or_else(|| "the sound has other windows now".to_owned());
        }
        Input::Sound(audio) => captioner.caption(audio.clone(), &options),
    };
    captioned.map_err(|error| error.to_string())
}

/// What came of it that is not as it was.
fn outcome(record: &Record, captioned: &Captioned) -> Vec<Difference> {
    let mut differences = Vec::new();
    if record.caption != captioned.caption {
        differences.push(Difference::Caption { logged: record.caption.clone(), found: captioned.caption.clone() });
    }
    let (then, now) = (&record.neighbours, &captioned.neighbours);
    let lacks = |all: &[Provenance], id: u64| all.iter().all(|other| other.id != id);
    let new: Vec<Provenance> = now.iter().filter(|text| lacks(then, text.id)).cloned().collect();
    let gone: Vec<Provenance> = then.iter().filter(|text| lacks(now, text.id)).cloned().collect();
    let is_same = |place: usize, text: &Provenance| then.get(place).is_some_and(|before| is_identical(before, text));
    let others = now.iter().enumerate().filter(|(place, text)| !is_same(*place, text)).count() - new.len();
    if !new.is_empty() || !gone.is_empty() || others > 0 {
        differences.push(Difference::Neighbours { new, gone, changed: others as u64 });
    }
    if record.lost_mass.to_bits() != captioned.lost_mass.to_bits() {
        differences.push(Difference::LostMass { logged: record.lost_mass, found: captioned.lost_mass });
    }
    differences
}

fn is_identical(a: &Provenance, b: &Provenance) -> bool {
    let bits = |text: &Provenance| (text.similarity.to_bits(), text.weight.to_bits());
    bits(a) == bits(b) && a == b
}

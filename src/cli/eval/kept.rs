//! What an experiment keeps while it runs: embeddings of sounds by their content, and captions by all that they depend on.

use std::collections::HashMap;
use std::path::Path;

use echoic::bridge::Strategy;
use echoic::captioner::Parameters;
use echoic::file::Fingerprint;
use echoic::{EmbeddingSpace, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::asked::Asked;
use super::journal::Journal;

/// The embedding of a sound.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heard {
    pub space: String,
    pub sound: Fingerprint,
    pub embedding: Vec<f32>,
}

/// The captions of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicted {
    /// What they depend on, see [`key`].
    pub key: String,
    pub row: String,
    pub captions: Vec<String>,
}

/// The folder of an experiment.
pub struct Kept {
    sounds: Journal,
    heard: Vec<Heard>,
    rows: Journal,
    captions: Vec<Predicted>,
}

impl Kept {
    /// Opens or creates the folder.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let (sounds, heard) = Journal::open(&folder.join("sounds.jsonl"))?;
        let (rows, captions) = Journal::open(&folder.join("captions.jsonl"))?;
        Ok(Self { sounds, heard, rows, captions })
    }

    /// The embeddings of a space, by the SHA-256 of the sound's file.
    pub fn heard(&self, space: &EmbeddingSpace) -> HashMap<String, Vec<f32>> {
        let space = space.to_string();
        let of_space = self.heard.iter().filter(|heard| heard.space == space);
        of_space.map(|heard| (heard.sound.sha256.clone(), heard.embedding.clone())).collect()
    }

    /// Keeps the embedding of a sound.
    ///
    /// # Errors
    /// As [`Journal::put`].
    pub fn put_heard(&mut self, heard: &Heard) -> Result<()> {
        self.sounds.put(heard)
    }

    /// The captions of a key, if they are kept.
    pub fn captions(&self, key: &str) -> Option<Predicted> {
        self.captions.iter().find(|predicted| predicted.key == key).cloned()
    }

    /// Keeps the captions of a row.
    ///
    /// # Errors
    /// As [`Journal::put`].
    pub fn put_captions(&mut self, predicted: &Predicted) -> Result<()> {
        self.rows.put(predicted)
    }
}

/// Tells captions apart by all that they depend on: how they are written, and the embeddings that ask for them.
///
/// # Errors
/// [`Error::Internal`] for parameters that are no JSON.
pub fn key(strategy: Strategy, parameters: &Parameters, asked: &Asked) -> Result<String> {
    let asked = Fingerprint::of_numbers(asked.embeddings.as_slice());
    let all = serde_json::to_vec(&json!({ "strategy": strategy, "parameters": parameters, "asked": asked }));
    let all = all.map_err(|e| Error::Internal(format!("parameters that are no JSON: {e}")))?;
    Ok(Fingerprint::of_bytes(&all).sha256)
}

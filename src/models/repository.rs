//! What a repository holds at one commit, and which of its files a model needs.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::hub::Reference;
use super::transfer::Client;
use crate::error::{Hint, Missing, Topic};
use crate::towers;
use crate::{Error, Result};

/// What a hub says of a repository.
#[derive(Debug, Deserialize)]
struct Description {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData", default)]
    card: Option<Card>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
}

#[derive(Debug, Default, Deserialize)]
struct Card {
    #[serde(default)]
    license: Option<serde_json::Value>,
}

/// A repository at one commit.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub commit: String,
    pub files: BTreeSet<String>,
    pub licence: Option<String>,
}

impl Snapshot {
    /// Asks the hub.
    pub fn ask(client: &Client<'_>, reference: &Reference) -> Result<Self> {
        let url = reference.description_url(&client.hub.endpoint);
        let json = client.description(&url)?;
        let description: Description = serde_json::from_slice(&json).map_err(|cause| {
            client.failed(format!("{url} answers with no description of a model ({cause})"), "check HF_ENDPOINT")
        })?;
        if !(description.sha.len() == 40 && description.sha.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(client.failed(format!("{url} gives no commit"), "check HF_ENDPOINT"));
        }
        let files = description.siblings.into_iter().map(|file| file.rfilename).collect();
        let licence = description.card.and_then(|card| card.license);
        let licence = licence.and_then(|licence| licence.as_str().map(str::to_owned));
        Ok(Self { commit: description.sha, files, licence })
    }

    /// What a folder of the shared cache holds.
    pub fn of_folder(folder: &Path, commit: String) -> Result<Self> {
        let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(Self { commit, files: names.collect(), licence: None })
    }

    /// The files that a model needs: configuration, tokenizer, and one file of weights.
    pub fn wanted(&self, weights: Option<&str>, subject: &str) -> Result<(Vec<String>, String)> {
        let weights = match weights {
            Some(asked) if self.files.contains(asked) => asked.to_owned(),
            Some(asked) => {
                let known: Vec<String> = self.checkpoints().map(str::to_owned).collect();
                return Err(Error::NotFound { kind: Missing::Checkpoint, name: asked.to_owned(), known });
            }
            None => self.weights(subject)?,
        };
        let has = |name: &&str| self.files.contains(*name);
        let mut files: Vec<String> = ["config.json", "preprocessor_config.json"]
            .into_iter()
            .filter(|name| has(name))
            .map(str::to_owned)
            .collect();
        files.extend(tokenizer_files(|name| self.files.contains(name)).iter().map(|name| (*name).to_owned()));
        files.push(weights.clone());
        Ok((files, weights))
    }

    fn weights(&self, subject: &str) -> Result<String> {
        if let Some(usual) = towers::WEIGHTS.iter().find(|name| self.files.contains(**name)) {
            return Ok((*usual).to_owned());
        }
        let all: Vec<&str> = self.checkpoints().collect();
        match all.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => {
                let shards = self.files.contains("model.safetensors.index.json");
                let found = if shards { "weights in several pieces" } else { "no checkpoint" };
                Err(Error::input(subject, found, format!("one of {}", towers::WEIGHTS.join(", ")))
                    .with_hint(towers::other_kind()))
            }
            several => Err(Error::input(subject, format!("{} checkpoints", several.len()), "one")
                .with_hint(Hint::about(Topic::CheckpointFile, format!("choose one of {}", several.join(", "))))),
        }
    }

    fn checkpoints(&self) -> impl Iterator<Item = &str> {
        let extensions = [".safetensors", ".bin", ".pt", ".pth", ".ckpt"];
        self.files.iter().map(String::as_str).filter(move |name| extensions.iter().any(|end| name.ends_with(end)))
    }
}

/// The files of a tokenizer, where `has` one: one file in the format of `tokenizers`, or vocabulary and merges, or a list of words.
pub(crate) fn tokenizer_files(has: impl Fn(&str) -> bool) -> &'static [&'static str] {
    const FORMS: [&[&str]; 3] = [&["tokenizer.json"], &["vocab.json", "merges.txt"], &["vocab.txt"]];
    FORMS.into_iter().find(|form| form.iter().all(|name| has(name))).unwrap_or_default()
}

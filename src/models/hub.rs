//! Model hubs in the layout of Hugging Face: which files a repository has, and which of them a model needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::Siblings;
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use crate::clap::family;
use crate::models::offline_by_env;
use crate::models::transfer::Client;
use crate::{Error, Result};

/// The hub that is meant where no other is named.
pub const HUGGING_FACE: &str = "https://huggingface.co";

/// Which hub, and how it is spoken to.
#[derive(Clone)]
pub struct Hub {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// Sent to the hub itself, never to another host.
    pub token: Option<String>,
    /// The folder in which other programs keep what they have pulled (`HF_HOME/hub`); what lies there is not fetched again.
    pub shared: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
    /// How often a request is tried again that brought nothing.
    pub retries: u32,
    /// The pause before the first of these tries.
    pub backoff: Duration,
}

impl std::fmt::Debug for Hub {
    /// Leaves the token out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "set");
        f.debug_struct("Hub").field("endpoint", &self.endpoint).field("token", &token).finish_non_exhaustive()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            endpoint: HUGGING_FACE.into(),
            token: None,
            shared: None,
            offline: false,
            retries: 5,
            backoff: Duration::from_millis(500),
        }
    }
}

impl Hub {
    /// What the environment asks for: `HF_ENDPOINT`, `HF_TOKEN` or the token file in `HF_HOME`, `HF_HUB_OFFLINE` or `ECHOIC_OFFLINE`.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        // hf-hub's own way to the environment panics where there is no home folder.
        let home = set("HF_HOME")
            .map(PathBuf::from)
            .or_else(|| directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cache").join("huggingface")));
        let shared = home.map(|home| home.join("hub"));
        let token = set("HF_TOKEN").or_else(|| Cache::new(shared.clone()?).token());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| HUGGING_FACE.into());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token,
            shared,
            offline: offline_by_env(),
            ..Self::default()
        }
    }

    /// The file with this checksum in the folder that programs share, if it is there.
    pub(crate) fn shared_file(&self, reference: &Reference, tag: &str) -> Option<PathBuf> {
        let cache = Cache::new(self.shared.clone()?);
        Some(cache.repo(reference.repo()).blob_path(tag)).filter(|path| path.is_file())
    }

    /// The snapshot of `reference` in the folder that programs share, and its commit.
    pub(crate) fn shared_snapshot(&self, reference: &Reference) -> Option<(PathBuf, String)> {
        let cache = Cache::new(self.shared.clone()?).repo(reference.repo());
        // hf-hub reads the commit of a branch only on the way to a file; a commit names its own folder.
        let folder = |commit: &str| Some(cache.pointer_path(commit)).filter(|folder| folder.is_dir());
        if let Some(exact) = folder(&reference.revision) {
            return Some((exact, reference.revision.clone()));
        }
        let refs = cache.blob_path("any").parent()?.parent()?.join("refs").join(&reference.revision);
        let commit = std::fs::read_to_string(refs).ok()?.trim().to_owned();
        Some((folder(&commit)?, commit))
    }
}

/// A model on a hub: `OWNER/NAME`, and a branch, tag or commit of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The branch, tag or commit.
    pub revision: String,
    /// Whether the revision was asked for, or is the usual one.
    pub pinned: bool,
}

impl Reference {
    /// Reads `OWNER/NAME` or `OWNER/NAME@REVISION`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = repository.split_once('/')?;
        let part = |part: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !part.is_empty() && !part.starts_with('.') && !part.contains("--") && part.bytes().all(good)
        };
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
        let sound = |revision: &str| {
            !revision.is_empty()
                && revision.bytes().all(good)
                && revision.split('/').all(|p| !p.is_empty() && p != ".." && p != ".")
        };
        if !part(owner) || !part(name) || !revision.is_none_or(sound) {
            return None;
        }
        let revision_or_main = revision.unwrap_or("main").to_owned();
        Some(Self { repository: repository.to_owned(), revision: revision_or_main, pinned: revision.is_some() })
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.repository.clone(), RepoType::Model, self.revision.clone())
    }

    /// The address of a file at `commit`.
    pub(crate) fn file_url(&self, endpoint: &str, commit: &str, file: &str) -> String {
        let at = Repo::with_revision(self.repository.clone(), RepoType::Model, commit.to_owned());
        let escaped = file.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        });
        format!("{endpoint}/{}/resolve/{}/{}", at.url(), at.url_revision(), escaped.collect::<String>())
    }
}

/// What a hub says of a repository. hf-hub's `RepoInfo` leaves the licence out.
#[derive(Debug, Deserialize)]
struct Description {
    sha: String,
    siblings: Vec<Siblings>,
    #[serde(rename = "cardData", default)]
    card: Option<Card>,
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
        let url = format!("{}/api/{}", client.hub.endpoint, reference.repo().api_url());
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
                return Err(Error::NotFound { kind: "checkpoint in the repository", name: asked.to_owned(), known });
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
        if let Some(usual) = family::WEIGHTS.iter().find(|name| self.files.contains(**name)) {
            return Ok((*usual).to_owned());
        }
        let all: Vec<&str> = self.checkpoints().collect();
        match all.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => {
                let shards = self.files.contains("model.safetensors.index.json");
                let found = if shards { "weights in several pieces" } else { "no checkpoint" };
                Err(Error::input(subject, found, format!("one of {}", family::WEIGHTS.join(", ")))
                    .with_hint("it is another kind of model; `--embeddings` brings the embeddings of any model"))
            }
            several => Err(Error::input(subject, format!("{} checkpoints", several.len()), "one")
                .with_hint(format!("choose with --file: {}", several.join(", ")))),
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

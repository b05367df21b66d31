//! Model hubs in the layout of Hugging Face: addresses, and the folder that programs share.

use std::path::PathBuf;
use std::time::Duration;

use super::environment::offline_by_env;

/// The hub that is meant where no other is named.
pub const HUGGING_FACE: &str = "https://huggingface.co";

/// Which hub, and how it is spoken to.
#[derive(Clone)]
#[non_exhaustive]
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

impl Hub {
    /// Its address.
    #[must_use]
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), ..self }
    }

    /// The token.
    #[must_use]
    pub fn token(self, token: impl Into<Option<String>>) -> Self {
        Self { token: token.into(), ..self }
    }

    /// The folder in which other programs keep what they have pulled.
    #[must_use]
    pub fn shared(self, shared: impl Into<Option<PathBuf>>) -> Self {
        Self { shared: shared.into(), ..self }
    }

    /// Whether the network may not be used.
    #[must_use]
    pub fn offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// How often a request is tried again.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// The pause before the first of these tries.
    #[must_use]
    pub fn backoff(self, backoff: Duration) -> Self {
        Self { backoff, ..self }
    }
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
        let home = set("HF_HOME")
            .map(PathBuf::from)
            .or_else(|| directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cache").join("huggingface")));
        let from_file = || std::fs::read_to_string(home.as_ref()?.join("token")).ok();
        let token = set("HF_TOKEN").or_else(from_file).map(|token| token.trim().to_owned());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| HUGGING_FACE.into());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token.filter(|token| !token.is_empty()),
            shared: home.map(|home| home.join("hub")),
            offline: offline_by_env(),
            ..Self::default()
        }
    }

    /// The file with this checksum in the folder that programs share, if it is there.
    pub(crate) fn shared_file(&self, reference: &Reference, tag: &str) -> Option<PathBuf> {
        Some(self.shared_folder(reference)?.join("blobs").join(tag)).filter(|path| path.is_file())
    }

    /// The snapshot of `reference` in the folder that programs share, and its commit.
    pub(crate) fn shared_snapshot(&self, reference: &Reference) -> Option<(PathBuf, String)> {
        let shared = self.shared_folder(reference)?;
        let folder = |commit: &str| Some(shared.join("snapshots").join(commit)).filter(|folder| folder.is_dir());
        // A commit names its own folder; a branch or tag is a file that names a commit.
        if let Some(exact) = folder(&reference.revision) {
            return Some((exact, reference.revision.clone()));
        }
        let commit = std::fs::read_to_string(shared.join("refs").join(&reference.revision)).ok()?.trim().to_owned();
        Some((folder(&commit)?, commit))
    }

    fn shared_folder(&self, reference: &Reference) -> Option<PathBuf> {
        Some(self.shared.as_ref()?.join(format!("models--{}", reference.repository.replace('/', "--"))))
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

    /// The address of the description of the repository at this revision.
    pub(crate) fn description_url(&self, endpoint: &str) -> String {
        format!("{endpoint}/api/models/{}/revision/{}", self.repository, self.revision.replace('/', "%2F"))
    }

    /// The address of a file at `commit`.
    pub(crate) fn file_url(&self, endpoint: &str, commit: &str, file: &str) -> String {
        let escaped = file.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        });
        format!("{endpoint}/{}/resolve/{commit}/{}", self.repository, escaped.collect::<String>())
    }
}

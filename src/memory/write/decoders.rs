//! Decoders that the store keeps: files named by the manifest.

use std::path::Path;

use super::writer::{Writer, now};
use crate::memory::format::manifest::DecoderRecord;
use crate::memory::format::storage::{copy_durably, remove_quietly};
use crate::memory::format::{layout, limits};
use crate::memory::read::decoders::DecoderEntry;
use crate::{Error, Result, file};

/// Longest details, as JSON.
const DETAILS_BYTES: usize = 1024 * 1024;

impl Writer {
    /// Copies the file `from` into the store as the decoder `name`, in place of an older one of that name, and commits.
    ///
    /// The last of the decoders is the one that is meant where none is named. So a new one comes first: it takes nobody's place unasked; see
    /// [`Writer::use_decoder`].
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is none or details over a megabyte, [`Error::Io`] when reading, writing or the commit fails.
    pub fn publish_decoder(
        &mut self,
        name: &str,
        from: impl AsRef<Path>,
        details: serde_json::Value,
    ) -> Result<DecoderEntry> {
        let from = from.as_ref();
        self.check_poison()?;
        limits::check_name("decoder", name)?;
        let details = details.to_string();
        if details.len() > DETAILS_BYTES {
            let found = format!("{} bytes", details.len());
            return Err(Error::input("the decoder's details", found, format!("at most {DETAILS_BYTES} bytes of JSON")));
        }
        let folder = layout::decoders(self.memory.dir());
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        // Hashed first, because the name of the copy holds the hash; hashed again while copying, in case the file changes.
        let (sha256, len) = file::sha256_and_len(from)?;
        let file_name = layout::hashed_name(name, &sha256);
        let path = folder.join(&file_name);
        let published = self.memory.0.manifest.decoders.iter().any(|decoder| decoder.file == file_name);
        if !published {
            copy_durably(from, &path, &sha256, &*self.storage)?;
        }
        let record =
            DecoderRecord { name: name.to_owned(), file: file_name.clone(), sha256, len, created: now(), details };
        let entry = DecoderEntry::from_record(&record);
        let mut manifest = self.memory.0.manifest.clone();
        let place = manifest.decoders.iter().position(|decoder| decoder.name == name).unwrap_or(0);
        let old: Vec<String> =
            manifest.decoders.extract_if(.., |decoder| decoder.name == name).map(|decoder| decoder.file).collect();
        manifest.decoders.insert(place, record);
        self.commit(manifest)?;
        for old in old.iter().filter(|old| **old != file_name) {
            remove_quietly(&folder.join(old), &*self.storage);
        }
        Ok(entry)
    }

    /// Makes a decoder the last, and so the one that is meant where none is named, and commits; nothing is committed where it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of that name, [`Error::Io`] when the commit fails.
    pub fn use_decoder(&mut self, name: &str) -> Result<()> {
        self.check_poison()?;
        let mut manifest = self.memory.0.manifest.clone();
        let Some(place) = manifest.decoders.iter().position(|decoder| decoder.name == name) else {
            return Err(manifest.no_decoder(name));
        };
        if place + 1 == manifest.decoders.len() {
            return Ok(());
        }
        let chosen = manifest.decoders.remove(place);
        manifest.decoders.push(chosen);
        self.commit(manifest)
    }

    /// Removes a decoder.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of that name, [`Error::Io`] when the commit fails.
    pub fn remove_decoder(&mut self, name: &str) -> Result<()> {
        self.check_poison()?;
        let mut manifest = self.memory.0.manifest.clone();
        let old: Vec<String> =
            manifest.decoders.extract_if(.., |decoder| decoder.name == name).map(|decoder| decoder.file).collect();
        if old.is_empty() {
            return Err(manifest.no_decoder(name));
        }
        self.commit(manifest)?;
        let folder = layout::decoders(self.memory.dir());
        old.iter().for_each(|file| remove_quietly(&folder.join(file), &*self.storage));
        Ok(())
    }
}

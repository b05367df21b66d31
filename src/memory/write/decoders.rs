//! Decoders that the store keeps: files named by the manifest.

use std::fs::File;
use std::path::Path;

use super::writer::{Writer, now, remove_quietly};
use crate::digest::hex;
use crate::file;
use crate::memory::format::manifest::DecoderRecord;
use crate::memory::format::{layout, limits};
use crate::memory::read::decoders::DecoderEntry;
use crate::{Error, Result};

/// Longest details, as JSON.
const DETAILS_BYTES: usize = 1024 * 1024;

impl Writer {
    /// Copies the file `from` into the store as the decoder `name`, in place of an older one of that name, and commits.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is none or details over a megabyte, [`Error::Io`] when reading, writing or the commit fails.
    pub fn publish_decoder(&mut self, name: &str, from: &Path, details: serde_json::Value) -> Result<DecoderEntry> {
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
        let file_name = format!("{name}-{}.safetensors", &hex(&sha256)[..12]);
        let path = folder.join(&file_name);
        let published = self.memory.0.manifest.decoders.iter().any(|decoder| decoder.file == file_name);
        if !published {
            self.copy_in(from, &path, &sha256)?;
        }
        let record =
            DecoderRecord { name: name.to_owned(), file: file_name.clone(), sha256, len, created: now(), details };
        let entry = DecoderEntry::from_record(&record);
        let mut manifest = self.memory.0.manifest.clone();
        let old: Vec<String> =
            manifest.decoders.extract_if(.., |decoder| decoder.name == name).map(|decoder| decoder.file).collect();
        manifest.decoders.push(record);
        self.commit(manifest)?;
        for old in old.iter().filter(|old| **old != file_name) {
            remove_quietly(&folder.join(old), &*self.storage);
        }
        Ok(entry)
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

    /// Copies under another name first, so that a file with a decoder's name is whole.
    fn copy_in(&self, from: &Path, to: &Path, sha256: &[u8; 32]) -> Result<()> {
        let new = to.with_extension("safetensors.new");
        let copied = (|| {
            let mut out = self.storage.create(&new).map_err(Error::io("create", &new))?;
            let mut source = File::open(from).map_err(Error::io("open", from))?;
            let (found, _) = file::copy_hashed(&mut source, &mut out).map_err(Error::io("copy", from))?;
            if found != *sha256 {
                return Err(Error::input(
                    from.display(),
                    "a file that changes while it is copied",
                    "a finished decoder",
                ));
            }
            out.sync().map_err(Error::io("write", &new))?;
            self.storage.rename(&new, to).map_err(Error::io("replace", to))?;
            let folder = layout::decoders(self.memory.dir());
            self.storage.sync_folder(&folder).map_err(Error::io("flush", &folder))
        })();
        copied.inspect_err(|_| {
            remove_quietly(&new, &*self.storage);
            remove_quietly(to, &*self.storage);
        })
    }
}

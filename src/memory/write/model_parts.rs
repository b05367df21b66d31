//! What belongs to the model of a store, on its way into the store.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::memory::format::manifest::{ModelFileRecord, ModelRecord};
use crate::memory::format::storage::{Storage, write_in_place};
use crate::memory::format::{layout, limits};
use crate::{Error, Result};

/// Longest details, as JSON.
const DETAILS_BYTES: usize = 1024 * 1024;

/// What is to be kept with a store of its model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelParts {
    /// What the model is and how to get it again; at most a megabyte as JSON.
    pub details: serde_json::Value,
    /// Files: what each is to the model (`adapter`), and its content.
    pub files: Vec<(String, Vec<u8>)>,
}

impl ModelParts {
    /// Writes the files into the folder of a store, for a manifest to name.
    pub(crate) fn write(&self, dir: &Path, storage: &dyn Storage) -> Result<ModelRecord> {
        let details = self.details.to_string();
        if details.len() > DETAILS_BYTES {
            let found = format!("{} bytes", details.len());
            return Err(Error::input("the model's details", found, format!("at most {DETAILS_BYTES} bytes of JSON")));
        }
        let folder = layout::model(dir);
        if !self.files.is_empty() {
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            // It may be new, and must be there to stay before a manifest names what is in it.
            storage.sync_folder(dir).map_err(Error::io("flush", dir))?;
        }
        let mut files = Vec::with_capacity(self.files.len());
        for (role, content) in &self.files {
            limits::check_name("role", role)?;
            let sha256 = Sha256::digest(content).into();
            let file = layout::hashed_name(role, &sha256);
            write_in_place(&folder.join(&file), content, storage)?;
            files.push(ModelFileRecord { role: role.clone(), file, sha256, len: content.len() as u64 });
        }
        Ok(ModelRecord { details, files })
    }
}

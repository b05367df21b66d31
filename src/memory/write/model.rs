//! Keeping in the store what belongs to its model.

use super::model_parts::ModelParts;
use super::writer::Writer;
use crate::Result;
use crate::memory::format::storage::remove_quietly;

impl Writer {
    /// Keeps what belongs to the model of the store, in place of what was kept before, and commits.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) for a role that is no name or details over a megabyte, [`Error::Io`](crate::Error::Io) when
    /// writing or the commit fails.
    pub fn keep_model(&mut self, parts: &ModelParts) -> Result<()> {
        self.check_poison()?;
        let dir = self.dir();
        let mut manifest = self.memory.0.manifest.clone();
        let old = manifest.other_files(&dir);
        manifest.model = Some(parts.write(&dir, &*self.storage)?);
        let named = manifest.other_files(&dir);
        self.commit(manifest)?;
        old.iter().filter(|file| !named.contains(file)).for_each(|(path, _)| remove_quietly(path, &*self.storage));
        Ok(())
    }
}

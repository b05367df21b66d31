//! Renaming a domain: its name stands in the manifest alone, so that one commit does it.

use serde_json::Value;

use super::writer::Writer;
use crate::memory::format::limits;
use crate::{Error, Result};

/// Where the details of a decoder hold the domains that it learned from.
const DOMAINS: &str = "domains";

impl Writer {
    /// Gives a domain another name, in one commit. Its captions keep their ids, and ingesting its corpora again under the new name finds them.
    /// What was noted of decoders follows: where `domains` in their details has the name, it has the new one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain; [`Error::Input`] for a name that is none, or that a domain has already: domains are not
    /// put together. [`Error::Io`] when the commit fails.
    pub fn rename_domain(&mut self, name: &str, new: &str) -> Result<()> {
        self.check_poison()?;
        limits::check_name("domain", new)?;
        let mut manifest = self.memory.0.manifest.clone();
        let id = manifest.domain(name).ok_or_else(|| manifest.no_domain(name))?.id;
        if manifest.domain(new).is_some() {
            return Err(Error::input(format!("the name '{new}'"), "a domain that has it", "a name that no domain has")
                .with_hint(
                    "domains are not put together: choose another name, or export one and ingest it into the other",
                ));
        }
        manifest
            .domains
            .iter_mut()
            .filter(|domain| domain.id == id)
            .for_each(|domain| new.clone_into(&mut domain.name));
        for decoder in &mut manifest.decoders {
            if let Some(details) = renamed_in(&decoder.details, name, new) {
                decoder.details = details;
            }
        }
        // A plan by the old name would make a domain of it, with repeats of captions of this one.
        self.commit_removal(manifest)
    }
}

/// The details of a decoder that learned from the domain; `None` of one that did not.
fn renamed_in(details: &str, name: &str, new: &str) -> Option<String> {
    let mut details: Value = serde_json::from_str(details).ok()?;
    let domains = details.get_mut(DOMAINS)?.as_array_mut()?;
    let renamed = domains.iter_mut().find(|domain| domain.as_str() == Some(name))?;
    *renamed = new.into();
    Some(details.to_string())
}

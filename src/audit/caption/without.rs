//! A store without one of its texts, as leaving it out would make it.

use crate::memory::{Caption, Effort, Scope};
use crate::retrieval::{Counts, Match, Provenance, TextStore};
use crate::{EmbeddingSpace, Embeddings, Result};

/// A store that does not find one text. Nothing is summed over all texts at once: an exact projection looks at each.
pub struct Without<'s> {
    store: &'s dyn TextStore,
    text: &'s Provenance,
}

impl<'s> Without<'s> {
    pub fn new(store: &'s dyn TextStore, text: &'s Provenance) -> Self {
        Self { store, text }
    }
}

impl TextStore for Without<'_> {
    fn space(&self) -> &EmbeddingSpace {
        self.store.space()
    }

    fn counts(&self, scope: &Scope) -> Result<Counts> {
        let all = self.store.counts(scope)?;
        let Provenance { domain, multiplicity, .. } = self.text;
        match scope.contains(domain) {
            true => Ok(Counts::new(all.rows.saturating_sub(1), all.occurrences.saturating_sub((*multiplicity).into()))),
            false => Ok(all),
        }
    }

    fn nearest<'a>(
        &'a self,
        queries: &Embeddings,
        k: usize,
        scope: &Scope,
        effort: Effort,
    ) -> Result<Vec<Vec<Match<'a>>>> {
        let mut found = self.store.nearest(queries, k.saturating_add(1), scope, effort)?;
        for matches in &mut found {
            matches.retain(|text| text.id != self.text.id);
            matches.truncate(k);
        }
        Ok(found)
    }

    fn texts(&self, ids: &[u64]) -> Result<Vec<Caption>> {
        self.store.texts(ids)
    }
}

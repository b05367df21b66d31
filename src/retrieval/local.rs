//! A snapshot of a local store as a [`TextStore`].

use super::exact::{nearest_and_projection, project_on_all};
use super::store::{Counts, Match, TextStore, Widening};
use crate::bridge::ExactProjection;
use crate::error::Missing;
use crate::memory::{self, Caption, Effort, Hit, Scope, SearchOptions, Snapshot};
use crate::{EmbeddingSpace, Embeddings, Error, Result};

impl TextStore for Snapshot {
    fn space(&self) -> &EmbeddingSpace {
        Self::space(self)
    }

    fn counts(&self, scope: &Scope) -> Result<Counts> {
        let (rows, occurrences) = self.counts(scope)?;
        Ok(Counts::new(rows, occurrences))
    }

    fn nearest<'a>(
        &'a self,
        queries: &Embeddings,
        k: usize,
        scope: &Scope,
        effort: Effort,
    ) -> Result<Vec<Vec<Match<'a>>>> {
        let found = Self::nearest(self, queries, &options(scope, effort).k(k))?;
        Ok(found.into_iter().map(|hits| hits.into_iter().map(Match::from).collect()).collect())
    }

    fn texts(&self, ids: &[u64]) -> Result<Vec<Caption>> {
        let unknown = |id: u64| Error::NotFound { kind: Missing::Caption, name: id.to_string(), known: Vec::new() };
        ids.iter().map(|id| self.caption(*id)?.ok_or_else(|| unknown(*id))).collect()
    }

    fn widening<'a>(&'a self, query: &[f32], scope: &Scope, effort: Effort) -> Result<Box<dyn Widening<'a> + 'a>> {
        Ok(Box::new(Self::widening(self, query, &options(scope, effort))?))
    }

    fn project_all(&self, query: &[f32], scope: &Scope, temperature: f32) -> Result<Option<ExactProjection>> {
        project_on_all(self, query, scope, temperature).map(Some)
    }

    fn nearest_and_projection<'a>(
        &'a self,
        query: &[f32],
        k: usize,
        scope: &Scope,
        temperature: f32,
    ) -> Result<(Vec<Match<'a>>, Option<ExactProjection>)> {
        let (nearest, projection) = nearest_and_projection(self, query, k, scope, temperature)?;
        Ok((nearest, Some(projection)))
    }
}

impl<'a> Widening<'a> for memory::Widening<'a> {
    fn nearest(&mut self, k: usize) -> Result<Vec<Match<'a>>> {
        Ok(memory::Widening::nearest(self, k).into_iter().map(Match::from).collect())
    }
}

impl<'a> From<Hit<'a>> for Match<'a> {
    fn from(hit: Hit<'a>) -> Self {
        Self::new(hit.id, hit.similarity, hit.multiplicity, hit.embedding)
    }
}

fn options(scope: &Scope, effort: Effort) -> SearchOptions {
    SearchOptions::default().scope(scope.clone()).effort(effort)
}

//! The seam between retrieval and whatever holds the texts.

use std::borrow::Cow;

use serde::Serialize;

use crate::bridge::ExactProjection;
use crate::memory::{Caption, Effort, Scope};
use crate::{EmbeddingSpace, Embeddings, Error, Result};

/// Texts with their embeddings, wherever they are kept: what retrieval and captioning ask of a memory.
///
/// A [`Snapshot`](crate::Snapshot) is the local one. Methods are called from several threads at once.
pub trait TextStore: Send + Sync {
    /// The embedding space of the texts.
    fn space(&self) -> &EmbeddingSpace;

    /// What takes part in a search.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain.
    fn counts(&self, scope: &Scope) -> Result<Counts>;

    /// For each query, the `k` texts nearest to it, best first; fewer where there are fewer. Queries need not have unit length.
    ///
    /// # Errors
    /// [`Error::Dimension`] for a query of another dimension, [`Error::Input`] for one without direction or for `k` = 0,
    /// [`Error::NotFound`] for an unknown domain.
    fn nearest<'a>(
        &'a self,
        queries: &Embeddings,
        k: usize,
        scope: &Scope,
        effort: Effort,
    ) -> Result<Vec<Vec<Match<'a>>>>;

    /// The captions with these ids, in their order.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an id that no caption has, [`Error::Damaged`] for a damaged record.
    fn texts(&self, ids: &[u64]) -> Result<Vec<Caption>>;

    /// The nearest texts to one query for a `k` that grows. A store that can do better than to search again does.
    ///
    /// # Errors
    /// As [`TextStore::nearest`], at once or when it is asked.
    fn widening<'a>(&'a self, query: &[f32], scope: &Scope, effort: Effort) -> Result<Box<dyn Widening<'a> + 'a>> {
        let mut queries = Embeddings::new(query.len());
        queries.push(query)?;
        Ok(Box::new(SearchAgain { store: self, queries, scope: scope.clone(), effort }))
    }

    /// The query, of unit length, projected onto all texts that take part; `None` where the store cannot sum over them itself.
    ///
    /// # Errors
    /// As [`TextStore::nearest`], and [`Error::Input`] for a temperature that is not above 0.
    fn project_all(&self, query: &[f32], scope: &Scope, temperature: f32) -> Result<Option<ExactProjection>> {
        let _ = (query, scope, temperature);
        Ok(None)
    }

    /// The `k` nearest texts by comparing with all, and [`TextStore::project_all`]. A store that can look once for both does.
    ///
    /// # Errors
    /// As [`TextStore::nearest`] and [`TextStore::project_all`].
    fn nearest_and_projection<'a>(
        &'a self,
        query: &[f32],
        k: usize,
        scope: &Scope,
        temperature: f32,
    ) -> Result<(Vec<Match<'a>>, Option<ExactProjection>)> {
        let mut queries = Embeddings::new(query.len());
        queries.push(query)?;
        let nearest = self.nearest(&queries, k, scope, Effort::EXACT)?.into_iter().next();
        let nearest = nearest.ok_or_else(|| Error::Internal("a search without an answer".into()))?;
        Ok((nearest, self.project_all(query, scope, temperature)?))
    }
}

/// The nearest texts to one query, ever more of them.
pub trait Widening<'a> {
    /// The `k` nearest, best first.
    ///
    /// # Errors
    /// As [`TextStore::nearest`].
    fn nearest(&mut self, k: usize) -> Result<Vec<Match<'a>>>;
}

/// How many texts take part in a search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Distinct texts.
    pub rows: u64,
    /// Ingested rows that they stand for: the sum of their multiplicities.
    pub occurrences: u64,
}

impl Counts {
    /// So many texts that stand for so many ingested rows.
    pub const fn new(rows: u64, occurrences: u64) -> Self {
        Self { rows, occurrences }
    }
}

/// A text that was found near a query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Match<'a> {
    /// Its id.
    pub id: u64,
    /// Its cosine to the query, in -1..1.
    pub similarity: f32,
    /// How many ingested rows carry it.
    pub multiplicity: u32,
    /// Its embedding, of unit length.
    pub embedding: Cow<'a, [f32]>,
}

impl<'a> Match<'a> {
    /// A text that was found.
    pub fn new(id: u64, similarity: f32, multiplicity: u32, embedding: impl Into<Cow<'a, [f32]>>) -> Self {
        Self { id, similarity, multiplicity, embedding: embedding.into() }
    }
}

/// What a store that keeps nothing between two searches does.
struct SearchAgain<'a, S: ?Sized> {
    store: &'a S,
    queries: Embeddings,
    scope: Scope,
    effort: Effort,
}

impl<'a, S: TextStore + ?Sized> Widening<'a> for SearchAgain<'a, S> {
    fn nearest(&mut self, k: usize) -> Result<Vec<Match<'a>>> {
        let found = self.store.nearest(&self.queries, k, &self.scope, self.effort)?;
        found.into_iter().next().ok_or_else(|| Error::Internal("a search without an answer".into()))
    }
}

//! Looking a query up among stored texts, and projecting it onto them.

use serde::{Deserialize, Serialize};

use super::options::RetrievalOptions;
use super::store::{Counts, Match, TextStore};
use crate::bridge::{self, Projection, Scored};
use crate::error::{Hint, Topic};
use crate::memory::unit_query;
use crate::{Embeddings, Error, Result};

/// How much wider a search becomes where the projection would lose too much.
const WIDER: usize = 4;

/// A stored text that stands behind an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provenance {
    /// The caption's id in the store.
    pub id: u64,
    /// Its domain.
    pub domain: String,
    /// Its text.
    pub caption: String,
    /// Cosine similarity to the query, in -1..1.
    pub similarity: f32,
    /// Its share of the bridged embedding, in 0..1. Under the direct strategy nothing stored takes part: 0.
    pub weight: f32,
    /// How many times the domain's corpora hold this text.
    pub multiplicity: u32,
    /// The clip that it first described, where known.
    pub clip: Option<String>,
}

/// What a store says to a query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Retrieval {
    /// The nearest stored texts, nearest first, weighted by the softmax of the projection.
    pub neighbours: Vec<Provenance>,
    /// An upper bound of the softmax weight that texts outside the sum could have held; 0 for an exact sum.
    pub lost_mass: f32,
    /// How many texts spoke: the exponential of the entropy of the weights of all that were summed, at least 1.
    pub effective_texts: f64,
    /// The projected embedding (WSAC eq. 4-5), unit length.
    pub projection: Vec<f32>,
}

/// Looks a query up among the stored texts and projects it onto them.
///
/// `query` has the store's dimension; it need not be normalised. Without a given `k` the search widens until what the projection can have lost
/// is small enough; see [`RetrievalOptions::mass`]. Texts are read for the neighbours that are reported alone.
///
/// # Errors
/// [`Error::Dimension`] for a query of another dimension, [`Error::Input`] for one without direction, or when there is nothing to search;
/// [`Error::NotFound`] for an unknown domain.
pub fn retrieve(store: &dyn TextStore, query: &[f32], options: &RetrievalOptions) -> Result<Retrieval> {
    options.check()?;
    let counts = filled(store, options)?;
    if options.effort.exact {
        return retrieve_exact(store, query, options);
    }
    let found = match options.k {
        Some(k) => search(store, query, k, options)?,
        None => widened(store, query, options, counts)?,
    };
    let rest = counts.occurrences.saturating_sub(occurrences(&found));
    let projection = bridge::project(&scored(&found), rest, options.temperature)?;
    let reported = &found[..found.len().min(options.reported())];
    let neighbours = provenances(store, reported, projection.weights.iter().copied())?;
    let Projection { embedding, lost_mass, effective_texts, .. } = projection;
    Ok(Retrieval { neighbours, lost_mass, effective_texts, projection: embedding })
}

/// As many of the nearest texts as it takes for the projection to cover its share of the weight.
fn widened<'a>(
    store: &'a dyn TextStore,
    query: &[f32],
    options: &RetrievalOptions,
    counts: Counts,
) -> Result<Vec<Match<'a>>> {
    let mut widening = store.widening(query, &options.scope, options.effort)?;
    let mut k = options.reported();
    loop {
        let found = widening.nearest(k)?;
        let is_all = found.len() as u64 >= counts.rows || k as u64 >= counts.rows;
        if is_all || covers(&found, counts.occurrences, options)? {
            return Ok(found);
        }
        k = k.saturating_mul(WIDER);
    }
}

/// The stored texts nearest to a query, nearest first, each with a weight of 0, and the embedding of the first.
///
/// # Errors
/// As [`retrieve`].
pub fn nearest(
    store: &dyn TextStore,
    query: &[f32],
    options: &RetrievalOptions,
) -> Result<(Vec<Provenance>, Vec<f32>)> {
    options.check()?;
    filled(store, options)?;
    let found = search(store, query, options.reported(), options)?;
    let first = found.first().ok_or_else(|| Error::Internal("a search among captions found none".into()))?;
    Ok((provenances(store, &found, std::iter::repeat(0.0))?, first.embedding.to_vec()))
}

/// The projection summed over every stored text that takes part.
fn retrieve_exact(store: &dyn TextStore, query: &[f32], options: &RetrievalOptions) -> Result<Retrieval> {
    let unit = unit_query(query, store.space().dim)?;
    let (found, sum) = store.nearest_and_projection(&unit, options.reported(), &options.scope, options.temperature)?;
    let Some(sum) = sum else {
        let rows = usize::try_from(filled(store, options)?.rows).unwrap_or(usize::MAX);
        let all = search(store, query, rows, options)?;
        let projection = bridge::project(&scored(&all), 0, options.temperature)?;
        let neighbours = provenances(store, &all[..all.len().min(found.len())], projection.weights.iter().copied())?;
        let Projection { embedding, effective_texts, .. } = projection;
        return Ok(Retrieval { neighbours, lost_mass: 0.0, effective_texts, projection: embedding });
    };
    let weights: Vec<f32> = found.iter().map(|found| sum.weight(found.similarity, found.multiplicity)).collect();
    let neighbours = provenances(store, &found, weights.into_iter())?;
    let effective_texts = sum.effective_texts;
    Ok(Retrieval { neighbours, lost_mass: 0.0, effective_texts, projection: sum.embedding })
}

/// The `k` nearest texts.
fn search<'a>(store: &'a dyn TextStore, query: &[f32], k: usize, options: &RetrievalOptions) -> Result<Vec<Match<'a>>> {
    let mut queries = Embeddings::new(query.len());
    queries.push(query)?;
    Ok(store.nearest(&queries, k, &options.scope, options.effort)?.concat())
}

/// What takes part; refuses to search where nothing does.
fn filled(store: &dyn TextStore, options: &RetrievalOptions) -> Result<Counts> {
    let counts = store.counts(&options.scope)?;
    if counts.rows == 0 {
        return Err(Error::input("the memory", "no caption", "captions to search among")
            .with_hint(Hint::about(Topic::Ingest, "ingest a caption corpus first")));
    }
    Ok(counts)
}

/// Whether a projection onto these texts loses no more of its weight than is allowed.
fn covers(found: &[Match<'_>], total: u64, options: &RetrievalOptions) -> Result<bool> {
    let rest = total.saturating_sub(occurrences(found));
    Ok(bridge::lost_mass(&scored(found), rest, options.temperature)? <= 1.0 - options.mass)
}

fn occurrences(found: &[Match<'_>]) -> u64 {
    found.iter().map(|found| u64::from(found.multiplicity)).sum()
}

fn scored<'f>(found: &'f [Match<'_>]) -> Vec<Scored<'f>> {
    let scored = found.iter().map(|found| Scored {
        similarity: found.similarity,
        multiplicity: found.multiplicity,
        embedding: &found.embedding,
    });
    scored.collect()
}

/// Reads the texts of what was found.
fn provenances(
    store: &dyn TextStore,
    found: &[Match<'_>],
    weights: impl Iterator<Item = f32>,
) -> Result<Vec<Provenance>> {
    let ids: Vec<u64> = found.iter().map(|found| found.id).collect();
    let texts = store.texts(&ids)?;
    let provenances = found.iter().zip(texts).zip(weights).map(|((found, caption), weight)| Provenance {
        id: found.id,
        domain: caption.domain,
        caption: caption.text,
        similarity: found.similarity,
        weight,
        multiplicity: found.multiplicity,
        clip: caption.clip,
    });
    Ok(provenances.collect())
}

//! Projection onto the k nearest stored texts, with a bound on what the others could have weighed.

use super::{check_temperature, unit};
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// A stored text as the search found it.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    /// Cosine to the query, in [-1, 1].
    pub similarity: f32,
    /// How often the text occurs; it weighs that many times. 0 excludes it.
    pub multiplicity: u32,
    /// Its embedding `[dim]`, of unit length.
    pub embedding: &'a [f32],
}

/// A query projected onto stored texts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Projection {
    /// The prefix embedding `[dim]`, of unit length.
    pub embedding: Vec<f32>,
    /// The share of each neighbour given, in their order; sums to 1 up to rounding.
    pub weights: Vec<f32>,
    /// The softmax mass that the texts left out can have held, at most; in [0, 1).
    pub lost_mass: f32,
    /// How many of the texts given spoke: the exponential of the entropy of their weights, at least 1.
    pub effective_texts: f64,
}

/// Projects an audio embedding onto its nearest texts (WSAC eq. 4-5): `Σ w_i z_i`, L2-normalised, with
/// `w_i = m_i exp(s_i/τ) / Σ_j m_j exp(s_j/τ)`.
///
/// `neighbours` are the k best, in any order; `rest` counts the occurrences of all texts that are not among them (the
/// sum of their multiplicities); `temperature` is τ > 0, 0.01 in the paper.
///
/// # The bound
/// Let `S = Σ_j m_j exp(s_j/τ)` over the neighbours given, `R` the same sum over the rest, and `s_k` the least
/// similarity given. The mass lost is `R / (S + R)`. Where the k best are exact, none of the `rest` occurrences is nearer
/// than `s_k`, so `R ≤ R̂ = rest · exp(s_k/τ)`. As `x / (S + x)` grows with x, the mass lost is at most
/// `R̂ / (S + R̂)`, which is what [`Projection::lost_mass`] reports. Given only k, s and `rest` nothing lower is valid: the
/// bound is reached when the whole rest lies at `s_k`. With an approximate search it is an estimate.
///
/// # Errors
/// When there is no neighbour, a similarity is not finite, rows differ in length, τ is not positive, or the weighted
/// embeddings cancel out.
pub fn project(neighbours: &[Scored<'_>], rest: u64, temperature: f32) -> Result<Projection> {
    let softmax = Softmax::over(neighbours, temperature)?;
    let dim = softmax.dim;
    if let Some(odd) = neighbours.iter().find(|n| n.embedding.len() != dim) {
        return Err(Error::Internal(format!("an embedding of {} among embeddings of {dim}", odd.embedding.len())));
    }
    let mut sum = vec![0f64; dim];
    let mut weights = Vec::with_capacity(neighbours.len());
    let mut entropy = 0f64;
    for neighbour in neighbours {
        let weight = softmax.term(neighbour) / softmax.total;
        weights.push(weight as f32);
        if weight > 0.0 {
            entropy -= weight * weight.ln();
            for (sum, x) in sum.iter_mut().zip(neighbour.embedding) {
                *sum += weight * f64::from(*x);
            }
        }
    }
    let lost_mass = softmax.lost_mass(neighbours, rest);
    Ok(Projection { embedding: unit(&sum)?, weights, lost_mass, effective_texts: entropy.exp().max(1.0) })
}

/// What [`project`] would report as [`Projection::lost_mass`], without projecting.
///
/// # Errors
/// As [`project`].
pub fn lost_mass(neighbours: &[Scored<'_>], rest: u64, temperature: f32) -> Result<f32> {
    Ok(Softmax::over(neighbours, temperature)?.lost_mass(neighbours, rest))
}

/// The softmax over some neighbours. All exponents are taken relative to the best similarity: the largest term is 1 and nothing overflows.
struct Softmax {
    tau: f64,
    top: f64,
    total: f64,
    /// Components of the best neighbour.
    dim: usize,
}

impl Softmax {
    fn over(neighbours: &[Scored<'_>], temperature: f32) -> Result<Self> {
        let tau = check_temperature(temperature)?;
        let best = best_of(neighbours)?;
        let mut softmax = Self { tau, top: f64::from(best.similarity), total: 0.0, dim: best.embedding.len() };
        softmax.total = neighbours.iter().map(|neighbour| softmax.term(neighbour)).sum();
        Ok(softmax)
    }

    fn term(&self, neighbour: &Scored<'_>) -> f64 {
        f64::from(neighbour.multiplicity) * ((f64::from(neighbour.similarity) - self.top) / self.tau).exp()
    }

    fn lost_mass(&self, neighbours: &[Scored<'_>], rest: u64) -> f32 {
        let counted = neighbours.iter().filter(|neighbour| neighbour.multiplicity > 0);
        let least = counted.map(|neighbour| f64::from(neighbour.similarity)).fold(self.top, f64::min);
        let left_out = rest as f64 * ((least - self.top) / self.tau).exp();
        rounded_up(left_out / (self.total + left_out))
    }
}

/// The index of the nearest neighbour (WSAC's "NND"): the highest similarity, the first of equals.
///
/// # Errors
/// When there is no neighbour, or a similarity is not finite.
pub fn nearest(neighbours: &[Scored<'_>]) -> Result<usize> {
    let best = best_of(neighbours)?;
    let index = neighbours.iter().position(|n| n.multiplicity > 0 && n.similarity == best.similarity);
    index.ok_or_else(|| Error::Internal("the nearest neighbour vanished".into()))
}

fn best_of<'a>(neighbours: &'a [Scored<'a>]) -> Result<&'a Scored<'a>> {
    if let Some(bad) = neighbours.iter().find(|n| !n.similarity.is_finite()) {
        return Err(Error::input("similarity", bad.similarity, "a finite cosine")
            .with_hint("the query or a stored embedding holds numbers that are not finite"));
    }
    let counted = neighbours.iter().filter(|n| n.multiplicity > 0);
    counted.reduce(|best, n| if n.similarity > best.similarity { n } else { best }).ok_or_else(|| {
        Error::input("memory", "no stored text to project onto", "at least one")
            .with_hint(Hint::about(Topic::Ingest, "ingest captions first, or name another domain"))
    })
}

/// The least f32 that is not below `x`: a bound must stay one after rounding.
pub(super) fn rounded_up(x: f64) -> f32 {
    let rounded = x as f32;
    if f64::from(rounded) < x { rounded.next_up() } else { rounded }
}

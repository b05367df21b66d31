//! How neighbours are retrieved.

use crate::bridge::PAPER_TEMPERATURE;
use crate::error::{Hint, Topic};
use crate::memory::{Effort, Scope};
use crate::{Error, Result};

/// How neighbours are retrieved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RetrievalOptions {
    /// Neighbours to retrieve and report. `None`: report [`RetrievalOptions::REPORTED`], and retrieve as many as it
    /// takes for the projection to lose at most `1 - mass` of its weight.
    pub k: Option<usize>,
    /// Neighbours to report, where that is another number than `k` tells: the weights then count all that were retrieved.
    pub report: Option<usize>,
    /// How much work a search takes upon itself. Where it is exact, the projection is summed over every stored text.
    pub effort: Effort,
    /// The share of the projection's weight to cover where `k` is `None`, in `0..1`.
    pub mass: f32,
    /// Temperature of the softmax, above 0; the paper's 0.01 by default.
    pub temperature: f32,
    /// Which captions take part.
    pub scope: Scope,
}

impl RetrievalOptions {
    /// How many neighbours are reported where `k` is not given.
    pub const REPORTED: usize = 10;

    /// Retrieves and reports `k` neighbours.
    #[must_use]
    pub fn k(self, k: impl Into<Option<usize>>) -> Self {
        Self { k: k.into(), ..self }
    }

    /// Reports so many neighbours, of however many are retrieved.
    #[must_use]
    pub fn report(self, report: impl Into<Option<usize>>) -> Self {
        Self { report: report.into(), ..self }
    }

    /// Takes so much work upon itself.
    #[must_use]
    pub fn effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// Covers this share of the projection's weight.
    #[must_use]
    pub fn mass(self, mass: f32) -> Self {
        Self { mass, ..self }
    }

    /// Weighs by a softmax of this temperature.
    #[must_use]
    pub fn temperature(self, temperature: f32) -> Self {
        Self { temperature, ..self }
    }

    /// Looks among the captions of `scope`.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// How many neighbours are reported.
    pub(super) fn reported(&self) -> usize {
        self.report.or(self.k).unwrap_or(Self::REPORTED)
    }

    /// Refuses what no retrieval could use.
    pub(super) fn check(&self) -> Result<()> {
        if self.k == Some(0) || self.report == Some(0) {
            return Err(Error::input("the number of neighbours", "0", "at least 1"));
        }
        if !(0.0..1.0).contains(&self.mass) {
            let words = "for the whole weight, sum over every stored text";
            return Err(Error::input("the mass", self.mass, "a share of at least 0 and below 1, such as 0.99")
                .with_hint(Hint::about(Topic::ExactProjection, words)));
        }
        Ok(())
    }
}

impl Default for RetrievalOptions {
    fn default() -> Self {
        Self {
            k: None,
            report: None,
            effort: Effort::default(),
            mass: 0.99,
            temperature: PAPER_TEMPERATURE,
            scope: Scope::all(),
        }
    }
}

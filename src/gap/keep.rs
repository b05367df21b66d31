//! A measurement kept in its store.

use serde::Serialize;

use super::report::GapReport;
use crate::memory::KeptGap;
use crate::{Error, Result, Store};

impl GapReport {
    /// Keeps the measurement in the store, in place of the one before. One without pairs does not take the place of one with them: it knows
    /// no shift. False where the one before stays for that reason.
    ///
    /// # Errors
    /// As [`Store::keep_gap`].
    pub fn keep(&self, store: &Store) -> Result<bool> {
        // One that cannot be read is worth nothing.
        if self.pairs.is_none() && matches!(store.kept_gap(), Ok(Some(before)) if before.shift.is_some()) {
            return Ok(false);
        }
        let measured =
            serde_json::to_value(self).map_err(|e| Error::Internal(format!("a gap that is no JSON: {e}")))?;
        store.keep_gap(&KeptGap {
            space: self.space.clone(),
            echoic: env!("CARGO_PKG_VERSION").to_owned(),
            measured,
            shift: self.pairs.as_ref().map(|pairs| pairs.shift.clone()),
        })?;
        Ok(true)
    }
}

/// What a store keeps of its gap: the measurement, and the shift where it was measured with pairs.
///
/// # Errors
/// As [`Store::kept_gap`]; [`Error::Input`] for what another version measured and this one does not understand.
pub fn kept(store: &Store) -> Result<Option<(GapReport, Option<Vec<f32>>)>> {
    let Some(KeptGap { echoic, measured, shift, .. }) = store.kept_gap()? else { return Ok(None) };
    let mut report: GapReport = serde_json::from_value(measured).map_err(|cause| {
        let subject = format!("the gap that Echoic {echoic} measured in {}", store.dir().display());
        Error::input(subject, cause, "what this version measures").with_hint("measure it again")
    })?;
    if let (Some(pairs), Some(shift)) = (&mut report.pairs, &shift) {
        pairs.shift.clone_from(shift);
    }
    Ok(Some((report, shift)))
}

/// What is told of a kept measurement among the figures of a store.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The commit that was measured.
    pub commit: u64,
    /// How far the means of sounds and texts lie apart; `None` without pairs.
    pub distance: Option<f64>,
    /// The pairs that it was measured with.
    pub pairs: Option<u64>,
}

/// What a store keeps of its gap, in short. A measurement that cannot be read is warned of, and changes no other figure.
pub fn summary(store: &Store) -> Option<Summary> {
    let (report, _) = kept(store).unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    })?;
    let pairs = report.pairs.as_ref();
    Some(Summary {
        commit: report.commit,
        distance: pairs.map(|pairs| pairs.distance),
        pairs: pairs.map(|pairs| pairs.count),
    })
}

//! How far a walk goes before it ends.

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SearchWidth {
    /// Until the best so many rows that it has met are all expanded: the beam search of HNSW, where the number is called ef.
    Candidates(usize),
    /// Until every row that is farther from the query by no more than this than its k-th nearest is expanded; distances are those of unit
    /// vectors, 0 to 2. So an easy query ends early and a hard one goes on, and the same recall takes a half to four fifths of the
    /// comparisons. This is adaptive beam search (Al-Jazzazi et al., arXiv 2505.15636), with a sum where that has a factor: one margin then brings
    /// texts, whose neighbours are near, and sounds, whose neighbours are far, to about the same recall.
    Margin(f32),
}

/// The margin of a walk is no less when the caller names neither `ef` nor `recall`. Each row is sure to find itself with so much.
pub(crate) const LEAST_MARGIN: f32 = 0.05;

/// Neighbours that a calibration counts.
pub(crate) const CALIBRATED_K: usize = 10;

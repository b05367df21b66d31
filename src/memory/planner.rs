//! The rule that chooses between scan and graph, and the sizes behind it.

use super::search::SearchOptions;

/// Segments of fewer rows get no graph and are scanned.
///
/// Measured on 2 cores (see `benches/memory.rs`): TODO numbers.
pub(super) const GRAPH_ROWS: usize = 32_768;

/// Candidates that a walk keeps when the caller names no `ef`.
pub(super) const DEFAULT_EF: usize = 128;

/// How a segment answers a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Compare with every row.
    Scan,
    /// Walk the graph, keeping this many candidates.
    Walk {
        /// Candidates kept.
        ef: usize,
    },
}

/// Chooses for a segment of `rows` rows that has a graph.
///
/// A walk computes some 20 to 40 similarities for each candidate it keeps, at random places in memory, where a scan streams; so past
/// a candidate for every 64 rows the scan is as fast and exact besides.
pub(super) fn choose(options: &SearchOptions, rows: usize) -> Method {
    let ef = options.ef.unwrap_or(DEFAULT_EF).max(options.k);
    let ef = if options.ef.is_none() { ef.max(options.k.saturating_mul(2)) } else { ef };
    if options.exact || ef > rows / 64 { Method::Scan } else { Method::Walk { ef } }
}

//! The rule that chooses between scan and graph, and the sizes behind it.

use super::search::SearchOptions;

/// Segments of fewer rows get no graph and are scanned.
///
/// Measured with `benches/memory.rs` on a busy machine of 2 cores, 50,000 × 384: a scan takes 7 ms on one thread, so 0.14 ms for a
/// thousand rows; a walk with 128 candidates 0.7 ms; building 2 to 4 ms a row. A walk is thus faster from about 5,000 rows on, but a
/// query comes with the encoding of a sound or a text, which takes tens of milliseconds and more, and below this size the graph would
/// save less than 4 ms of it for a minute of building and 128 bytes a row.
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

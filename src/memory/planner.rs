//! The rule that chooses between scan and graph, and the sizes behind it.

use super::graph::Calibrated;
use super::search::SearchOptions;

/// Segments of fewer rows get no graph and are scanned.
///
/// Measured with `benches/memory.rs` on a busy machine of 2 cores, 50,000 × 384: a scan of vectors takes 7 ms on one thread, so 0.14 ms for
/// a thousand rows. A walk takes 0.1 to 0.2 ms, so it is faster from some 1,500 rows on; but a query comes with the encoding of a sound or a
/// text, which takes tens of milliseconds, and below this size the graph would save less than 5 ms of it for half a kilobyte a row.
pub(super) const GRAPH_ROWS: usize = 32_768;

/// Candidates that a walk keeps at least when the caller names neither `ef` nor `recall`. Each row is sure to find itself with so many.
pub(super) const DEFAULT_EF: usize = 128;

/// The recall that is aimed at when the caller names none.
const DEFAULT_RECALL: f32 = 0.95;

/// A walk that keeps more than a candidate for so many rows gives way to a scan; see [`choose`].
const ROWS_A_CANDIDATE: usize = 32;

/// Neighbours that a calibration counts.
pub(super) const CALIBRATED_K: usize = 10;

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

/// Chooses for a segment of `rows` rows whose graph has that calibration.
///
/// Measured on one thread of a machine with other work, 384 dimensions, real captions: a walk takes 0.65 to 0.8 µs for each candidate that it
/// keeps, beyond 100. A scan by codes takes 26 ns a row of 35,000, whose codes stay in the cache, and 46 to 70 ns a row of 102,760. So a candidate
/// costs as much as 11 to 25 rows. At a candidate for every 32 rows, a scan takes 1.2 to 3 times as long as a walk and is exact: past
/// that it is preferred.
pub(super) fn choose(options: &SearchOptions, rows: usize, calibration: &[Calibrated]) -> Method {
    let wanted = options.recall.unwrap_or(DEFAULT_RECALL);
    let ef = match options.ef {
        Some(ef) => Some(ef.max(options.k)),
        None => calibrated(calibration, wanted, options.k).map(|ef| match options.recall {
            Some(_) => ef,
            None => ef.max(DEFAULT_EF),
        }),
    };
    match ef {
        Some(ef) if !options.exact && ef <= rows / ROWS_A_CANDIDATE => Method::Walk { ef },
        _ => Method::Scan,
    }
}

/// The candidates that reach a recall; `None` where no calibrated number does.
fn calibrated(calibration: &[Calibrated], recall: f32, k: usize) -> Option<usize> {
    let ef = calibration.iter().find(|point| point.recall >= recall)?.ef as usize;
    // More neighbours want candidates in proportion.
    Some(if k > CALIBRATED_K { ef.saturating_mul(k).div_ceil(CALIBRATED_K) } else { ef })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_decides() {
        let calibration = [(16, 0.6), (64, 0.9), (256, 0.97), (512, 0.992)];
        let calibration = calibration.map(|(ef, recall)| Calibrated { ef, recall });
        let choose = |options: SearchOptions, rows| choose(&options, rows, &calibration);
        let default = SearchOptions::default;
        assert_eq!(choose(default(), 100_000), Method::Walk { ef: 256 });
        assert_eq!(choose(default(), 8_000), Method::Scan);
        assert_eq!(choose(SearchOptions { exact: true, ..default() }, 100_000), Method::Scan);
        assert_eq!(choose(SearchOptions { ef: Some(3), ..default() }, 100_000), Method::Walk { ef: 10 });
        assert_eq!(choose(SearchOptions { recall: Some(0.5), ..default() }, 100_000), Method::Walk { ef: 16 });
        assert_eq!(choose(SearchOptions { recall: Some(0.99), ..default() }, 100_000), Method::Walk { ef: 512 });
        assert_eq!(choose(SearchOptions { recall: Some(0.999), ..default() }, 100_000), Method::Scan);
        assert_eq!(choose(SearchOptions { k: 30, ..default() }, 100_000), Method::Walk { ef: 768 });
        assert_eq!(choose(SearchOptions { ef: Some(3125), ..default() }, 100_000), Method::Walk { ef: 3125 });
        assert_eq!(choose(SearchOptions { ef: Some(3126), ..default() }, 100_000), Method::Scan);
    }
}

//! The rule that chooses between scan and graph, and the sizes behind it.

use super::options::SearchOptions;
use crate::memory::nearest::candidates::{MOST, MOST_NEIGHBOURS};
use crate::memory::nearest::graph::Calibrated;
use crate::memory::nearest::width::{CALIBRATED_K, LEAST_MARGIN, SearchWidth};

/// Segments of fewer rows get no graph and are scanned.
///
/// Measured with `benches/memory.rs` on a busy machine of 2 cores, 50,000 × 384: a scan of vectors takes 7 ms on one thread, so 0.14 ms for
/// a thousand rows. A walk takes 0.05 to 0.1 ms, so it is faster from some 1,000 rows on; but a query comes with the encoding of a sound or a
/// text, which takes tens of milliseconds, and below this size the graph would save less than 5 ms of it for half a kilobyte a row.
pub(crate) const GRAPH_ROWS: usize = 32_768;

/// The recall that is aimed at when the caller names none.
const DEFAULT_RECALL: f32 = 0.99;

/// A walk that compares more than a row in so many gives way to a scan; see [`choose`].
const ROWS_A_COMPARISON: usize = 4;

/// Rows that a walk compares for each candidate that it keeps, about: 8.7 with 128 of them on the captions of `benches/peers`.
const COMPARISONS_A_CANDIDATE: usize = 8;

/// The comparisons of a walk grow with this power of the neighbours that it looks for: on the captions of `benches/peers` 2.0-fold from 10 to 30
/// neighbours, 4.3-fold to 100, 8.1-fold to 300.
const COST_OF_MORE: f32 = 0.63;

/// How a segment answers a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Method {
    /// Compare with every row.
    Scan,
    /// Walk the graph.
    Walk(SearchWidth),
}

/// Chooses for a segment of `rows` rows whose graph has that calibration.
///
/// Measured on one thread, 384 dimensions, real captions: a walk takes 70 to 90 ns for each row that it compares, because rows lie apart, a
/// scan by codes 26 ns a row of 35,000, whose codes stay in the cache, and 37 to 70 ns a row of 102,760. So where a walk compares a quarter of the
/// rows, a scan takes 1.2 to 3 times as long as it, and is exact: past that it is preferred.
pub(crate) fn choose(options: &SearchOptions, rows: usize, calibration: &[Calibrated]) -> Method {
    let Some((search_width, compared)) = search_width(options, calibration) else { return Method::Scan };
    match compared <= rows / ROWS_A_COMPARISON && !options.effort.exact {
        true => Method::Walk(search_width),
        false => Method::Scan,
    }
}

/// How far a walk must go, and how many rows it will compare about; `None` where none was calibrated that finds enough, or where it would
/// have too many to keep in order.
fn search_width(options: &SearchOptions, calibration: &[Calibrated]) -> Option<(SearchWidth, usize)> {
    if let Some(ef) = options.effort.ef {
        let ef = ef.max(options.k);
        return (ef <= MOST).then(|| (SearchWidth::Candidates(ef), ef * COMPARISONS_A_CANDIDATE));
    }
    if options.k > MOST_NEIGHBOURS {
        return None;
    }
    let margin = match options.effort.recall {
        Some(recall) => margin_for(calibration, recall)?,
        None => margin_for(calibration, DEFAULT_RECALL)?.max(LEAST_MARGIN),
    };
    let dearer = calibration.iter().find(|point| point.margin >= margin).or(calibration.last())?;
    let more = (options.k.max(CALIBRATED_K) as f32 / CALIBRATED_K as f32).powf(COST_OF_MORE);
    Some((SearchWidth::Margin(margin), (dearer.compared as f32 * more) as usize))
}

/// The margin that reaches a recall, on lines between the calibrated points; `None` where none of them does.
fn margin_for(calibration: &[Calibrated], recall: f32) -> Option<f32> {
    let enough = calibration.iter().position(|point| point.recall >= recall)?;
    let above = calibration[enough];
    let Some(below) = enough.checked_sub(1).map(|at| calibration[at]) else { return Some(above.margin) };
    let share = (recall - below.recall) / (above.recall - below.recall);
    Some(below.margin + share * (above.margin - below.margin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::read::options::Effort;

    #[test]
    fn the_question_decides() {
        let points = [(0.0, 0.6, 200), (0.02, 0.8, 400), (0.04, 0.9, 1000), (0.1, 0.99, 3000), (0.2, 0.996, 20_000)];
        let calibration = points.map(|(margin, recall, compared)| Calibrated { margin, recall, compared });
        let choose = |options: SearchOptions, rows| choose(&options, rows, &calibration);
        let margin_of = |options: SearchOptions| match choose(options, 100_000) {
            Method::Walk(SearchWidth::Margin(margin)) => margin,
            other => panic!("{other:?}"),
        };
        let default = SearchOptions::default;
        assert_eq!(margin_of(default()), 0.1);
        assert_eq!(margin_of(default().effort(Effort::recall(0.5))), 0.0);
        assert_eq!(margin_of(default().effort(Effort::recall(0.8))), 0.02);
        assert!((margin_of(default().effort(Effort::recall(0.85))) - 0.03).abs() < 1e-6);
        assert_eq!(choose(default().effort(Effort::recall(0.999)), 100_000), Method::Scan);
        assert_eq!(choose(default(), 11_999), Method::Scan);
        assert_eq!(margin_of(default().k(280)), 0.1, "24,500 comparisons");
        assert_eq!(choose(default().k(300), 100_000), Method::Scan, "25,600 comparisons");
        assert_eq!(choose(default().effort(Effort::EXACT), 100_000), Method::Scan);
        assert_eq!(choose(default().k(1025), 100_000_000), Method::Scan, "too many to keep in order");
        assert_eq!(choose(default().effort(Effort::ef(4097)), 100_000_000), Method::Scan, "and so here");
        let candidates = |ef| choose(default().effort(Effort::ef(ef)), 100_000);
        assert_eq!(candidates(3), Method::Walk(SearchWidth::Candidates(10)));
        assert_eq!(candidates(3125), Method::Walk(SearchWidth::Candidates(3125)));
        assert_eq!(candidates(3126), Method::Scan);
    }

    #[test]
    fn an_easy_graph_is_walked_with_some_margin_all_the_same() {
        let calibration = [Calibrated { margin: 0.0, recall: 1.0, compared: 100 }];
        let method = choose(&SearchOptions::default(), 100_000, &calibration);
        assert_eq!(method, Method::Walk(SearchWidth::Margin(LEAST_MARGIN)));
    }
}

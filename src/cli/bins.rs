//! Histograms in lines of text.

use echoic::bridge::Histogram;

use super::drawing::bar;
use super::output::number;

/// The width of the longest bar.
const WIDTH: usize = 40;
/// Bins that a histogram is drawn with at most.
const LINES: usize = 12;

/// A histogram in lines: where each bin begins, how many it holds, and a bar. Bins are joined until they fit.
pub fn histogram(histogram: &Histogram, edge: impl Fn(f64) -> String) -> Vec<String> {
    let joined = histogram.counts.len().div_ceil(LINES).max(1);
    let bins = histogram.edges.chunks(joined).zip(histogram.counts.chunks(joined));
    let bins: Vec<(String, u64)> = bins.map(|(edges, counts)| (edge(edges[0]), counts.iter().sum())).collect();
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let line = |(edge, count): &(String, u64)| {
        format!("{edge:>8} {:>9} {}", number(*count), bar(*count as f64 / most as f64, WIDTH))
    };
    bins.iter().map(line).collect()
}

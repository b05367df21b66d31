//! Bars in lines of text: blocks on a terminal, number signs elsewhere.

use std::io::IsTerminal;

use echoic::audit::memory::Histogram;

/// The width of the longest bar.
const WIDTH: usize = 40;
/// Bins that a histogram is drawn with at most.
const LINES: usize = 12;

/// A bar of that share of the longest one; at least something for what is more than nothing.
pub fn bar(share: f64) -> String {
    let sign = match std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        true => "█",
        false => "#",
    };
    sign.repeat(((share * WIDTH as f64).round() as usize).max(usize::from(share > 0.0)).min(WIDTH))
}

/// A histogram in lines: where each bin begins, how many it holds, and a bar. Bins are joined until they fit.
pub fn histogram(histogram: &Histogram, edge: impl Fn(f64) -> String) -> Vec<String> {
    let joined = histogram.counts.len().div_ceil(LINES).max(1);
    let bins = histogram.edges.chunks(joined).zip(histogram.counts.chunks(joined));
    let bins: Vec<(String, u64)> = bins.map(|(edges, counts)| (edge(edges[0]), counts.iter().sum())).collect();
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let line = |(edge, count): &(String, u64)| {
        format!("{edge:>8} {:>9} {}", super::super::super::output::number(*count), bar(*count as f64 / most as f64))
    };
    bins.iter().map(line).collect()
}

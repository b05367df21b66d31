//! Small drawings between words: bars and sparklines, in plain ASCII where colour is unwelcome or nobody looks.

use std::io::IsTerminal;

/// Whether to draw with ASCII alone: where `NO_COLOR` asks for it, the terminal is a dumb one, or stdout is none.
pub fn plain() -> bool {
    let unwelcome = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    unwelcome || std::env::var_os("TERM").is_some_and(|term| term == "dumb") || !std::io::stdout().is_terminal()
}

/// A share in 0..1 as a bar of `width` columns, filled up with blanks. Only a share of nothing is an empty bar.
pub fn bar(share: f64, width: usize) -> String {
    if plain() { ascii_bar(share, width) } else { block_bar(share, width) }
}

/// Values as one column each, from the least to the greatest of them; what is not finite is a blank.
pub fn sparkline(values: &[f64]) -> String {
    if plain() { drawn(values, &ASCII_LEVELS) } else { drawn(values, &BLOCK_LEVELS) }
}

const BLOCK_LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_LEVELS: [char; 5] = ['_', '.', '-', '=', '#'];
/// A column filled by so many eighths, from one.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The share within 0..1; what is no number is nothing.
fn within(share: f64) -> f64 {
    if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
}

fn ascii_bar(share: f64, width: usize) -> String {
    let share = within(share);
    let least = usize::from(share > 0.0).min(width);
    let filled = ((share * width as f64).round() as usize).max(least);
    "#".repeat(filled) + &".".repeat(width - filled)
}

fn block_bar(share: f64, width: usize) -> String {
    let share = within(share);
    let least = usize::from(share > 0.0 && width > 0);
    let eighths = ((share * width as f64 * 8.0).round() as usize).max(least);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|rest| EIGHTHS[rest]));
    let blanks = width - eighths.div_ceil(8);
    bar + &" ".repeat(blanks)
}

fn drawn(values: &[f64], levels: &[char]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let level = |value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        let place = if high > low { (value - low) / (high - low) } else { 0.5 };
        levels[(place * (levels.len() - 1) as f64).round() as usize]
    };
    values.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_width_whatever_the_share() {
        for share in [-1.0, 0.0, 0.001, 0.3, 0.5, 0.999, 1.0, 7.0, f64::NAN, f64::INFINITY] {
            for width in [0, 1, 10, 33] {
                for bar in [ascii_bar(share, width), block_bar(share, width)] {
                    assert_eq!(bar.chars().count(), width, "{share} in {width}: {bar:?}");
                }
            }
        }
        assert_eq!(ascii_bar(0.5, 10), "#####.....");
        assert_eq!(block_bar(0.5, 3), "█▌ ");
        assert_eq!((ascii_bar(0.0, 4), ascii_bar(1e-9, 4)), ("....".into(), "#...".into()));
        assert_eq!((block_bar(0.0, 2), block_bar(1e-9, 2)), ("  ".into(), "▏ ".into()));
    }

    #[test]
    fn a_sparkline_spans_from_the_least_to_the_greatest() {
        assert_eq!(drawn(&[0.0, 1.0, f64::NAN, 0.5], &BLOCK_LEVELS), "▁█ ▅");
        assert_eq!(drawn(&[3.0, 3.0], &ASCII_LEVELS), "--");
        assert_eq!(drawn(&[], &ASCII_LEVELS), "");
        assert_eq!(drawn(&[f64::INFINITY], &ASCII_LEVELS), " ");
    }
}

//! Axes: from values to places, with round ticks.

/// An axis: what it counts, and from where to where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    pub(super) label: String,
    pub(super) range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis that reaches as far as the values do.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), range: None }
    }

    /// An axis from `low` to `high`.
    #[must_use]
    pub fn between(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// The scale of this axis over values, of which those that are not finite are left out, on so many units of length.
    pub(super) fn scale(&self, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Scale {
        let (low, high) = self.range.unwrap_or_else(|| extent(values));
        // An axis without extent gets one.
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Scale { low, high, from, to }
    }
}

/// The least and the greatest of the finite values; 0 and 1 where there is none.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let reach = values.filter(|value| value.is_finite()).fold(None, |reach: Option<(f64, f64)>, value| {
        let (low, high) = reach.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    reach.unwrap_or((0.0, 1.0))
}

/// Where the values of an axis lie on the paper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// The place of a value.
    pub fn place(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// About `count` round values within the axis, with what is written at them.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / count.max(1) as f64);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let label = |value: f64| {
            // No tick reads "-0".
            let text = format!("{value:.decimals$}");
            if text.trim_start_matches(['-', '0', '.']).is_empty() {
                text.trim_start_matches('-').to_owned()
            } else {
                text
            }
        };
        (first..=last).map(|index| index as f64 * step).map(|value| (value, label(value))).collect()
    }
}

/// The least of 1, 2, 5, 10, … that is no smaller.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let digits = [1.0, 2.0, 5.0].into_iter().find(|digits| digits * power >= least * (1.0 - 1e-9));
    digits.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, count: usize) -> Vec<String> {
        let scale = Axis::new("").between(low, high).scale(std::iter::empty(), 0.0, 100.0);
        scale.ticks(count).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(labels(0.0, 1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.0, 30.0, 6), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(-0.31, 0.2, 4), ["-0.2", "0.0", "0.2"]);
        assert_eq!(labels(0.013, 0.0171, 4), ["0.014", "0.016"]);
        assert_eq!(labels(12_000.0, 48_000.0, 4), ["20000", "30000", "40000"]);
    }

    #[test]
    fn what_has_no_extent_gets_one_and_what_is_not_finite_is_left_out() {
        let scale = Axis::new("").scale([3.0, f64::NAN, f64::INFINITY].into_iter(), 0.0, 100.0);
        assert_eq!((scale.low, scale.high, scale.place(3.0)), (2.5, 3.5, 50.0));
        let empty = Axis::new("").scale(std::iter::empty(), 0.0, 100.0);
        assert_eq!((empty.low, empty.high), (0.0, 1.0));
    }
}

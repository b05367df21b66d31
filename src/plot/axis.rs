//! Axes: from values to places, with round ticks.

/// An axis: what it counts, and from where to where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    pub(super) label: String,
    pub(super) range: Option<(f64, f64)>,
    is_logarithmic: bool,
}

impl Axis {
    /// An axis that reaches as far as the values do.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), range: None, is_logarithmic: false }
    }

    /// An axis from `low` to `high`.
    #[must_use]
    pub fn between(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// The same on which equal ratios are equally far apart; what is not above 0 has no place on it.
    #[must_use]
    pub fn logarithmic(self) -> Self {
        Self { is_logarithmic: true, ..self }
    }

    /// The scale of this axis over values, of which those that are not finite are left out, on so many units of length.
    pub(super) fn scale(&self, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Scale {
        let is_logarithmic = self.is_logarithmic;
        let range = self.range.map(|(low, high)| (spaced(low, is_logarithmic), spaced(high, is_logarithmic)));
        let (low, high) = range.unwrap_or_else(|| extent(values.map(|value| spaced(value, is_logarithmic))));
        // An axis without extent gets one.
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Scale { low, high, from, to, is_logarithmic }
    }
}

/// A value as an axis spaces it.
fn spaced(value: f64, is_logarithmic: bool) -> f64 {
    if is_logarithmic { value.log10() } else { value }
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
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_logarithmic: bool,
}

impl Scale {
    /// The place of a value.
    pub fn place(&self, value: f64) -> f64 {
        self.from + (spaced(value, self.is_logarithmic) - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// About `count` round values within the axis, with what is written at them.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.is_logarithmic {
            return self.powers();
        }
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

    /// 1, 2 and 5 times the powers of ten within the axis; of many powers these alone.
    fn powers(&self) -> Vec<(f64, String)> {
        let digits: &[f64] = if self.high - self.low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = (self.low.floor() as i32)..=(self.high.ceil() as i32);
        let values = powers.flat_map(|power| digits.iter().map(move |digit| (digit * 10f64.powi(power), power)));
        let within = values.filter(|(value, _)| (self.low - 1e-9..=self.high + 1e-9).contains(&value.log10()));
        within.map(|(value, power)| (value, format!("{value:.*}", (-power).max(0) as usize))).collect()
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
    fn equal_ratios_are_equally_far_apart() {
        let scale = Axis::new("").logarithmic().scale([20.0, 2000.0, 0.0].into_iter(), 0.0, 100.0);
        assert!((scale.place(200.0) - 50.0).abs() < 1e-9);
        let labels: Vec<String> = scale.ticks(4).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["20", "50", "100", "200", "500", "1000", "2000"]);
        let wide = Axis::new("").logarithmic().scale([0.01, 1e6].into_iter(), 0.0, 100.0);
        assert_eq!(wide.ticks(4)[..3].iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(), ["0.01", "0.1", "1"]);
    }

    #[test]
    fn what_has_no_extent_gets_one_and_what_is_not_finite_is_left_out() {
        let scale = Axis::new("").scale([3.0, f64::NAN, f64::INFINITY].into_iter(), 0.0, 100.0);
        assert_eq!((scale.low, scale.high, scale.place(3.0)), (2.5, 3.5, 50.0));
        let empty = Axis::new("").scale(std::iter::empty(), 0.0, 100.0);
        assert_eq!((empty.low, empty.high), (0.0, 1.0));
    }
}

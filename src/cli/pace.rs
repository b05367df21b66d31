//! How far work has come, how fast it is and how long it will take, in words for people.

use std::time::Duration;

use super::output::{bytes, number};

/// From when on a rate says something.
const SETTLED: Duration = Duration::from_secs(2);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Things,
    Bytes,
}

/// Where work stands.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub unit: Unit,
    /// All that is done.
    pub done: u64,
    /// What of it was done before this run: it says nothing of how fast this one is.
    pub before: u64,
    pub total: Option<u64>,
    /// Since this run began.
    pub elapsed: Duration,
}

impl Pace {
    /// Units a second; `None` as long as there is no telling.
    fn rate(&self) -> Option<f64> {
        let done = self.done.saturating_sub(self.before);
        (self.elapsed >= SETTLED && done > 0).then(|| done as f64 / self.elapsed.as_secs_f64())
    }

    fn amount(&self, units: u64) -> String {
        match self.unit {
            Unit::Things => number(units),
            Unit::Bytes => bytes(units),
        }
    }

    fn speed(&self, rate: f64) -> String {
        match self.unit {
            Unit::Bytes => format!("{}/s", bytes(rate as u64)),
            Unit::Things if rate >= 100.0 => format!("{}/s", number(rate.round() as u64)),
            Unit::Things if rate >= 1.0 => format!("{rate:.1}/s"),
            Unit::Things => format!("{:.1}/min", 60.0 * rate),
        }
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.amount(self.done))?;
        if let Some(total) = self.total {
            write!(f, " of {}", self.amount(total))?;
        }
        let Some(rate) = self.rate() else { return Ok(()) };
        write!(f, ", {}", self.speed(rate))?;
        match self.total.and_then(|total| total.checked_sub(self.done)).filter(|left| *left > 0) {
            Some(left) => write!(f, ", {} left", roughly(left as f64 / rate)),
            None => Ok(()),
        }
    }
}

/// A span of time, as exactly as a guess deserves.
fn roughly(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{} s", s.ceil()),
        s if s < 90.0 => format!("{} s", (s / 5.0).ceil() * 5.0),
        s if s < 5400.0 => format!("{} min", (s / 60.0).round()),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(done: u64, before: u64, total: Option<u64>, seconds: f64) -> String {
        let elapsed = Duration::from_secs_f64(seconds);
        Pace { unit: Unit::Things, done, before, total, elapsed }.to_string()
    }

    #[test]
    fn nothing_is_guessed_before_there_is_something_to_guess_from() {
        assert_eq!(pace(0, 0, Some(2_400), 0.0), "0 of 2,400");
        assert_eq!(pace(0, 0, Some(2_400), 60.0), "0 of 2,400");
        assert_eq!(pace(3, 0, Some(2_400), 0.5), "3 of 2,400");
    }

    #[test]
    fn rates_are_rounded_and_the_rest_is_what_they_come_to() {
        assert_eq!(pace(270, 0, Some(1_000), 20.0), "270 of 1,000, 13.5/s, 55 s left");
        assert_eq!(pace(270, 0, None, 20.0), "270, 13.5/s");
        assert_eq!(pace(123_456, 0, Some(123_456), 10.0), "123,456 of 123,456, 12,346/s");
        assert_eq!(pace(10, 0, Some(20), 100.0), "10 of 20, 6.0/min, 2 min left");
        assert_eq!(pace(10, 0, Some(20_000), 10.0), "10 of 20,000, 1.0/s, 5.6 h left");
    }

    #[test]
    fn what_an_earlier_run_did_is_not_taken_for_speed() {
        assert_eq!(pace(900, 900, Some(1_000), 5.0), "900 of 1,000");
        assert_eq!(pace(910, 900, Some(1_000), 10.0), "910 of 1,000, 1.0/s, 2 min left");
    }

    #[test]
    fn bytes_are_told_as_such() {
        let elapsed = Duration::from_secs(10);
        let pace = Pace { unit: Unit::Bytes, done: 25_000_000, before: 5_000_000, total: Some(65_000_000), elapsed };
        assert_eq!(pace.to_string(), "25.00 MB of 65.00 MB, 2.00 MB/s, 20 s left");
    }
}

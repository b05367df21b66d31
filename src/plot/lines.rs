//! Curves over a common axis.

use super::axis::Axis;
use super::colours::Look;
use super::sheet::{Key, Sheet};

/// A named curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Series {
    /// A curve through points, from left to right. One that is not finite is a gap.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }
}

/// Curves: training losses by epoch, latency by recall, whatever changes along something.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    title: String,
    across: Axis,
    up: Axis,
    series: Vec<Series>,
}

impl Lines {
    /// Curves under a title.
    pub fn new(title: impl Into<String>, across: Axis, up: Axis, series: Vec<Series>) -> Self {
        Self { title: title.into(), across, up, series }
    }

    /// The plot.
    pub fn svg(&self, look: Look) -> String {
        let mut sheet = Sheet::new(look, &self.title, &self.description(), 380.0);
        let keys = self.series.iter().enumerate().map(|(colour, series)| Key { name: &series.name, colour });
        sheet.legend(&keys.collect::<Vec<_>>());
        let frame = sheet.frame(72.0, 52.0);
        let points = || self.series.iter().flat_map(|series| &series.points);
        let (across, up) = (points().map(|point| point.0).collect(), points().map(|point| point.1).collect());
        let (x, y) = sheet.axes(frame, (&self.across, across), (&self.up, up));
        for (index, series) in self.series.iter().enumerate() {
            let colour = sheet.colours.series(index).to_owned();
            let place = |point: &(f64, f64)| (x.place(point.0), y.place(point.1));
            for run in series.points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
                match run {
                    [] => {}
                    [only] => sheet.circle(place(only), 3.0, &colour, 1.0),
                    run => sheet.path(run.iter().map(place), &colour, false),
                }
            }
        }
        sheet.finish()
    }

    fn description(&self) -> String {
        let said = self.series.iter().filter_map(|series| {
            let mut finite = series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
            let first = finite.next()?;
            let last = finite.next_back().unwrap_or(first);
            Some(format!("{}: from {:.4} at {} to {:.4} at {}", series.name, first.1, first.0, last.1, last.0))
        });
        let said: Vec<String> = said.collect();
        format!("{} over {}. {}", self.up.label, self.across.label, said.join("; "))
    }
}

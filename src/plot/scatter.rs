//! Points of several kinds on a map.

use super::axis::Axis;
use super::colours::Look;
use super::sheet::{Key, Sheet};

/// Points of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    name: String,
    points: Vec<(f64, f64)>,
    /// Whether they shall stand out.
    marked: bool,
}

impl Group {
    /// Points of a kind.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, marked: false }
    }

    /// Drawn larger, above the others.
    #[must_use]
    pub fn marked(self) -> Self {
        Self { marked: true, ..self }
    }
}

/// A map of points, such as embeddings that were brought down to two dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    title: String,
    across: Axis,
    up: Axis,
    groups: Vec<Group>,
}

impl Scatter {
    /// Groups of points under a title; points that are not finite are left out.
    pub fn new(title: impl Into<String>, across: Axis, up: Axis, groups: Vec<Group>) -> Self {
        Self { title: title.into(), across, up, groups }
    }

    /// The plot.
    pub fn svg(&self, look: Look) -> String {
        let counts: Vec<String> =
            self.groups.iter().map(|group| format!("{}: {} points", group.name, group.points.len())).collect();
        let mut sheet = Sheet::new(look, &self.title, &format!("Map of points. {}", counts.join("; ")), 560.0);
        let keys = self.groups.iter().enumerate().map(|(colour, group)| Key { name: &group.name, colour });
        sheet.legend(&keys.collect::<Vec<_>>());
        let frame = sheet.frame(72.0, 52.0);
        let points = || self.groups.iter().flat_map(|group| &group.points);
        let (across, up) = (points().map(|point| point.0).collect(), points().map(|point| point.1).collect());
        let (x, y) = sheet.axes(frame, (&self.across, across), (&self.up, up));
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|index| self.groups[*index].marked);
        for index in order {
            let group = &self.groups[index];
            let (radius, opacity) = match group.marked {
                true => (6.0, 1.0),
                false if group.points.len() > 2_000 => (1.6, 0.35),
                false => (2.6, 0.6),
            };
            let colour = sheet.colours.series(index).to_owned();
            for (across, up) in group.points.iter().filter(|(across, up)| across.is_finite() && up.is_finite()) {
                sheet.circle((x.place(*across), y.place(*up)), radius, &colour, opacity);
            }
        }
        sheet.finish()
    }
}

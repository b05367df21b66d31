//! Histograms of one or several sets of values.

use super::axis::Axis;
use super::colours::Look;
use super::sheet::{Key, Sheet};

/// How often the values of a set fall between edges.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    name: String,
    edges: Vec<f64>,
    counts: Vec<u64>,
}

impl Bins {
    /// Counts between edges, which ascend: one edge more than there are counts.
    pub fn new(name: impl Into<String>, edges: Vec<f64>, counts: Vec<u64>) -> Self {
        Self { name: name.into(), edges, counts }
    }

    /// Each bin by its edges, with its share of all values in each unit of width.
    fn densities(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let all = self.counts.iter().sum::<u64>().max(1) as f64;
        let bins = self.edges.windows(2).zip(&self.counts).filter(|(edges, _)| edges[1] > edges[0]);
        bins.map(move |(edges, count)| (edges[0], edges[1], *count as f64 / all / (edges[1] - edges[0])))
    }

    fn description(&self) -> String {
        let all: u64 = self.counts.iter().sum();
        let mut below = 0;
        let middle = self.edges.windows(2).zip(&self.counts).find(|(_, count)| {
            below += **count;
            below * 2 >= all
        });
        match middle {
            Some((edges, _)) if all > 0 => {
                format!("{}: {all} values, the median between {:.3} and {:.3}", self.name, edges[0], edges[1])
            }
            _ => format!("{}: no values", self.name),
        }
    }
}

/// How values are spread, several sets over one axis: areas are shares.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    title: String,
    across: Axis,
    sets: Vec<Bins>,
}

impl Histogram {
    /// Sets of values under a title.
    pub fn new(title: impl Into<String>, across: Axis, sets: Vec<Bins>) -> Self {
        Self { title: title.into(), across, sets }
    }

    /// The plot.
    pub fn svg(&self, look: Look) -> String {
        let said: Vec<String> = self.sets.iter().map(Bins::description).collect();
        let description = format!("Histogram over {}. {}", self.across.label, said.join("; "));
        let mut sheet = Sheet::new(look, &self.title, &description, 340.0);
        let keys = self.sets.iter().enumerate().map(|(colour, set)| Key { name: &set.name, colour });
        sheet.legend(&keys.collect::<Vec<_>>());
        let frame = sheet.frame(72.0, 52.0);
        let across = self.sets.iter().flat_map(|set| set.edges.iter().copied()).collect();
        let most = self.sets.iter().flat_map(Bins::densities).fold(0.0, |most: f64, (_, _, density)| most.max(density));
        let up = Axis::new("density").between(0.0, if most > 0.0 { most * 1.05 } else { 1.0 });
        let (x, y) = sheet.axes(frame, (&self.across, across), (&up, Vec::new()));
        let opacity = if self.sets.len() > 1 { 0.55 } else { 0.9 };
        for (index, set) in self.sets.iter().enumerate() {
            let colour = sheet.colours.series(index).to_owned();
            for (low, high, density) in set.densities().filter(|(_, _, density)| *density > 0.0) {
                let (left, top) = (x.place(low), y.place(density));
                let width = (x.place(high) - left - 0.8).max(0.4);
                sheet.rect(left + 0.4, top, width, frame.bottom - top, &colour, opacity);
            }
        }
        sheet.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_shares_whatever_the_width_of_a_bin() {
        let bins = Bins::new("words", vec![0.0, 1.0, 3.0, 3.0], vec![2, 6, 9]);
        let area: f64 = bins.densities().map(|(low, high, density)| (high - low) * density).sum();
        assert!((area - 8.0 / 17.0).abs() < 1e-12, "a bin without width is not drawn");
        assert_eq!(bins.description(), "words: 17 values, the median between 3.000 and 3.000");
        assert_eq!(Bins::new("none", Vec::new(), Vec::new()).description(), "none: no values");
    }
}

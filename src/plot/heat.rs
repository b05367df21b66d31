//! Heat maps: a value for each pair of names.

use super::colours::Look;
use super::sheet::{Anchor, Sheet, WIDTH, cut};

/// Letters of a name that are shown; the whole is told where a pointer rests.
const LETTERS: usize = 18;

/// A value in 0..1 for each row and column.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    title: String,
    rows: Vec<String>,
    columns: Vec<String>,
    values: Vec<f64>,
}

impl Heat {
    /// Values in 0..1, row after row; those that are not there or not finite are left blank.
    pub fn new(title: impl Into<String>, rows: Vec<String>, columns: Vec<String>, values: Vec<f64>) -> Self {
        Self { title: title.into(), rows, columns, values }
    }

    /// The plot.
    pub fn svg(&self, look: Look) -> String {
        let (left, above) = (150.0, 110.0);
        let side = ((WIDTH - left - 20.0) / self.columns.len().max(1) as f64).min(64.0);
        let tall = side.min(36.0);
        let height = 40.0 + above + tall * self.rows.len() as f64 + 16.0;
        let mut sheet = Sheet::new(look, &self.title, &self.description(), height);
        let top = 40.0 + above;
        for (index, name) in self.columns.iter().enumerate() {
            let x = left + (index as f64 + 0.5) * side;
            sheet.slanted(x, top - 8.0, &cut(name, LETTERS));
        }
        for (row, name) in self.rows.iter().enumerate() {
            let y = top + row as f64 * tall;
            sheet.words(left - 8.0, y + tall / 2.0 + 4.0, Anchor::End, &cut(name, LETTERS));
            for (column, other) in self.columns.iter().enumerate() {
                let value =
                    self.values.get(row * self.columns.len() + column).copied().filter(|value| value.is_finite());
                if let Some(value) = value {
                    let place = (left + column as f64 * side, y);
                    sheet
                        .named(&format!("{name}, {other}: {value:.3}"), |sheet| sheet.cell(place, (side, tall), value));
                }
            }
        }
        sheet.finish()
    }

    fn description(&self) -> String {
        let pairs = self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| (row, column)));
        let off = pairs.zip(&self.values).filter(|((row, column), value)| row != column && value.is_finite());
        let most = off.max_by(|a, b| a.1.total_cmp(b.1));
        let most =
            most.map(|((row, column), value)| format!(" The highest between two names: {row}, {column}: {value:.3}."));
        format!("{} rows, {} columns.{}", self.rows.len(), self.columns.len(), most.unwrap_or_default())
    }
}

impl Sheet {
    fn cell(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), value: f64) {
        let share = value.clamp(0.0, 1.0);
        let colour = self.colours.series(0).to_owned();
        self.rect(x + 0.5, y + 0.5, width - 1.0, height - 1.0, &colour, 0.06 + 0.94 * share);
        if width >= 34.0 {
            let ink = if share > 0.5 { &self.colours.paper } else { &self.colours.ink }.clone();
            self.label(
                x + width / 2.0,
                y + height / 2.0 + 4.0,
                Anchor::Middle,
                11.0,
                &ink,
                400,
                &format!("{value:.2}"),
            );
        }
    }
}

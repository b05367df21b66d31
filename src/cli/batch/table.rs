//! A table of captions (CSV) as scorers of captions read it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use echoic::{Error, Result};

use crate::cli::output::no_row;
use crate::cli::pipes::is_pipe;

/// Rows that are written as they come.
pub struct Table {
    path: PathBuf,
    out: csv::Writer<Box<dyn Write>>,
    windows: bool,
}

/// A caption, as a table and a sidecar have it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub name: &'a str,
    pub caption: &'a str,
    /// Where its window begins and ends, in seconds.
    pub window: Option<(f64, f64)>,
}

/// Seconds between windows that are none: their ends are rounded.
const MOMENT: f64 = 1e-3;

impl Row<'_> {
    /// Whether the window that follows says the same, and begins no later than this one ends.
    pub fn goes_on_in(&self, next: &Self) -> bool {
        let follows = |((_, end), (start, _)): ((f64, f64), (f64, f64))| start <= end + MOMENT;
        self.caption == next.caption && self.window.zip(next.window).is_some_and(follows)
    }
}

impl Table {
    /// A table in a file, in place of what was there, or on stdout for `-`; `windows` says whether captions are those of windows.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, windows: bool) -> Result<Self> {
        let (path, out): (_, Box<dyn Write>) = match is_pipe(path) {
            true => ("stdout".into(), Box::new(std::io::stdout())),
            false => (path.to_path_buf(), Box::new(File::create(path).map_err(Error::io("create", path))?)),
        };
        let mut table = Self { path, out: csv::Writer::from_writer(out), windows };
        let names = ["file_name", "caption_predicted", "start", "end"];
        table.line(&names[..if windows { 4 } else { 2 }])?;
        Ok(table)
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put<'a>(&mut self, rows: impl IntoIterator<Item = Row<'a>>) -> Result<()> {
        rows.into_iter().try_for_each(|row| match row.window.filter(|_| self.windows) {
            Some((start, end)) => self.line(&[row.name, row.caption, &start.to_string(), &end.to_string()]),
            None => self.line(&[row.name, row.caption]),
        })
    }

    /// Adds a line, which is there at once.
    fn line(&mut self, fields: &[&str]) -> Result<()> {
        self.out.write_record(fields).map_err(|error| no_row(&self.path, error))?;
        self.out.flush().map_err(Error::io("write", &self.path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("captions.csv");
        let mut table = Table::create(&path, false).unwrap();
        let rows = [("a.wav", "Rain falls."), ("a,b.wav", "A man says \"no\"."), ("\"\"\"", "two\nlines")];
        table.put(rows.map(|(name, caption)| Row { name, caption, window: None })).unwrap();
        // Before the table is dropped: whoever looks meanwhile finds whole rows.
        let written = std::fs::read_to_string(&path).unwrap();
        let expected = "file_name,caption_predicted\na.wav,Rain falls.\n\"a,b.wav\",\"A man says \"\"no\"\".\"\n\"\"\"\"\"\"\"\",\"two\nlines\"\n";
        assert_eq!(written, expected);
    }
}

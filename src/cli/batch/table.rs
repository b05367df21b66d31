//! A table of captions (CSV) as scorers of captions read it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use echoic::{Error, Result};

use crate::cli::pipes::is_pipe;

/// Rows that are written as they come.
pub struct Table {
    path: PathBuf,
    out: Box<dyn Write>,
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
        let mut table = Self { path, out, windows };
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

    fn line(&mut self, fields: &[&str]) -> Result<()> {
        let written = self.out.write_all(&record(fields)).and_then(|()| self.out.flush());
        written.map_err(Error::io("write", &self.path))
    }
}

/// A line of CSV, quoted where it must be.
fn record(fields: &[&str]) -> Vec<u8> {
    let mut writer = csv_core::Writer::new();
    // Room for quotes around each field, and for each of its characters to be one.
    let mut out = vec![0; fields.iter().map(|field| 2 * field.len() + 3).sum::<usize>() + 1];
    let mut len = 0;
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            len += writer.delimiter(&mut out[len..]).1;
        }
        len += writer.field(field.as_bytes(), &mut out[len..]).2;
    }
    len += writer.terminator(&mut out[len..]).1;
    out.truncate(len);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let line = |fields: &[&str]| String::from_utf8_lossy(&record(fields)).into_owned();
        assert_eq!(line(&["a.wav", "Rain falls."]), "a.wav,Rain falls.\n");
        assert_eq!(line(&["a,b.wav", "A man says \"no\"."]), "\"a,b.wav\",\"A man says \"\"no\"\".\"\n");
        assert_eq!(line(&["\"\"\"", "two\nlines"]), "\"\"\"\"\"\"\"\",\"two\nlines\"\n");
        assert_eq!(line(&["", "", "0", "10.5"]), ",,0,10.5\n");
    }
}

//! Printing results on stdout and errors on stderr.

use std::cell::{Cell, Ref, RefCell};
use std::io::Write;
use std::path::Path;

use echoic::{Error, Result};
use serde::Serialize;

use super::advice::{exit_code, hint};
use super::sounds::{Sound, legible};

/// Where results go: plain text for people, or JSON for programs.
pub struct Output {
    json: bool,
    /// The exit code that the failures come to.
    code: Cell<u8>,
    failures: RefCell<Failures>,
}

/// Why a row could not be written to `place`, with the operating system's reason, which tells a pipe that was closed from a disk that is full.
pub fn no_row(place: impl AsRef<Path>, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(reason) => Error::io("write", place)(reason),
        other => Error::Internal(format!("a row that is no CSV: {other:?}")),
    }
}

/// The bytes of rows that were written into memory.
pub fn written(out: csv::Writer<Vec<u8>>) -> Result<Vec<u8>> {
    out.into_inner().map_err(|cause| Error::Internal(format!("rows that cannot be kept: {cause}")))
}

/// An item of a batch that failed, as programs are told.
#[derive(Serialize)]
struct Failure {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    error: String,
    hint: Option<String>,
}

impl Failure {
    fn new(path: String, error: &Error) -> Self {
        Self { path, root: None, row: None, error: error.to_string(), hint: hint(error) }
    }
}

/// The items that failed: the first with what was wrong, and how many there were.
#[derive(Default)]
pub struct Failures {
    pub first: Vec<(String, String)>,
    pub count: u64,
}

impl Failures {
    /// Items that are named.
    const NAMED: usize = 10;
}

impl Output {
    /// Prints JSON where `json` is set.
    pub fn new(json: bool) -> Self {
        Self { json, code: Cell::new(0), failures: RefCell::default() }
    }

    /// Prints one result: `value` as one line of JSON, or else what `text` says of it.
    ///
    /// # Errors
    /// [`Error::Io`] when stdout cannot be written, such as a pipe that was closed.
    pub fn item<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        let line = if self.json {
            serde_json::to_string(value).map_err(|e| Error::Internal(format!("a result that is no JSON: {e}")))?
        } else {
            text(value)
        };
        self.line(&line)
    }

    /// Prints a line for people; nothing in JSON mode.
    ///
    /// # Errors
    /// As [`Output::item`].
    pub fn remark(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { self.line(text) }
    }

    /// Reports an item of a batch that failed, and the row where it is one of several in a file; the others go on.
    ///
    /// # Errors
    /// As [`Output::item`].
    pub fn failure(&self, path: &Path, row: Option<usize>, error: &Error) -> Result<()> {
        self.report(&Failure { row, ..Failure::new(legible(path), error) }, error)
    }

    /// Reports a sound that failed.
    ///
    /// # Errors
    /// As [`Output::item`].
    pub fn failure_of(&self, sound: &Sound, error: &Error) -> Result<()> {
        self.report(&Failure { root: sound.root_name(), ..Failure::new(sound.name.clone(), error) }, error)
    }

    fn report(&self, failure: &Failure, error: &Error) -> Result<()> {
        self.code.set(self.code.get().max(exit_code(error)));
        let mut failures = self.failures.borrow_mut();
        failures.count += 1;
        if failures.first.len() < Failures::NAMED {
            // What was expected, and the file's whole path, were told when it failed.
            let reason = match error {
                Error::Input { found, .. } => found.clone(),
                other => other.to_string(),
            };
            failures.first.push((failure.path.clone(), reason));
        }
        complain(error);
        if !self.json {
            return Ok(());
        }
        self.item(failure, |_| String::new())
    }

    /// The items that failed so far.
    pub fn failures(&self) -> Ref<'_, Failures> {
        self.failures.borrow()
    }

    /// The exit code of a command that ended: that of the worst item.
    pub fn code(&self) -> u8 {
        self.code.get()
    }

    fn line(&self, text: &str) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Error::io("write", "stdout"))
    }
}

/// Prints an error and what to do about it on stderr.
pub fn complain(error: &Error) {
    let mut stderr = std::io::stderr().lock();
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(stderr, "error: {error}");
    if let Some(hint) = hint(error) {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

/// A size for people: `1.5 MB`.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// A number for people: `1,234,567`.
pub fn number(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A count of things for people: `1 caption`, `1,234 captions`.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", number(count), if count == 1 { "" } else { "s" })
}

/// Rows of cells in aligned columns; the first row is the heading. Columns whose cells are all numbers lean right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, c: usize| row.get(c).cloned().unwrap_or_default();
    let is_number = |text: &str| text.chars().all(|ch| ch.is_ascii_digit() || ",.".contains(ch));
    let mut lines = vec![String::new(); rows.len()];
    for c in 0..columns {
        let width = rows.iter().map(|row| cell(row, c).chars().count()).max().unwrap_or(0);
        let right = rows.iter().skip(1).all(|row| is_number(&cell(row, c)));
        for (line, row) in lines.iter_mut().zip(rows) {
            let text = cell(row, c);
            let gap = " ".repeat(width - text.chars().count());
            let separator = if c == 0 { "" } else { "  " };
            *line += &if right { format!("{separator}{gap}{text}") } else { format!("{separator}{text}{gap}") };
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_many() {
        assert_eq!([0, 1, 1_500].map(|n| counted(n, "row")), ["0 rows", "1 row", "1,500 rows"]);
    }

    #[test]
    fn a_table_aligns_words_left_and_numbers_right() {
        let rows = [["domain", "captions"], ["home", "1,135"], ["street", "26"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(table(&rows), "domain  captions\nhome       1,135\nstreet        26");
    }
}

//! The embeddings of a table, row after row.

use std::path::{Path, PathBuf};

use super::columns::Missing;
use super::{Batches, Column, Kind, Table, Values};
use crate::embedding::EmbeddingRows;
use crate::{EmbeddingSpace, Embeddings, Error, Result};

/// The names under which embeddings are found.
const NAMES: [&str; 3] = ["embedding", "vector", "embeddings"];
/// The most numbers of an embedding, as of a store's.
const LONGEST: usize = 8192;
/// Numbers that are read at once, and rows of them.
const NUMBERS_AT_ONCE: usize = 1 << 22;
const ROWS_AT_ONCE: usize = 8192;

/// The embeddings of a Parquet or Arrow file: a column of lists of 16-, 32- or 64-bit floating-point numbers, all of one length.
///
/// A row without an embedding, or with one that lacks a number, is given as zeros, which have no direction.
pub struct TableRows {
    path: PathBuf,
    column: Column,
    dim: usize,
    rows: u64,
    space: Option<EmbeddingSpace>,
    batches: Batches,
    /// The rows that are being given, and the next of them.
    open: Option<Values>,
    next: usize,
    length: usize,
    given: u64,
}

impl std::fmt::Debug for TableRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TableRows");
        shown.field("path", &self.path).field("column", &self.column.path).field("dim", &self.dim);
        shown.finish_non_exhaustive()
    }
}

impl TableRows {
    /// Opens the embeddings of a file: the column of that name, or `embedding`, `vector` or `embeddings`, or the only one that can be meant.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] when it cannot be read, when there is no such column or when several can be meant, or when no row
    /// has an embedding, or one of more than 8,192 numbers.
    pub fn open(path: impl AsRef<Path>, column: Option<&str>) -> Result<Self> {
        let path = path.as_ref();
        let table = Table::open(path)?;
        let vectors: Vec<&Column> = table.columns().iter().filter(|column| column.kind == Kind::Vector).collect();
        let chosen = match column {
            Some(name) => table.column(name).filter(|column| column.kind == Kind::Vector),
            None => named(&table).or(if let [only] = vectors[..] { Some(only) } else { None }),
        };
        let Some(chosen) = chosen else {
            let found = match column.and_then(|name| table.column(name)) {
                Some(other) => format!("the column {} ({})", other.path, other.describe()),
                None => table.listed(),
            };
            let wanted = column.map_or(NAMES.join(", "), |name| format!("'{name}'"));
            let expected = format!("a column {wanted} of lists of floating-point numbers");
            let named = vectors.first().map_or("COLUMN", |column| &column.path);
            return Err(Error::input(path.display(), found, expected)
                .with_hint(format!("name the column behind a colon, as in {}:{named}", path.display())));
        };
        let chosen = chosen.clone();
        Self::of(path, &table, chosen)
    }

    /// The embeddings that a corpus carries beside its captions; `None` where it has no column `embedding`, `vector` or `embeddings` of vectors.
    ///
    /// # Errors
    /// As [`TableRows::open`].
    pub fn carried(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let table = Table::open(path)?;
        named(&table).cloned().map(|column| Self::of(path, &table, column)).transpose()
    }

    /// The columns of a file that can be embeddings, with their types.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] when it cannot be read.
    pub fn candidates(path: impl AsRef<Path>) -> Result<Vec<(String, String)>> {
        let table = Table::open(path.as_ref())?;
        let vectors = table.columns().iter().filter(|column| column.kind == Kind::Vector);
        Ok(vectors.map(|column| (column.path.clone(), column.describe())).collect())
    }

    fn of(path: &Path, table: &Table, column: Column) -> Result<Self> {
        let dim = first_length(path, table, &column)?;
        let most = (NUMBERS_AT_ONCE / dim.max(1)).clamp(1, ROWS_AT_ONCE);
        let batches = table.read(&[&column], most)?;
        let (rows, space) = (table.rows(), table.space());
        Ok(Self {
            path: path.to_path_buf(),
            column,
            dim,
            rows,
            space,
            batches,
            open: None,
            next: 0,
            length: 0,
            given: 0,
        })
    }

    /// Numbers in a row; 0 when there is no row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The space that the file says its embeddings are of; `None` where it says nothing.
    pub fn space(&self) -> Option<EmbeddingSpace> {
        self.space.clone()
    }

    /// Reads the next rows, `count` or as many as are left.
    ///
    /// # Errors
    /// [`Error::Input`] when the file is damaged, or a row has another number of numbers than the first.
    pub fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        let (mut numbers, dim) = (Vec::new(), self.dim);
        for _ in 0..count {
            let Some((values, row)) = self.next_row()? else { break };
            match values.vector(row, dim, &mut numbers) {
                Ok(()) => {}
                Err(Missing::Vector) => numbers.resize(numbers.len() + dim, 0.0),
                Err(Missing::Length(found)) => {
                    let subject = format!("{}, row {}", self.path.display(), self.given);
                    let found = format!("{found} numbers in the column {}", self.column.path);
                    return Err(Error::input(subject, found, format!("{dim}, as in the rows before")));
                }
            }
        }
        Embeddings::from_vec(self.dim.max(1), numbers)
    }

    /// The next row: where it lies.
    fn next_row(&mut self) -> Result<Option<(&Values, usize)>> {
        while self.open.is_none() || self.next == self.length {
            let Some(batch) = self.batches.next().transpose()? else { return Ok(None) };
            let values = Values::of(&batch, &self.column);
            let values = values.map_err(|reason| Error::input(self.path.display(), reason, "embeddings"))?;
            (self.open, self.next, self.length) = (Some(values), 0, batch.num_rows());
        }
        self.next += 1;
        self.given += 1;
        Ok(self.open.as_ref().map(|values| (values, self.next - 1)))
    }
}

fn named(table: &Table) -> Option<&Column> {
    let vectors = || table.columns().iter().filter(|column| column.kind == Kind::Vector);
    NAMES.iter().find_map(|name| vectors().find(|column| column.path.eq_ignore_ascii_case(name)))
}

/// The numbers of the first embedding that is there; 0 in a file without rows.
fn first_length(path: &Path, table: &Table, column: &Column) -> Result<usize> {
    let bad = |found: String| Error::input(path.display(), found, "embeddings of 1 to 8,192 numbers");
    for batch in table.read(&[column], 64)? {
        let batch = batch?;
        let values = Values::of(&batch, column).map_err(bad)?;
        match (0..batch.num_rows()).find_map(|row| values.length(row)) {
            Some(length) if (1..=LONGEST).contains(&length) => return Ok(length),
            Some(length) => return Err(bad(format!("a list of {length} numbers in the column {}", column.path))),
            None => {}
        }
    }
    match table.rows() {
        0 => Ok(0),
        rows => Err(bad(format!("{rows} rows, none of which has an embedding in the column {}", column.path))),
    }
}

impl EmbeddingRows for TableRows {
    fn dim(&self) -> usize {
        Self::dim(self)
    }

    fn rows(&self) -> u64 {
        Self::rows(self)
    }

    fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        Self::next_rows(self, count)
    }

    fn name(&self) -> String {
        format!("{}, column {}", self.path.display(), self.column.path)
    }
}

//! Reading Parquet files, some thousand rows at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ::parquet::basic::{Repetition, Type as Physical};
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType};
use ::parquet::errors::ParquetError;
use ::parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};

use super::footer::{BYTE_ARRAY, FLOAT, Footer};
use super::pages::Pages;
use super::{GROUP_ROWS, SPACE};
use crate::embedding::EmbeddingRows;
use crate::quiet::quietly;
use crate::{EmbeddingSpace, Embeddings, Error, Result};

/// The names under which embeddings are found.
const EMBEDDING_NAMES: [&str; 3] = ["embedding", "vector", "embeddings"];
/// The most numbers of an embedding, as of a store's.
const LONGEST: usize = 8192;
/// Numbers of embeddings that are read at once.
const NUMBERS_AT_ONCE: usize = 1 << 22;

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::input(path.display(), reason, "a Parquet file with a column of captions")
}

/// A file that is open for reading.
pub(crate) struct Table {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    footer: Footer,
}

/// A text of a column, which many rows may share.
pub(crate) type Text = ByteArray;

impl Table {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let footer = Footer::read(&mut file).map_err(|reason| unreadable(path, reason))?;
        Ok(Self { path: path.to_path_buf(), file: Arc::new(Mutex::new(file)), footer })
    }

    /// The names of the columns, and of each, whether it holds a text a row.
    pub(crate) fn columns(&self) -> Vec<(&str, bool)> {
        let columns = self.footer.columns.iter();
        columns.map(|column| (&*column.name, column.kind == BYTE_ARRAY && column.repeated == 0)).collect()
    }

    pub(crate) fn groups(&self) -> usize {
        self.footer.groups.len()
    }

    /// A column of texts in one group, both of which are there.
    pub(crate) fn texts(&self, group: usize, column: usize) -> Result<Texts> {
        caught(&self.path, || self.column(group, column)).map(|column| Texts { path: self.path.clone(), column })
    }

    /// A column in one group, both of which are there. Its values are of the type that `T` reads.
    fn column<T: DataType>(&self, group: usize, column: usize) -> Result<Column<T>, ParquetError> {
        let (rows, chunk) = (self.footer.groups[group].rows, self.footer.groups[group].chunks[column]);
        let column = &self.footer.columns[column];
        let physical = if column.kind == FLOAT { Physical::FLOAT } else { Physical::BYTE_ARRAY };
        let described = Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL);
        let path = ColumnPath::from(&*column.name);
        let described = ColumnDescriptor::new(Arc::new(described.build()?), column.defined, column.repeated, path);
        let taken = Arc::new(AtomicU64::new(0));
        let pages = Pages::new(self.file.clone(), chunk, column, taken.clone());
        let reader = ColumnReaderImpl::new(Arc::new(described), Box::new(pages));
        Ok(Column { reader, defined: column.defined, left: rows, taken })
    }
}

/// A column of one group of rows, read from its beginning.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// The level of a value that is there.
    defined: i16,
    /// Rows that are not read yet.
    left: u64,
    /// Values of the pages that one call reads.
    taken: Arc<AtomicU64>,
}

/// What tells which values are there, and which continue the list before them.
#[derive(Default)]
struct Levels {
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl<T: DataType> Column<T> {
    /// Reads up to `count` rows; returns how many, 0 behind the last. A column must have as many as its group: else rows of different columns
    /// would come together.
    fn read(&mut self, count: usize, values: &mut Vec<T::T>) -> Result<(usize, Levels), ParquetError> {
        let mut levels = Levels::default();
        let count = usize::try_from(self.left).map_or(count, |left| left.min(count));
        self.taken.store(0, Ordering::Relaxed);
        // Behind the last row, too: there must be none.
        let (defined, repeated) = (Some(&mut levels.defined), Some(&mut levels.repeated));
        let (rows, ..) = self.reader.read_records(count.max(1), defined, repeated, values)?;
        if rows != count {
            return Err(ParquetError::General("a column with another number of rows than its group".into()));
        }
        self.left -= rows as u64;
        Ok((rows, levels))
    }
}

/// Runs what reads a file of others: errors and panics of the reader become an [`Error::Input`].
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    match quietly(read) {
        Ok(outcome) => outcome.map_err(|error| unreadable(path, error)),
        Err(panic) => Err(unreadable(path, panic)),
    }
}

/// A column of texts in one group of rows.
pub(crate) struct Texts {
    path: PathBuf,
    column: Column<ByteArrayType>,
}

impl Texts {
    /// The next texts, up to [`GROUP_ROWS`], `None` in rows without one; nothing behind the last row.
    pub(crate) fn read(&mut self) -> Result<Vec<Option<Text>>> {
        caught(&self.path, || {
            let mut texts = Vec::new();
            let (_, levels) = self.column.read(GROUP_ROWS, &mut texts)?;
            // A text that the decoder left out panics when it is asked for: here, where that becomes an error.
            texts.iter().for_each(|text: &Text| _ = text.data());
            if self.column.defined == 0 {
                return Ok(texts.into_iter().map(Some).collect());
            }
            let mut texts = texts.into_iter();
            let is_there = |level: &i16| *level == self.column.defined;
            Ok(levels.defined.iter().map(|level| if is_there(level) { texts.next() } else { None }).collect())
        })
    }
}

/// The embeddings of a Parquet file, read from its beginning.
pub struct ParquetRows {
    table: Table,
    column: usize,
    dim: usize,
    /// The group that is opened next.
    group: usize,
    open: Option<Column<FloatType>>,
}

impl std::fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetRows").field("path", &self.table.path).field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl ParquetRows {
    /// Opens the embeddings of a file; `None` where it has no column `embedding`, `vector` or `embeddings` of lists of 32-bit numbers.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] when it cannot be read, or the first list is empty or of more than 8,192 numbers.
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let table = Table::open(path)?;
        let found = table.footer.columns.iter().position(|column| {
            EMBEDDING_NAMES.contains(&&*column.name) && column.kind == FLOAT && column.repeated == 1
        });
        let Some(column) = found else { return Ok(None) };
        let mut rows = Self { table, column, dim: 0, group: 0, open: None };
        let mut first = Vec::new();
        if rows.read(1, &mut first)? > 0 && !(1..=LONGEST).contains(&first.len()) {
            return Err(unreadable(path, format!("a row whose embedding has {} numbers", first.len())));
        }
        Ok(Some(Self { dim: first.len(), group: 0, open: None, ..rows }))
    }

    /// Numbers in a row; 0 when there is no row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.table.footer.rows
    }

    /// The space that the file says its embeddings are of; `None` where it says nothing.
    pub fn space(&self) -> Option<EmbeddingSpace> {
        let (_, space) = self.table.footer.metadata.iter().find(|(key, _)| key == SPACE)?;
        serde_json::from_str(space).ok()
    }

    /// Reads the next rows, `count` or as many as are left.
    ///
    /// # Errors
    /// [`Error::Input`] when the file is damaged, or a row has another number of numbers, or none.
    pub fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        let mut numbers = Vec::new();
        let mut left = count;
        while left > 0 {
            match self.read(left, &mut numbers)? {
                0 => break,
                read => left -= read,
            }
        }
        Embeddings::from_vec(self.dim.max(1), numbers)
    }

    /// Reads up to `count` rows of one group; 0 behind the last. Every row must be as long as the first.
    fn read(&mut self, count: usize, numbers: &mut Vec<f32>) -> Result<usize> {
        let Self { table, column, dim, group, open } = self;
        caught(&table.path, || {
            loop {
                let Some(reader) = open else {
                    if *group == table.groups() {
                        return Ok(0);
                    }
                    *open = Some(table.column(*group, *column)?);
                    *group += 1;
                    continue;
                };
                let most = (NUMBERS_AT_ONCE / (*dim).max(1)).clamp(1, GROUP_ROWS);
                let (rows, Levels { defined, repeated }) = reader.read(count.min(most), numbers)?;
                if rows == 0 {
                    *open = None;
                    continue;
                }
                let length = if *dim == 0 { repeated.len() } else { *dim };
                let even = repeated.iter().enumerate().all(|(at, level)| (at % length.max(1) == 0) == (*level == 0));
                if defined.iter().any(|level| *level != reader.defined) || !even || repeated.len() != rows * length {
                    return Err(ParquetError::General(
                        "embeddings of different lengths, or without some number".into(),
                    ));
                }
                return Ok(rows);
            }
        })
    }
}

impl EmbeddingRows for ParquetRows {
    fn dim(&self) -> usize {
        Self::dim(self)
    }

    fn rows(&self) -> u64 {
        Self::rows(self)
    }

    fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        Self::next_rows(self, count)
    }
}

//! Tables of captions and embeddings: Parquet files, and those of Arrow (IPC files, which Feather 2 is, and IPC streams).
//!
//! A column is called by its path: `caption`, or `audio.path` for the field `path` of the struct `audio`. Only the columns that are asked for are
//! read, so that sounds which lie beside captions cost nothing.

mod columns;
mod ipc;
mod rows;

use std::path::Path;

use arrow_array::RecordBatch;

pub(crate) use self::columns::{Column, Kind, Values};
pub use self::rows::TableRows;
use super::parquet::{MAGIC, ParquetFile};
use crate::{EmbeddingSpace, Result};

/// True for the beginning of a file that is a table.
pub(crate) fn is_one(head: &[u8]) -> bool {
    let beginnings: [&[u8]; 5] = [MAGIC, b"PARE", ipc::MAGIC, ipc::MARKER, ipc::FEATHER];
    beginnings.iter().any(|beginning| head.starts_with(beginning))
}

/// A file that is open for reading.
pub(crate) struct Table {
    file: File,
    columns: Vec<Column>,
}

enum File {
    Parquet(ParquetFile),
    Arrow(ipc::ArrowFile),
}

/// Rows of a table, some at once. Nothing comes behind an error.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>>>;

impl Table {
    /// Opens a file of Arrow where it begins as one, and a Parquet file else.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = match ipc::ArrowFile::open(path)? {
            Some(file) => File::Arrow(file),
            None => File::Parquet(ParquetFile::open(path)?),
        };
        let columns = columns::of(match &file {
            File::Parquet(file) => file.fields(),
            File::Arrow(file) => file.fields(),
        });
        Ok(Self { file, columns })
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that path, in whatever case.
    pub(crate) fn column(&self, path: &str) -> Option<&Column> {
        let exact = self.columns.iter().find(|column| column.path == path);
        exact.or_else(|| self.columns.iter().find(|column| column.path.eq_ignore_ascii_case(path)))
    }

    /// What columns there are, for people.
    pub(crate) fn listed(&self) -> String {
        let names: Vec<String> =
            self.columns.iter().map(|column| format!("{} ({})", column.path, column.describe())).collect();
        if names.is_empty() { "no columns".into() } else { format!("the columns {}", names.join(", ")) }
    }

    /// Rows, as the file counts them.
    pub(crate) fn rows(&self) -> u64 {
        match &self.file {
            File::Parquet(file) => file.rows(),
            File::Arrow(file) => file.rows(),
        }
    }

    /// The space that the file says its embeddings are of; `None` where it says nothing.
    pub(crate) fn space(&self) -> Option<EmbeddingSpace> {
        match &self.file {
            File::Parquet(file) => file.space(),
            File::Arrow(_) => None,
        }
    }

    /// Reads some of its columns, up to `count` rows at once (an Arrow file gives those of a batch, however many they are).
    pub(crate) fn read(&self, columns: &[&Column], count: usize) -> Result<Batches> {
        match &self.file {
            File::Parquet(file) => {
                let leaves: Vec<usize> = columns.iter().flat_map(|column| column.leaves.clone()).collect();
                let mut batches = file.read(&leaves, count)?;
                Ok(until_error(move || batches.read()))
            }
            File::Arrow(file) => {
                let tops = columns.iter().map(|column| column.top).collect();
                let mut batches = file.read(tops, columns.iter().map(|column| column.names.clone()).collect());
                Ok(until_error(move || batches.read()))
            }
        }
    }
}

fn until_error(mut read: impl FnMut() -> Result<Option<RecordBatch>> + 'static) -> Batches {
    let mut failed = false;
    Box::new(std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let read = read();
        failed = read.is_err();
        read.transpose()
    }))
}

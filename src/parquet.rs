//! Parquet files of captions and embeddings, one row for each ingested row: `export --format parquet` writes them, `ingest` reads them.
//!
//! | column | type | |
//! |---|---|---|
//! | `caption_id` | INT64 | |
//! | `domain` | UTF8 | |
//! | `caption` | UTF8 | |
//! | `multiplicity` | INT32 | how many rows have the caption |
//! | `clip` | UTF8, optional | |
//! | `embedding` | LIST of FLOAT | as many numbers in each row |
//!
//! The metadata `echoic.space` names the embedding space as JSON. Of other files the columns are found by name, as in CSV.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::Type;
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use crate::quiet::quietly;
use crate::{EmbeddingSpace, Embeddings, Error, Result};

/// The columns in order.
const SCHEMA: &str = "message captions {
    required int64 caption_id;
    required byte_array domain (UTF8);
    required byte_array caption (UTF8);
    required int32 multiplicity;
    optional byte_array clip (UTF8);
    required group embedding (LIST) { repeated group list { required float element; } }
}";
/// The key of the metadata that names the embedding space.
const SPACE: &str = "echoic.space";
/// What every Parquet file begins with.
pub(crate) const MAGIC: &[u8] = b"PAR1";
/// Rows of a group that is written, and rows that are read at once, whatever a file says that it has.
const GROUP_ROWS: usize = 8192;
/// The names under which embeddings are found.
const EMBEDDING_NAMES: [&str; 3] = ["embedding", "vector", "embeddings"];

fn failed(path: &Path, doing: &'static str) -> impl Fn(ParquetError) -> Error {
    move |error| Error::io(doing, path)(std::io::Error::other(error))
}

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::input(path.display(), reason, "a Parquet file with a column of captions")
}

/// A row as it is written.
pub(crate) struct Row<'a> {
    pub caption_id: u64,
    pub domain: &'a str,
    pub caption: &'a str,
    pub multiplicity: u32,
    pub clip: Option<&'a str>,
    pub embedding: &'a [f32],
}

/// Rows that wait to be written, column by column.
#[derive(Default)]
struct Group {
    ids: Vec<i64>,
    domains: Vec<ByteArray>,
    captions: Vec<ByteArray>,
    multiplicities: Vec<i32>,
    clips: Vec<ByteArray>,
    has_clip: Vec<i16>,
    numbers: Vec<f32>,
    /// 0 where a row's list begins, 1 inside.
    continues: Vec<i16>,
}

/// Writes a file row by row.
pub(crate) struct Writer {
    path: PathBuf,
    file: SerializedFileWriter<File>,
    group: Group,
}

impl Writer {
    pub(crate) fn create(path: &Path, space: &EmbeddingSpace) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let space = serde_json::to_string(space).map_err(|error| Error::Internal(error.to_string()))?;
        let metadata = vec![KeyValue::new(SPACE.to_owned(), space)];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
        let schema = parse_message_type(SCHEMA).map_err(|error| Error::Internal(error.to_string()))?;
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(Self { path: path.to_path_buf(), file: file.map_err(failed(path, "write"))?, group: Group::default() })
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let group = &mut self.group;
        group.ids.push(row.caption_id as i64);
        group.domains.push(row.domain.into());
        group.captions.push(row.caption.into());
        group.multiplicities.push(row.multiplicity as i32);
        group.clips.extend(row.clip.map(ByteArray::from));
        group.has_clip.push(i16::from(row.clip.is_some()));
        group.numbers.extend_from_slice(row.embedding);
        group.continues.extend((0..row.embedding.len()).map(|at| i16::from(at > 0)));
        if group.ids.len() < GROUP_ROWS { Ok(()) } else { self.flush() }
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        if !self.group.ids.is_empty() {
            self.flush()?;
        }
        let metadata = self.file.close().map_err(failed(&self.path, "write"));
        metadata.map(|_| ())
    }

    fn flush(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        write_group(&mut self.file, &group).map_err(failed(&self.path, "write"))
    }
}

fn write_group(file: &mut SerializedFileWriter<File>, group: &Group) -> std::result::Result<(), ParquetError> {
    let mut out = file.next_row_group()?;
    let in_list = vec![1; group.numbers.len()];
    let mut column = 0;
    while let Some(mut writer) = out.next_column()? {
        match column {
            0 => writer.typed::<Int64Type>().write_batch(&group.ids, None, None)?,
            1 => writer.typed::<ByteArrayType>().write_batch(&group.domains, None, None)?,
            2 => writer.typed::<ByteArrayType>().write_batch(&group.captions, None, None)?,
            3 => writer.typed::<Int32Type>().write_batch(&group.multiplicities, None, None)?,
            4 => writer.typed::<ByteArrayType>().write_batch(&group.clips, Some(&group.has_clip), None)?,
            _ => writer.typed::<FloatType>().write_batch(&group.numbers, Some(&in_list), Some(&group.continues))?,
        };
        writer.close()?;
        column += 1;
    }
    out.close().map(|_| ())
}

/// A file that is open for reading.
pub(crate) struct Table {
    path: PathBuf,
    file: SerializedFileReader<File>,
}

/// The texts of a column in one group; `None` where there is none.
pub(crate) type Texts = Vec<Option<Vec<u8>>>;

impl Table {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let file = caught(path, || SerializedFileReader::new(file))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// The names of the columns, and of each, whether it holds a text a row.
    pub(crate) fn columns(&self) -> Vec<(String, bool)> {
        let columns = self.file.metadata().file_metadata().schema_descr().columns().iter();
        let is_text = |column: &::parquet::schema::types::ColumnDescriptor| {
            column.physical_type() == Type::BYTE_ARRAY && column.max_rep_level() == 0
        };
        columns.map(|column| (column.path().parts()[0].clone(), is_text(column))).collect()
    }

    pub(crate) fn groups(&self) -> usize {
        self.file.num_row_groups()
    }

    /// A column of texts in one group.
    pub(crate) fn texts(&self, group: usize, column: usize) -> Result<Texts> {
        let optional = self.file.metadata().file_metadata().schema_descr().column(column).max_def_level();
        caught(&self.path, || {
            let ColumnReader::ByteArrayColumnReader(mut reader) =
                self.file.get_row_group(group)?.get_column_reader(column)?
            else {
                return Err(ParquetError::General("a column that holds no texts".into()));
            };
            let (mut texts, mut levels) = (Vec::new(), Vec::new());
            while reader.read_records(GROUP_ROWS, Some(&mut levels), None, &mut texts)?.0 > 0 {}
            let mut texts = texts.into_iter().map(|text: ByteArray| text.data().to_vec());
            Ok(match optional {
                0 => texts.map(Some).collect(),
                _ => levels.iter().map(|level| if *level == optional { texts.next() } else { None }).collect(),
            })
        })
    }
}

/// Runs what reads a file of others: errors and panics of the reader become an [`Error::Input`].
fn caught<T>(path: &Path, read: impl FnOnce() -> std::result::Result<T, ParquetError>) -> Result<T> {
    match quietly(read) {
        Ok(outcome) => outcome.map_err(|error| unreadable(path, error)),
        Err(panic) => Err(unreadable(path, panic)),
    }
}

/// The embeddings of a Parquet file, read from its beginning.
pub struct ParquetRows {
    table: Table,
    column: usize,
    /// The level of a number that is there.
    present: i16,
    dim: usize,
    group: usize,
    reader: Option<ColumnReaderImpl<FloatType>>,
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
    /// [`Error::Io`] and [`Error::Input`] when it cannot be read, or the first list is empty.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let table = Table::open(path)?;
        let schema = table.file.metadata().file_metadata().schema_descr_ptr();
        let found = schema.columns().iter().position(|column| {
            let name = column.path().parts()[0].as_str();
            EMBEDDING_NAMES.contains(&name) && column.physical_type() == Type::FLOAT && column.max_rep_level() == 1
        });
        let Some(column) = found else { return Ok(None) };
        let present = schema.column(column).max_def_level();
        let mut rows = Self { table, column, present, dim: 0, group: 0, reader: None };
        let mut first = Vec::new();
        rows.read(1, &mut first)?;
        if first.is_empty() && rows.table.file.metadata().file_metadata().num_rows() > 0 {
            return Err(unreadable(path, "a row whose embedding is empty"));
        }
        Ok(Some(Self { dim: first.len(), group: 0, reader: None, ..rows }))
    }

    /// Numbers in a row; 0 when there is no row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.table.file.metadata().file_metadata().num_rows().max(0) as u64
    }

    /// The space that the file says its embeddings are of; `None` where it says nothing.
    pub fn space(&self) -> Option<EmbeddingSpace> {
        let metadata = self.table.file.metadata().file_metadata().key_value_metadata()?;
        let entry = metadata.iter().find(|entry| entry.key == SPACE)?;
        serde_json::from_str(entry.value.as_deref()?).ok()
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
        let (dim, rows) = (self.dim.max(1), count - left);
        if numbers.len() != rows * dim {
            return Err(unreadable(&self.table.path, format!("embeddings that are not all of {dim} numbers")));
        }
        Embeddings::from_vec(dim, numbers)
    }

    /// Reads up to `count` rows of one group; 0 behind the last. Every row must be as long as the first.
    fn read(&mut self, count: usize, numbers: &mut Vec<f32>) -> Result<usize> {
        let Self { table, column, present, dim, group, reader } = self;
        let path = table.path.clone();
        caught(&path, || {
            loop {
                if reader.is_none() {
                    if *group == table.file.num_row_groups() {
                        return Ok(0);
                    }
                    let opened = table.file.get_row_group(*group)?.get_column_reader(*column)?;
                    let ColumnReader::FloatColumnReader(opened) = opened else {
                        return Err(ParquetError::General("embeddings that are no 32-bit numbers".into()));
                    };
                    *group += 1;
                    *reader = Some(opened);
                }
                let (mut there, mut continues) = (Vec::new(), Vec::new());
                let Some(open) = reader.as_mut() else { continue };
                let (rows, ..) =
                    open.read_records(count.min(GROUP_ROWS), Some(&mut there), Some(&mut continues), numbers)?;
                if rows == 0 {
                    *reader = None;
                    continue;
                }
                let length = if *dim == 0 { continues.len() } else { *dim };
                let even = continues.iter().enumerate().all(|(at, level)| (at % length.max(1) == 0) == (*level == 0));
                if there.iter().any(|level| level != present) || !even || continues.len() != rows * length {
                    return Err(ParquetError::General(
                        "embeddings of different lengths, or without some number".into(),
                    ));
                }
                return Ok(rows);
            }
        })
    }
}

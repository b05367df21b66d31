//! Reading Parquet files: pages that were checked, which the parquet crate makes arrays of.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{iter, vec};

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use ::parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema};
use ::parquet::column::page::{PageIterator, PageReader};
use ::parquet::errors::{ParquetError, Result as Outcome};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};

use super::SPACE;
use super::codecs::wrong;
use super::footer::Footer;
use super::pages::{Pages, Taken};
use crate::quiet::quietly;
use crate::{EmbeddingSpace, Error, Result};

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::input(path.display(), reason, "a Parquet file")
}

/// Runs what reads a file of others: errors and panics of the reader become an [`Error::Input`].
fn caught<T>(path: &Path, read: impl FnOnce() -> Outcome<T>) -> Result<T> {
    match quietly(read) {
        Ok(outcome) => outcome.map_err(|error| unreadable(path, plain(&error))),
        Err(panic) => Err(unreadable(path, panic)),
    }
}

/// An error of the crates without the kinds that each of them puts before.
fn plain(error: &ParquetError) -> String {
    let words = error.to_string();
    let mut rest = &words[..];
    while let Some(inner) = KINDS.iter().find_map(|kind| rest.strip_prefix(kind)) {
        rest = inner;
    }
    rest.to_owned()
}

const KINDS: [&str; 4] = ["External: ", "Parquet argument error: ", "Parquet error: ", "Arrow: "];

/// A file that is open for reading.
pub(crate) struct ParquetFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    footer: Arc<Footer>,
    metadata: Arc<ParquetMetaData>,
    schema: Schema,
}

impl ParquetFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let (footer, metadata) =
            quietly(|| Footer::read(&mut file)).unwrap_or_else(Err).map_err(|reason| unreadable(path, reason))?;
        // The description that Arrow adds for itself is left aside: what it would bring is other ways to hold the same values.
        let schema = caught(path, || parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None))?;
        let (footer, metadata) = (Arc::new(footer), Arc::new(metadata));
        Ok(Self { path: path.to_path_buf(), file: Arc::new(Mutex::new(file)), footer, metadata, schema })
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.schema.fields
    }

    pub(crate) fn rows(&self) -> u64 {
        self.footer.rows
    }

    /// The space that the file says its embeddings are of; `None` where it says nothing.
    pub(crate) fn space(&self) -> Option<EmbeddingSpace> {
        let entries = self.metadata.file_metadata().key_value_metadata()?;
        let space = entries.iter().find(|entry| entry.key == SPACE)?.value.as_ref()?;
        serde_json::from_str(space).ok()
    }

    /// Reads some of the columns that hold values, by their places among them, up to `count` rows at once. The bytes of others are not touched.
    pub(crate) fn read(&self, leaves: &[usize], count: usize) -> Result<Batches> {
        let schema = self.metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(schema, leaves.iter().copied());
        let shared: Fields = self.schema.fields.iter().map(shared).collect();
        let levels = caught(&self.path, || parquet_to_arrow_field_levels(schema, mask, Some(&shared)))?;
        let group = Group {
            file: self.file.clone(),
            footer: self.footer.clone(),
            metadata: self.metadata.clone(),
            taken: Arc::default(),
            number: 0,
        };
        Ok(Batches { path: self.path.clone(), levels, group, count, open: None, left: 0 })
    }
}

/// A column whose texts are views, so that rows which have a text from one place of a page share it. As texts of their own a small file would
/// become a large one.
fn shared(field: &FieldRef) -> FieldRef {
    let shared_type = |data: &DataType| match data {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(shared).collect()),
        DataType::List(item) => DataType::List(shared(item)),
        DataType::Map(entries, sorted) => DataType::Map(shared(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(shared_type(field.data_type())))
}

/// Rows of a file, from its beginning.
pub(crate) struct Batches {
    path: PathBuf,
    levels: FieldLevels,
    /// The group that is opened next.
    group: Group,
    /// Rows at once.
    count: usize,
    open: Option<ParquetRecordBatchReader>,
    /// Rows of the open group that are not read yet.
    left: u64,
}

impl Batches {
    /// The next rows; `None` at the end. What comes behind an error is not to be relied on.
    pub(crate) fn read(&mut self) -> Result<Option<RecordBatch>> {
        let Self { path, levels, group, count, open, left, .. } = self;
        caught(path, || {
            loop {
                group.taken.reset();
                let Some(reader) = open else {
                    let Some(opened) = group.footer.groups.get(group.number) else { return Ok(None) };
                    if opened.rows == 0 {
                        group.number += 1; // some writers leave its columns without any page
                        continue;
                    }
                    *left = opened.rows;
                    *open = Some(ParquetRecordBatchReader::try_new_with_row_groups(levels, group, *count, None)?);
                    group.number += 1;
                    continue;
                };
                // Else rows of different columns would come together.
                let uneven = || wrong("a column with another number of rows than its group");
                match reader.next().transpose()? {
                    Some(batch) if batch.num_rows() > 0 => {
                        *left = left.checked_sub(batch.num_rows() as u64).ok_or_else(uneven)?;
                        return Ok(Some(batch));
                    }
                    _ if *left > 0 => return Err(uneven()),
                    _ => *open = None,
                }
            }
        })
    }
}

/// A group of rows, as the crate asks for it.
struct Group {
    file: Arc<Mutex<File>>,
    footer: Arc<Footer>,
    metadata: Arc<ParquetMetaData>,
    taken: Arc<Taken>,
    number: usize,
}

impl RowGroups for Group {
    fn num_rows(&self) -> usize {
        self.footer.groups.get(self.number).map_or(0, |group| usize::try_from(group.rows).unwrap_or(usize::MAX))
    }

    fn column_chunks(&self, column: usize) -> Outcome<Box<dyn PageIterator>> {
        let group = self.footer.groups.get(self.number).ok_or_else(|| wrong("a group that is not there"))?;
        let pages =
            Pages::new(self.file.clone(), group.chunks[column], self.footer.columns[column], self.taken.clone());
        Ok(Box::new(One(vec![Ok(Box::new(pages) as Box<dyn PageReader>)].into_iter())))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(iter::once(self.metadata.row_group(self.number)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of the one group.
struct One(vec::IntoIter<Outcome<Box<dyn PageReader>>>);

impl Iterator for One {
    type Item = Outcome<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl PageIterator for One {}

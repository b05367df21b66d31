//! Writing Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::{GROUP_ROWS, SPACE};
use crate::{EmbeddingSpace, Error, Result};

/// The columns in order.
const SCHEMA: &str = "message captions {
    required int64 caption_id;
    required byte_array domain (UTF8);
    required byte_array caption (UTF8);
    required int32 multiplicity;
    optional byte_array clip (UTF8);
    required group embedding (LIST) { repeated group list { required float element; } }
}";

fn failed(path: &Path, doing: &'static str) -> impl Fn(ParquetError) -> Error {
    move |error| Error::io(doing, path)(std::io::Error::other(error))
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

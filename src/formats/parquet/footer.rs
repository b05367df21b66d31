//! The end of a Parquet file, which describes all of it: columns, groups of rows, and where each column lies in each group.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::thrift::{Kind, Thrift};

/// Groups of columns inside each other, at most.
const DEPTH: usize = 32;

/// What a file holds, as far as it is read here.
#[derive(Debug, Default)]
pub(super) struct Footer {
    pub rows: u64,
    /// In the order of their chunks in a group.
    pub columns: Vec<Column>,
    pub groups: Vec<Group>,
}

/// A column that holds values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// The level of a value that is there, and that of one that continues the lists which it is in.
    pub defined: i16,
    pub repeated: i16,
}

/// A group of rows.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub rows: u64,
    pub chunks: Vec<Chunk>,
}

/// The bytes of a column in a group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chunk {
    pub codec: i64,
    pub start: u64,
    pub length: u64,
}

impl Footer {
    /// Reads the end of a file: what of it is checked here, and what the parquet crate makes of it then.
    pub(super) fn read(file: &mut File) -> Result<(Self, ParquetMetaData), String> {
        let length = file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
        let mut tail = [0; 8];
        let start = length.checked_sub(12).ok_or_else(|| format!("a file of {length} bytes"))?;
        let mut read = |at: u64, bytes: &mut [u8]| {
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes)).map_err(|error| error.to_string())
        };
        read(start + 4, &mut tail)?;
        let [a, b, c, d, magic @ ..] = tail;
        match &magic {
            super::MAGIC => {}
            b"PARE" => return Err("an encrypted file".into()),
            _ => return Err("a file that does not end as Parquet files do; it may be cut off".into()),
        }
        let size = u32::from_le_bytes([a, b, c, d]);
        let start = (length - 8).checked_sub(size.into()).ok_or_else(|| format!("a description of {size} bytes"))?;
        // No longer than the file.
        let mut bytes = vec![0; size as usize];
        read(start, &mut bytes)?;
        let footer = Self::parse(&bytes)?;
        let ends = footer.groups.iter().flat_map(|group| &group.chunks);
        let mut ends = ends.map(|chunk| chunk.start.checked_add(chunk.length));
        match ends.all(|end| end.is_some_and(|end| end <= length)) {
            true => {}
            false => return Err("a column that lies behind the end of the file".into()),
        }
        // Every list in it was found to be no longer than its bytes, so that no room is made for what is not there.
        let metadata = ParquetMetaDataReader::decode_metadata(&bytes).map_err(|error| error.to_string())?;
        let columns = metadata.file_metadata().schema_descr().columns();
        let levels = |column: &Column| (column.defined, column.repeated);
        let agree = columns.iter().map(|column| (column.max_def_level(), column.max_rep_level()));
        match agree.eq(footer.columns.iter().map(levels)) && metadata.num_row_groups() == footer.groups.len() {
            true => Ok((footer, metadata)),
            false => Err("a description of columns that can be read in two ways".into()),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut footer = Self::default();
        let mut schema = Schema::default();
        Thrift::new(bytes).fields(|thrift, id, kind| match id {
            2 => thrift.list(kind, Kind::STRUCT, |thrift| schema.element(thrift)),
            3 => thrift.integer(kind).and_then(count).map(|rows| footer.rows = rows),
            4 => thrift.list(kind, Kind::STRUCT, |thrift| group(thrift).map(|group| footer.groups.push(group))),
            _ => thrift.skip(kind),
        })?;
        footer.columns = schema.finish()?;
        let rows = footer.groups.iter().try_fold(0u64, |rows, group| rows.checked_add(group.rows));
        if rows != Some(footer.rows) {
            return Err(format!("a file of {} rows whose groups have {rows:?}", footer.rows));
        }
        let columns = footer.columns.len();
        match footer.groups.iter().find(|group| group.chunks.len() != columns) {
            Some(group) => Err(format!("a group of {} columns in a file of {columns}", group.chunks.len())),
            None => Ok(footer),
        }
    }
}

/// The tree of columns, which comes as the list of its nodes, each before its children.
#[derive(Default)]
struct Schema {
    /// The groups that have children to come, the innermost last; the first is the file itself.
    open: Vec<Node>,
    columns: Vec<Column>,
    begun: bool,
}

struct Node {
    children: u64,
    defined: i16,
    repeated: i16,
}

impl Schema {
    fn element(&mut self, thrift: &mut Thrift<'_>) -> Result<(), String> {
        let (mut kind, mut repetition, mut children) = (-1, 0, 0);
        thrift.fields(|thrift, id, found| match id {
            1 => thrift.integer(found).map(|value| kind = value),
            3 => thrift.integer(found).map(|value| repetition = value),
            5 => thrift.integer(found).and_then(count).map(|value| children = value),
            _ => thrift.skip(found),
        })?;
        if !self.begun {
            self.begun = true;
            self.open.push(Node { children, defined: 0, repeated: 0 });
            return Ok(());
        }
        while self.open.last().is_some_and(|node| node.children == 0) {
            self.open.pop();
        }
        let parent = self.open.last_mut().ok_or("columns that belong to no group")?;
        parent.children -= 1;
        // Levels are no deeper than the tree, so that they do not overflow.
        let (defined, repeated) = match repetition {
            0 => (parent.defined, parent.repeated),
            1 => (parent.defined + 1, parent.repeated),
            2 => (parent.defined + 1, parent.repeated + 1),
            other => return Err(format!("a column of the unknown repetition {other}")),
        };
        if children > 0 {
            if self.open.len() == DEPTH {
                return Err(format!("more than {DEPTH} groups of columns inside each other"));
            }
            self.open.push(Node { children, defined, repeated });
        } else if kind >= 0 {
            self.columns.push(Column { defined, repeated });
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Column>, String> {
        match self.begun && self.open.iter().all(|node| node.children == 0) {
            true => Ok(self.columns),
            false => Err("a group of columns without all of them".into()),
        }
    }
}

fn group(thrift: &mut Thrift<'_>) -> Result<Group, String> {
    let mut group = Group::default();
    thrift.fields(|thrift, id, kind| match id {
        1 => thrift.list(kind, Kind::STRUCT, |thrift| chunk(thrift).map(|chunk| group.chunks.push(chunk))),
        3 => thrift.integer(kind).and_then(count).map(|rows| group.rows = rows),
        _ => thrift.skip(kind),
    })?;
    Ok(group)
}

fn chunk(thrift: &mut Thrift<'_>) -> Result<Chunk, String> {
    let (mut chunk, mut dictionary) = (Chunk::default(), 0);
    thrift.fields(|thrift, id, kind| match (id, kind) {
        (1, _) => Err("a column that lies in another file".into()),
        (8 | 9, _) => Err("an encrypted column".into()),
        (3, Kind::STRUCT) => thrift.fields(|thrift, id, kind| match id {
            4 => thrift.integer(kind).map(|codec| chunk.codec = codec),
            7 => thrift.integer(kind).and_then(count).map(|length| chunk.length = length),
            9 => thrift.integer(kind).and_then(count).map(|start| chunk.start = start),
            11 => thrift.integer(kind).and_then(count).map(|start| dictionary = start),
            _ => thrift.skip(kind),
        }),
        _ => thrift.skip(kind),
    })?;
    // Some writers say that a dictionary begins at 0 when there is none.
    if (1..chunk.start).contains(&dictionary) {
        chunk.start = dictionary;
    }
    Ok(chunk)
}

/// A number that counts something.
fn count(number: i64) -> Result<u64, String> {
    u64::try_from(number).map_err(|_| format!("a count of {number}"))
}

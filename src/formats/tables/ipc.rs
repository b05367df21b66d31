//! Files and streams of Arrow: messages whose sizes are compared with the file before the arrow crate makes arrays of them.
//!
//! A stream is read message after message; a file tells in its footer where they lie. Of a batch only the buffers of the columns that are asked for
//! are read into memory; what lies between them takes addresses and no room.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{DataType, Fields, Schema, SchemaRef};

use crate::quiet::quietly;
use crate::{Error, Result};

/// What files of Arrow begin and end with, and what messages do.
pub(crate) const MAGIC: &[u8] = b"ARROW1";
pub(crate) const MARKER: &[u8] = &[0xff; 4];
/// What the first version of Feather begins with, which is no Arrow file.
pub(crate) const FEATHER: &[u8] = b"FEA1";

/// The longest description of a message.
const DESCRIPTION_BYTES: u64 = 16 << 20;
/// Bytes of one batch that are unpacked, and of all dictionaries.
const BYTES_AT_ONCE: u64 = 1 << 30;

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::input(path.display(), reason, "a file or stream of Arrow")
}

/// A file that is open for reading.
pub(crate) struct ArrowFile {
    path: PathBuf,
    schema: SchemaRef,
    rows: u64,
}

impl ArrowFile {
    /// Opens a file and looks through the headers of its messages; `None` where it begins as another kind.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let Some(messages) = Messages::open(path)? else { return Ok(None) };
        let read = quietly(|| headers(messages)).unwrap_or_else(Err);
        let (schema, rows) = read.map_err(|reason| unreadable(path, reason))?;
        Ok(Some(Self { path: path.to_path_buf(), schema: Arc::new(schema), rows }))
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.schema.fields
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads some of the columns, by their places in the file, batch by batch.
    pub(crate) fn read(&self, tops: HashSet<usize>, wanted: HashSet<Vec<String>>) -> Batches {
        let mut columns: Vec<usize> = tops.into_iter().collect();
        columns.sort_unstable();
        Batches {
            path: self.path.clone(),
            schema: self.schema.clone(),
            columns,
            wanted,
            messages: None,
            dictionaries: HashMap::new(),
        }
    }
}

/// The schema, and the rows of all batches.
fn headers(mut messages: Messages) -> Result<(Schema, u64), String> {
    let (mut schema, mut rows) = (messages.schema.take(), 0u64);
    while let Some(found) = messages.next()? {
        let message = root_as_message(&found.description).map_err(|error| error.to_string())?;
        if schema.is_none() {
            let told = message.header_as_schema().ok_or("a stream that does not begin with its columns")?;
            schema = Some(try_fb_to_schema(told).map_err(|error| error.to_string())?);
        } else if let Some(batch) = message.header_as_record_batch() {
            let batch = u64::try_from(batch.length()).map_err(|_| format!("{} rows", batch.length()))?;
            rows = rows.checked_add(batch).ok_or("more rows than can be counted")?;
        }
    }
    schema.map(|schema| (schema, rows)).ok_or_else(|| "a stream without columns".into())
}

/// The messages of a file, one after another.
struct Messages {
    file: File,
    at: u64,
    end: u64,
    /// The columns, and where the messages begin, dictionaries first: what the footer of a file tells.
    schema: Option<Schema>,
    places: Option<vec::IntoIter<u64>>,
}

struct Message {
    description: Vec<u8>,
    /// Where what it describes lies.
    body: u64,
    length: u64,
}

impl Messages {
    fn open(path: &Path) -> Result<Option<Self>> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut head = Vec::new();
        file.by_ref().take(8).read_to_end(&mut head).map_err(Error::io("read", path))?;
        if head.starts_with(FEATHER) {
            let bad = unreadable(path, "a file of the first version of Feather");
            return Err(bad.with_hint("write it again as Feather 2, which every version since 2020 does by itself"));
        }
        if head.starts_with(MARKER) {
            return Ok(Some(Self { file, at: 0, end: length, schema: None, places: None }));
        }
        if !head.starts_with(MAGIC) {
            return Ok(None);
        }
        let cut = || unreadable(path, "a file that does not end as Arrow files do; it may be cut off");
        let tail = length.checked_sub(10).filter(|tail| *tail >= 8).ok_or_else(cut)?;
        let mut end = [0; 10];
        file.seek(SeekFrom::Start(tail)).and_then(|_| file.read_exact(&mut end)).map_err(Error::io("read", path))?;
        let [a, b, c, d, magic @ ..] = end;
        let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
        let end = tail.checked_sub(footer).filter(|end| *end >= 8 && magic == MAGIC).ok_or_else(cut)?;
        if footer > DESCRIPTION_BYTES {
            return Err(unreadable(path, format!("a description of {footer} bytes")));
        }
        let mut bytes = vec![0; footer as usize];
        file.seek(SeekFrom::Start(end)).and_then(|_| file.read_exact(&mut bytes)).map_err(Error::io("read", path))?;
        let read = quietly(|| self::footer(&bytes)).unwrap_or_else(Err);
        let (schema, places) = read.map_err(|reason| unreadable(path, reason))?;
        Ok(Some(Self { file, at: 0, end, schema: Some(schema), places: Some(places.into_iter()) }))
    }

    /// The next message; `None` behind the last.
    fn next(&mut self) -> Result<Option<Message>, String> {
        if let Some(places) = &mut self.places {
            let Some(place) = places.next() else { return Ok(None) };
            self.at = place;
        }
        if self.at == self.end {
            return Ok(None);
        }
        let mut head = [0; 8];
        self.read(self.at, &mut head)?;
        let [marker @ .., a, b, c, d] = head;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        if marker != MARKER {
            return Err("no message where one belongs; streams from before Arrow 0.15 are not read".into());
        }
        if length == 0 {
            return Ok(None);
        }
        let behind = (self.at + 8).checked_add(length).filter(|behind| *behind <= self.end);
        let body = behind.ok_or("a message that is cut short")?;
        if length > DESCRIPTION_BYTES {
            return Err(format!("a description of {length} bytes"));
        }
        let mut description = vec![0; length as usize];
        self.read(self.at + 8, &mut description)?;
        let message = root_as_message(&description).map_err(|error| error.to_string())?;
        let length = u64::try_from(message.bodyLength()).map_err(|_| "a message of less than nothing")?;
        let behind = body.checked_add(length).filter(|behind| *behind <= self.end);
        self.at = behind.ok_or("a message that is cut short")?;
        Ok(Some(Message { description, body, length }))
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), String> {
        if at.checked_add(bytes.len() as u64).is_none_or(|end| end > self.end) {
            return Err("a message that is cut short".into());
        }
        self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(bytes)).map_err(|error| error.to_string())
    }
}

/// The columns of a file, and where its messages begin.
fn footer(bytes: &[u8]) -> Result<(Schema, Vec<u64>), String> {
    let footer = root_as_footer(bytes).map_err(|error| error.to_string())?;
    let schema = footer.schema().ok_or("a file without columns")?;
    let blocks = footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
    let places = blocks.map(|block| u64::try_from(block.offset()).map_err(|_| "a message before the file".to_owned()));
    let places = places.collect::<Result<_, _>>()?;
    Ok((try_fb_to_schema(schema).map_err(|error| error.to_string())?, places))
}

/// Rows of a file, from its beginning, as many at once as its batches have.
pub(crate) struct Batches {
    path: PathBuf,
    schema: SchemaRef,
    /// The columns that are read.
    columns: Vec<usize>,
    /// The fields in them that are asked for.
    wanted: HashSet<Vec<String>>,
    messages: Option<Messages>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Batches {
    /// The next rows; `None` at the end. What comes behind an error is not to be relied on.
    pub(crate) fn read(&mut self) -> Result<Option<RecordBatch>> {
        if self.messages.is_none() {
            self.messages = Messages::open(&self.path)?;
        }
        let path = self.path.clone();
        quietly(|| self.next_batch()).unwrap_or_else(Err).map_err(|reason| unreadable(&path, reason))
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, String> {
        let Some(messages) = &mut self.messages else { return Ok(None) };
        while let Some(found) = messages.next()? {
            let message = root_as_message(&found.description).map_err(|error| error.to_string())?;
            let version = message.version();
            match message.header_type() {
                MessageHeader::RecordBatch => {
                    let batch = message.header_as_record_batch().ok_or("a batch that is none")?;
                    if batch.length() == 0 {
                        continue;
                    }
                    let needed = needed(&batch, &self.schema.fields, &self.columns, &self.wanted);
                    let body = body(messages, &found, &batch, needed.as_deref())?;
                    let columns = Some(&self.columns[..]);
                    let read =
                        read_record_batch(&body, batch, self.schema.clone(), &self.dictionaries, columns, &version);
                    return read.map(Some).map_err(|error| error.to_string());
                }
                MessageHeader::DictionaryBatch => {
                    let dictionary = message.header_as_dictionary_batch().ok_or("a dictionary that is none")?;
                    let batch = dictionary.data().ok_or("a dictionary without values")?;
                    let body = body(messages, &found, &batch, None)?;
                    read_dictionary(&body, dictionary, &self.schema, &mut self.dictionaries, &version)
                        .map_err(|error| error.to_string())?;
                    let held: usize = self.dictionaries.values().map(|values| values.get_array_memory_size()).sum();
                    if held as u64 > BYTES_AT_ONCE {
                        return Err(format!("dictionaries of {held} bytes"));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// What a message describes: where `needed` says which, only those of its buffers, and nothing in place of the others.
fn body(
    messages: &mut Messages,
    message: &Message,
    batch: &arrow_ipc::RecordBatch<'_>,
    needed: Option<&[bool]>,
) -> Result<Buffer, String> {
    let length = usize::try_from(message.length).map_err(|_| "a message beyond this machine")?;
    // Asked for first, for a refusal of zeros ends the program. Zeros that nobody touches take no room.
    Vec::<u8>::new().try_reserve_exact(length).map_err(|error| error.to_string())?;
    let mut body = vec![0; length];
    let mut unpacked = 0u64;
    for (at, buffer) in batch.buffers().into_iter().flatten().enumerate() {
        if needed.is_some_and(|needed| !needed.get(at).is_some_and(|needed| *needed)) {
            continue;
        }
        let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
        let place = range.and_then(|range| body.get_mut(range)).ok_or("values behind their message")?;
        messages.read(message.body + buffer.offset() as u64, place)?;
        // A packed buffer begins with the length that it becomes; −1 says that it is not packed.
        if batch.compression().is_some()
            && let Some(becomes) = place.first_chunk()
        {
            let becomes = i64::from_le_bytes(*becomes).max(0) as u64;
            unpacked = unpacked.saturating_add(becomes);
        }
    }
    match unpacked > BYTES_AT_ONCE {
        true => Err(format!("a batch of {unpacked} bytes; up to {BYTES_AT_ONCE} are read: write smaller batches")),
        false => Ok(Buffer::from_vec(body)),
    }
}

/// Which buffers of a batch the columns need; `None` where that is not known, and all are read.
fn needed(
    batch: &arrow_ipc::RecordBatch<'_>,
    fields: &Fields,
    columns: &[usize],
    wanted: &HashSet<Vec<String>>,
) -> Option<Vec<bool>> {
    let variadic = batch.variadicBufferCounts().map(|counts| counts.iter().collect()).unwrap_or_default();
    let most = batch.buffers().map_or(0, |buffers| buffers.len());
    // What is packed is unpacked before it is looked at, and so must be there.
    let is_packed = batch.compression().is_some();
    let mut walk = Walk { needed: Vec::new(), most, variadic, next: 0, is_packed, wanted };
    for (at, field) in fields.iter().enumerate() {
        walk.field(field.data_type(), &mut vec![field.name().clone()], columns.contains(&at))?;
    }
    Some(walk.needed)
}

struct Walk<'a> {
    needed: Vec<bool>,
    most: usize,
    /// How many buffers each column of views has, and the next of these columns.
    variadic: Vec<i64>,
    next: usize,
    is_packed: bool,
    wanted: &'a HashSet<Vec<String>>,
}

impl Walk<'_> {
    fn push(&mut self, count: usize, needed: bool) -> Option<()> {
        if count > self.most - self.needed.len().min(self.most) {
            return None;
        }
        self.needed.extend(std::iter::repeat_n(needed, count));
        Some(())
    }

    /// The buffers of a column, in the order in which the format has them.
    fn field(&mut self, data_type: &DataType, names: &mut Vec<String>, needed: bool) -> Option<()> {
        match data_type {
            DataType::Null => Some(()),
            DataType::Utf8 | DataType::LargeUtf8 => self.push(3, needed),
            // The bytes of a sound that lies beside its name are not looked at.
            DataType::Binary | DataType::LargeBinary => {
                self.push(2, needed)?;
                self.push(1, needed && (self.is_packed || self.wanted.contains(names)))
            }
            DataType::Utf8View | DataType::BinaryView => {
                let count = usize::try_from(*self.variadic.get(self.next)?).ok()?;
                self.next += 1;
                self.push(count.checked_add(2)?, needed)
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
                self.push(2, needed)?;
                self.field(item.data_type(), names, needed)
            }
            DataType::FixedSizeList(item, _) => {
                self.push(1, needed)?;
                self.field(item.data_type(), names, needed)
            }
            DataType::Struct(fields) => {
                self.push(1, needed)?;
                fields.iter().try_for_each(|field| {
                    names.push(field.name().clone());
                    let walked = self.field(field.data_type(), names, needed);
                    names.pop();
                    walked
                })
            }
            DataType::ListView(_) | DataType::LargeListView(_) | DataType::RunEndEncoded(..) | DataType::Union(..) => {
                None
            }
            _ => self.push(2, needed), // numbers, and keys of dictionaries
        }
    }
}

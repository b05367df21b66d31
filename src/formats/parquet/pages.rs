//! The pages of a column, read and checked before the parquet crate decodes them.
//!
//! The crate has a reader of pages too. That one makes room for what a page announces, which in a damaged file may be any number; here a page takes
//! no more than its bytes can stand for, and the decoders get what they allocate by only when it agrees with them. Of values, levels, lists and
//! structs nothing is known here.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::Encoding;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::Result;

use super::codecs::{PLAIN, unpack, wrong};
use super::delta;
use super::footer::{Chunk, Column};
use super::thrift::{CUT, Kind, Thrift};

/// Bytes in which the header of a page is looked for first, and at most.
const HEADER_BYTES: u64 = 1 << 10;
const LONGEST_HEADER: u64 = 16 << 20;
/// A value of a dictionary takes so many bytes at least: those of a number of 16 bits.
const VALUE_BYTES: usize = 2;

/// Values and bytes of the pages that one call may read, those of the last page counted whole. One row of a list could else be endless, and a
/// page of some kilobytes be gigabytes.
const VALUES_AT_ONCE: u64 = 1 << 25;
const BYTES_AT_ONCE: u64 = 1 << 29;

/// What the pages that one call read have taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    values: AtomicU64,
    bytes: AtomicU64,
}

impl Taken {
    /// Begins a call.
    pub(super) fn reset(&self) {
        self.values.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    fn take_bytes(&self, bytes: u64) -> Result<()> {
        let taken = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        match taken > BYTES_AT_ONCE {
            true => Err(wrong(format!("pages that take more than {} MiB at once", BYTES_AT_ONCE >> 20))),
            false => Ok(()),
        }
    }

    fn take_values(&self, values: u32) -> Result<()> {
        let taken = self.values.fetch_add(values.into(), Ordering::Relaxed) + u64::from(values);
        match taken > VALUES_AT_ONCE {
            true => Err(wrong(format!("lists of more than {VALUES_AT_ONCE} values in a page or a row"))),
            false => Ok(()),
        }
    }
}

/// The pages of a column in one group of rows.
pub(super) struct Pages {
    file: Arc<Mutex<File>>,
    /// What is not read yet.
    rest: Chunk,
    /// The levels of its values.
    column: Column,
    /// A header that was read ahead.
    next: Option<Header>,
    taken: Arc<Taken>,
}

/// What comes before a page.
#[derive(Debug, Clone, Default)]
struct Header {
    kind: i64,
    unpacked: usize,
    packed: usize,
    values: u32,
    encoding: i64,
    definition_encoding: i64,
    repetition_encoding: i64,
    nulls: u32,
    rows: u32,
    definition_bytes: u32,
    repetition_bytes: u32,
    is_plain: bool,
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

impl Pages {
    /// The pages of `column` at `chunk`. The caller resets `taken`, which counts the values of the pages that were read.
    pub(super) fn new(file: Arc<Mutex<File>>, chunk: Chunk, column: Column, taken: Arc<Taken>) -> Self {
        Self { file, rest: chunk, column, next: None, taken }
    }

    fn read(&mut self, length: u64) -> Result<Vec<u8>> {
        let length = usize::try_from(length).map_err(|_| wrong("a page beyond this machine"))?;
        let mut bytes = vec![0; length]; // no longer than the file
        // Nobody panics while holding the file, and each begins by seeking.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.rest.start)).and_then(|_| file.read_exact(&mut bytes))?;
        Ok(bytes)
    }

    fn advance(&mut self, bytes: u64) {
        self.rest.start += bytes;
        self.rest.length -= bytes;
    }

    /// The header of the next page that is read here; `None` behind the last.
    fn header(&mut self) -> Result<Option<&Header>> {
        while self.next.is_none() {
            if self.rest.length == 0 {
                return Ok(None);
            }
            let (header, length) = self.parse_header()?;
            self.advance(length);
            if header.packed as u64 > self.rest.length {
                return Err(wrong("a page that is longer than its column"));
            }
            match header.kind {
                DATA | DATA_V2 if header.values > 0 => self.next = Some(header),
                DICTIONARY => self.next = Some(header),
                _ => self.advance(header.packed as u64), // without values, or an index
            }
        }
        Ok(self.next.as_ref())
    }

    /// The header at the beginning of the rest, and its length. It may hold statistics of any length.
    fn parse_header(&mut self) -> Result<(Header, u64)> {
        let mut most = HEADER_BYTES;
        loop {
            let bytes = self.read(most.min(self.rest.length))?;
            let mut thrift = Thrift::new(&bytes);
            match Header::parse(&mut thrift) {
                Ok(header) => return Ok((header, (bytes.len() - thrift.left()) as u64)),
                Err(reason) if reason == CUT && most < self.rest.length.min(LONGEST_HEADER) => most *= 16,
                Err(reason) => return Err(wrong(reason)),
            }
        }
    }

    /// The page behind its header.
    fn page(&mut self, header: &Header) -> Result<Page> {
        let packed = self.rest.codec != PLAIN && !header.is_plain;
        self.taken.take_bytes(if packed { header.unpacked as u64 } else { 0 } + header.packed as u64)?;
        if header.kind != DICTIONARY && (self.column.repeated > 0 || is_delta(header.encoding)) {
            self.taken.take_values(header.values)?;
        }
        let bytes = self.read(header.packed as u64)?;
        self.advance(header.packed as u64);
        // The levels of the second version stand before the rest, and are not compressed.
        let levels = match header.kind {
            DATA_V2 => header.definition_bytes as usize + header.repetition_bytes as usize,
            _ => 0,
        };
        let (levels, values) = bytes.split_at_checked(levels).ok_or_else(|| wrong("a page shorter than its levels"))?;
        let content = match packed && !values.is_empty() {
            true => [levels, &unpack(self.rest.codec, values, header.unpacked.saturating_sub(levels.len()))?].concat(),
            false => bytes,
        };
        self.check_delta(header, &content)?;
        header.page(content)
    }

    /// Compares what texts in a delta encoding announce with what is there, before room is made for them.
    fn check_delta(&self, header: &Header, content: &[u8]) -> Result<()> {
        if header.kind == DICTIONARY || !is_delta(header.encoding) {
            return Ok(());
        }
        let values = match header.kind {
            DATA_V2 => content.get(header.definition_bytes as usize + header.repetition_bytes as usize..),
            _ => header.behind_levels(content, &self.column),
        };
        let values = values.ok_or_else(|| wrong("a page shorter than its levels"))?;
        match header.encoding {
            _ if values.is_empty() => Ok(()),
            DELTA_LENGTH => delta::lengths(values, header.values).map(drop).map_err(wrong),
            DELTA_TEXT => {
                delta::repeated(values, header.values).map_err(wrong).and_then(|bytes| self.taken.take_bytes(bytes))
            }
            _ => Ok(()),
        }
    }
}

const DELTA_LENGTH: i64 = 6;
const DELTA_TEXT: i64 = 7;

fn is_delta(encoding: i64) -> bool {
    matches!(encoding, DELTA_LENGTH | DELTA_TEXT)
}

impl Header {
    fn parse(thrift: &mut Thrift<'_>) -> std::result::Result<Self, String> {
        let mut header = Self::default();
        thrift.fields(|thrift, id, kind| match id {
            1 => thrift.integer(kind).map(|kind| header.kind = kind),
            2 => thrift.integer(kind).and_then(number).map(|length| header.unpacked = length),
            3 => thrift.integer(kind).and_then(number).map(|length| header.packed = length),
            5 | 7 | 8 if kind == Kind::STRUCT => thrift.fields(|thrift, field, kind| match (id, field) {
                (_, 1) => thrift.integer(kind).and_then(number).map(|values| header.values = values),
                (5 | 7, 2) | (8, 4) => thrift.integer(kind).map(|encoding| header.encoding = encoding),
                (5, 3) => thrift.integer(kind).map(|encoding| header.definition_encoding = encoding),
                (5, 4) => thrift.integer(kind).map(|encoding| header.repetition_encoding = encoding),
                (8, 2) => thrift.integer(kind).and_then(number).map(|nulls| header.nulls = nulls),
                (8, 3) => thrift.integer(kind).and_then(number).map(|rows| header.rows = rows),
                (8, 5) => thrift.integer(kind).and_then(number).map(|length| header.definition_bytes = length),
                (8, 6) => thrift.integer(kind).and_then(number).map(|length| header.repetition_bytes = length),
                (8, 7) => thrift.truth(kind).map(|packed| header.is_plain = !packed),
                _ => thrift.skip(kind),
            }),
            _ => thrift.skip(kind),
        })?;
        Ok(header)
    }

    /// The values of a page of the first version, where the levels stand before them.
    fn behind_levels<'a>(&self, content: &'a [u8], column: &Column) -> Option<&'a [u8]> {
        let levels = [(column.repeated, self.repetition_encoding), (column.defined, self.definition_encoding)];
        levels.into_iter().filter(|(level, _)| *level > 0).try_fold(content, |rest, (level, encoding)| {
            if encoding == RLE {
                let (length, rest) = rest.split_first_chunk()?;
                return rest.get(u32::from_le_bytes(*length) as usize..);
            }
            let bits = u64::from(u16::BITS - level.unsigned_abs().leading_zeros());
            rest.get((u64::from(self.values) * bits).div_ceil(8) as usize..)
        })
    }

    fn page(&self, content: Vec<u8>) -> Result<Page> {
        let (num_values, length, buf) = (self.values, content.len(), content.into());
        let encoding = encoding(self.encoding)?;
        Ok(match self.kind {
            // The decoder makes room for all of a dictionary before it reads one.
            DICTIONARY if num_values as usize > length / VALUE_BYTES => {
                return Err(wrong(format!("a dictionary of {num_values} values in {length} bytes")));
            }
            DICTIONARY => Page::DictionaryPage { buf, num_values, encoding, is_sorted: false },
            DATA => Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding: levels(self.definition_encoding)?,
                rep_level_encoding: levels(self.repetition_encoding)?,
                statistics: None,
            },
            _ => Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls: self.nulls,
                num_rows: self.rows,
                def_levels_byte_len: self.definition_bytes,
                rep_levels_byte_len: self.repetition_bytes,
                is_compressed: false,
                statistics: None,
            },
        })
    }
}

fn number<T: TryFrom<i64>>(number: i64) -> std::result::Result<T, String> {
    T::try_from(number).map_err(|_| format!("a count of {number}"))
}

/// How values are written.
fn encoding(number: i64) -> Result<Encoding> {
    match number {
        0 => Ok(Encoding::PLAIN),
        2 => Ok(Encoding::PLAIN_DICTIONARY),
        5 => Ok(Encoding::DELTA_BINARY_PACKED),
        DELTA_LENGTH => Ok(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        DELTA_TEXT => Ok(Encoding::DELTA_BYTE_ARRAY),
        8 => Ok(Encoding::RLE_DICTIONARY),
        9 => Ok(Encoding::BYTE_STREAM_SPLIT),
        other => Err(wrong(format!("values in the encoding {other}, which is not read"))),
    }
}

const RLE: i64 = 3;

/// How levels are written; of a column without levels it says nothing.
fn levels(number: i64) -> Result<Encoding> {
    match number {
        #[allow(deprecated)] // but written once
        4 => Ok(Encoding::BIT_PACKED),
        RLE => Ok(Encoding::RLE),
        other => Err(wrong(format!("levels in the encoding {other}"))),
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.header()?;
        let Some(header) = self.next.take() else { return Ok(None) };
        self.page(&header).map(Some)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.header()?.map(|header| PageMetadata {
            num_rows: (header.kind == DATA_V2).then_some(header.rows as usize),
            num_levels: (header.kind != DICTIONARY).then_some(header.values as usize),
            is_dict: header.kind == DICTIONARY,
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.header()?;
        let skipped = self.next.take().map_or(0, |header| header.packed as u64);
        self.advance(skipped);
        Ok(())
    }
}

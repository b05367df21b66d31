//! What pages are compressed with. A page becomes no longer than it was announced, and room is made only for what it really holds.

use std::io::Read;

use ::parquet::errors::{ParquetError, Result};

pub(super) fn wrong(reason: impl Into<String>) -> ParquetError {
    ParquetError::General(reason.into())
}

/// The codecs that are read, as the format numbers them.
pub(super) const PLAIN: i64 = 0;
const SNAPPY: i64 = 1;
const GZIP: i64 = 2;
const BROTLI: i64 = 4;
const LZ4: i64 = 5;
const ZSTD: i64 = 6;
const LZ4_RAW: i64 = 7;

/// What a byte can become at most: in Snappy, three of them copy 64; in LZ4, each prolongs a copy by 255.
const SNAPPY_RATIO: usize = 22;
const LZ4_RATIO: usize = 256;

/// What LZ4 frames begin with.
const LZ4_FRAME: &[u8] = b"\x04\x22\x4d\x18";

/// Unpacks a page, which must become exactly `length` bytes.
pub(super) fn unpack(codec: i64, bytes: &[u8], length: usize) -> Result<Vec<u8>> {
    let unpacked = match codec {
        SNAPPY => {
            let mut unpacked = room(bytes, length, SNAPPY_RATIO)?;
            let found = snap::raw::Decoder::new().decompress(bytes, &mut unpacked);
            unpacked.truncate(found.map_err(|error| wrong(error.to_string()))?);
            unpacked
        }
        GZIP => stream(flate2::read::MultiGzDecoder::new(bytes), length)?,
        BROTLI => stream(brotli_decompressor::Decompressor::new(bytes, 1 << 12), length)?,
        ZSTD => stream(zstd::stream::read::Decoder::with_buffer(bytes)?, length)?,
        LZ4_RAW => block(bytes, length)?,
        // What the name stood for was never settled: writers of this codec put frames of Hadoop, frames of LZ4, or one block.
        LZ4 if bytes.starts_with(LZ4_FRAME) => stream(lz4_flex::frame::FrameDecoder::new(bytes), length)?,
        LZ4 => hadoop(bytes, length).map_or_else(|| block(bytes, length), Ok)?,
        3 => return Err(wrong("compression with LZO, which is not read")),
        other => return Err(wrong(format!("compression of the unknown kind {other}"))),
    };
    match unpacked.len() {
        found if found == length => Ok(unpacked),
        found => Err(wrong(format!("a page of {found} bytes where {length} belong"))),
    }
}

/// What a decoder gives, one byte more than belongs at most.
fn stream(decoder: impl Read, length: usize) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    decoder.take(length as u64 + 1).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn room(bytes: &[u8], length: usize, ratio: usize) -> Result<Vec<u8>> {
    match length > bytes.len().saturating_mul(ratio) {
        true => Err(wrong(format!("a page of {} bytes that cannot become {length}", bytes.len()))),
        false => Ok(vec![0; length]),
    }
}

fn block(bytes: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut unpacked = room(bytes, length, LZ4_RATIO)?;
    let found = lz4_flex::block::decompress_into(bytes, &mut unpacked).map_err(|error| wrong(error.to_string()))?;
    unpacked.truncate(found);
    Ok(unpacked)
}

/// Blocks, each behind the length that it becomes and its own; `None` for anything else.
fn hadoop(mut bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    while !bytes.is_empty() {
        let (becomes, rest) = bytes.split_first_chunk()?;
        let (packed, rest) = rest.split_first_chunk()?;
        let (becomes, packed) = (u32::from_be_bytes(*becomes) as usize, u32::from_be_bytes(*packed) as usize);
        let (packed, rest) = rest.split_at_checked(packed)?;
        if becomes > length - unpacked.len() {
            return None;
        }
        unpacked.append(&mut block(packed, becomes).ok().filter(|found| found.len() == becomes)?);
        bytes = rest;
    }
    Some(unpacked)
}

//! CAF files whose sound has no size, because a program wrote them to a pipe, or another than what is there, because they break off: they
//! are shown to symphonia with the right one.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use super::Shown;
use super::chunks::{Chunks, truncated};
use super::spliced::Spliced;
use crate::{Error, Result};

/// How a file begins.
pub const MAGIC: &[u8] = b"caff";

/// The most bytes before the sound that are kept. Longer tables of packets stand behind it.
const MOST_BEFORE: u64 = 64 << 20;

/// The file as it is, or with the size of its sound put right; `source` stands at its beginning, and can go back there.
pub fn open(path: &Path, mut source: Box<dyn MediaSource>) -> Result<Shown> {
    let Some(length) = source.byte_len().filter(|_| source.is_seekable()) else {
        return Ok(Shown { source, remark: None });
    };
    let sound = sound(&mut source).or_else(|cause| match cause.kind() {
        ErrorKind::UnexpectedEof => Ok(None),
        _ => Err(Error::io("read", path)(cause)),
    })?;
    source.seek(SeekFrom::Start(0)).map_err(Error::io("read", path))?;
    let Some((start, said)) = sound.filter(|(start, _)| *start <= length.min(MOST_BEFORE)) else {
        return Ok(Shown { source, remark: None });
    };
    let there = length - start;
    let remark = match u64::try_from(said) {
        Ok(said) if said <= there => return Ok(Shown { source, remark: None }),
        Ok(said) => Some(truncated(said, there)),
        Err(_) => None, // -1: up to the end
    };
    let mut head = Vec::new();
    (&mut source).take(start).read_to_end(&mut head).map_err(Error::io("read", path))?;
    let size_at = head.len() - 8;
    head[size_at..].copy_from_slice(&there.to_be_bytes());
    Ok(Shown { source: Box::new(Spliced::new(head, source, start, None)), remark })
}

/// Where the body of the chunk of sound begins, and its size.
fn sound(source: &mut Box<dyn MediaSource>) -> std::io::Result<Option<(u64, i64)>> {
    let mut chunks = Chunks { source, at: 0 };
    chunks.bytes::<8>()?;
    loop {
        let tag = chunks.bytes::<4>()?;
        let size = i64::from_be_bytes(chunks.bytes()?);
        if tag == *b"data" {
            return Ok(Some((chunks.at, size)));
        }
        let Ok(size) = u64::try_from(size) else { return Ok(None) };
        chunks.skip(size)?;
    }
}

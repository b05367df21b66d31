//! AIFF and AIFF-C with the odd headers that programs write: each is shown to symphonia as a plain file of two chunks.
//!
//! Programs that write to a pipe leave sizes of 0, and downloads break off. As in ffmpeg, the size of the whole and the count of samples are
//! ignored, and a sound whose own size is unknown goes on to the end of the file.

use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use super::chunks::{Chunks, Size, bytes_behind, sound_size, truncated};
use super::spliced::Spliced;
use super::{Shown, damaged};
use crate::{Error, Result};

/// The most bytes of a description that are of use.
const MOST_DESCRIPTION: usize = 512;
/// Bytes of the sound's chunk before its samples: their offset, and the size of blocks that they are aligned to.
const SOUND_HEAD: u64 = 8;

/// Whether a file begins as one of these.
pub fn is_one(start: &[u8]) -> bool {
    start.starts_with(b"FORM") && matches!(start.get(8..12), Some(b"AIFF" | b"AIFC"))
}

/// What the chunks say.
#[derive(Debug, Default)]
struct Header {
    kind: [u8; 4],
    description: Vec<u8>,
    start: u64,
    /// Bytes of sound, where they are said.
    size: Option<u64>,
}

/// The same sound behind a header that symphonia reads; `source` stands at its beginning.
pub fn open(path: &Path, mut source: Box<dyn MediaSource>) -> Result<Shown> {
    let header = read(&mut source).map_err(|cause| match cause.kind() {
        ErrorKind::UnexpectedEof => {
            damaged(path, "an AIFF file that ends before its sound, or lacks the description of it")
        }
        _ => Error::io("read", path)(cause),
    })?;
    shown(source, &header).map_err(Error::io("read", path))
}

fn read(source: &mut Box<dyn MediaSource>) -> std::io::Result<Header> {
    let mut chunks = Chunks { source, at: 0 };
    let head = chunks.bytes::<12>()?;
    let mut header = Header { kind: [head[8], head[9], head[10], head[11]], ..Header::default() };
    let mut tag = chunks.bytes::<4>()?;
    loop {
        let size = u32::from_be_bytes(chunks.bytes()?);
        match &tag {
            b"COMM" => header.description = chunks.body(u64::from(size), MOST_DESCRIPTION)?,
            b"SSND" => {
                let offset = u64::from(u32::from_be_bytes(chunks.bytes()?));
                chunks.bytes::<4>()?;
                chunks.skip(offset)?;
                header.start = chunks.at;
                let known = (SOUND_HEAD..u64::from(u32::MAX)).contains(&u64::from(size));
                header.size = known.then(|| u64::from(size).saturating_sub(SOUND_HEAD + offset));
                if header.description.is_empty() {
                    // It may stand behind the sound.
                    chunks.skip(header.size.ok_or(ErrorKind::UnexpectedEof)?)?;
                }
            }
            _ => chunks.skip(u64::from(size))?,
        }
        if header.start > 0 && !header.description.is_empty() {
            return Ok(header);
        }
        tag = chunks.next_tag(size)?;
    }
}

fn shown(mut source: Box<dyn MediaSource>, header: &Header) -> std::io::Result<Shown> {
    let there = bytes_behind(source.as_ref(), header.start);
    let Size { told, left_out } = sound_size(&mut source, header.start, header.size, there)?;
    if source.is_seekable() {
        source.seek(SeekFrom::Start(header.start))?;
    }
    let size = told.zip(there).map(|(told, there)| told.min(there)).or(told).or(there);
    let remark = match (told, there) {
        (Some(told), Some(there)) if told > there => Some(truncated(told, there)),
        _ if left_out > 0 => Some(format!("{left_out} bytes behind the sound were left out")),
        _ => None,
    };
    let source = Box::new(Spliced::new(plain_header(header, size), source, header.start, size));
    Ok(Shown { source, remark })
}

fn plain_header(header: &Header, size: Option<u64>) -> Vec<u8> {
    let sound = size.and_then(|size| u32::try_from(size + SOUND_HEAD).ok()).unwrap_or(u32::MAX);
    let description = &header.description;
    let padding = &[0][..description.len() % 2];
    let chunks = [
        &header.kind[..],
        b"COMM",
        &(description.len() as u32).to_be_bytes(),
        description,
        padding,
        b"SSND",
        &sound.to_be_bytes(),
        &[0; SOUND_HEAD as usize],
    ]
    .concat();
    let whole = (chunks.len() as u32 - SOUND_HEAD as u32).saturating_add(sound);
    [b"FORM", &whole.to_be_bytes()[..], &chunks].concat()
}

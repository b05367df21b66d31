//! Wav and its large kin (RF64, BW64, Wave64), with the odd headers that programs write: each is shown to symphonia as a plain wav file.
//!
//! Sizes in headers are often wrong: programs that write to a pipe leave 0 or 2³²-1, others forget eight bytes. As in ffmpeg, the size of
//! the whole is ignored, and a sound whose own size is unknown goes on to the end of the file.

use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use super::chunks::{Chunks, Size, bytes_behind, sound_size, truncated};
use super::spliced::Spliced;
use super::{Shown, damaged, unread};
use crate::{Error, Result};

/// How a file of this kin begins, and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit sizes; also with a `ds64` chunk of 64-bit ones (RF64, BW64).
    Riff,
    /// GUIDs and 64-bit sizes.
    Wave64,
}

/// The names of what is read here beside plain wav.
pub const NAMES: [&str; 3] = ["rf64", "bw64", "w64"];

const W64_RIFF: [u8; 16] = *b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
/// How the GUIDs of Wave64's chunks end.
const W64_TAIL: [u8; 12] = *b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

/// The most bytes of a format chunk that are of use.
const MOST_FORMAT: usize = 512;

impl Kind {
    /// By the first bytes of a file.
    pub fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(&W64_RIFF) {
            return Some(Self::Wave64);
        }
        let is_riff = [b"RIFF", b"RF64", b"BW64"].into_iter().any(|tag| start.starts_with(tag));
        (is_riff && start.get(8..12) == Some(b"WAVE")).then_some(Self::Riff)
    }
}

/// What the chunks before the sound say.
#[derive(Debug, Default)]
struct Header {
    format: Vec<u8>,
    /// Samples by the `fact` chunk, which ADPCM needs.
    fact: Option<[u8; 4]>,
    /// The size of the sound by a `ds64` chunk.
    large: Option<u64>,
    /// Where the sound begins, and its size where it is said.
    start: u64,
    size: Option<u64>,
}

/// The same sound behind a header that symphonia reads; `source` stands at its beginning.
pub fn open(path: &Path, mut source: Box<dyn MediaSource>, kind: Kind) -> Result<Shown> {
    let mut chunks = Chunks { source: &mut source, at: 0 };
    let read = match kind {
        Kind::Riff => riff(&mut chunks),
        Kind::Wave64 => wave64(&mut chunks),
    };
    let header = read.map_err(|cause| match cause.kind() {
        ErrorKind::UnexpectedEof => damaged(path, "a wav file without a data chunk"),
        _ => Error::io("read", path)(cause),
    })?;
    shown(source, header).map_err(|refusal| match refusal {
        Refusal::Io(cause) => Error::io("read", path)(cause),
        Refusal::Format(found) => unread::error(path, &found),
        Refusal::Damage(found) => damaged(path, found),
    })
}

enum Refusal {
    Io(std::io::Error),
    Format(String),
    Damage(String),
}

impl From<std::io::Error> for Refusal {
    fn from(cause: std::io::Error) -> Self {
        Self::Io(cause)
    }
}

/// Chunks of four letters and a 32-bit size.
fn riff(chunks: &mut Chunks<'_>) -> std::io::Result<Header> {
    let mut header = Header::default();
    let [r, f, ..] = chunks.bytes::<12>()?;
    let is_large = [r, f] != *b"RI";
    let mut tag = chunks.bytes::<4>()?;
    loop {
        let size = u32::from_le_bytes(chunks.bytes()?);
        match &tag {
            b"data" => {
                header.start = chunks.at;
                header.size = match size {
                    u32::MAX => header.large.filter(|_| is_large || header.large != Some(0)),
                    0 if is_large => header.large,
                    size => Some(u64::from(size)),
                };
                return Ok(header);
            }
            b"fmt " => header.format = chunks.body(u64::from(size), MOST_FORMAT)?,
            b"fact" => header.fact = chunks.body(u64::from(size), 4)?.try_into().ok(),
            b"ds64" => {
                let body = chunks.body(u64::from(size), 16)?;
                header.large = body.get(8..16).and_then(|size| Some(u64::from_le_bytes(size.try_into().ok()?)));
            }
            _ => chunks.skip(u64::from(size))?,
        }
        tag = chunks.next_tag(size)?;
    }
}

/// Chunks of a GUID and a 64-bit size that counts its 24 bytes of header, each beginning at a multiple of eight.
fn wave64(chunks: &mut Chunks<'_>) -> std::io::Result<Header> {
    let mut header = Header::default();
    chunks.skip(16 + 8 + 16)?;
    loop {
        let guid = chunks.bytes::<16>()?;
        let whole = u64::from_le_bytes(chunks.bytes()?);
        let size = whole.saturating_sub(24);
        let known = if guid[4..] == W64_TAIL { &guid[..4] } else { &[] };
        match known {
            b"data" => {
                header.start = chunks.at;
                // Unknown where a program wrote to a pipe.
                header.size = Some(size).filter(|_| (25..1 << 62).contains(&whole));
                return Ok(header);
            }
            b"fmt " => header.format = chunks.body(size, MOST_FORMAT)?,
            b"fact" => header.fact = chunks.body(size, 8)?.get(..4).and_then(|count| count.try_into().ok()),
            _ => chunks.skip(size)?,
        }
        chunks.skip(chunks.at.next_multiple_of(8) - chunks.at)?;
    }
}

/// The sound of `source` behind a plain header.
fn shown(mut source: Box<dyn MediaSource>, header: Header) -> Result<Shown, Refusal> {
    let format = Format::of(&header.format)?;
    let there = bytes_behind(source.as_ref(), header.start);
    let Size { told: size, left_out } = sound_size(&mut source, header.start, header.size, there)?;
    let mut remark = (left_out > 0).then(|| {
        let said = size.unwrap_or_default();
        format!("{left_out} bytes behind the sound were left out; the header counts {said}")
    });
    source_at(&mut source, header.start)?;
    let frame = format.frame.max(1);
    // What ends within a frame is left out; a size that is more than there is stays, so that it is known for truncated.
    let told = size.or(there).map(|size| size - size % frame);
    if format.is_mpeg {
        let source = Box::new(Spliced::new(Vec::new(), source, header.start, told));
        return Ok(Shown { source, remark });
    }
    let told_32 = told.and_then(|size| u32::try_from(size).ok()).filter(|size| *size < u32::MAX - 1024);
    if told_32.is_none()
        && let (Some(told), Some(there)) = (told, there)
        && told > there
    {
        remark = Some(truncated(told, there));
    }
    let fact = header.fact.filter(|_| format.has_fact);
    let source = Box::new(Spliced::new(plain_header(&format.bytes, fact, told_32), source, header.start, told));
    Ok(Shown { source, remark })
}

fn source_at(source: &mut Box<dyn MediaSource>, at: u64) -> std::io::Result<()> {
    if source.is_seekable() {
        source.seek(SeekFrom::Start(at))?;
    }
    Ok(())
}

fn plain_header(format: &[u8], fact: Option<[u8; 4]>, size: Option<u32>) -> Vec<u8> {
    let chunk = |tag: &[u8; 4], body: &[u8]| [&tag[..], &(body.len() as u32).to_le_bytes(), body].concat();
    let mut chunks = [b"WAVE".to_vec(), chunk(b"fmt ", format)].concat();
    if let Some(fact) = fact {
        chunks.extend(chunk(b"fact", &fact));
    }
    chunks.extend(b"data");
    chunks.extend(size.unwrap_or(u32::MAX).to_le_bytes());
    let whole = size.map_or(u32::MAX, |size| size + size % 2 + chunks.len() as u32);
    [&b"RIFF"[..], &whole.to_le_bytes(), &chunks].concat()
}

/// A format chunk as symphonia takes it.
struct Format {
    bytes: Vec<u8>,
    /// Bytes of a frame, or of a block of ADPCM.
    frame: u64,
    has_fact: bool,
    /// What the sound is a stream of MPEG audio in.
    is_mpeg: bool,
}

impl Format {
    fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        let damage = || Refusal::Damage("a wav file without a usable format chunk".into());
        let mut bytes = bytes.to_vec();
        if bytes.len() < 16 {
            return Err(damage());
        }
        let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let (tag, channels, align, mut bits) = (field(0), field(2), field(12), field(14));
        let is_extensible = tag == 0xFFFE && bytes.len() >= 40;
        let inner = if is_extensible { field(24) } else { tag };
        // The extension says nothing more of these.
        let tag = if is_extensible && matches!(inner, 6 | 7) { inner } else { tag };
        let is_sampled = matches!(tag, 1 | 3 | 6 | 7 | 0xFFFE);
        if is_sampled && (channels == 0 || bits == 0) {
            return Err(damage());
        }
        if is_sampled && bits % 8 != 0 {
            // 12 or 20 bits lie in the high bits of whole bytes.
            let whole = (align / channels).saturating_mul(8);
            bits = if whole > bits { whole } else { bits.next_multiple_of(8) };
        }
        let frame = if is_sampled { u64::from(channels) * u64::from(bits / 8) } else { u64::from(align) };
        bytes[..2].copy_from_slice(&tag.to_le_bytes());
        bytes[14..16].copy_from_slice(&bits.to_le_bytes());
        match tag {
            1 | 3 => bytes.truncate(16),
            0xFFFE if is_extensible => {
                bytes.truncate(40);
                bytes[16..18].copy_from_slice(&22u16.to_le_bytes());
            }
            0xFFFE => {
                bytes.truncate(16);
                bytes[..2].copy_from_slice(&1u16.to_le_bytes());
            }
            6 | 7 => {
                bytes.truncate(16);
                bytes.extend([0, 0]);
            }
            2 | 0x11 | 0x50 | 0x55 => {}
            tag => return Err(Refusal::Format(unread::in_wav(tag))),
        }
        if is_extensible && !matches!(inner, 1 | 3 | 6 | 7) {
            return Err(Refusal::Format(unread::in_wav(inner)));
        }
        let is_mpeg = matches!(tag, 0x50 | 0x55);
        // Frames of MPEG are of many sizes.
        let frame = if is_mpeg { 1 } else { frame };
        Ok(Self { bytes, frame, has_fact: matches!(tag, 2 | 0x11), is_mpeg })
    }
}

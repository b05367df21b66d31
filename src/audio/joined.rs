//! Files that were joined end to end (`cat a.wav b.wav`): where the next one begins.
//!
//! MPEG audio, ADTS and Ogg are streams, whose reader goes on by itself. Other formats end where their header says, and what follows would go unread without
//! a word.

use std::io::{Read, Seek, SeekFrom};

use symphonia::core::formats::FormatId;
use symphonia::core::formats::well_known::{
    FORMAT_ID_AIFF, FORMAT_ID_CAF, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_WAVE,
};

/// The most boxes, chunks or elements that are passed over.
const MOST: usize = 1 << 16;

/// What a FLAC stream begins with: its mark, and the head of the block that comes first, which has 34 bytes; it may also be the last.
const FLAC: [&[u8; 8]; 2] = [b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22"];

/// Bytes of an ID3v1 tag.
const ID3V1: u64 = 128;

/// Bytes that are searched at a time.
const PIECE: usize = 1 << 16;

/// Where another file of the same format begins in `file`, which itself begins at its start; `None` if there is none.
pub fn next(mut file: impl Read + Seek, format: FormatId) -> Option<u64> {
    let length = file.seek(SeekFrom::End(0)).ok()?;
    let at = match format {
        FORMAT_ID_WAVE | FORMAT_ID_AIFF => {
            let [a, b, c, d] = bytes(&mut file, 4)?;
            let size = if format == FORMAT_ID_WAVE {
                u32::from_le_bytes([a, b, c, d])
            } else {
                u32::from_be_bytes([a, b, c, d])
            };
            let end = 8 + u64::from(size);
            [end, end + end % 2].into_iter().find(|at| begins(&mut file, *at, format))?
        }
        FORMAT_ID_ISOMP4 => match boxes(&mut file, length)? {
            Extent::Ends(at) => at,
            Extent::BreaksOff => return None,
        },
        FORMAT_ID_CAF => chunks(&mut file, length)?,
        FORMAT_ID_MKV => elements(&mut file)?,
        FORMAT_ID_FLAC => marks(&mut file)?,
        _ => return None,
    };
    (at > 0 && at < length).then_some(at)
}

/// A file whose reader must be told where to end, or that it must not look for all parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It ends here. What lies behind it its reader would stumble over, or take for its own: a second CAF or file of MP4's family, a tag
    /// behind FLAC.
    Ends(u64),
    /// It is of MP4's family and breaks off in the sound, behind the index that it began with.
    BreaksOff,
}

/// What its reader must be told of a file.
pub fn extent(mut file: impl Read + Seek) -> Option<Extent> {
    let length = file.seek(SeekFrom::End(0)).ok()?;
    match bytes::<8>(&mut file, 0)? {
        [b'c', b'a', b'f', b'f', ..] => chunks(&mut file, length).map(Extent::Ends),
        [.., b'f', b't', b'y', b'p'] => boxes(&mut file, length),
        // What old programs write behind the sound (ID3v1) would cost its last packet.
        [b'f', b'L', b'a', b'C', ..] => {
            let tag = length.checked_sub(ID3V1)?;
            (bytes::<3>(&mut file, tag)? == *b"TAG").then_some(Extent::Ends(tag))
        }
        _ => None,
    }
}

fn bytes<const N: usize>(file: &mut (impl Read + Seek), at: u64) -> Option<[u8; N]> {
    let mut out = [0; N];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut out).ok()?;
    Some(out)
}

/// Whether a wav or AIFF begins at `at`.
fn begins(file: &mut (impl Read + Seek), at: u64, format: FormatId) -> bool {
    let Some(head) = bytes::<12>(file, at) else { return false };
    match format {
        FORMAT_ID_WAVE => head.starts_with(b"RIFF") && head.ends_with(b"WAVE"),
        _ => head.starts_with(b"FORM") && (head.ends_with(b"AIFF") || head.ends_with(b"AIFC")),
    }
}

/// Where the second box lies that begins a file of MP4's family, or whether the last box is not all there.
fn boxes(file: &mut (impl Read + Seek), length: u64) -> Option<Extent> {
    let (mut at, mut indexed) = (0u64, false);
    for _ in 0..MOST {
        if at > length {
            return indexed.then_some(Extent::BreaksOff);
        }
        let head = bytes::<8>(file, at)?;
        if at > 0 && head.ends_with(b"ftyp") {
            return Some(Extent::Ends(at));
        }
        indexed |= head.ends_with(b"moov");
        at = box_end(file, at)?;
    }
    None
}

/// Where the box that begins at `at` ends, if it is not the end of the file.
fn box_end(file: &mut (impl Read + Seek), at: u64) -> Option<u64> {
    let size = match u32::from_be_bytes(bytes(file, at)?) {
        0 => return None,
        1 => u64::from_be_bytes(bytes(file, at.checked_add(8)?)?),
        size => u64::from(size),
    };
    at.checked_add(size.max(8))
}

fn chunks(file: &mut (impl Read + Seek), length: u64) -> Option<u64> {
    let mut at = 8u64;
    for _ in 0..MOST {
        let head = bytes::<12>(file, at)?;
        if head.starts_with(b"caff\0\x01") {
            return Some(at);
        }
        let size = i64::from_be_bytes(head[4..].try_into().ok()?);
        at = at.checked_add(12)?.checked_add(u64::try_from(size).ok()?).filter(|at| *at < length)?;
    }
    None
}

/// The head of the second EBML document.
fn elements(file: &mut (impl Read + Seek)) -> Option<u64> {
    const HEAD: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
    let mut at = 0u64;
    for _ in 0..MOST {
        let id = bytes::<4>(file, at)?;
        if at > 0 && id == HEAD {
            return Some(at);
        }
        // At this level every identifier has four bytes but that of padding, which has one.
        let after = at + if id[0] & 0x80 == 0 { 4 } else { 1 };
        let first = bytes::<1>(file, after)?[0];
        let width = first.leading_zeros() as usize + 1;
        if width > 8 {
            return None;
        }
        let mut size = u64::from(first) & ((1 << (8 - width)) - 1);
        for place in 1..width as u64 {
            size = size << 8 | u64::from(bytes::<1>(file, after + place)?[0]);
        }
        // All ones: it goes on as far as it can.
        if size == (1 << (7 * width)) - 1 {
            return None;
        }
        at = after.checked_add(width as u64)?.checked_add(size)?;
    }
    None
}

/// The second mark of a FLAC stream.
fn marks(file: &mut (impl Read + Seek)) -> Option<u64> {
    file.seek(SeekFrom::Start(0)).ok()?;
    let (mut kept, mut start, mut met) = (Vec::new(), 0u64, false);
    loop {
        let before = kept.len();
        file.by_ref().take(PIECE as u64).read_to_end(&mut kept).ok()?;
        if kept.len() == before {
            return None;
        }
        for (index, _) in
            kept.windows(8).enumerate().filter(|(_, window)| FLAC.iter().any(|mark| mark.as_slice() == *window))
        {
            if std::mem::replace(&mut met, true) {
                return Some(start + index as u64);
            }
        }
        let done = kept.len().saturating_sub(7);
        kept.drain(..done);
        start += done as u64;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn found(format: FormatId, parts: &[&[u8]]) -> Option<u64> {
        next(Cursor::new(parts.concat()), format)
    }

    #[test]
    fn the_second_file_is_found_where_the_first_one_ends() {
        let wav = b"RIFF\x0c\0\0\0WAVEdata\0\0\0\0";
        assert_eq!(found(FORMAT_ID_WAVE, &[wav, wav]), Some(20));
        assert_eq!(found(FORMAT_ID_WAVE, &[wav]), None);
        assert_eq!(found(FORMAT_ID_WAVE, &[wav, b"LIST\x04\0\0\0INFO"]), None);
        let odd = b"FORM\0\0\0\x05AIFFx\0";
        assert_eq!(found(FORMAT_ID_AIFF, &[odd, odd]), Some(14));
        let mp4 = b"\0\0\0\x0cftypM4A \0\0\0\x09mdat!";
        assert_eq!(found(FORMAT_ID_ISOMP4, &[mp4, mp4]), Some(21));
        let caf = b"caff\0\x01\0\0data\0\0\0\0\0\0\0\x02ab";
        assert_eq!(found(FORMAT_ID_CAF, &[caf, caf]), Some(22));
        assert_eq!(extent(Cursor::new([caf.as_slice(), caf].concat())), Some(Extent::Ends(22)));
        assert_eq!(extent(Cursor::new(caf)), None);
        let mkv = b"\x1a\x45\xdf\xa3\x81x\x18\x53\x80\x67\x40\x02ab";
        assert_eq!(found(FORMAT_ID_MKV, &[mkv, mkv]), Some(14));
        assert_eq!(found(FORMAT_ID_MKV, &[mkv]), None);
    }

    #[test]
    fn the_marks_of_flac_are_found_wherever_pieces_end() {
        for before in [0, 1, PIECE - 50, PIECE - 12, PIECE - 11, PIECE, 3 * PIECE + 5] {
            let first = [FLAC[0].as_slice(), &vec![7; before]].concat();
            let wanted = Some(first.len() as u64);
            assert_eq!(found(FORMAT_ID_FLAC, &[&first, FLAC[1].as_slice(), b"..."]), wanted, "{before} bytes between");
            assert_eq!(found(FORMAT_ID_FLAC, &[&first]), None);
        }
    }

    #[test]
    fn no_bytes_make_it_fail_or_run_on() {
        for format in [FORMAT_ID_WAVE, FORMAT_ID_AIFF, FORMAT_ID_ISOMP4, FORMAT_ID_CAF, FORMAT_ID_MKV, FORMAT_ID_FLAC] {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                assert_eq!(found(format, &[&[value; 4_000]]), None);
            }
        }
    }
}

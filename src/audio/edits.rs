//! What a file of MP4's family plays of an audio track: its edit list, or iTunes' note of the encoder's delay.
//!
//! Symphonia reads neither. Only the boxes on the way to them are looked into, each bounded by the one around it; the sound itself is passed
//! over. What is damaged counts as absent.

use std::io::{Read, Seek, SeekFrom};

/// The most boxes that are looked at, edits that are read, and tracks and notes that are kept.
const MOST: usize = 4096;

/// The longest note that is read, in bytes.
const LONGEST_NOTE: u64 = 1024;

/// The most samples that iTunes' note may say, as ffmpeg has it.
const LONGEST_DELAY: u64 = 16_384;

/// What is played of a track, in samples at its sample rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edit {
    /// The first sample that is heard.
    pub skip: u64,
    /// The sample behind the last one; the packet that holds it is heard whole.
    pub stop: Option<u64>,
}

/// What is played of track `id`, and whether its list has more edits than the first, which alone is followed.
pub fn edit(file: impl Read + Seek, id: u32, sample_rate: u32) -> Option<(Edit, bool)> {
    let mut boxes = Boxes { file, left: MOST };
    let length = boxes.file.seek(SeekFrom::End(0)).ok()?;
    let movie = boxes.children(0..length).into_iter().find(|found| found.kind == *b"moov")?;
    let children = boxes.children(movie.body.clone());
    let movie_scale = boxes.time_scale(children.iter().find(|found| found.kind == *b"mvhd")?)?;
    for track in children.iter().filter(|found| found.kind == *b"trak") {
        let inner = boxes.children(track.body.clone());
        if boxes.track_id(inner.iter().find(|found| found.kind == *b"tkhd")?)? != id {
            continue;
        }
        let list = boxes.below(&inner, &[*b"edts", *b"elst"]);
        let header = boxes.below(&inner, &[*b"mdia", *b"mdhd"])?;
        let track_scale = boxes.time_scale(&header)?;
        let scaled = |value: u64, scale: u32| {
            let samples = u128::from(value) * u128::from(sample_rate) / u128::from(scale.max(1));
            u64::try_from(samples).unwrap_or(u64::MAX)
        };
        if let Some((start, duration, more)) = list.and_then(|list| boxes.edit_list(&list)) {
            let skip = scaled(start, track_scale);
            // A duration of 0 stands for all that follows. With more edits the rest is heard too.
            let stop = (duration > 0 && !more).then(|| skip.saturating_add(scaled(duration, movie_scale)));
            return Some((Edit { skip, stop }, more));
        }
    }
    let skip = boxes.itunes_delay(&children)?;
    Some((Edit { skip, stop: None }, false))
}

/// The kinds of sound in a file of MP4's family, by the four letters that its tracks call them.
pub fn sounds(file: impl Read + Seek) -> Option<Vec<[u8; 4]>> {
    let mut boxes = Boxes { file, left: MOST };
    let length = boxes.file.seek(SeekFrom::End(0)).ok()?;
    let movie = boxes.children(0..length).into_iter().find(|found| found.kind == *b"moov")?;
    let mut kinds = Vec::new();
    for track in boxes.children(movie.body).iter().filter(|found| found.kind == *b"trak") {
        let inner = boxes.children(track.body.clone());
        let Some(media) = boxes.below(&inner, &[*b"mdia"]).map(|media| boxes.children(media.body)) else { continue };
        // Version and flags, four bytes of nothing, then what it is a track of.
        let handler = boxes.below(&media, &[*b"hdlr"]).and_then(|found| boxes.bytes::<4>(found.body.start + 8));
        let entries = boxes.below(&media, &[*b"minf", *b"stbl", *b"stsd"]).filter(|_| handler == Some(*b"soun"));
        // Version and flags, the number of entries, the size of the first, then its kind.
        kinds.extend(entries.and_then(|found| boxes.bytes::<4>(found.body.start + 12)));
    }
    Some(kinds)
}

/// A box: its kind and where its body lies.
#[derive(Debug, Clone)]
struct Found {
    kind: [u8; 4],
    body: std::ops::Range<u64>,
}

struct Boxes<F> {
    file: F,
    /// Boxes that may still be looked at.
    left: usize,
}

impl<F: Read + Seek> Boxes<F> {
    fn bytes<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let mut out = [0; N];
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut out).ok()?;
        Some(out)
    }

    fn u32(&mut self, at: u64) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn u64(&mut self, at: u64) -> Option<u64> {
        self.bytes(at).map(u64::from_be_bytes)
    }

    /// The boxes in a stretch of the file, as far as they are whole.
    fn children(&mut self, within: std::ops::Range<u64>) -> Vec<Found> {
        let mut out = Vec::new();
        let mut at = within.start;
        while self.left > 0 && within.end.saturating_sub(at) >= 8 {
            self.left -= 1;
            let Some(head) = self.bytes::<8>(at) else { break };
            let kind = [head[4], head[5], head[6], head[7]];
            let (header, size) = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
                0 => (8, within.end - at),
                1 => match self.u64(at + 8) {
                    Some(size) => (16, size),
                    None => break,
                },
                size => (8, u64::from(size)),
            };
            let Some(end) = at.checked_add(size).filter(|end| size >= header && *end <= within.end) else { break };
            out.push(Found { kind, body: at + header..end });
            at = end;
        }
        out
    }

    /// The box that a path of kinds leads to from `boxes`.
    fn below(&mut self, boxes: &[Found], path: &[[u8; 4]]) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let found = boxes.iter().find(|found| found.kind == *first)?.clone();
        if rest.is_empty() {
            return Some(found);
        }
        let inner = self.children(found.body);
        self.below(&inner, rest)
    }

    /// `mvhd` and `mdhd` begin alike: version and flags, two points in time, then the time scale.
    fn time_scale(&mut self, header: &Found) -> Option<u32> {
        let [version, ..] = self.bytes::<4>(header.body.start)?;
        self.u32(header.body.start + if version == 1 { 20 } else { 12 })
    }

    fn track_id(&mut self, header: &Found) -> Option<u32> {
        self.time_scale(header)
    }

    /// Start (in the track's time) and duration (in the movie's) of the first edit that plays something, and whether others follow it.
    fn edit_list(&mut self, list: &Found) -> Option<(u64, u64, bool)> {
        let [version, ..] = self.bytes::<4>(list.body.start)?;
        let size = if version == 1 { 20 } else { 12 };
        let room = (list.body.end - list.body.start).saturating_sub(8) / size;
        let count = u64::from(self.u32(list.body.start + 4)?).min(room).min(MOST as u64);
        let mut first = None;
        for entry in (0..count).map(|index| list.body.start + 8 + index * size) {
            let (duration, start) = match version {
                1 => (self.u64(entry)?, self.u64(entry + 8)?.cast_signed()),
                _ => (u64::from(self.u32(entry)?), i64::from(self.u32(entry + 4)?.cast_signed())),
            };
            // A negative start is a pause.
            let Ok(start) = u64::try_from(start) else { continue };
            match first {
                Some((start, duration, _)) => return Some((start, duration, true)),
                None => first = Some((start, duration, false)),
            }
        }
        first
    }

    /// The delay in iTunes' note `iTunSMPB`: ` 00000000 00000840 000001CA 00000000003F31F6 …`, in hexadecimal digits.
    fn itunes_delay(&mut self, movie: &[Found]) -> Option<u64> {
        let udta = self.below(movie, &[*b"udta", *b"meta"])?;
        // A box with version and flags, which holds boxes.
        let inner = self.children(udta.body.start + 4..udta.body.end);
        let list = inner.into_iter().find(|found| found.kind == *b"ilst")?;
        for item in self.children(list.body).into_iter().filter(|item| item.kind == *b"----") {
            let parts = self.children(item.body);
            let name = parts.iter().find(|part| part.kind == *b"name").and_then(|part| self.text(part, 4));
            if name.as_deref() != Some("iTunSMPB") {
                continue;
            }
            let note = parts.iter().find(|part| part.kind == *b"data").and_then(|part| self.text(part, 8))?;
            let delay = u64::from_str_radix(note.split_whitespace().nth(1)?, 16).ok()?;
            return Some(delay).filter(|delay| (1..LONGEST_DELAY).contains(delay));
        }
        None
    }

    /// The text of a box behind `skip` bytes.
    fn text(&mut self, part: &Found, skip: u64) -> Option<String> {
        let length = (part.body.end - part.body.start).checked_sub(skip).filter(|length| *length <= LONGEST_NOTE)?;
        self.file.seek(SeekFrom::Start(part.body.start + skip)).ok()?;
        let mut text = vec![0; length as usize];
        self.file.read_exact(&mut text).ok()?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
        out.extend(kind);
        out.extend(body);
        out
    }

    /// A header of version 0 with `scale` where time scales and track numbers stand.
    fn header(kind: &[u8; 4], scale: u32) -> Vec<u8> {
        let mut body = vec![0; 12];
        body.extend(scale.to_be_bytes());
        boxed(kind, &body)
    }

    fn list(edits: &[(u32, i32)]) -> Vec<u8> {
        let mut body = vec![0; 4];
        body.extend(u32::try_from(edits.len()).unwrap().to_be_bytes());
        for (duration, start) in edits {
            body.extend(duration.to_be_bytes());
            body.extend(start.to_be_bytes());
            body.extend([0, 1, 0, 0]);
        }
        boxed(b"edts", &boxed(b"elst", &body))
    }

    fn movie(edits: &[u8], notes: &[u8]) -> Vec<u8> {
        let media = boxed(b"mdia", &header(b"mdhd", 44_100));
        let track = boxed(b"trak", &[header(b"tkhd", 2), edits.to_vec(), media].concat());
        let other = boxed(b"trak", &header(b"tkhd", 1));
        let moov = boxed(b"moov", &[header(b"mvhd", 1000), other, track, notes.to_vec()].concat());
        [boxed(b"ftyp", b"M4A "), boxed(b"mdat", &[0; 99]), moov].concat()
    }

    fn found(file: &[u8]) -> Option<(Edit, bool)> {
        edit(Cursor::new(file), 2, 44_100)
    }

    #[test]
    fn priming_is_what_the_first_edit_leaves_out() {
        let whole = Edit { skip: 1024, stop: Some(1024 + 264_600) };
        assert_eq!(found(&movie(&list(&[(6000, 1024)]), &[])), Some((whole, false)));
        let paused = list(&[(500, -1), (6000, 1024)]);
        assert_eq!(found(&movie(&paused, &[])), Some((whole, false)), "a pause comes first");
        let open = Edit { skip: 1024, stop: None };
        assert_eq!(found(&movie(&list(&[(0, 1024)]), &[])), Some((open, false)), "fragments follow");
        assert_eq!(found(&movie(&list(&[(100, 1024), (100, 99_000)]), &[])), Some((open, true)));
        assert_eq!(edit(Cursor::new(movie(&list(&[(6000, 1024)]), &[])), 7, 44_100), None, "no such track");
    }

    #[test]
    fn itunes_note_is_read_where_there_is_no_list() {
        let name = boxed(b"name", b"\0\0\0\0iTunSMPB");
        let data = boxed(b"data", b"\0\0\0\x01\0\0\0\0 00000000 00000840 000001CA 00000000003F31F6");
        let item = boxed(b"ilst", &boxed(b"----", &[boxed(b"mean", b"\0\0\0\0com.apple.iTunes"), name, data].concat()));
        let notes = boxed(b"udta", &boxed(b"meta", &[vec![0; 4], item].concat()));
        assert_eq!(found(&movie(&[], &notes)), Some((Edit { skip: 2112, stop: None }, false)));
        let both = movie(&list(&[(6000, 1024)]), &notes);
        assert_eq!(found(&both).unwrap().0.skip, 1024, "the list is what players follow");
    }

    #[test]
    fn damage_anywhere_neither_fails_nor_takes_long() {
        let file = movie(&list(&[(6000, 1024)]), &[]);
        for cut in 0..file.len() {
            let _ = found(&file[..cut]);
            let mut damaged = file.clone();
            for value in [0, 1, 0x7f, 0xff] {
                damaged[cut] = value;
                let _ = found(&damaged);
            }
        }
    }
}

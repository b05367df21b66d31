//! What a file of MP4's family plays of an audio track: its edit list, or iTunes' note of the encoder's delay.
//!
//! Symphonia reads neither. What is damaged counts as absent.

use std::io::{Read, Seek, SeekFrom};

use super::boxes::{Boxes, Found, MOST};

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
    let (mut boxes, children) = Boxes::of_movie(file)?;
    let movie_scale = boxes.time_scale(children.iter().find(|found| found.kind == *b"mvhd")?)?;
    for (_, inner) in boxes.tracks(&children).into_iter().filter(|(number, _)| *number == Some(id)) {
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

impl<F: Read + Seek> Boxes<F> {
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

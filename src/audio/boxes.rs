//! The boxes of files of MP4's family. Only those on the way to what is looked for are looked into, each bounded by the one around it; the
//! sound itself is passed over. What is damaged counts as absent.

use std::io::{Read, Seek, SeekFrom};

/// The most boxes that are looked at in a file.
pub const MOST: usize = 4096;

/// A box: its kind and where its body lies.
#[derive(Debug, Clone)]
pub struct Found {
    pub kind: [u8; 4],
    pub body: std::ops::Range<u64>,
}

/// Reads a file box by box.
pub struct Boxes<F> {
    pub file: F,
    /// Boxes that may still be looked at.
    left: usize,
}

impl<F: Read + Seek> Boxes<F> {
    pub fn bytes<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let mut out = [0; N];
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut out).ok()?;
        Some(out)
    }

    pub fn u32(&mut self, at: u64) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    pub fn u64(&mut self, at: u64) -> Option<u64> {
        self.bytes(at).map(u64::from_be_bytes)
    }

    /// The boxes in a stretch of the file, as far as they are whole.
    pub fn children(&mut self, within: std::ops::Range<u64>) -> Vec<Found> {
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
    pub fn below(&mut self, boxes: &[Found], path: &[[u8; 4]]) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let found = boxes.iter().find(|found| found.kind == *first)?.clone();
        if rest.is_empty() {
            return Some(found);
        }
        let inner = self.children(found.body);
        self.below(&inner, rest)
    }

    /// A file, and the boxes of its index (`moov`).
    pub fn of_movie(file: F) -> Option<(Self, Vec<Found>)> {
        let mut boxes = Self { file, left: MOST };
        let length = boxes.file.seek(SeekFrom::End(0)).ok()?;
        let movie = boxes.children(0..length).into_iter().find(|found| found.kind == *b"moov")?;
        let children = boxes.children(movie.body);
        Some((boxes, children))
    }

    /// The tracks of an index, each with its number, where it has one, and its boxes.
    pub fn tracks(&mut self, movie: &[Found]) -> Vec<(Option<u32>, Vec<Found>)> {
        let mut tracks = Vec::new();
        for track in movie.iter().filter(|found| found.kind == *b"trak") {
            let inner = self.children(track.body.clone());
            let id = inner.iter().find(|found| found.kind == *b"tkhd").and_then(|header| self.track_id(header));
            tracks.push((id, inner));
        }
        tracks
    }

    /// `mvhd` and `mdhd` begin alike: version and flags, two points in time, then the time scale.
    pub fn time_scale(&mut self, header: &Found) -> Option<u32> {
        let [version, ..] = self.bytes::<4>(header.body.start)?;
        self.u32(header.body.start + if version == 1 { 20 } else { 12 })
    }

    fn track_id(&mut self, header: &Found) -> Option<u32> {
        self.time_scale(header)
    }
}

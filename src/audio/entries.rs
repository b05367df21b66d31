//! What files of MP4's family say of the kinds of sound in them.

use std::io::{Read, Seek};

use super::boxes::{Boxes, Found};

/// Bytes of the description of a sound before the boxes in it, by its version.
const HEADS: [u64; 3] = [36, 52, 72];

/// The kinds of sound in a file, by the four letters that its tracks call them.
pub fn kinds(file: impl Read + Seek) -> Option<Vec<[u8; 4]>> {
    let (mut boxes, movie) = Boxes::of_movie(file)?;
    let mut kinds = Vec::new();
    for (_, track) in boxes.tracks(&movie) {
        kinds.extend(entry(&mut boxes, &track).map(|entry| entry.kind));
    }
    Some(kinds)
}

/// Whether the samples of track `id` have their highest byte first: in QuickTime those of more than 16 bits do, unless a note (`enda`) says
/// otherwise. Symphonia takes all of them for the opposite.
pub fn is_big_endian(file: impl Read + Seek, id: u32) -> Option<bool> {
    let (mut boxes, movie) = Boxes::of_movie(file)?;
    let (_, track) = boxes.tracks(&movie).into_iter().find(|(number, _)| *number == Some(id))?;
    let entry = entry(&mut boxes, &track)?;
    if ![b"in24", b"in32", b"fl32", b"fl64"].contains(&&entry.kind) {
        return Some(false);
    }
    let version = u16::from_be_bytes(boxes.bytes(entry.body.start + 8)?);
    // The size and the kind, which are counted, stand before the body.
    let inner = entry.body.start + HEADS.get(usize::from(version))? - 8;
    let inner = boxes.children(inner..entry.body.end);
    let note = boxes.below(&inner, &[*b"wave", *b"enda"]);
    let is_little = note.and_then(|note| boxes.bytes::<2>(note.body.start)).is_some_and(|value| value != [0, 0]);
    Some(!is_little)
}

/// The first description of the sound of a track, if it is a track of sound.
fn entry(boxes: &mut Boxes<impl Read + Seek>, track: &[Found]) -> Option<Found> {
    let media = boxes.below(track, &[*b"mdia"])?;
    let media = boxes.children(media.body);
    // Version and flags, four bytes of nothing, then what it is a track of.
    let handler = boxes.below(&media, &[*b"hdlr"]).and_then(|found| boxes.bytes::<4>(found.body.start + 8));
    let table = boxes.below(&media, &[*b"minf", *b"stbl", *b"stsd"]).filter(|_| handler == Some(*b"soun"))?;
    // Version and flags, the number of descriptions, then the first.
    boxes.children(table.body.start + 8..table.body.end).into_iter().next()
}

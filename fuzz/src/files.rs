//! Files that users bring: `.npy` arrays and audio.

use std::path::Path;

use echoic::Error;
use echoic::audio::Clip;
use echoic::formats::embeddings;
use echoic::formats::npy::NpyRows;

use crate::{blamed, scratch, write};

/// A `.npy` file. An input that does not begin with the magic number is a header's text, a zero byte, and numbers: then magic number and
/// length of the header are written for it.
pub fn npy(data: &[u8]) -> bool {
    let path = scratch("input.npy");
    if data.starts_with(b"\x93NUMPY") {
        write(&path, data);
    } else {
        let (header, numbers) = split_at_zero(data);
        let len = u16::try_from(header.len()).unwrap_or(u16::MAX);
        write(&path, &[b"\x93NUMPY\x01\x00", &len.to_le_bytes()[..], header, numbers].concat());
    }
    let Some(mut rows) = blamed(NpyRows::open(&path)) else { return false };
    let numbers = (data.len() + 16) as u64 / 2;
    assert!(rows.dim() > 0 && rows.rows().saturating_mul(rows.dim() as u64) <= numbers, "{rows:?}");
    let (mut row, mut count) = (Vec::new(), 0);
    loop {
        match blamed(rows.next_into(&mut row)) {
            Some(true) => assert_eq!(row.len(), rows.dim()),
            Some(false) => break,
            None => return false,
        }
        count += 1;
    }
    assert_eq!(count, rows.rows());
    true
}

/// A `.npz` archive: every array by its name, and the only one without.
pub fn npz(data: &[u8]) -> bool {
    let path = scratch("input.npz");
    write(&path, data);
    data.starts_with(b"PK") && ["", ":arr_0", ":a"].map(|name| rows(&path, name)).contains(&true)
}

/// A safetensors file: what is described, behind a length that is written for it, then a zero byte and the numbers.
pub fn safetensors_rows(data: &[u8]) -> bool {
    let path = scratch("input.safetensors");
    let (header, numbers) = split_at_zero(data);
    write(&path, &[&(header.len() as u64).to_le_bytes()[..], header, numbers].concat());
    header.starts_with(b"{") && ["", ":a", ":b"].map(|name| rows(&path, name)).contains(&true)
}

/// Reads embeddings at `path` with `name` behind it; true when all of them could be read.
fn rows(path: &Path, name: &str) -> bool {
    let place = format!("{}{name}", path.display());
    // Where nothing can be named, the whole name is that of a file that is not there.
    let opened = match embeddings::open(&place) {
        Err(Error::Io { .. }) => return false,
        other => blamed(other),
    };
    let Some(mut rows) = opened else { return false };
    assert!(rows.dim() > 0);
    let mut left = rows.rows();
    // What is packed may hold much more than its bytes; the beginning tells whether it is read as announced.
    for count in [1, 7, 64, 500] {
        let Some(read) = blamed(rows.next_rows(count)) else { return false };
        assert!(read.len() as u64 == left.min(count as u64) && read.dim() == rows.dim());
        left -= read.len() as u64;
    }
    true
}

/// An audio file: the first byte chooses the extension, the others are the file.
pub fn audio(data: &[u8]) -> bool {
    let Some((kind, file)) = data.split_first() else { return false };
    let extensions =
        ["wav", "flac", "ogg", "mp3", "m4a", "aac", "aiff", "caf", "mkv", "none", "opus", "webm", "wv", "au", "w64"];
    let path = scratch("input").with_extension(extensions[usize::from(*kind) % extensions.len()]);
    write(&path, file);
    let clip = blamed(Clip::open(&path, 44_100));
    let heard = clip.as_ref().is_some_and(|clip| {
        let mut len = 0;
        let read = clip.samples(|block| {
            assert!(block.iter().all(|x| x.is_finite()), "a sample that is not finite");
            len += block.len() as u64;
            Ok(())
        });
        assert!(clip.seconds() > 0.0 && clip.peak() >= 0.0 && !clip.is_empty());
        blamed(read).map(|()| assert_eq!(len, clip.len())).is_some()
    });
    std::fs::remove_file(&path).expect("the file is ours");
    heard
}

/// What stands before the first zero byte and what behind it.
pub(crate) fn split_at_zero(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

//! Walking through files that are made of chunks, forwards: what wav, AIFF and CAF have in common.

use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// A source that is read chunk by chunk.
pub struct Chunks<'a> {
    pub source: &'a mut Box<dyn MediaSource>,
    /// Bytes that were passed.
    pub at: u64,
}

impl Chunks<'_> {
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// The first bytes of a chunk of `size` bytes, with the rest skipped.
    pub fn body(&mut self, size: u64, most: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(most)];
        self.source.read_exact(&mut bytes)?;
        self.at += bytes.len() as u64;
        self.skip(size - bytes.len() as u64)?;
        Ok(bytes)
    }

    pub fn skip(&mut self, count: u64) -> Result<()> {
        // No file is longer than can be sought in.
        let at = self.at.checked_add(count).filter(|at| i64::try_from(*at).is_ok());
        self.at = at.ok_or(ErrorKind::UnexpectedEof)?;
        if count == 0 {
            return Ok(());
        }
        if self.source.is_seekable() {
            self.source.seek(SeekFrom::Start(self.at))?;
        } else {
            std::io::copy(&mut self.source.take(count), &mut std::io::sink())?;
        }
        Ok(())
    }

    /// The tag behind a chunk of `size` bytes, and behind its byte of padding, which some programs leave out.
    pub fn next_tag(&mut self, size: u32) -> Result<[u8; 4]> {
        let [a, b, c, d] = self.bytes()?;
        if size.is_multiple_of(2) || is_tag([a, b, c, d]) {
            return Ok([a, b, c, d]);
        }
        let [e] = self.bytes()?;
        Ok([b, c, d, e])
    }
}

fn is_tag(tag: [u8; 4]) -> bool {
    tag.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// Bytes from `start` to the end of a source, where that can be told.
pub fn bytes_behind(source: &dyn MediaSource, start: u64) -> Option<u64> {
    source.byte_len().filter(|_| source.is_seekable()).map(|len| len.saturating_sub(start))
}

/// What is said of a sound of which less is there than its header announces, in bytes.
pub fn truncated(told: u64, there: u64) -> String {
    format!("truncated; it announces {told} bytes of sound and holds {there}")
}

/// What can be said of the size of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes by the header, or by what is there where the header cannot be right; `None` for all up to the end of the file.
    pub told: Option<u64>,
    /// Bytes behind the sound that are no chunk, and will not be heard.
    pub left_out: u64,
}

/// The bytes of a sound that begins at `start`: `said` by its header, of the `there` that follow.
pub fn sound_size(
    source: &mut Box<dyn MediaSource>,
    start: u64,
    said: Option<u64>,
    there: Option<u64>,
) -> Result<Size> {
    let (Some(said), Some(there)) = (said, there) else {
        return Ok(Size { told: said.filter(|said| *said > 0), left_out: 0 });
    };
    if said >= there {
        return Ok(Size { told: Some(said), left_out: 0 });
    }
    // A 32-bit size that ran over.
    if (there - said).is_multiple_of(1 << 32) {
        return Ok(Size { told: Some(there), left_out: 0 });
    }
    let mut behind = [0; 5];
    source.seek(SeekFrom::Start(start + said))?;
    let count = source.read(&mut behind)?;
    let [a, b, c, d, e] = behind;
    let chunks_follow = count < 4 || is_tag([a, b, c, d]) || (said % 2 == 1 && is_tag([b, c, d, e]));
    if said == 0 && !chunks_follow {
        return Ok(Size { told: None, left_out: 0 });
    }
    let is_padding = chunks_follow || behind == [0; 5];
    Ok(Size { told: Some(said), left_out: if is_padding { 0 } else { there - said } })
}

//! A source of bytes with another beginning: a header made here, then a part of what there was.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// `head`, and behind it `len` bytes of `source` from byte `start` on, or all up to its end.
pub struct Spliced {
    head: Vec<u8>,
    source: Box<dyn MediaSource>,
    start: u64,
    len: Option<u64>,
    at: u64,
    /// How far into its part the source stands; a source without seeking stands at `start` from the beginning.
    body: u64,
    seekable: bool,
}

impl Spliced {
    /// `source` must stand at byte `start` of itself.
    pub fn new(head: Vec<u8>, source: Box<dyn MediaSource>, start: u64, len: Option<u64>) -> Self {
        let seekable = source.is_seekable();
        Self { head, source, start, len, at: 0, body: 0, seekable }
    }

    fn head_len(&self) -> u64 {
        self.head.len() as u64
    }
}

impl Read for Spliced {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.at < self.head_len() {
            let count = (&self.head[self.at as usize..]).read(out)?;
            self.at += count as u64;
            return Ok(count);
        }
        let body = self.at - self.head_len();
        if body != self.body {
            self.source.seek(SeekFrom::Start(self.start.saturating_add(body)))?;
            self.body = body;
        }
        let left = self.len.map_or(u64::MAX, |len| len.saturating_sub(body));
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let count = self.source.read(&mut out[..wanted])?;
        self.at += count as u64;
        self.body += count as u64;
        Ok(count)
    }
}

impl Seek for Spliced {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        if !self.seekable {
            return Err(Error::from(ErrorKind::Unsupported));
        }
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.byte_len().and_then(|len| len.checked_add_signed(by)),
        };
        self.at = target.ok_or(Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl MediaSource for Spliced {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        let there = self.source.byte_len().map(|len| len.saturating_sub(self.start));
        let body = match (self.len, there) {
            (Some(len), Some(there)) => len.min(there),
            (Some(len), None) => len,
            (None, there) => there?,
        };
        Some(self.head_len() + body)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn reads_the_head_and_then_its_part_wherever_it_is_sought() {
        let mut spliced = Spliced::new(b"head".to_vec(), Box::new(Cursor::new(b"0123456789".to_vec())), 3, Some(4));
        assert_eq!(spliced.byte_len(), Some(8));
        let mut text = String::new();
        // The source stands elsewhere: what is read first must not depend on it.
        spliced.body = 99;
        spliced.read_to_string(&mut text).unwrap();
        assert_eq!(text, "head3456");
        for (at, rest) in [(0, "head3456"), (3, "d3456"), (4, "3456"), (6, "56"), (8, ""), (50, "")] {
            spliced.seek(SeekFrom::Start(at)).unwrap();
            text.clear();
            spliced.read_to_string(&mut text).unwrap();
            assert_eq!(text, rest);
        }
    }
}

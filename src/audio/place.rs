//! Where the bytes of a sound lie, to be looked at as often as is needed.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use symphonia::core::io::MediaSource;

/// The bytes of an audio file.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file, which can be opened again.
    File(PathBuf),
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A pipe or a device, which is read once.
    Once,
}

impl Place {
    /// Looks for something in the bytes from `start` on; nothing is found in what can be read only once.
    pub fn look<T>(&self, start: u64, find: impl FnOnce(&mut dyn ReadSeek) -> Option<T>) -> Option<T> {
        match self {
            Self::File(path) => find(&mut Section::new(BufReader::new(File::open(path).ok()?), start, None).ok()?),
            Self::Bytes(bytes) => find(&mut Section::new(Cursor::new(bytes.clone()), start, None).ok()?),
            Self::Once => None,
        }
    }

    /// The bytes from `start` on, up to `end` or to the last.
    ///
    /// # Errors
    /// What opening returns.
    pub fn section(&self, start: u64, end: Option<u64>) -> std::io::Result<Box<dyn MediaSource>> {
        match self {
            Self::File(path) => Ok(Box::new(Section::new(File::open(path)?, start, end)?)),
            Self::Bytes(bytes) => Ok(Box::new(Section::new(Cursor::new(bytes.clone()), start, end)?)),
            Self::Once => Err(std::io::Error::other("it can be read only once")),
        }
    }
}

/// What can be read anywhere.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Bytes that come in order, of unknown length: what a pipe gives, and how a file is read whose other parts are not there.
#[derive(Debug)]
pub struct Forwards<R>(pub R);

impl<R: Read> Read for Forwards<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Seek for Forwards<R> {
    fn seek(&mut self, _to: SeekFrom) -> std::io::Result<u64> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

impl<R: Read + Send + Sync> MediaSource for Forwards<R> {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

/// A file from one of its bytes on, up to another.
#[derive(Debug)]
pub struct Section<F> {
    file: F,
    start: u64,
    end: u64,
    at: u64,
}

impl<F: Read + Seek> Section<F> {
    /// The bytes of `file` from `start` on, up to `end` or where it ends.
    ///
    /// # Errors
    /// What seeking returns.
    pub fn new(mut file: F, start: u64, end: Option<u64>) -> std::io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let end = end.unwrap_or(length).min(length);
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { file, start, end: end.max(start), at: start })
    }
}

impl<F: Read> Read for Section<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let room = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..room])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<F: Seek> Seek for Section<F> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let wanted = match to {
            SeekFrom::Start(at) => self.start.checked_add(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let outside = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "a place before the start");
        let wanted = wanted.filter(|at| *at >= self.start).ok_or_else(outside)?;
        self.at = self.file.seek(SeekFrom::Start(wanted))?;
        Ok(self.at - self.start)
    }
}

impl<F: Read + Seek + Send + Sync> MediaSource for Section<F> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.end - self.start)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_file_of_its_own() {
        let mut section = Section::new(Cursor::new(b"0123456789".to_vec()), 3, Some(8)).unwrap();
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), section.byte_len()), ("34567", Some(5)));
        assert_eq!(section.seek(SeekFrom::End(-2)).unwrap(), 3);
        assert_eq!(section.seek(SeekFrom::Current(-1)).unwrap(), 2);
        let mut byte = [0];
        section.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"5");
        assert!(section.seek(SeekFrom::Current(-9)).is_err());
    }
}

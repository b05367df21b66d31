//! One caption a line. Blank lines separate and are skipped.

use std::io::BufRead;

use super::row::{Item, MAX_ROW_BYTES, Rejected, row, utf8};

/// The physical lines of a source with their numbers from 1, without line ends and without a byte-order mark.
///
/// A line over [`MAX_ROW_BYTES`] is skipped over and comes out as [`Rejected`].
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    failed: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, failed: false }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = (u64, Result<Vec<u8>, Rejected>);

    fn next(&mut self) -> Option<Self::Item> {
        // A source that fails stays failed: it says so once, then ends.
        if self.failed {
            return None;
        }
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut self.reader, MAX_ROW_BYTES as u64 + 1).read_until(b'\n', &mut line);
        self.number += 1;
        let number = self.number;
        match read {
            Ok(0) => None,
            Err(e) => {
                self.failed = true;
                Some((number, Err(Rejected { line: number, reason: format!("reading failed: {e}") })))
            }
            Ok(_) if line.len() > MAX_ROW_BYTES && line.last() != Some(&b'\n') => {
                skip_to_line_end(&mut self.reader);
                Some((number, Err(too_long(number))))
            }
            Ok(_) => {
                while matches!(line.last(), Some(b'\n' | b'\r')) {
                    line.pop();
                }
                if number == 1 && line.starts_with(b"\xef\xbb\xbf") {
                    line.drain(..3);
                }
                Some((number, Ok(line)))
            }
        }
    }
}

pub(super) fn too_long(line: u64) -> Rejected {
    Rejected { line, reason: format!("longer than {MAX_ROW_BYTES} bytes") }
}

fn skip_to_line_end(reader: &mut impl BufRead) {
    loop {
        let Ok(buffer) = reader.fill_buf() else { return };
        if buffer.is_empty() {
            return;
        }
        let (used, found) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        reader.consume(used);
        if found {
            return;
        }
    }
}

/// One caption a line.
pub(super) fn lines(reader: impl BufRead) -> impl Iterator<Item = Item> {
    Lines::new(reader).filter_map(|(number, line)| match line {
        Err(rejected) => Some(Err(rejected)),
        Ok(bytes) if bytes.trim_ascii().is_empty() => None,
        Ok(bytes) => Some(utf8(&bytes, number).and_then(|text| row(text, None, number))),
    })
}

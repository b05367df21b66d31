//! Reading NumPy `.npy` files of embeddings, row by row, without loading them whole. [`super::embeddings`] reads other kinds, too.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use super::array::{ArrayRows, Number, Shape, Source};
use super::npy_header::NpyHeader;
use crate::embedding::EmbeddingRows;
use crate::{Embeddings, Error, Result};

/// What every `.npy` file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read, which is also the longest that NumPy reads; that of an array of numbers takes about 100 bytes.
const HEADER_BYTES: u64 = 10_000;

const EXPECTED: &str = "a .npy file of shape [rows, dim] with numbers of type float16, float32 or float64";

/// A `.npy` file of shape `[rows, dim]` (or `[dim]`: one row) being read from its beginning.
///
/// Little- and big-endian `f2`, `f4` and `f8` are read, in C order and in Fortran order; `f8` is rounded to `f32`.
pub struct NpyRows(ArrayRows);

impl std::fmt::Debug for NpyRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(ArrayRows { name, rows, dim, .. }) = self;
        f.debug_struct("NpyRows").field("name", name).field("rows", rows).field("dim", dim).finish()
    }
}

impl NpyRows {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Input`] when it is no `.npy` of real numbers with one or two axes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let name = path.display().to_string();
        let array = described(&name, &mut file, Some(length))?;
        let source = if array.shape.by_columns {
            let start = file.stream_position().map_err(Error::io("read", path))?;
            Source::Columns(file, start)
        } else {
            Source::Stream(Box::new(BufReader::new(file)))
        };
        Ok(Self(ArrayRows::new(name, source, array.number, array.shape)))
    }

    /// Number of rows in the file.
    pub fn rows(&self) -> u64 {
        self.0.rows
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.0.dim
    }

    /// Reads the next row into `row`; false behind the last one. Values are as in the file, not normalised.
    ///
    /// # Errors
    /// [`Error::Input`] when the file ends early or reading fails.
    pub fn next_into(&mut self, row: &mut Vec<f32>) -> Result<bool> {
        row.clear();
        self.0.append_to(row)
    }

    /// Reads the next rows, `count` or as many as are left.
    ///
    /// # Errors
    /// As [`NpyRows::next_into`].
    pub fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        self.0.next_rows(count)
    }

    /// Reads all rows that are left.
    ///
    /// # Errors
    /// As [`NpyRows::next_into`].
    pub fn read_all(mut self) -> Result<Embeddings> {
        self.next_rows(usize::MAX)
    }
}

/// What the header of an array says.
pub(super) struct Described {
    pub number: Number,
    pub shape: Shape,
}

/// Reads what stands before the numbers, and compares it with the `length` of all where that is known.
pub(super) fn described(name: &str, file: &mut impl Read, length: Option<u64>) -> Result<Described> {
    let bad = |found: String| Error::input(name, found, EXPECTED);
    let failed = |cause: std::io::Error| bad(cause.to_string());
    let mut start = Vec::new();
    file.by_ref().take(10).read_to_end(&mut start).map_err(failed)?;
    // Asked first: what follows takes the bytes behind the magic for lengths and versions.
    if !start.starts_with(MAGIC) {
        return Err(bad(other_kind(&start)));
    }
    if start.get(6).is_some_and(|version| *version > 1) {
        file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
    }
    let header = header_length(&start).ok_or_else(|| bad("no whole .npy header".into()))?;
    if header > HEADER_BYTES {
        return Err(bad(format!("a header of {header} bytes")));
    }
    let mut text = Vec::new();
    file.by_ref().take(header).read_to_end(&mut text).map_err(failed)?;
    if (text.len() as u64) < header {
        return Err(bad("no whole .npy header".into()));
    }
    // Latin-1 in versions 1 and 2, UTF-8 in version 3; what is read here is ASCII in all of them.
    let npy = NpyHeader::parse(&String::from_utf8_lossy(&text))
        .map_err(|reason| bad(format!("no readable .npy header ({reason})")))?;
    let shape = Shape::of(&npy.shape, npy.fortran_order).map_err(bad)?;
    let number = Number::named(&npy.descr).ok_or_else(|| bad(format!("an array of type {}", npy.descr)))?;
    if let Some(length) = length.filter(|length| shape.bytes(number) > *length) {
        let Shape { rows, dim, .. } = shape;
        return Err(bad(format!("a file of {length} bytes whose header promises {rows} x {dim} numbers")));
    }
    Ok(Described { number, shape })
}

/// Says of a file without the magic what it begins with.
fn other_kind(start: &[u8]) -> String {
    match start {
        [] => "an empty file".into(),
        _ => format!("no .npy file: it begins with \"{}\"", start.escape_ascii()),
    }
}

/// The length of the header, as the file states it.
fn header_length(start: &[u8]) -> Option<u64> {
    match start[..] {
        [_, _, _, _, _, _, 0 | 1, _, a, b] => Some(u16::from_le_bytes([a, b]).into()),
        [_, _, _, _, _, _, _, _, a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d]).into()),
        _ => None,
    }
}

impl EmbeddingRows for NpyRows {
    fn dim(&self) -> usize {
        Self::dim(self)
    }

    fn rows(&self) -> u64 {
        Self::rows(self)
    }

    fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        Self::next_rows(self, count)
    }

    fn name(&self) -> String {
        self.0.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, shape: &str, data: &[u8]) -> tempfile::NamedTempFile {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn reads_single_and_double_precision() {
        let single: Vec<u8> = [1f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let double: Vec<u8> = [1f64, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for file in [npy("<f4", "(2, 2)", &single), npy("<f8", "(2, 2)", &double)] {
            let all = NpyRows::open(file.path()).unwrap().read_all().unwrap();
            assert_eq!((all.len(), all.dim()), (2, 2));
            assert_eq!(all.as_slice(), [1.0, 2.0, 3.0, 4.0]);
        }
    }

    #[test]
    fn names_what_is_wrong_with_a_file() {
        for (file, found) in [
            (npy("<i8", "(2,)", &[0; 16]), "type"),
            (npy("<f4", "(2, 2, 2)", &[0; 32]), "shape"),
            (npy("<f4", "(1000, 1000)", &[0; 4]), "promises"),
            (npy("<f4", "(4294967296, 4294967296)", &[0; 4]), "promises"),
            // Without bytes to read, these rows would never end.
            (npy("<f4", "(18446744073709551615, 0)", &[]), "without numbers"),
            (npy("<f4", &"[".repeat(40), &[]), "'['"), // general parsers are at it for years
        ] {
            let message = NpyRows::open(file.path()).unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
        let long = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(long.path(), b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'").unwrap();
        assert!(NpyRows::open(long.path()).unwrap_err().to_string().contains("4294967295"));
    }

    /// The bytes behind the place of the magic were once taken for a length: a text had "a header of 1937010543 bytes".
    #[test]
    fn a_file_of_another_kind_is_told_by_its_beginning() {
        for (content, found) in [
            (&b"Rain falls on a tin roof.\n"[..], "no .npy file: it begins with \"Rain falls\""),
            (b"hello", "no .npy file: it begins with \"hello\""),
            (b"\x93NUMP", "no .npy file: it begins with \"\\x93NUMP\""),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", "no .npy file: it begins with \"RIFF$\\x00\\x00\\x00WA\""),
            (b"", "an empty file"),
            (b"\x93NUMPY", "header"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let message = NpyRows::open(file.path()).unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
    }
}

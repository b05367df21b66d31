//! Reading NumPy `.npy` files of embeddings, row by row, without loading them whole.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use super::npy_header::NpyHeader;
use crate::embedding::EmbeddingRows;
use crate::{Embeddings, Error, Result};

/// What every `.npy` file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read, which is also the longest that NumPy reads; that of an array of numbers takes about 100 bytes.
const HEADER_BYTES: u64 = 10_000;

/// A `.npy` file of shape `[rows, dim]` (or `[dim]`: one row) being read from its beginning.
///
/// Little- and big-endian `f4` and `f8` in C order are read; `f8` is rounded to `f32`.
pub struct NpyRows {
    path: PathBuf,
    /// Behind the header.
    file: BufReader<File>,
    number: Number,
    bytes: Vec<u8>,
    rows: u64,
    dim: usize,
    read: u64,
}

impl std::fmt::Debug for NpyRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpyRows").field("path", &self.path).field("rows", &self.rows).field("dim", &self.dim).finish()
    }
}

impl NpyRows {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Input`] when it is no `.npy` of real numbers with one or two axes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let expected = "a .npy file of shape [rows, dim], float32 or float64, in C order";
        let bad = |found: String| Error::input(path.display(), found, expected);
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let start = start(&mut file).map_err(Error::io("read", path))?;
        // Asked first: what follows takes the bytes behind the magic for lengths and versions.
        if !start.starts_with(MAGIC) {
            let bad = bad(other_kind(&start));
            let is_archive = start.starts_with(b"PK\x03\x04");
            return Err(if is_archive {
                bad.with_hint("of a .npz archive, save the one array with numpy.save")
            } else {
                bad
            });
        }
        let (behind, length_of_header) = header_length(&start).ok_or_else(|| bad("no whole .npy header".into()))?;
        if length_of_header > HEADER_BYTES {
            return Err(bad(format!("a header of {length_of_header} bytes")));
        }
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut text = vec![0; length_of_header as usize];
        file.seek_relative(behind).and_then(|()| file.read_exact(&mut text)).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::UnexpectedEof => bad("no whole .npy header".into()),
            _ => Error::io("read", path)(cause),
        })?;
        // Latin-1 in versions 1 and 2, UTF-8 in version 3; what is read here is ASCII in all of them.
        let npy = NpyHeader::parse(&String::from_utf8_lossy(&text))
            .map_err(|reason| bad(format!("no readable .npy header ({reason})")))?;
        let (rows, dim) = match &npy.shape[..] {
            [dim] => (1, *dim),
            [rows, dim] => (*rows, *dim),
            shape => return Err(bad(format!("an array of shape {shape:?}"))),
        };
        if dim == 0 {
            return Err(bad(format!("{rows} rows without numbers")));
        }
        if npy.fortran_order && rows > 1 && dim > 1 {
            return Err(bad("an array in Fortran order".into())
                .with_hint("save it again with numpy.save(file, numpy.ascontiguousarray(array))"));
        }
        let number = match &npy.descr[..] {
            "<f4" => {
                Number { width: 4, decode: |b, row| row.extend(b.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))) }
            }
            ">f4" => {
                Number { width: 4, decode: |b, row| row.extend(b.as_chunks().0.iter().map(|b| f32::from_be_bytes(*b))) }
            }
            "<f8" => Number {
                width: 8,
                decode: |b, row| row.extend(b.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            },
            ">f8" => Number {
                width: 8,
                decode: |b, row| row.extend(b.as_chunks().0.iter().map(|b| f64::from_be_bytes(*b) as f32)),
            },
            _ => return Err(bad(format!("an array of type {}", npy.descr))),
        };
        let needed = rows.checked_mul(dim).and_then(|n| n.checked_mul(number.width as u64)).unwrap_or(u64::MAX);
        if needed > length {
            return Err(bad(format!("a file of {length} bytes whose header promises {rows} x {dim} numbers")));
        }
        let bytes = Vec::new();
        Ok(Self { path: path.to_path_buf(), file, number, bytes, rows, dim: dim as usize, read: 0 })
    }

    /// Number of rows in the file.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Reads the next row into `row`; false behind the last one. Values are as in the file, not normalised.
    ///
    /// # Errors
    /// [`Error::Io`] when the file ends early or reading fails.
    pub fn next_into(&mut self, row: &mut Vec<f32>) -> Result<bool> {
        row.clear();
        self.append_to(row)
    }

    /// [`NpyRows::next_into`] behind what `rows` holds.
    fn append_to(&mut self, rows: &mut Vec<f32>) -> Result<bool> {
        if self.read == self.rows {
            return Ok(false);
        }
        self.bytes.resize(self.dim * self.number.width, 0);
        match self.file.read_exact(&mut self.bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let found = format!("the end of the file in row {}", self.read + 1);
                return Err(Error::input(self.path.display(), found, format!("{} rows of {}", self.rows, self.dim)));
            }
            Err(error) => return Err(Error::io("read", &self.path)(error)),
        }
        (self.number.decode)(&self.bytes, rows);
        self.read += 1;
        Ok(true)
    }

    /// Reads the next rows, `count` or as many as are left.
    ///
    /// # Errors
    /// As [`NpyRows::next_into`].
    pub fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        let left = usize::try_from(self.rows - self.read).unwrap_or(usize::MAX);
        // The file was long enough for its rows when it was opened.
        let mut rows = Embeddings::with_capacity(self.dim, count.min(left));
        for _ in 0..count {
            if !self.append_to(rows.data_mut())? {
                break;
            }
        }
        Ok(rows)
    }

    /// Reads all rows that are left.
    ///
    /// # Errors
    /// As [`NpyRows::next_into`].
    pub fn read_all(mut self) -> Result<Embeddings> {
        self.next_rows(usize::MAX)
    }
}

/// How the numbers of a file are written.
struct Number {
    /// Bytes of each.
    width: usize,
    /// Appends the numbers that bytes hold.
    decode: fn(&[u8], &mut Vec<f32>),
}

/// What stands before the header: the magic, the version and the length of the header, 12 bytes at most.
fn start(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.by_ref().take(12).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

/// Says of a file without the magic what it begins with.
fn other_kind(start: &[u8]) -> String {
    match start {
        [] => "an empty file".into(),
        _ => format!("no .npy file: it begins with \"{}\"", start.escape_ascii()),
    }
}

/// Where the header begins, and its length, as the file states it.
fn header_length(start: &[u8]) -> Option<(i64, u64)> {
    match start[..] {
        [_, _, _, _, _, _, 1, _, a, b, ..] => Some((10, u16::from_le_bytes([a, b]).into())),
        [_, _, _, _, _, _, _, _, a, b, c, d] => Some((12, u32::from_le_bytes([a, b, c, d]).into())),
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
            (&b"Rain falls on a tin roof.\n"[..], "no .npy file: it begins with \"Rain falls o\""),
            (b"hello", "no .npy file: it begins with \"hello\""),
            (b"\x93NUMP", "no .npy file: it begins with \"\\x93NUMP\""),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", "no .npy file: it begins with \"RIFF$\\x00\\x00\\x00WAVE\""),
            (b"", "an empty file"),
            (b"\x93NUMPY", "header"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let message = NpyRows::open(file.path()).unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
        let archive = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(archive.path(), b"PK\x03\x04\x14\x00\x00\x00\x08\x00....").unwrap();
        assert!(NpyRows::open(archive.path()).unwrap_err().hint().unwrap().to_string().contains("numpy.save"));
    }
}

//! Writing embeddings for other programs: a NumPy `.npy`, and beside it a line of JSON for each row.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::file::Replacement;
use crate::{Error, Result};

/// A `.npy` file of shape `[rows, dim]`, float32, C order, written row by row. What each row is stands beside it, under the same name with the
/// ending `.jsonl`: a line of JSON for each.
///
/// Both take the places of older files when they are whole; a writer that is dropped before leaves nothing behind.
///
/// ```
/// use echoic::formats::{NpyWriter, embeddings};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("two.npy");
/// let mut rows = NpyWriter::create(&path, 3)?;
/// rows.push(&[1.0, 0.0, 0.0], &"rain")?;
/// rows.push(&[0.0, 1.0, 0.0], &"wind")?;
/// assert_eq!(rows.finish()?, [path.clone(), path.with_extension("jsonl")]);
///
/// assert_eq!(embeddings::open(&path)?.next_rows(9)?.as_slice(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
/// assert_eq!(std::fs::read_to_string(path.with_extension("jsonl"))?, "\"rain\"\n\"wind\"\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NpyWriter {
    dim: usize,
    rows: u64,
    numbers: Part,
    lines: Part,
}

/// One of the two files.
struct Part {
    path: PathBuf,
    file: Replacement,
    out: BufWriter<File>,
}

impl Part {
    fn create(path: &Path) -> Result<Self> {
        let file = Replacement::beside(path)?;
        let out = file.create()?;
        Ok(Self { path: path.to_path_buf(), file, out })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Writes what is still to be written and closes the file.
    fn close(mut self) -> Result<(PathBuf, Replacement)> {
        self.out.flush().map_err(Error::io("write", &self.path))?;
        Ok((self.path, self.file))
    }
}

impl NpyWriter {
    /// Begins the files for rows of `dim` numbers.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that is that of the lines; [`Error::Io`] when a file cannot be created.
    pub fn create(path: impl AsRef<Path>, dim: usize) -> Result<Self> {
        let path = path.as_ref();
        let beside = path.with_extension("jsonl");
        if beside == path {
            return Err(Error::input(path.display(), "the ending .jsonl", "a name for the vectors, such as all.npy"));
        }
        let lines = Part::create(&beside)?;
        let mut numbers = Part::create(path)?;
        numbers.write(&header(0, dim))?;
        Ok(Self { dim, rows: 0, numbers, lines })
    }

    /// Adds a row and what it is.
    ///
    /// # Errors
    /// [`Error::Dimension`] for a row of another length; [`Error::Io`] when writing fails.
    pub fn push(&mut self, row: &[f32], about: &impl Serialize) -> Result<()> {
        if row.len() != self.dim {
            return Err(Error::Dimension { subject: "a row".into(), found: row.len(), expected: self.dim });
        }
        row.iter().try_for_each(|number| self.numbers.write(&number.to_le_bytes()))?;
        serde_json::to_writer(&mut self.lines.out, about)
            .map_err(|error| Error::io("write", &self.lines.path)(error.into()))?;
        self.lines.write(b"\n")?;
        self.rows += 1;
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Puts both files in their places; returns them, the vectors first.
    ///
    /// # Errors
    /// [`Error::Io`] when writing fails.
    pub fn finish(mut self) -> Result<[PathBuf; 2]> {
        // Now that the number of rows is known.
        self.numbers.out.seek(SeekFrom::Start(0)).map_err(Error::io("write", &self.numbers.path))?;
        self.numbers.write(&header(self.rows, self.dim))?;
        let ((path, numbers), (beside, lines)) = (self.numbers.close()?, self.lines.close()?);
        numbers.keep()?;
        lines.keep()?;
        Ok([path, beside])
    }
}

impl std::fmt::Debug for NpyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { dim, rows, numbers, .. } = self;
        f.debug_struct("NpyWriter").field("path", &numbers.path).field("rows", rows).field("dim", dim).finish()
    }
}

/// A version 1.0 header of always the same length, so that it can be written again when the number of rows is known.
fn header(rows: u64, dim: usize) -> Vec<u8> {
    const LENGTH: usize = 128;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&((LENGTH - 10) as u16).to_le_bytes());
    let described = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    header.extend_from_slice(described.as_bytes());
    header.resize(LENGTH - 1, b' ');
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_is_dropped_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, "old").unwrap();
        let mut writer = NpyWriter::create(&path, 2).unwrap();
        writer.push(&[1.0, 2.0], &1).unwrap();
        assert!(matches!(writer.push(&[1.0], &2), Err(Error::Dimension { .. })));
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_lines_do_not_take_the_place_of_the_vectors() {
        let folder = tempfile::tempdir().unwrap();
        assert!(NpyWriter::create(folder.path().join("x.jsonl"), 2).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

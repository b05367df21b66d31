//! Files of embeddings of any kind, told by their beginning: `.npy`, `.npz`, safetensors, Parquet and Arrow.
//!
//! Where a file holds several arrays or columns, one is named behind a colon: `vectors.npz:text`, `table.parquet:clap.vector`. A file that has that
//! whole name comes first.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::array::ArrayRows;
use super::{npy, npz, safetensors};
use crate::embedding::EmbeddingRows;
use crate::{Embeddings, Error, Result};

const EXPECTED: &str = "embeddings as .npy, .npz, safetensors, Parquet or Arrow";

/// Opens the embeddings at `place`: a file, or a file and the name of one of its arrays or columns behind a colon.
///
/// Numbers may be of 16, 32 or 64 bits. They are read as they are asked for, and are given as in the file, not normalised.
///
/// ```
/// use echoic::formats::embeddings;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("two.npy");
/// let header = "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 3), }";
/// let mut file = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
/// // Column after column, as Fortran has it: the halves 1, 2, 0, 0, 0, 1.
/// file.extend([0x3c00u16, 0x4000, 0, 0, 0, 0x3c00].iter().flat_map(|half| half.to_le_bytes()));
/// std::fs::write(&path, file)?;
///
/// let mut rows = embeddings::open(&path)?;
/// assert_eq!((rows.rows(), rows.dim()), (2, 3));
/// assert_eq!(rows.next_rows(2)?.as_slice(), [1.0, 0.0, 0.0, 2.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Input`] when it is of another kind or damaged, or when several arrays or columns
/// can be meant.
pub fn open(place: impl AsRef<Path>) -> Result<Box<dyn EmbeddingRows>> {
    let (path, name) = split(place.as_ref());
    let name = name.as_deref();
    let mut head = Vec::new();
    let file = File::open(&path).map_err(Error::io("read", &path))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::input(path.display(), "a folder", EXPECTED));
    }
    file.take(16).read_to_end(&mut head).map_err(Error::io("read", &path))?;
    Ok(match &head[..] {
        head if head.starts_with(npy::MAGIC) => match name {
            None => Box::new(npy::NpyRows::open(&path)?),
            Some(name) => {
                return Err(Error::input(
                    path.display(),
                    format!("one array, and the name '{name}'"),
                    "no name behind it",
                ));
            }
        },
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Box::new(npz::open(&path, name)?),
        head if safetensors::is_one(head) => Box::new(safetensors::open(&path, name)?),
        head => other(&path, name, head)?,
    })
}

#[cfg(feature = "parquet")]
fn other(path: &Path, name: Option<&str>, head: &[u8]) -> Result<Box<dyn EmbeddingRows>> {
    match super::tables::is_one(head) {
        true => Ok(Box::new(super::tables::TableRows::open(path, name)?)),
        false => Err(unknown(path, head)),
    }
}

#[cfg(not(feature = "parquet"))]
fn other(path: &Path, _name: Option<&str>, head: &[u8]) -> Result<Box<dyn EmbeddingRows>> {
    Err(unknown(path, head))
}

/// The error for a file of another kind.
fn unknown(path: &Path, head: &[u8]) -> Error {
    let bad = |found: &str| Error::input(path.display(), found, EXPECTED);
    match head {
        [] => bad("an empty file"),
        [0x80, 2..=5, ..] => {
            bad("a pickle of Python").with_hint("pickles run code when they are read: save the array with numpy.save")
        }
        _ if head.starts_with(b"\x89HDF\r\n") => {
            bad("an HDF5 file").with_hint("save the array with numpy.save, or its table as Parquet")
        }
        _ => bad(&format!("a file that begins with \"{}\"", head[..head.len().min(12)].escape_ascii())),
    }
}

/// The file of a place, and what is named in it.
fn split(place: &Path) -> (PathBuf, Option<String>) {
    let whole = || (place.to_path_buf(), None);
    if place.exists() {
        return whole();
    }
    let Some(text) = place.to_str() else { return whole() };
    // The name may have colons of its own.
    let parts = text.match_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let found = parts.rev().find(|(path, name)| !name.is_empty() && Path::new(path).is_file());
    found.map_or_else(whole, |(path, name)| (path.into(), Some(name.to_owned())))
}

impl EmbeddingRows for ArrayRows {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn next_rows(&mut self, count: usize) -> Result<Embeddings> {
        Self::next_rows(self, count)
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

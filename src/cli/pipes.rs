//! The file name `-`: standard input or output where a command has a use for it, and nowhere the name of a file.

use std::path::{Path, PathBuf};

use echoic::embedding::EmbeddingRows;
use echoic::formats::embeddings;
use echoic::{Error, Result};
use tempfile::NamedTempFile;

/// Whether a file is standard input or output.
pub fn is_pipe(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// A file or folder that must be one: it is read or written from several places, or kept.
pub fn file(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        "-" => Err("standard input and output do not serve here: name a file (./- for one of this name)"),
        "" => Err("an empty name"),
        _ => Ok(text.into()),
    }
}

/// Opens the embeddings of a file, or those on standard input, which may be of any kind: they are kept in a temporary file, because some kinds are
/// read from their ends.
pub fn embeddings(place: &Path) -> Result<Box<dyn EmbeddingRows>> {
    if !is_pipe(place) {
        return embeddings::open(place);
    }
    let mut kept = NamedTempFile::new().map_err(Error::io("create", std::env::temp_dir()))?;
    std::io::copy(&mut std::io::stdin().lock(), &mut kept).map_err(Error::io("write", kept.path()))?;
    let rows = embeddings::open(kept.path()).map_err(|error| renamed(error, kept.path()))?;
    Ok(Box::new(FromStdin { rows, _kept: kept }))
}

/// An error about standard input, whose temporary file nobody knows.
fn renamed(error: Error, kept: &Path) -> Error {
    match error {
        Error::Input { subject, found, expected, hint } => {
            Error::Input { subject: subject.replace(&*kept.to_string_lossy(), STDIN), found, expected, hint }
        }
        error => error,
    }
}

/// What errors call it.
pub const STDIN: &str = "standard input";

/// Embeddings that came by standard input.
struct FromStdin {
    rows: Box<dyn EmbeddingRows>,
    /// Removed when the rows have been read.
    _kept: NamedTempFile,
}

impl EmbeddingRows for FromStdin {
    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn rows(&self) -> u64 {
        self.rows.rows()
    }

    fn next_rows(&mut self, count: usize) -> Result<echoic::Embeddings> {
        self.rows.next_rows(count)
    }

    fn name(&self) -> String {
        STDIN.into()
    }
}

//! Corpora that are packed as single files, with gzip or Zstandard; and the names of what is no text.

use std::io::{BufRead, Read};

use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// What gzip and Zstandard files begin with.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTANDARD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The endings that packing adds to a name.
const ENDINGS: [&str; 4] = [".gz", ".gzip", ".zst", ".zstd"];

/// The name without the ending that packing added.
pub(super) fn unpacked_name(name: &str) -> &str {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// How a file is packed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packing {
    Gzip,
    Zstandard,
}

impl Packing {
    /// How a file that begins with `head` is packed, if it is.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        [(GZIP, Self::Gzip), (ZSTANDARD, Self::Zstandard)]
            .into_iter()
            .find_map(|(magic, packing)| head.starts_with(magic).then_some(packing))
    }

    /// Unpacks as it is read: what a small file becomes is never held at once.
    pub(super) fn unpack(self, name: &str, packed: impl BufRead + 'static) -> Result<Box<dyn Read>> {
        match self {
            Self::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed))),
            Self::Zstandard => zstandard(name, packed),
        }
    }
}

#[cfg(feature = "parquet")]
fn zstandard(name: &str, packed: impl BufRead + 'static) -> Result<Box<dyn Read>> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(packed).map_err(|cause| unreadable(name, cause))?))
}

#[cfg(not(feature = "parquet"))]
fn zstandard(name: &str, _packed: impl BufRead + 'static) -> Result<Box<dyn Read>> {
    Err(Error::input(name, "a Zstandard file, which this build does not read", "text")
        .with_hint("build Echoic with the feature `parquet`"))
}

/// Why a corpus cannot be read: what the system says, or damage in what is packed, which blames the file.
pub(super) fn unreadable(name: &str, cause: std::io::Error) -> Error {
    if cause.raw_os_error().is_some() {
        return Error::io("read", name)(cause);
    }
    Error::input(name, format!("a damaged file ({cause})"), "a caption corpus in UTF-8, plain or packed")
        .with_hint("fetch or pack it again")
}

/// Refuses what is no text, or text of another kind, by its name where that is known.
pub(super) fn refuse_other(name: &str, head: &[u8]) -> Result<()> {
    let begins = |bytes: &[u8]| head.starts_with(bytes);
    let text = String::from_utf8_lossy(&head[..head.len().min(512)])
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    let (found, advice) = match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("text in UTF-16", "save it as UTF-8"),
        _ if begins(b"PK\x03\x04") => {
            ("a zip archive (or a spreadsheet)", "unpack it, and give the file in it; export a spreadsheet as CSV")
        }
        _ if begins(b"7z\xbc\xaf") || begins(b"Rar!") || begins(b"BZh") || begins(b"\xfd7zXZ") => {
            ("a packed file", "unpack it first; gzip and Zstandard are read as they are")
        }
        _ if head.get(257..262) == Some(b"ustar") => ("a tar archive", "unpack it, and give the file in it"),
        _ if begins(b"%PDF") => ("a PDF document", "give a CSV, JSON or text file"),
        _ if begins(b"SQLite format 3") => ("an SQLite database", "export the table as CSV"),
        _ if begins(b"\x89HDF") => ("an HDF5 file", "export the captions as CSV, the embeddings as .npy"),
        _ if begins(b"PAR1") || begins(b"ARROW1") => {
            ("a table that is read from a file only", "give it as a file of its own: unpacked, and not through a pipe")
        }
        _ if text.starts_with("{\\rtf") => ("an RTF document", "save it as plain text"),
        _ if text.starts_with("<!doctype html") || text.starts_with("<html") => {
            ("an HTML page", "fetch the file itself, not the page about it")
        }
        _ if text.starts_with("<?xml") || (text.starts_with('<') && text.contains("</")) => {
            ("an XML document", "convert it to JSON or CSV")
        }
        _ if head.contains(&0) => ("bytes of 0, as in a binary file", "save it as UTF-8"),
        _ => return Ok(()),
    };
    Err(Error::input(name, found, "a caption corpus in UTF-8").with_hint(Hint::about(
        Topic::CorpusFormat,
        format!("{advice}; or name its layout to read what can be read of it"),
    )))
}

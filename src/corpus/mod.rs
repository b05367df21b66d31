//! Readers of caption corpora: every layout becomes one stream of rows, in order, with line numbers.
//!
//! A row that cannot be used (no text, invalid UTF-8, a quote that never closes) comes out as [`Rejected`] with its line
//! and the reason, and reading goes on behind it: one bad line never costs the rest of a corpus.
//!
//! ```
//! use echoic::corpus::{self, Format, Options};
//!
//! let csv = "file_name,caption_1,caption_2\nrain.wav,Rain falls on a roof.,Heavy rain outside.\n";
//! let rows: Vec<_> = corpus::parse("inline", csv.as_bytes(), &Options::default())?.collect();
//! let first = rows[0].as_ref().unwrap();
//! assert_eq!(first.text, "Rain falls on a roof.");
//! assert_eq!(first.clip.as_deref(), Some("rain.wav"));
//! # Ok::<(), echoic::Error>(())
//! ```

mod csv;
mod detect;
mod json;
mod parquet;
mod shipped;
mod text;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::str::FromStr;

pub(crate) use csv::table;
pub use shipped::{Shipped, shipped};

use crate::{Error, Result};

/// The longest row that a reader takes, in bytes; longer ones are rejected.
pub const MAX_ROW_BYTES: usize = 1 << 20;

/// How much of the beginning of a file detection sees, in bytes.
const HEAD_BYTES: usize = 1 << 16;

/// The layout of a corpus file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Decide from the beginning of the file.
    #[default]
    Auto,
    /// Clotho: CSV with `file_name,caption_1..caption_5`.
    Clotho,
    /// AudioCaps: CSV with `audiocap_id,youtube_id,start_time,caption`.
    Audiocaps,
    /// WavCaps: one JSON document whose `data` is an array of objects with `caption` and `id`.
    Wavcaps,
    /// Any CSV with a header line.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// One caption a line.
    Text,
    /// A Parquet file with a column of captions; see [`crate::parquet`].
    Parquet,
}

impl Format {
    /// Every format by the name that the command line takes.
    pub const NAMES: [(&'static str, Format); 8] = [
        ("auto", Format::Auto),
        ("clotho", Format::Clotho),
        ("audiocaps", Format::Audiocaps),
        ("wavcaps", Format::Wavcaps),
        ("csv", Format::Csv),
        ("jsonl", Format::Jsonl),
        ("text", Format::Text),
        ("parquet", Format::Parquet),
    ];
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| Error::NotFound {
            kind: "corpus format",
            name: name.to_owned(),
            known: Self::NAMES.iter().map(|(known, _)| (*known).to_owned()).collect(),
        })
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::NAMES.iter().find(|(_, format)| format == self).map_or("auto", |(name, _)| name))
    }
}

/// How to read a corpus.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The layout.
    pub format: Format,
    /// The column (CSV) or key (JSON) that holds the caption, where it has an unusual name.
    pub column: Option<String>,
}

/// One caption of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The caption: trimmed, runs of white space folded to one space, never empty.
    pub text: String,
    /// The audio clip that it describes, where the corpus says so.
    pub clip: Option<String>,
    /// Line of the file where the row begins, from 1. In a WavCaps document, the number of the entry.
    pub line: u64,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rejected {
    /// Line of the file where the row begins, from 1.
    pub line: u64,
    /// Why it is unusable.
    pub reason: String,
}

/// What a reader yields for each caption of the corpus.
pub type Item = Result<Row, Rejected>;

/// A corpus being read: an iterator of rows and rejections, in file order.
pub struct Corpus {
    format: Format,
    items: Box<dyn Iterator<Item = Item>>,
}

impl std::fmt::Debug for Corpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corpus").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Corpus {
    /// The layout in use: the one asked for, or the one detected.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Iterator for Corpus {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.items.next()
    }
}

/// Opens a corpus file.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Input`] when it is empty, or lacks the columns of its layout.
pub fn open(path: &Path, options: &Options) -> Result<Corpus> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::input(path.display(), "a folder", "a caption corpus file"));
    }
    // Such a file is read from its end, so that it must be one and no stream.
    let is_parquet = match options.format {
        Format::Auto => has_magic(&mut file).map_err(Error::io("read", path))?,
        given => given == Format::Parquet,
    };
    if is_parquet {
        let items = Box::new(parquet::rows(path, options.column.as_deref())?);
        return Ok(Corpus { format: Format::Parquet, items });
    }
    parse(&path.display().to_string(), file, options)
}

/// True for a file that begins as Parquet files do; it is read from its beginning afterwards.
fn has_magic(file: &mut File) -> std::io::Result<bool> {
    let mut head = Vec::new();
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    file.take(crate::parquet::MAGIC.len() as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head == crate::parquet::MAGIC)
}

/// Reads a corpus from any source; `name` stands for it in errors.
///
/// # Errors
/// As [`open`]; [`Error::Input`] for a binary file or UTF-16, where the layout is to be found out.
pub fn parse(name: &str, source: impl Read + 'static, options: &Options) -> Result<Corpus> {
    let mut reader = BufReader::with_capacity(HEAD_BYTES, source);
    // A pipe may give less than a line at a time; what is detected must not depend on that.
    let mut head = Vec::new();
    match reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => return Err(Error::io("read", name)(error)),
        _ => {} // who goes on reading meets the error again, behind the rows before it
    }
    if head.is_empty() {
        return Err(Error::input(name, "an empty file", "a caption corpus")
            .with_hint("give a CSV, JSON lines, WavCaps JSON or text file with one caption a line"));
    }
    let format = match options.format {
        Format::Auto => {
            refuse_binary(name, &head)?;
            detect::detect(name, &head)
        }
        given => given,
    };
    let reader = Cursor::new(head).chain(reader);
    let column = options.column.as_deref();
    let items: Box<dyn Iterator<Item = Item>> = match format {
        Format::Clotho | Format::Audiocaps | Format::Csv => Box::new(csv::rows(name, reader, format, column)?),
        Format::Wavcaps => Box::new(json::wavcaps(name, reader, column)?),
        Format::Jsonl => Box::new(json::lines(reader, column)),
        Format::Text | Format::Auto => Box::new(text::lines(reader)),
        Format::Parquet => return Err(Error::input(name, "a stream", "a file: Parquet is read from its end")),
    };
    Ok(Corpus { format, items })
}

/// Refuses what is no text by its beginning, before its random lines become captions.
fn refuse_binary(name: &str, head: &[u8]) -> Result<()> {
    let found = match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "text in UTF-16",
        _ if head.contains(&0) => "bytes of 0, as in a binary file",
        _ => return Ok(()),
    };
    Err(Error::input(name, found, "a caption corpus in UTF-8")
        .with_hint("save it as UTF-8, or name its layout with --format to read what can be read of it"))
}

/// The names under which corpora commonly keep the caption, best first.
const CAPTION_NAMES: [&str; 6] = ["caption", "text", "description", "sentence", "title", "label"];

/// The names under which corpora commonly keep the clip, best first.
const CLIP_NAMES: [&str; 10] =
    ["clip", "audio_id", "file_name", "filename", "file", "youtube_id", "audio", "path", "audiocap_id", "id"];

/// Folds white space and builds the row, or says why it is unusable.
fn row(text: &str, clip: Option<&str>, line: u64) -> Item {
    let text = folded(text);
    if text.is_empty() {
        return Err(Rejected { line, reason: "the caption is empty".into() });
    }
    let clip = clip.map(str::trim).filter(|clip| !clip.is_empty()).map(str::to_owned);
    Ok(Row { text, clip, line })
}

/// The text without white space around it, runs of it inside folded to one space.
fn folded(text: &str) -> String {
    let text = text.trim();
    // Nearly every caption is of ASCII with single spaces, which one look at its bytes tells.
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !text.contains("  ");
    if is_plain { text.to_owned() } else { text.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// Rejects bytes that are no UTF-8, saying where they stop to be.
fn utf8(bytes: &[u8], line: u64) -> Result<&str, Rejected> {
    std::str::from_utf8(bytes)
        .map_err(|e| Rejected { line, reason: format!("invalid UTF-8 at byte {} of the row", e.valid_up_to() + 1) })
}

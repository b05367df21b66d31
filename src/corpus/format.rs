//! The layouts of corpus files, and how to read one.

use std::str::FromStr;

use crate::error::Missing;
use crate::{Error, Result};

/// The layout of a corpus file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
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
    /// One JSON document: an array of entries, an object with lists of entries, or one of entries by clip.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// One YAML document, arranged as one of JSON (MACS).
    Yaml,
    /// One caption a line.
    Text,
    /// A Parquet file with a column of captions; see [`crate::formats::tables`].
    Parquet,
    /// A file or stream of Arrow (IPC, Feather 2) with a column of captions.
    Arrow,
}

impl Format {
    /// Every format by the name that the command line takes.
    pub const NAMES: [(&'static str, Format); 11] = [
        ("auto", Format::Auto),
        ("clotho", Format::Clotho),
        ("audiocaps", Format::Audiocaps),
        ("wavcaps", Format::Wavcaps),
        ("csv", Format::Csv),
        ("json", Format::Json),
        ("jsonl", Format::Jsonl),
        ("yaml", Format::Yaml),
        ("text", Format::Text),
        ("parquet", Format::Parquet),
        ("arrow", Format::Arrow),
    ];
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| Error::NotFound {
            kind: Missing::CorpusFormat,
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
#[non_exhaustive]
pub struct Options {
    /// The layout.
    pub format: Format,
    /// The column (CSV) or key (JSON) that holds the caption, where it has an unusual name.
    pub column: Option<String>,
    /// The column or key that names the clip, where it has an unusual name.
    pub clip_column: Option<String>,
    /// Whether empty captions come out as rows in place of rejections: what was predicted for a clip may be nothing.
    pub keep_empty: bool,
}

impl Options {
    /// The layout.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Whether empty captions come out as rows.
    #[must_use]
    pub fn keep_empty(self, keep_empty: bool) -> Self {
        Self { keep_empty, ..self }
    }

    /// The column or key that names the clip.
    #[must_use]
    pub fn clip_column(self, column: impl Into<Option<String>>) -> Self {
        Self { clip_column: column.into(), ..self }
    }

    /// The column or key that holds the caption.
    #[must_use]
    pub fn column(self, column: impl Into<Option<String>>) -> Self {
        Self { column: column.into(), ..self }
    }
}

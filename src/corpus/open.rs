//! Opening a corpus: its layout is found out, and its reader begun.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::document::{Document, Layout};
use super::entry::Keys;
use super::format::{Format, Options};
use super::packed::{self, Packing};
#[cfg(feature = "parquet")]
use super::parquet;
use super::row::{Item, row};
use super::{csv, detect, json, text, yaml};
use crate::{Error, Result};

/// How much of the beginning of a file detection sees, in bytes.
const HEAD_BYTES: usize = 1 << 16;

/// What some programs write before text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A corpus being read: an iterator of rows and rejections, in file order.
pub struct Corpus {
    format: Format,
    layout: String,
    items: Box<dyn Iterator<Item = Item>>,
}

impl std::fmt::Debug for Corpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corpus").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Corpus {
    /// Captions that are in memory already, numbered from 1; white space around and inside them is folded.
    ///
    /// ```
    /// let corpus = echoic::corpus::Corpus::of(["Rain falls on a roof.", "  A tram   rings. "]);
    /// let texts: Vec<String> = corpus.map(|row| row.unwrap().text).collect();
    /// assert_eq!(texts, ["Rain falls on a roof.", "A tram rings."]);
    /// ```
    pub fn of<I>(captions: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>, IntoIter: 'static>,
    {
        let rows = captions.into_iter().zip(1..).map(|(text, line)| row(text.as_ref(), None, line));
        Self { format: Format::Text, layout: "texts in memory".into(), items: Box::new(rows) }
    }

    /// The layout in use: the one asked for, or the one detected.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How the corpus is read, in words for people: what its layout is, and where captions and clips stand.
    pub fn layout(&self) -> &str {
        &self.layout
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
pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Corpus> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::input(path.display(), "a folder", "a caption corpus file"));
    }
    // Such a file is read from its end, so that it must be one and no stream.
    let table = match options.format {
        Format::Auto => table(&mut file).map_err(Error::io("read", path))?,
        given => Some(given).filter(|given| matches!(given, Format::Parquet | Format::Arrow)),
    };
    if let Some(format) = table {
        return open_table(path, format, options);
    }
    parse(&path.display().to_string(), file, options)
}

#[cfg(feature = "parquet")]
fn open_table(path: &Path, format: Format, options: &Options) -> Result<Corpus> {
    let items = Box::new(parquet::rows(path, options)?);
    Ok(Corpus { format, layout: format!("a table of {format}"), items })
}

#[cfg(not(feature = "parquet"))]
fn open_table(path: &Path, format: Format, _options: &Options) -> Result<Corpus> {
    Err(Error::input(path.display(), format!("a file of {format}, which this build does not read"), "text")
        .with_hint("build Echoic with the feature `parquet`"))
}

/// The layout of a file that begins as Parquet files or those of Arrow do; it is read from its beginning afterwards.
fn table(file: &mut File) -> std::io::Result<Option<Format>> {
    let mut head = Vec::new();
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    file.take(8).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(match &head[..] {
        [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] | [b'F', b'E', b'A', b'1', ..] => {
            Some(Format::Arrow)
        }
        _ => None,
    })
}

/// Reads a corpus from any source, also one that is packed with gzip or Zstandard; `name` stands for it in errors.
///
/// # Errors
/// As [`open`]; [`Error::Input`] for what is no text in UTF-8 that holds captions, where the layout is to be found out.
pub fn parse(name: &str, source: impl Read + 'static, options: &Options) -> Result<Corpus> {
    let (head, whole) = begin(name, Box::new(source))?;
    let Some(packing) = Packing::of(&head) else { return read(name, &head, whole, options) };
    let (head, whole) = begin(name, packing.unpack(name, whole)?)?;
    read(packed::unpacked_name(name), &head, whole, options)
}

/// The first bytes of a source, and a reader of all of it.
fn begin(name: &str, source: Box<dyn Read>) -> Result<(Vec<u8>, impl BufRead + use<>)> {
    let mut reader = BufReader::with_capacity(HEAD_BYTES, source);
    // A pipe may give less than a line at a time; what is detected must not depend on that.
    let mut head = Vec::new();
    match reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => return Err(packed::unreadable(name, error)),
        _ => {} // who goes on reading meets the error again, behind the rows before it
    }
    if head.is_empty() {
        return Err(Error::input(name, "an empty file", "a caption corpus")
            .with_hint("give a CSV, JSON, JSON lines, YAML or text file with captions"));
    }
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

fn read(name: &str, head: &[u8], whole: impl BufRead + 'static, options: &Options) -> Result<Corpus> {
    let format = match options.format {
        Format::Auto => {
            packed::refuse_other(name, head)?;
            let found = detect::detect(name, head);
            if found == Format::Text {
                detect::refuse_headerless(name, head)?;
                detect::refuse_timed(name, head)?;
            }
            found
        }
        given => given,
    };
    let keys = Keys::of(options);
    let (layout, items): (String, Box<dyn Iterator<Item = Item>>) = match format {
        Format::Clotho | Format::Audiocaps | Format::Csv => {
            let (columns, rows) = csv::rows(name, whole, format, options)?;
            (columns, Box::new(rows))
        }
        Format::Wavcaps | Format::Json => {
            let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
            let layout = Layout::of(text);
            json::check_document(name, text, format, layout)?;
            let keys = if format == Format::Wavcaps { keys.id_first() } else { keys };
            let mut whole = whole;
            std::io::copy(&mut whole.by_ref().take((head.len() - text.len()) as u64), &mut std::io::sink())
                .map_err(|cause| packed::unreadable(name, cause))?;
            (layout.to_string(), Box::new(Document::new(whole, layout, keys)))
        }
        Format::Jsonl => ("JSON, one object a line".into(), Box::new(json::lines(whole, keys))),
        Format::Yaml => {
            let (layout, rows) = yaml::rows(name, whole, &keys)?;
            (format!("YAML, arranged as {layout}"), Box::new(rows.into_iter()))
        }
        Format::Text | Format::Auto => ("text, one caption a line".into(), Box::new(text::lines(whole))),
        Format::Parquet | Format::Arrow => {
            return Err(Error::input(name, "a stream", format!("a file: {format} is read from several places")));
        }
    };
    Ok(Corpus { format, layout, items })
}

#[cfg(feature = "parquet")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::tables::TableRows;

    /// The captions with their clips, and the embeddings, of a fixture that `tests/fixtures/make_parquet.py` made.
    fn fixture(name: &str) -> Result<(Vec<Item>, Vec<f32>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet");
        let path = folder.join(name).with_extension("parquet");
        let embeddings = TableRows::open(&path, None)?.next_rows(100)?.into_vec();
        Ok((open(&path, &Options::default())?.collect(), embeddings))
    }

    #[test]
    fn what_pyarrow_writes_is_read_however_it_writes() {
        for name in ["default", "plain", "second", "split", "small-pages", "zstd", "delta"] {
            let (items, numbers) = fixture(name).unwrap();
            let rows: Vec<_> = items
                .iter()
                .map(|item| item.as_ref().map(|row| (&*row.text, row.clip.as_deref())).map_err(|e| e.line))
                .collect();
            let expected = [
                Ok(("Rain falls.", Some("a.wav"))),
                Ok(("Wind", None)),
                Err(3),
                Ok(("Wind", Some("d.wav"))),
                Ok(("Ein B\u{e4}r brummt.", None)),
            ];
            assert_eq!(rows, expected, "{name}");
            let vectors: Vec<f32> = (0..5).flat_map(|row| [row as f32, 0.5, -1.0]).collect();
            assert_eq!(numbers, vectors, "{name}");
        }
    }
}

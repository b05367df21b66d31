//! Corpus readers: a row or a reason for every piece of the input, the same however the bytes arrive.

use std::io::{Cursor, Read};
use std::path::Path;

use echoic::corpus::{self, Format, Item, Options};
use echoic::formats::tables::TableRows;

use crate::{blamed, scratch, write};

/// Clotho's table.
pub fn clotho(data: &[u8]) -> bool {
    corpus(data, "input.csv", Format::Clotho)
}

/// AudioCaps' table.
pub fn audiocaps(data: &[u8]) -> bool {
    corpus(data, "input.csv", Format::Audiocaps)
}

/// WavCaps' document.
pub fn wavcaps(data: &[u8]) -> bool {
    corpus(data, "input.json", Format::Wavcaps)
}

/// Any table with a header line.
pub fn csv(data: &[u8]) -> bool {
    corpus(data, "input.csv", Format::Csv)
}

/// One JSON document of any arrangement: an array, lists in an object, entries by clip.
pub fn json(data: &[u8]) -> bool {
    corpus(data, "input.json", Format::Json)
}

/// One YAML document.
pub fn yaml(data: &[u8]) -> bool {
    corpus(data, "input.yaml", Format::Yaml)
}

/// One object a line.
pub fn jsonl(data: &[u8]) -> bool {
    corpus(data, "input.jsonl", Format::Jsonl)
}

/// One caption a line.
pub fn text(data: &[u8]) -> bool {
    corpus(data, "input.txt", Format::Text)
}

/// Detection: whatever layout it finds, under every name, is read as that layout is.
pub fn auto(data: &[u8]) -> bool {
    let names = ["input", "input.csv", "input.json", "input.jsonl"];
    names.into_iter().fold(false, |accepted, name| corpus(data, name, Format::Auto) | accepted)
}

/// A Parquet file: its captions, and its embeddings. An input that does not begin as one is a file whose end is missing, behind the length of the
/// description there (u16): the fuzzer seldom gets both right.
pub fn parquet(data: &[u8]) -> bool {
    let path = scratch("input.parquet");
    match data.split_first_chunk() {
        Some((length, file)) if !data.starts_with(b"PAR1") => {
            let length = u32::from(u16::from_le_bytes(*length)).to_le_bytes();
            write(&path, &[file, &length, b"PAR1"].concat());
        }
        _ => write(&path, data),
    }
    table(&path, Format::Parquet)
}

/// A file or a stream of Arrow: its captions, and its embeddings.
pub fn arrow(data: &[u8]) -> bool {
    let path = scratch("input.arrow");
    write(&path, data);
    let starts = [&b"ARROW1"[..], b"\xff\xff\xff\xff"];
    starts.iter().any(|start| data.starts_with(start)) && table(&path, Format::Arrow)
}

/// What a table holds: rows in order, and embeddings of one length, as many as announced.
fn table(path: &Path, format: Format) -> bool {
    let options = Options::default().format(format).column(None);
    // A few bytes may stand for any number of rows.
    let items: Vec<Item> = blamed(corpus::open(path, &options)).into_iter().flatten().take(20_000).collect();
    check_rows(&items);
    let embeddings = blamed(TableRows::carried(path)).flatten();
    let has_embeddings = embeddings.is_none_or(|mut rows| {
        assert!(rows.dim() <= 8192 && (rows.dim() > 0 || rows.rows() == 0), "{rows:?}");
        rows.space();
        let mut left = rows.rows();
        for count in [1, 7, 64, 500] {
            let Some(read) = blamed(rows.next_rows(count)) else { return false };
            assert!(read.len() as u64 == left.min(count as u64) && (read.is_empty() || read.dim() == rows.dim()));
            left -= read.len() as u64;
        }
        true
    });
    has_embeddings && items.iter().any(Result::is_ok)
}

fn corpus(data: &[u8], name: &str, format: Format) -> bool {
    let found = read(name, Cursor::new(data.to_vec()), format, None);
    let trickled = read(name, Trickle(Cursor::new(data.to_vec())), format, None);
    assert_eq!(found, trickled, "the rows depend on how the bytes arrive");
    if let Some((detected, _)) = &found {
        assert!(*detected != Format::Auto && (format == Format::Auto || format == *detected));
        assert_eq!(found, read(name, Cursor::new(data.to_vec()), *detected, None), "detected and named differ");
    }
    read(name, Cursor::new(data.to_vec()), format, Some("words"));
    let Some((_, items)) = found else { return false };
    check_rows(&items);
    items.iter().any(Result::is_ok)
}

fn check_rows(items: &[Item]) {
    let lines = items.iter().map(|item| item.as_ref().map_or_else(|rejected| rejected.line, |row| row.line));
    assert!(lines.is_sorted(), "the rows are not in the order of the file");
    for row in items.iter().flatten() {
        let folded: Vec<&str> = row.text.split_whitespace().collect();
        assert!(!folded.is_empty() && folded.join(" ") == row.text, "{row:?}");
        assert!(row.clip.as_ref().is_none_or(|clip| !clip.is_empty() && clip.trim() == clip), "{row:?}");
    }
}

fn read(name: &str, source: impl Read + 'static, format: Format, column: Option<&str>) -> Option<(Format, Vec<Item>)> {
    let options = Options::default().format(format).column(column.map(str::to_owned));
    let corpus = blamed(corpus::parse(name, source, &options))?;
    Some((corpus.format(), corpus.collect()))
}

/// Gives a few bytes at a time, as a pipe may.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(7);
        self.0.read(&mut buffer[..most])
    }
}

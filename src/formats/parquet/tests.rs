//! What a damaged file announces is compared with what it holds before room is made for it.

use std::path::Path;

use super::{Row, Writer};
use crate::formats::tables::{Table, TableRows, Values};
use crate::{EmbeddingSpace, Result};

/// A file of three captions with embeddings of two numbers.
fn file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("three.parquet");
    let mut out = Writer::create(&path, &EmbeddingSpace::external(2)).unwrap();
    for caption in ["Rain.", "Wind.", "Hail."] {
        let embedding = &[0.5, 1.5];
        out.push(&Row { caption_id: 1, domain: "d", caption, multiplicity: 1, clip: None, embedding }).unwrap();
    }
    out.finish().unwrap();
    std::fs::read(&path).unwrap()
}

fn with<T>(file: &[u8], read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.parquet");
    std::fs::write(&path, file).unwrap();
    read(&path)
}

fn captions(path: &Path) -> Result<Vec<String>> {
    let table = Table::open(path)?;
    let column = table.column("caption").unwrap();
    let mut captions = Vec::new();
    for batch in table.read(&[column], 100)? {
        let batch = batch?;
        let values = Values::of(&batch, column).unwrap();
        let mut keep = |text: &[u8]| captions.push(String::from_utf8(text.to_vec()).unwrap());
        (0..batch.num_rows()).for_each(|row| values.texts(row, &mut keep));
    }
    Ok(captions)
}

fn embeddings(path: &Path) -> Result<Vec<f32>> {
    Ok(TableRows::open(path, None)?.next_rows(100)?.into_vec())
}

/// The place behind the first `pattern`.
fn behind(file: &[u8], pattern: &[u8]) -> usize {
    file.windows(pattern.len()).position(|window| window == pattern).unwrap() + pattern.len()
}

/// The error that names the file, after `byte` was put at `at`.
fn refused<T: std::fmt::Debug>(at: usize, byte: u8, read: impl FnOnce(&Path) -> Result<T>) -> String {
    let mut file = file();
    file[at] = byte;
    let error = with(&file, read).unwrap_err().to_string();
    assert!(error.contains("bad.parquet"), "{error}");
    error
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(with(&file(), captions).unwrap(), ["Rain.", "Wind.", "Hail."]);
    assert_eq!(with(&file(), embeddings).unwrap(), [0.5, 1.5, 0.5, 1.5, 0.5, 1.5]);
}

#[test]
fn a_page_takes_no_more_room_than_its_bytes_can_stand_for() {
    // The captions' dictionary: kind 2, 27 bytes twice, and a header of its own that begins with three values.
    let values = behind(&file(), b"\x15\x04\x15\x36\x15\x36\x4c\x15");
    assert!(refused(values, 0x7e, captions).contains("a dictionary of 63 values in 27 bytes"));
}

#[test]
fn a_column_has_the_rows_of_its_group() {
    // The page behind the dictionary: kind 0, and three values of it.
    let file = file();
    let dictionary = behind(&file, b"Hail.");
    let values = dictionary + behind(&file[dictionary..], b"\x2c\x15");
    assert_eq!(file[values], 6);
    for other in [4, 8] {
        let error = refused(values, other, captions);
        assert!(error.contains("another number of rows"), "{error}");
    }
}

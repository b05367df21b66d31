//! What other programs wrote: `tests/fixtures/make_tables.py` made the files.

use std::path::{Path, PathBuf};

use crate::corpus::format::{Format, Options};
use crate::corpus::open::open;
use crate::corpus::row::Item;
use crate::formats::embeddings;
use crate::formats::tables::TableRows;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tables").join(name)
}

fn items(name: &str, options: &Options) -> Vec<Item> {
    open(fixture(name), options).unwrap_or_else(|error| panic!("{name}: {error}")).collect()
}

/// The texts with their clips, or the lines that were rejected.
fn rows(name: &str, options: &Options) -> Vec<Result<(String, Option<String>), u64>> {
    items(name, options).into_iter().map(|item| item.map(|row| (row.text, row.clip)).map_err(|no| no.line)).collect()
}

fn told(rows: &[Result<(String, Option<String>), u64>]) -> Vec<Result<(&str, Option<&str>), u64>> {
    rows.iter().map(|row| row.as_ref().map(|(text, clip)| (&**text, clip.as_deref())).map_err(|line| *line)).collect()
}

/// Every number is one that 16 bits hold, too.
fn vectors() -> Vec<f32> {
    (0..5).flat_map(|row| [row as f32, 0.5, -1.0]).collect()
}

fn numbers(place: &str) -> Vec<f32> {
    let mut rows = embeddings::open(fixture(place)).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!((rows.rows(), rows.dim()), (5, 3), "{place}");
    // In pieces, as an ingest asks for them.
    [2, 2, 7].into_iter().flat_map(|count| rows.next_rows(count).unwrap().into_vec()).collect()
}

/// The words of an error, with its hint.
fn refused<T>(outcome: crate::Result<T>) -> String {
    let error = outcome.err().expect("an error");
    format!("{error}; {}", error.hint().map(|hint| hint.to_string()).unwrap_or_default())
}

#[test]
fn the_same_rows_are_read_whoever_wrote_them_and_however() {
    let parquet = [
        "gzip",
        "brotli",
        "lz4",
        "zstd",
        "deltas",
        "double",
        "half",
        "large",
        "views",
        "dictionary",
        "polars",
        "polars-array",
        "duckdb",
    ];
    let arrow = ["feather.arrow", "zstd.arrow", "views.arrow", "dictionary.arrows", "polars.arrow", "polars.arrows"];
    let parquet = parquet.map(|name| format!("{name}.parquet"));
    for name in parquet.iter().map(String::as_str).chain(arrow) {
        let expected = [
            Ok(("Rain falls.", Some("a.wav"))),
            Ok(("Wind", None)),
            Err(3),
            Ok(("Wind", Some("d.wav"))),
            Ok(("Ein B\u{e4}r brummt.", None)),
        ];
        assert_eq!(told(&rows(name, &Options::default())), expected, "{name}");
        assert_eq!(numbers(name), vectors(), "{name}");
        let format = if name.ends_with("parquet") { Format::Parquet } else { Format::Arrow };
        assert_eq!(open(fixture(name), &Options::default()).unwrap().format(), format);
    }
}

#[test]
fn of_sounds_the_names_are_read_and_every_caption_of_a_list() {
    for name in ["sounds.parquet", "sounds.arrow"] {
        let read = rows(name, &Options::default());
        let rain = [Ok(("Rain falls.", Some("a.wav"))), Ok(("It rains.", Some("a.wav")))];
        let expected = [&rain[..], &[Ok(("Wind", Some("b.wav"))), Err(3)]].concat();
        assert_eq!(told(&read), expected, "{name}");
        let options = Options::default().column("captions".to_owned()).clip_column("id".to_owned());
        assert_eq!(told(&rows(name, &options))[2], Ok(("Wind", Some("8"))), "{name}");
        let options = Options::default().clip_column("ytid".to_owned());
        let said = refused(open(fixture(name), &options));
        assert!(said.contains("audio.bytes (bytes), audio.path (text), captions (list of text), id (int64)"), "{said}");
        assert!(said.contains("'ytid'"), "{said}");
    }
}

#[test]
fn numbered_columns_give_their_captions_in_order() {
    let read = rows("numbered.parquet", &Options::default());
    let expected = [("Rain falls.", "a.wav"), ("It rains.", "a.wav"), ("Wind", "b.wav")];
    assert_eq!(told(&read), expected.map(|(text, clip)| Ok((text, Some(clip)))));
    let plain = rows("numbered-plain.parquet", &Options::default());
    assert_eq!(told(&plain), [Ok(("Rain falls.", None)), Ok(("It rains.", None))]);
}

#[test]
fn a_row_without_its_embedding_is_zeros_and_the_others_are_read() {
    for name in ["holes.parquet", "holes-fixed.parquet", "holes.arrow", "duckdb-holes.parquet"] {
        let mut expected = vectors();
        expected[3..6].fill(0.0);
        // DuckDB's has no hole within a vector.
        if !name.starts_with("duckdb") {
            expected[9..12].fill(0.0);
        }
        assert_eq!(numbers(name), expected, "{name}");
    }
    let mut uneven = TableRows::open(fixture("uneven.parquet"), None).unwrap();
    let said = refused(uneven.next_rows(2));
    assert!(said.contains("uneven.parquet, row 2: found 1 numbers in the column embedding, expected 2"), "{said}");
}

#[test]
fn a_table_without_rows_says_so() {
    for name in ["empty.parquet", "empty.arrow"] {
        assert!(refused(open(fixture(name), &Options::default())).contains("no rows"), "{name}");
        assert_eq!(embeddings::open(fixture(name)).unwrap().rows(), 0, "{name}");
    }
    assert_eq!(embeddings::open(fixture("none.npy")).unwrap().rows(), 0);
}

#[test]
fn where_several_columns_can_be_meant_they_are_listed_and_one_is_named() {
    let said = refused(embeddings::open(fixture("several.parquet")));
    assert!(said.contains("clap_text (list of float64), clap_audio (list of float32), ints (list of int64)"), "{said}");
    assert!(
        said.contains("name the column behind a colon, as in") && said.contains("several.parquet:clap_text"),
        "{said}"
    );
    assert_eq!(numbers("several.parquet:clap_text"), vectors());
    let said = refused(embeddings::open(fixture("several.parquet:ints")));
    assert!(
        said.contains("found the column ints (list of int64), expected a column 'ints' of lists of floating"),
        "{said}"
    );
    assert!(TableRows::carried(fixture("several.parquet")).unwrap().is_none());
    assert_eq!(TableRows::candidates(fixture("several.parquet")).unwrap().len(), 2);
}

#[test]
fn arrays_of_every_width_and_order_are_read() {
    for kind in ["little-f2", "little-f4", "little-f8", "big-f2", "big-f4", "big-f8"] {
        for order in ["C", "F"] {
            assert_eq!(numbers(&format!("{kind}-{order}.npy")), vectors());
        }
    }
    for place in ["one.npz", "two.npz:text", "two.npz:audio", "one.safetensors"] {
        assert_eq!(numbers(place), vectors(), "{place}");
    }
    for tensor in ["text", "half", "double"] {
        assert_eq!(numbers(&format!("several.safetensors:{tensor}")), vectors());
    }
}

#[test]
fn where_several_arrays_can_be_meant_they_are_listed() {
    let said = refused(embeddings::open(fixture("two.npz")));
    assert!(said.contains("audio ([5, 3]), ids (no rows of floating-point numbers), text ([5, 3])"), "{said}");
    assert!(said.contains("two.npz:audio"), "{said}");
    let said = refused(embeddings::open(fixture("several.safetensors")));
    assert!(said.contains("double ([5, 3] F64)") && said.contains("ids ([5] I64)"), "{said}");
    let said = refused(embeddings::open(fixture("two.npz:words")));
    assert!(said.contains("expected one named 'words'"), "{said}");
    let said = refused(embeddings::open(fixture("feather-1.arrow")));
    assert!(said.contains("first version of Feather"), "{said}");
}

#[test]
fn a_file_whose_name_has_a_colon_comes_before_a_name_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz:text");
    std::fs::copy(fixture("little-f4-C.npy"), &path).unwrap();
    std::fs::copy(fixture("two.npz"), folder.path().join("a.npz")).unwrap();
    assert_eq!(embeddings::open(&path).unwrap().name(), path.display().to_string());
    let inside = embeddings::open(folder.path().join("a.npz:audio")).unwrap();
    assert!(inside.name().ends_with("a.npz:audio"));
    std::fs::copy(fixture("one.npz"), &path).unwrap();
    assert_eq!(embeddings::open(folder.path().join("a.npz:text:arr_0")).unwrap().rows(), 5);
}

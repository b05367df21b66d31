//! Corpora as data sets are published and as programs write them: read as what they are, or refused by name.

use std::io::Write;

use serde_json::{Value, json};

use crate::common::bench::{Bench, Run};

fn dry_run(bench: &Bench, file: &str) -> Run {
    bench.run_json(&["ingest", file, "--dry-run"])
}

/// The rows as they would be stored.
fn rows(bench: &Bench, name: &str, content: impl AsRef<[u8]>) -> Vec<(String, Value)> {
    let file = bench.write(name, content);
    let shown = dry_run(bench, &file).succeeds().json();
    let rows = shown["first"].as_array().unwrap().iter();
    rows.map(|row| (row["text"].as_str().unwrap().to_owned(), row["clip"].clone())).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// A file's name and content, and the captions with their clips.
type Published = (&'static str, String, &'static [(&'static str, &'static str)]);

#[test]
fn known_data_sets_are_read_as_they_are_published() {
    let bench = Bench::new();
    let wavcaps = json!({"num_captions_per_audio": 1, "data": [
        {"title": "x", "caption": "Rain.", "id": "7", "audio": "wav_path", "duration": 2.5},
        {"title": "y", "caption": "Wind.", "id": "8", "audio": "wav_path", "duration": 1.0}]});
    let macs = "files:\n- filename: park.wav\n  annotations:\n  - annotator_id: 1\n    sentence: Birds sing.\n  - annotator_id: 2\n    sentence: People talk.\n";
    let cases: [Published; 13] = [
        ("wavcaps.json", wavcaps.to_string(), &[("Rain.", "7"), ("Wind.", "8")]),
        ("MACS.yaml", macs.into(), &[("Birds sing.", "park.wav"), ("People talk.", "park.wav")]),
        ("fsd50k.json", json!({"64760": {"title": "take", "description": "A dog.", "tags": ["dog"]}}).to_string(), &[("A dog.", "64760")]),
        ("coco.json", r#"{"images": [{"id": 3, "file_name": "c.wav"}], "annotations": [{"id": 1, "image_id": 3, "caption": "Hail."}]}"#.into(), &[("Hail.", "c.wav")]),
        ("clotho.csv", "file_name,caption_1,caption_2\na.wav,Rain.,Wind.\n".into(), &[("Rain.", "a.wav"), ("Wind.", "a.wav")]),
        ("audiocaps.csv", "audiocap_id,youtube_id,start_time,caption\n1,abc,30,Rain.\n".into(), &[("Rain.", "abc")]),
        ("musiccaps.csv", "ytid,start_s,end_s,caption\nxyz,0,10,A piano.\n".into(), &[("A piano.", "xyz")]),
        ("numbered.csv", "fname,caption1,caption2\n9,Rain.,Wind.\n".into(), &[("Rain.", "9"), ("Wind.", "9")]),
        ("list.jsonl", "{\"captions\": [\"Rain.\", \"Wind.\"], \"video_id\": \"v\"}\n".into(), &[("Rain.", "v"), ("Wind.", "v")]),
        ("by-clip.json", json!({"a.wav": ["Rain.", "Wind."]}).to_string(), &[("Rain.", "a.wav"), ("Wind.", "a.wav")]),
        ("by-split.json", r#"{"dataset": "x", "data": {"train": [{"audio": "a.wav", "caption": "Rain."}], "test": [{"audio": "b.wav", "caption": "Wind."}]}, "n": 2}"#.into(), &[("Rain.", "a.wav"), ("Wind.", "b.wav")]),
        ("pairs.json", json!([["a.wav", "Rain."], ["b.flac", "Wind."]]).to_string(), &[("Rain.", "a.wav"), ("Wind.", "b.flac")]),
        ("array.json", json!([{"audio": "c0.wav", "caption": "Rain."}, {"audio": "c1.wav", "caption": "Wind."}]).to_string(), &[("Rain.", "c0.wav"), ("Wind.", "c1.wav")]),
    ];
    for (name, content, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|(text, clip)| ((*text).to_owned(), Value::from(*clip))).collect();
        assert_eq!(rows(&bench, name, &content), expected, "{name}");
        // What it is does not depend on what it is called.
        assert_eq!(rows(&bench, "renamed.txt", &content), expected, "{name}");
    }
}

#[test]
fn an_array_of_fifty_entries_is_fifty_captions_and_the_report_says_how_it_was_read() {
    let bench = Bench::external(4);
    let entries: Vec<Value> =
        (0..50).map(|i| json!({"audio": format!("c{i}.wav"), "caption": format!("Sound number {i}.")})).collect();
    let embeddings = bench.npy("e.npy", 50, 4);
    for (name, text) in [
        ("one-line.json", serde_json::to_string(&entries).unwrap()),
        ("pretty.json", serde_json::to_string_pretty(&entries).unwrap()),
    ] {
        let file = bench.write(name, text);
        let report =
            bench.run_json(&["ingest", &file, "--domain", name, "--embeddings", &embeddings]).succeeds().json();
        assert_eq!(
            (&report["read"], &report["new"], &report["with_clip"]),
            (&50.into(), &50.into(), &50.into()),
            "{report}"
        );
        assert_eq!(report["read_as"], "a JSON array of entries");
    }
}

#[test]
fn packed_corpora_are_unpacked_and_a_cut_is_said() {
    let bench = Bench::new();
    let csv = "clip,caption\na,Rain.\n";
    let expected = vec![("Rain.".to_owned(), Value::from("a"))];
    assert_eq!(rows(&bench, "c.csv.gz", gzip(csv)), expected);
    assert_eq!(rows(&bench, "c.csv.zst", zstd::encode_all(csv.as_bytes(), 3).unwrap()), expected);
    // Files that were packed one by one and joined.
    let joined = [gzip("{\"caption\": \"Rain.\"}\n"), gzip("{\"caption\": \"Wind.\"}\n")].concat();
    assert_eq!(rows(&bench, "c.jsonl.gz", joined).len(), 2);
    let long: String = (0..40_000).map(|i| format!("Caption number {} of many.\n", i * 7919 % 40_000)).collect();
    let packed = gzip(&long);
    let cut = bench.write("cut.txt.gz", &packed[..packed.len() / 2]);
    let shown = dry_run(&bench, &cut).succeeds().json();
    assert!(shown["rows"].as_u64().unwrap() > 1_000 && shown["rejected"] == 1, "{shown}");
    assert!(shown["rejections"][0]["reason"].as_str().unwrap().contains("reading failed"), "{shown}");
}

#[test]
fn a_damaged_archive_is_blamed_and_no_disk() {
    let bench = Bench::new();
    let mut flipped = gzip("a.wav: Rain.\nb.wav: Wind.\n");
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    let cases: [(&str, &[u8]); 3] = [
        ("garbage.jsonl.zst", b"\x28\xb5\x2f\xfdueio, which no such archive goes on with"),
        ("flipped.yaml.gz", &flipped),
        ("latin.yaml", b"a.wav: caf\xe9\nb.wav: Rain.\n"),
    ];
    for (name, content) in cases {
        let file = bench.write(name, content);
        let run = bench.run(&["ingest", &file, "--dry-run"]);
        run.fails(1, &[name, "found a damaged file", "fetch or pack it again"]);
    }
}

#[test]
fn what_is_no_corpus_is_refused_by_name() {
    let bench = Bench::new();
    let parquet = gzip("PAR1");
    let cases: [(&[u8], &str); 15] = [
        (&parquet, "read from a file only"),
        (b"{\"error\": \"Invalid username.\"}", "Invalid username."),
        (b"a.wav,Rain falls.\nb.wav,Wind.\n", "none that names the columns"),
        (b"<?xml version=\"1.0\"?><captions/>", "an XML document"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "an HTML page"),
        (b"<captions><caption>Rain.</caption></captions>", "an XML document"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        (b"1\n00:00:00,000 --> 00:00:05,000\nRain falls.\n", "subtitles"),
        (b"WEBVTT\n\n00:00.000 --> 00:05.000\nRain falls.\n", "subtitles"),
        (b"0.000\t5.000\tRain falls.\n5.000\t9.000\tWind.\n", "a track of labels"),
        (b"%PDF-1.7", "a PDF document"),
        (b"{\\rtf1 Rain.}", "an RTF document"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\xff\xfeR\x00", "UTF-16"),
    ];
    for (content, words) in cases {
        let file = bench.write("corpus.txt", content);
        dry_run(&bench, &file).fails(1, &["corpus.txt", words]);
    }
    // JSON that holds no captions says what it holds.
    let file = bench.write("columns.json", json!({"caption": {"0": "Rain."}, "file": {"0": "a"}}).to_string());
    dry_run(&bench, &file).fails(1, &["no usable caption", "the keys are 0"]);
}

#[test]
fn tables_name_their_separator_or_show_it_and_columns_can_be_named() {
    let bench = Bench::new();
    let expected = vec![("Rain, soft.".to_owned(), Value::from("a"))];
    assert_eq!(rows(&bench, "sep.csv", "sep=;\nclip;caption\na;Rain, soft.\n"), expected);
    assert_eq!(rows(&bench, "bar.csv", "clip|caption\na|Rain, soft.\n"), expected);
    let file = bench.write("odd.csv", "was,wo\nRain.,a\n");
    let shown = bench.run_json(&["ingest", &file, "--dry-run", "--column", "was", "--clip-column", "wo"]);
    assert_eq!(shown.succeeds().json()["first"][0]["clip"], "a");
    bench
        .run(&["ingest", &file, "--dry-run", "--column", "was", "--clip-column", "where"])
        .fails(1, &["'where'", "was, wo"]);
    let headless = bench.write("headless.csv", "a.wav,Rain falls.\nb.wav,Wind blows.\n");
    dry_run(&bench, &headless).fails(1, &["the first line names the columns"]);
}

#[test]
fn clips_are_replaced_where_the_corpus_names_them_and_refused_where_it_does_not() {
    let bench = Bench::external(4);
    let ingest = |file: &str, rows: usize, more: &[&str]| {
        let embeddings = bench.npy("e.npy", rows, 4);
        bench.run_json(&[&["ingest", file, "--domain", "d", "--embeddings", &embeddings], more].concat())
    };
    let first = bench.write("1.csv", "ytid,caption\na,Rain.\nb,Wind.\n");
    ingest(&first, 2, &[]).succeeds();
    let second = bench.write("2.csv", "ytid,caption\na,Heavy rain.\n");
    assert_eq!(ingest(&second, 1, &["--replace-clips"]).succeeds().json()["replaced"], 1);
    let nameless = bench.write("3.csv", "what,caption\n1,Hail.\n");
    ingest(&nameless, 1, &["--replace-clips"]).fails(1, &["names no clip", "--clip-column"]);
    let text = bench.write("4.txt", "Snow.\n");
    ingest(&text, 1, &["--replace-clips"]).fails(1, &["names no clip"]);
    // A column that says the same everywhere is no name of clips.
    let same: String = (0..8).map(|i| format!("all.wav,Sound {i}.\n")).collect();
    let shared = bench.write("5.csv", format!("file,caption\n{same}"));
    ingest(&shared, 8, &["--replace-clips"]).fails(1, &["'all.wav' in all 8 rows"]);
    let listed = bench.run_json(&["captions", "list"]).succeeds().lines();
    let texts: Vec<_> = listed.iter().map(|line| line["caption"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Wind.", "Heavy rain."], "nothing else was stored or removed");
    assert!(ingest(&shared, 8, &[]).succeeds().stderr.contains("all rows name the clip 'all.wav'"));
}

/// Stores of earlier versions may hold `wav_path` as the clip of every caption of WavCaps.
#[test]
fn rows_that_were_ingested_under_a_wrong_clip_are_removed_by_it() {
    let bench = Bench::external(4);
    let embeddings = bench.npy("e.npy", 3, 4);
    let file = bench.write("old.csv", "clip,caption\nplaceholder,Rain.\nplaceholder,Wind.\nb,Rain.\n");
    for domain in ["one", "two"] {
        bench.run(&["ingest", &file, "--domain", domain, "--embeddings", &embeddings]).succeeds();
    }
    bench.run(&["captions", "remove", "--clip", "nowhere"]).fails(1, &["'nowhere'", "no stored row"]);
    bench.run(&["captions", "remove", "--clip", "b", "--domain", "three"]).fails(1, &["'three'", "one, two"]);
    let removed = bench.run_json(&["captions", "remove", "--clip", "placeholder", "--domain", "one"]).succeeds().json();
    assert_eq!((&removed["captions"], &removed["occurrences"]), (&1.into(), &2.into()), "{removed}");
    let listed = bench.run_json(&["captions", "list", "--domain", "one"]).succeeds().lines();
    assert_eq!((listed.len(), &listed[0]["caption"]), (1, &"Rain.".into()), "what another clip has, too, stays");
    assert_eq!(bench.run_json(&["captions", "list", "--domain", "two"]).succeeds().lines().len(), 2);
    // Then the corpus is ingested again, with the clips that it names.
    let mended = bench.write("new.csv", "audio,id,caption\nwav_path,7,Rain.\nwav_path,8,Wind.\nwav_path,9,Hail.\n");
    let report = bench.run_json(&["ingest", &mended, "--domain", "one", "--embeddings", &embeddings]).succeeds().json();
    assert_eq!((&report["with_clip"], &report["new"]), (&3.into(), &2.into()), "{report}");
    let listed = bench.run_json(&["captions", "list", "--domain", "one"]).succeeds().lines();
    let texts: Vec<_> = listed.iter().map(|line| line["caption"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Rain.", "Wind.", "Hail."]);
}

#[test]
fn several_corpora_are_ingested_at_once_and_nothing_is_stored_where_one_cannot_be_read() {
    let bench = Bench::new();
    let [a, b] = [bench.write("a.txt", "Rain.\nWind.\n"), bench.write("b.jsonl", "{\"caption\": \"Hail.\"}\n")];
    let shown = bench.run_json(&["ingest", &a, &b, "--dry-run"]).succeeds().lines();
    assert_eq!(shown.iter().map(|one| &one["rows"]).collect::<Vec<_>>(), [&Value::from(2), &Value::from(1)]);
    let bench = Bench::external(4);
    let embeddings = bench.npy("e.npy", 2, 4);
    let a = bench.write("a.txt", "Rain.\nWind.\n");
    bench.run(&["ingest", &a, "missing.txt", "--domain", "d"]).fails(1, &["missing.txt"]);
    bench.run(&["ingest", &a, &a, "--domain", "d", "--embeddings", &embeddings]).fails(1, &["2 corpora", "one corpus"]);
    assert_eq!(bench.run_json(&["stats"]).succeeds().json()["captions"], 0);
}

/// Standard input cannot be read twice; it is kept until it is known what clips it names.
#[test]
fn standard_input_without_clips_replaces_nothing_and_stores_nothing() {
    let bench = Bench::external(4);
    let embeddings = bench.npy("e.npy", 2, 4);
    let ingest = |text: &str, more: &[&str]| {
        let arguments = [&["--json", "ingest", "-", "--domain", "d", "--embeddings", &embeddings], more].concat();
        bench.run_given(&arguments, text.as_bytes())
    };
    ingest("Rain.\nWind.\n", &["--replace-clips"]).fails(1, &["names no clip"]);
    let lines = "{\"file\": \"a\", \"caption\": \"Rain.\"}\n{\"file\": \"b\", \"caption\": \"Wind.\"}\n";
    ingest(lines, &["--clip-column", "where"]).fails(1, &["'where'", "2 rows"]);
    assert_eq!(bench.run_json(&["stats"]).succeeds().json()["captions"], 0);
    assert_eq!(ingest(lines, &["--replace-clips"]).succeeds().json()["with_clip"], 2);
    let file = bench.write("lines.jsonl", lines);
    bench.run(&["ingest", &file, "--dry-run", "--clip-column", "where"]).fails(1, &["'where'", "2 rows"]);
}

#[test]
fn sounds_that_are_listed_behind_their_entries_are_remarked_on() {
    let bench = Bench::new();
    let text = r#"{"annotations": [{"image_id": 3, "caption": "Rain."}], "images": [{"id": 3, "file_name": "c.wav"}]}"#;
    let shown = dry_run(&bench, &bench.write("sorted.json", text));
    assert_eq!(shown.succeeds().json()["first"][0]["clip"], "3");
    assert!(shown.stderr.contains("'images' stands behind"), "{}", shown.stderr);
}

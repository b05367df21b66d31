//! Story: a corpus that is not what it should be. Good rows are kept, bad ones are named, the store is unharmed.

use crate::common;
use crate::common::bench::{Bench, Run, finished};
use crate::common::scattered;

const DIM: usize = 16;

fn ingest(bench: &Bench, file: &str, rows: usize, more: &[&str]) -> Run {
    let npy = bench.npy("e.npy", rows, DIM);
    bench.run_json(&[&["ingest", file, "--domain", "d", "--embeddings", &npy], more].concat())
}

fn captions(bench: &Bench) -> u64 {
    bench.run_json(&["stats"]).json()["captions"].as_u64().unwrap()
}

#[test]
fn an_empty_file_is_refused() {
    let bench = Bench::external(DIM);
    let file = bench.write("empty.csv", "");
    ingest(&bench, &file, 1, &[]).fails(1, &["empty.csv", "an empty file", "hint: "]);
    assert_eq!(captions(&bench), 0);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let bench = Bench::external(DIM);
    ingest(&bench, "nowhere.csv", 1, &[]).fails(1, &["nowhere.csv"]);
    ingest(&bench, ".", 1, &[]).fails(1, &["folder"]);
}

#[test]
fn invalid_utf8_costs_its_own_row_only() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.csv", b"clip,caption\na,Rain falls.\nb,W\xffnd.\nc,Hail.\n");
    let report = ingest(&bench, &file, 3, &[]).succeeds().json();
    assert_eq!((&report["read"], &report["new"], &report["rejected"]), (&3.into(), &2.into(), &1.into()));
    assert_eq!(report["rejections"][0]["line"], 3);
    assert!(report["rejections"][0]["reason"].as_str().unwrap().contains("UTF-8"));
}

#[test]
fn what_is_no_text_is_refused_unless_its_layout_is_named() {
    let bench = Bench::external(DIM);
    let wide: Vec<u8> = "\u{feff}Rain falls.\nWind.\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = bench.write("utf16.txt", wide);
    let binary = bench.write("song.mp3", b"ID3\x04\0\0\0\0\nRain falls.\n\xff\xfb\x90d\n");
    ingest(&bench, &utf16, 2, &[]).fails(1, &["utf16.txt", "UTF-16", "UTF-8"]);
    ingest(&bench, &binary, 3, &[]).fails(1, &["song.mp3", "binary", "--format"]);
    assert_eq!(captions(&bench), 0);
    let report = ingest(&bench, &binary, 3, &["--format", "text"]).succeeds().json();
    assert_eq!((&report["new"], &report["rejected"]), (&1.into(), &2.into()));
}

#[test]
fn an_unbalanced_quote_costs_its_own_row_only() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.csv", "clip,caption\na,\"Rain falls.\nb,Wind.\nc,Hail.\n");
    let report = ingest(&bench, &file, 3, &[]).succeeds().json();
    assert_eq!((&report["new"], &report["rejected"]), (&2.into(), &1.into()));
    assert_eq!(report["rejections"][0]["line"], 2);
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.csv", "clip,words\na,Rain.\n");
    ingest(&bench, &file, 1, &[]).fails(1, &["clip, words", "--column"]);
    ingest(&bench, &file, 1, &["--column", "nothing"]).fails(1, &["nothing", "clip, words"]);
    ingest(&bench, &file, 1, &["--format", "clotho"]).fails(1, &["caption_1"]);
    assert_eq!(captions(&bench), 0);
    ingest(&bench, &file, 1, &["--column", "words"]).succeeds();
    assert_eq!(captions(&bench), 1);
}

#[test]
fn a_corpus_without_one_usable_caption_fails() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.jsonl", "{\"a\": 1}\n[]\nrain\n");
    ingest(&bench, &file, 3, &[]).fails(1, &["no usable caption"]);
    assert_eq!(captions(&bench), 0);
}

#[test]
fn a_caption_beyond_the_limit_is_rejected_and_the_others_are_kept() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.txt", format!("Rain falls.\n{}\nWind.\n", "word ".repeat(2000)));
    let report = ingest(&bench, &file, 3, &[]).succeeds().json();
    assert_eq!((&report["new"], &report["rejected"]), (&2.into(), &1.into()));
}

#[test]
fn embeddings_that_do_not_match_the_captions_are_refused_before_anything_is_stored() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.txt", "Rain falls.\nWind.\n");
    ingest(&bench, &file, 3, &[]).fails(1, &["3 rows", "2 rows"]);
    let wide = bench.npy("wide.npy", 2, DIM + 1);
    bench.run(&["ingest", &file, "--domain", "d", "--embeddings", &wide]).fails(1, &["17", "16"]);
    let text = bench.write("text.npy", "no numbers");
    bench.run(&["ingest", &file, "--domain", "d", "--embeddings", &text]).fails(1, &["text.npy", ".npy"]);
    assert_eq!(captions(&bench), 0);
}

#[test]
fn an_embedding_without_direction_rejects_its_caption() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.txt", "Rain falls.\nWind.\nHail.\n");
    let mut data = scattered(3, DIM);
    data[..DIM].fill(0.0);
    data[DIM] = f32::NAN;
    let npy = bench.write("z.npy", common::npy(&data, 3, DIM));
    let report = bench.run_json(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).succeeds().json();
    assert_eq!((&report["new"], &report["rejected"]), (&1.into(), &2.into()));
}

#[test]
fn domain_names_that_would_not_travel_are_refused() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.txt", "Rain falls.\n");
    let npy = bench.npy("e.npy", 1, DIM);
    let long = "x".repeat(65);
    for name in ["", "a b", "../up", ".hidden", "-x", "ü", long.as_str()] {
        let domain = format!("--domain={name}");
        bench.run(&["ingest", &file, &domain, "--embeddings", &npy]).fails(1, &[]);
    }
    assert_eq!(captions(&bench), 0);
}

#[test]
fn the_same_corpus_twice_changes_nothing_and_repeated_texts_count() {
    let bench = Bench::external(DIM);
    let file = bench.write("c.csv", "clip,caption\na,Rain.\nb,Rain.\nb,Rain.\nc,Wind.\n");
    let first = ingest(&bench, &file, 4, &[]).succeeds().json();
    assert_eq!((&first["new"], &first["repeats"], &first["duplicate"]), (&2.into(), &2.into(), &0.into()));
    let again = ingest(&bench, &file, 4, &[]).succeeds().json();
    assert_eq!((&again["new"], &again["repeats"], &again["duplicate"]), (&0.into(), &0.into(), &4.into()));
    let domains = bench.run_json(&["domains"]).json();
    assert_eq!((&domains[0]["captions"], &domains[0]["occurrences"]), (&2.into(), &4.into()));
}

#[test]
fn a_file_without_a_caption_fails() {
    let bench = Bench::external(DIM);
    for (name, text) in [("blank.txt", "\n \n"), ("heading.csv", "clip,caption\n"), ("none.json", "{\"data\": []}")] {
        let (file, npy) = (bench.write(name, text), bench.write("none.npy", common::npy(&[], 0, DIM)));
        bench.run(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).fails(1, &[name, "no usable caption"]);
    }
    assert_eq!(bench.run_json(&["domains"]).succeeds().json(), serde_json::json!([]));
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_read_once_and_whole() {
    let bench = Bench::external(DIM);
    let (pipe, npy) = (bench.path("pipe"), bench.npy("e.npy", 2, DIM));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, "Rain falls.\nWind.\n").unwrap()
    });
    let run = bench.run_json(&["ingest", pipe.to_str().unwrap(), "--domain", "d", "--embeddings", &npy]);
    assert_eq!(run.succeeds().json()["new"], 2);
    writer.join().unwrap();
}

#[test]
fn a_corpus_may_come_from_standard_input() {
    let bench = Bench::external(DIM);
    let npy = bench.npy("e.npy", 2, DIM);
    let arguments = ["--json", "ingest", "-", "--domain", "d", "--embeddings", &npy];
    let run = bench.run_given(&arguments, b"Rain falls.\nWind.\n");
    assert_eq!(run.succeeds().json()["new"], 2);
}

#[test]
fn a_pipe_that_gives_half_a_line_at_first_is_read_as_a_file_is() {
    let bench = Bench::external(DIM);
    let npy = bench.npy("e.npy", 1, DIM);
    let mut command = bench.command(&["--json", "ingest", "-", "--domain", "d", "--embeddings", &npy]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // The first piece alone is no JSON line.
    for piece in ["{\"capt", "ion\": \"Rain falls.\"}\n"] {
        std::io::Write::write_all(&mut pipe, piece.as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    drop(pipe);
    let run = finished(child.wait_with_output().unwrap());
    let report = run.succeeds().json();
    assert_eq!((&report["new"], &report["rejected"]), (&1.into(), &0.into()));
}

//! Story: somebody looks at how a training went, in the terminal and as a file for a paper.

use std::path::Path;

use echoic::decoder::TrainOptions;
use echoic::memory::{RowKey, Scope};
use echoic::training::Training;
use echoic::{EmbeddingSpace, Store};

use crate::common::bench::Bench;
use crate::common::{stores, texts};

/// A store with a decoder that was trained for three epochs.
fn trained() -> Bench {
    let (bench, set) = (Bench::new(), texts::set());
    Store::create(bench.store(), EmbeddingSpace::external(set.embeddings.dim())).unwrap();
    let keys: Vec<RowKey> = set.texts.iter().map(|text| RowKey::new(text.text.clone())).collect();
    let mut writer = stores::writing(&bench.store());
    let plan = writer.plan("street", &keys).unwrap();
    let mut embeddings = echoic::Embeddings::new(set.embeddings.dim());
    for text in plan.texts() {
        let row = set.texts.iter().position(|other| other.text == text).unwrap();
        embeddings.push(set.embeddings.row(row).unwrap()).unwrap();
    }
    writer.append("street", plan, &embeddings).unwrap();
    drop(writer);
    let options = TrainOptions::default().epochs(3).batch(16);
    let memory = stores::open(&bench.store());
    Training::new(&memory, "mine").scope(Scope::all()).options(options).run(&texts::tokenizer()).unwrap();
    bench
}

#[test]
fn a_training_is_drawn_in_the_terminal_and_into_files() {
    let bench = trained();
    let said = bench.run(&["decoders", "show", "mine", "--plot"]).succeeds().stdout.clone();
    let line = said
        .lines()
        .find(|line| line.starts_with("training loss ") && line.contains('#'))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(said.is_ascii(), "through a pipe it is plain: {said}");
    let curves = said.split("\n\n").nth(1).unwrap();
    assert!(curves.lines().all(|line| line.chars().count() <= 80) && curves.contains("3 epochs"), "{curves}");
    // The first loss is the highest, the last one the lowest.
    let curve = line.split_whitespace().nth(3).unwrap();
    assert!(curve.len() == 3 && curve.starts_with('#') && curve.ends_with('_'), "{line}");

    let shown = bench.run_json(&["decoders", "show", "mine", "--plot"]).succeeds().json();
    let log = shown["log"].as_array().unwrap();
    assert_eq!((log.len(), &log[2]["epoch"]), (3, &3.into()));
    assert!(bench.run_json(&["decoders", "show", "mine"]).succeeds().json()["log"].is_null());

    bench.run(&["decoders", "show", "mine", "--svg", "t.svg", "--png", "t.png"]).succeeds();
    let svg = std::fs::read_to_string(bench.path("t.svg")).unwrap();
    for part in ["role=\"img\"", "<title>Training of mine</title>", "<desc>", "validation", "nats a token", "epoch"] {
        assert!(svg.contains(part), "{part} is not in {svg}");
    }
    let png = std::fs::read(bench.path("t.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 5_000, "{} bytes", png.len());
}

#[test]
fn where_there_is_nothing_to_draw_it_says_why() {
    let bench = trained();
    bench.run(&["decoders", "show", "none", "--plot"]).fails(1, &["no decoder named 'none'", "mine"]);
    bench.run(&["decoders", "show", "mine", "--svg", "no/such/folder/t.svg"]).fails(1, &["no/such/folder/t.svg"]);
    assert!(!Path::new(&bench.path("no")).exists());
    let copy = bench.path("copy").display().to_string();
    bench.run(&["backup", &copy]).succeeds();
    let run = bench.run_json_at(Path::new(&copy), &["decoders", "show", "mine", "--plot"]);
    run.fails(1, &["the decoder mine", "no log of its training", "backups have none"]);
    std::fs::write(echoic::decoders::work_folder(bench.store(), "mine").join("log.jsonl"), "{\"epoch\": 1}\n").unwrap();
    bench.run(&["decoders", "show", "mine", "--plot"]).fails(1, &["log.jsonl, line 1", "missing field"]);
}

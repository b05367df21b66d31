//! Story: other programs use the towers. What `embed` writes is, bit for bit, what `ingest` stores and `search` asks with.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::bench::{Bench, Run, finished};
use crate::common::needs::starter_is_installed;
use crate::common::sounds::{sound, wav_at};
use crate::common::{files, fixture};

/// Forty seconds, which are several windows of the starter, and a second of another.
fn recordings(bench: &Bench) {
    std::fs::create_dir_all(bench.path("sounds/deep")).unwrap();
    wav_at(&bench.path("sounds/deep/long.wav"), &sound(40.0, 16_000), 16_000);
    std::fs::copy(fixture("starter/clicks.wav"), bench.path("sounds/clicks.wav")).unwrap();
}

/// A CSV with a repeat, and a line that cannot be used.
const CAPTIONS: &str =
    "file_name,caption\na.wav,\"Rain, and wind.\"\nb.wav,\nc.wav,A dog barks.\nd.wav,\"Rain, and wind.\"\n";

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The vector of each caption of a store, by its text.
fn vectors(bench: &Bench, store: &Path) -> Vec<u8> {
    let npy = bench.path("exported.npy").display().to_string();
    bench.run_json_at(store, &["export", &npy, "--format", "npy"]).succeeds();
    std::fs::read(npy).unwrap()
}

fn hits(run: &Run) -> String {
    run.succeeds().json()["neighbours"].to_string()
}

#[test]
fn the_vectors_of_captions_are_those_that_ingest_stores() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    let (csv, npy) = (bench.write("c.csv", CAPTIONS), bench.path("c.npy").display().to_string());
    bench.run(&["init"]).succeeds();
    let report = bench.run_json(&["embed", "--text", &csv, "--out", &npy]).succeeds().json();
    assert_eq!((&report["rows"], &report["rejected"], &report["failed"]), (&4.into(), &1.into(), &0.into()));
    assert_eq!(report["space"]["model"], "starter");
    let beside = lines(&bench.path("c.jsonl"));
    let expected = json!({ "row": 0, "corpus": csv, "line": 2, "caption": "Rain, and wind.", "clip": "a.wav" });
    assert_eq!(beside[0], expected);
    assert_eq!((&beside[1]["row"], &beside[1]["rejected"]), (&1.into(), &"the caption is empty".into()));

    let [towers, given, again] = ["towers", "given", "again"].map(|name| bench.path(name));
    for store in [&towers, &given, &again] {
        bench.run_json_at(store, &["init"]).succeeds();
    }
    bench.run_json_at(&towers, &["ingest", &csv, "--domain", "d"]).succeeds();
    bench.run_json_at(&given, &["ingest", &csv, "--domain", "d", "--embeddings", &npy]).succeeds();
    assert_eq!(vectors(&bench, &given), vectors(&bench, &towers));
    // The lines are a corpus of their own.
    let jsonl = bench.path("c.jsonl").display().to_string();
    let report =
        bench.run_json_at(&again, &["ingest", &jsonl, "--domain", "d", "--embeddings", &npy]).succeeds().json();
    assert_eq!((&report["new"], &report["repeats"], &report["rejected"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(vectors(&bench, &again), vectors(&bench, &towers));
}

#[test]
fn the_vector_of_a_sound_finds_what_the_sound_finds() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    recordings(&bench);
    bench.run(&["init"]).succeeds();
    let texts = bench.write("t.txt", "Rain falls.\nA dog barks.\nClicks and clicks.\nA siren wails.\n");
    bench.run(&["ingest", &texts, "--domain", "d"]).succeeds();
    let long = bench.path("sounds/deep/long.wav").display().to_string();
    let npy = bench.path("a.npy").display().to_string();
    bench.run(&["embed", "--audio", &long, "--out", &npy]).succeeds();
    assert_eq!(
        hits(&bench.run_json(&["search", "--embedding", &npy])),
        hits(&bench.run_json(&["search", "--audio", &long]))
    );

    let report = bench.run_json(&["embed", "--audio", &long, "--windows", "--out", &npy]).succeeds().json();
    let by_sound = bench.run_json(&["search", "--audio", &long, "--windows"]).succeeds().lines();
    let by_rows = bench.run_json(&["search", "--embedding", &npy]).succeeds().lines();
    let beside = lines(&bench.path("a.jsonl"));
    assert!(beside.len() > 1 && report["rows"] == beside.len(), "{report}");
    assert_eq!((by_sound.len(), by_rows.len()), (beside.len(), beside.len()));
    for ((sound, row), line) in by_sound.iter().zip(&by_rows).zip(&beside) {
        assert_eq!(sound["neighbours"], row["neighbours"]);
        assert_eq!((&sound["start"], &sound["level_dbfs"]), (&line["start"], &line["level_dbfs"]));
        assert_eq!((&row["row"], &sound["path"]), (&line["row"], &line["path"]));
    }

    // By pipes.
    let wav = std::fs::File::open(&long).unwrap();
    finished(bench.command(&["embed", "--audio", "-", "--out", &npy]).stdin(wav).output().unwrap()).succeeds();
    assert_eq!(
        hits(&bench.run_json(&["search", "--embedding", &npy])),
        hits(&bench.run_json(&["search", "--audio", &long]))
    );
    let mut embedding =
        bench.command(&["embed", "--audio", &long, "--out", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let piped = embedding.stdout.take().unwrap();
    let found = bench.command(&["--json", "search", "--embedding", "-"]).stdin(piped).output().unwrap();
    assert!(embedding.wait().unwrap().success());
    let found = finished(found);
    assert_eq!(hits(&found), hits(&bench.run_json(&["search", "--audio", &long])));
    assert_eq!(found.json()["path"], "-");
}

#[test]
fn what_fails_is_named_and_has_no_row() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    recordings(&bench);
    bench.write("sounds/bad.wav", "no sound");
    let npy = bench.path("x.npy").display().to_string();
    let run = bench.run(&["embed", "--model", "starter", "--audio", "sounds", "--out", &npy]);
    run.fails(1, &["bad.wav"]);
    assert!(run.stdout.contains("2 rows") && run.stdout.contains("1 file failed"), "{run:?}");
    let beside = lines(&bench.path("x.jsonl"));
    let paths: Vec<&str> = beside.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["clicks.wav", "deep/long.wav"]);
    assert!(beside.iter().all(|line| line["root"] == "sounds"), "{beside:?}");
    assert_eq!(beside[1]["seconds"], 40.0);

    // Where nothing is left, nothing is written.
    let before = files(bench.dir.path());
    let bad = bench.path("sounds/bad.wav").display().to_string();
    let out = bench.path("none.npy").display().to_string();
    bench.run(&["embed", "--model", "starter", "--audio", &bad, "--out", &out]).fails(1, &["bad.wav"]);
    assert_eq!(files(bench.dir.path()), before);
}

#[test]
fn what_cannot_be_meant_is_refused_and_nothing_is_lost() {
    let bench = Bench::external(4);
    let (text, corpus) = (bench.write("c.txt", "Rain.\n"), bench.write("c.jsonl", "{\"caption\": \"Rain.\"}\n"));
    let before = files(bench.dir.path());
    let embed = |arguments: &[&str]| bench.run(&[&["embed"], arguments].concat());
    embed(&["--text", &text, "--out", "x.txt"]).fails(1, &["the ending .txt", ".npy"]);
    // The lines would take the place of the corpus, or of a file that belongs to nobody here.
    embed(&["--text", &corpus, "--out", "c.npy"]).fails(1, &["c.jsonl", "the corpus itself"]);
    embed(&["--text", "none.txt", "--out", "x.npy"]).fails(1, &["none.txt"]);
    embed(&["--text", &text, "--out", "x.npy"]).fails(1, &["external", "--model"]);
    embed(&["--text", &text, "--clip-column", "y", "--out", "x.npy"]).fails(1, &["no clip under 'y'"]);
    embed(&["--audio", "a.wav", "--column", "y", "--out", "x.npy"]).fails(1, &["--column", "--audio"]);
    embed(&["--out", "x.npy"]).fails(1, &["--audio", "--text"]);
    bench.run_json(&["embed", "--text", &text, "--out", "-"]).fails(1, &["--out -", "--json"]);
    // A store that is named must be there, or the vectors would be of another space.
    let elsewhere = bench.path("elsewhere");
    let run = bench.run_json_at(&elsewhere, &["embed", "--text", &text, "--out", "x.npy"]);
    run.fails(1, &["no Echoic store"]);
    assert_eq!(files(bench.dir.path()), before);
}

#[test]
fn lines_of_others_are_not_replaced() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    let text = bench.write("c.txt", "Rain.\n");
    bench.write("x.jsonl", "notes");
    let embed = ["embed", "--model", "starter", "--text", &text, "--out", "x.npy"];
    bench.run(&embed).fails(1, &["x.jsonl", "move the file away"]);
    assert_eq!(std::fs::read(bench.path("x.jsonl")).unwrap(), b"notes");
    std::fs::remove_file(bench.path("x.jsonl")).unwrap();
    // Its own are, as with `export`.
    bench.run(&embed).succeeds();
    bench.run(&embed).succeeds();
}

#[cfg(unix)]
#[test]
fn one_that_is_stopped_leaves_nothing_behind() {
    use std::io::Read;
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    let text = bench.write("c.txt", (0..100_000).map(|i| format!("Sound {i} rings out.\n")).collect::<String>());
    let before = files(bench.dir.path());
    let mut embed = bench.command(&["embed", "--model", "starter", "--text", &text, "--out", "x.npy"]);
    let mut child = embed.stderr(Stdio::piped()).spawn().unwrap();
    // It has begun when it tells of its progress.
    child.stderr.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let stop = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stop.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(files(bench.dir.path()), before);
}

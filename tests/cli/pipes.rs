//! Story: commands are put together with pipes. `-` is standard input or output, and never a file of that name.

use std::process::Stdio;

use crate::common;
use crate::common::bench::{Bench, finished};
use crate::common::scattered;

const DIM: usize = 4;

fn filled() -> (Bench, String, String) {
    let bench = Bench::external(DIM);
    let csv = bench.write("c.csv", "clip,caption\n1.wav,A dog barks.\n2.wav,A dog barks.\n3.wav,Rain.\n");
    let npy = bench.npy("e.npy", 3, DIM);
    bench.run(&["ingest", &csv, "--domain", "d", "--embeddings", &npy]).succeeds();
    (bench, csv, npy)
}

#[test]
fn a_store_goes_through_a_pipe_into_another() {
    let (bench, _, npy) = filled();
    let export = bench.run(&["export", "-"]);
    assert_eq!(export.succeeds().lines().len(), 3, "nothing but lines: {export:?}");
    assert_eq!(bench.run_json(&["export", "-"]).succeeds().stdout, export.stdout);
    let file = bench.path("x.jsonl").display().to_string();
    bench.run(&["export", &file]).succeeds();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), export.stdout);

    let other = bench.path("other");
    bench.run_json_at(&other, &["init", "--model", "external", "--dim", "4"]).succeeds();
    let mut exporting = bench.command(&["export", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ingest = std::process::Command::new(env!("CARGO_BIN_EXE_echoic"));
    ingest.arg("--store").arg(&other).args(["ingest", "-", "--domain", "x", "--embeddings", &npy]);
    finished(ingest.stdin(exporting.stdout.take().unwrap()).output().unwrap()).succeeds();
    assert!(exporting.wait().unwrap().success());
    let again = bench.run_json_at(&other, &["export", "-"]).succeeds().lines();
    let seen = |lines: &[serde_json::Value]| -> Vec<_> {
        lines.iter().map(|line| (line["caption"].clone(), line["clip"].clone())).collect()
    };
    assert_eq!(seen(&again), seen(&export.lines()));

    for format in ["npy", "parquet", "model"] {
        bench.run(&["export", "-", "--format", format]).fails(1, &["stdout", format, "jsonl"]);
    }
    bench.run(&["export", "-", "--domain", "z"]).fails(1, &["no domain named 'z'"]);
    assert!(!bench.path("-").exists());
}

#[test]
fn embeddings_of_any_kind_come_by_standard_input() {
    let (bench, csv, _) = filled();
    let query = common::npy(&scattered(3, DIM)[..DIM], 1, DIM);
    let file = bench.write("q.npy", &query);
    let expected = bench.run_json(&["search", "--embedding", &file]).succeeds().json();
    let found = bench.run_given(&["--json", "search", "--embedding", "-"], &query).succeeds().json();
    assert_eq!((&found["neighbours"], &found["path"]), (&expected["neighbours"], &"-".into()));

    // One that must be read from its end.
    let parquet = std::fs::read(common::fixture("tables/half.parquet")).unwrap();
    let wrong = bench.run_given(&["search", "--embedding", "-"], &parquet);
    wrong.fails(1, &["standard input", "rows of 3"]);

    let rows = common::npy(&scattered(3, DIM), 3, DIM);
    let report = bench.run_given(&["--json", "ingest", &csv, "--domain", "e", "--embeddings", "-"], &rows);
    assert_eq!(report.succeeds().json()["new"], 2);
    let both = bench.run_given(&["ingest", "-", "--domain", "f", "--embeddings", "-"], &rows);
    both.fails(1, &["--embeddings", "standard input"]);
    for (bytes, words) in [(&b""[..], "an empty file"), (b"Rain falls.\n", "begins with")] {
        bench.run_given(&["search", "--embedding", "-"], bytes).fails(1, &["standard input", words]);
    }
}

#[test]
fn where_a_pipe_does_not_serve_it_is_refused_by_name() {
    let (bench, ..) = filled();
    let before = common::files(bench.dir.path());
    for arguments in [
        &["align", "-", "--out", "x.safetensors"][..],
        &["align", "pairs.csv", "--out", "-"],
        &["backup", "-"],
        &["init", "--adapter", "-"],
        &["train", "--bridge", "shift", "--shift", "-"],
    ] {
        bench.run(arguments).fails(1, &["standard input and output do not serve here"]);
    }
    let store = bench.run_json_at(std::path::Path::new("-"), &["init", "--model", "external", "--dim", "4"]);
    store.fails(1, &["standard input and output do not serve here"]);
    assert_eq!(common::files(bench.dir.path()), before);
}

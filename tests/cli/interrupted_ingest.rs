//! Story: an ingest is killed again and again at any moment. Started once more it completes, with each caption once.

use std::time::Duration;

use crate::common;
use crate::common::bench::Bench;
use crate::common::{files, scattered};

const DIM: usize = 64;
const ROWS: usize = 20_000;

#[test]
fn a_killed_ingest_goes_on_without_duplicates() {
    let bench = Bench::external(DIM);
    let text: String = (0..ROWS).map(|i| format!("Sound {} rings out.\n", i % (ROWS - 500))).collect();
    let file = bench.write("c.txt", text);
    let npy = bench.npy("e.npy", ROWS, DIM);
    let arguments = ["ingest", &file, "--domain", "d", "--embeddings", &npy];
    for milliseconds in [5, 20, 40, 60, 90, 120] {
        let mut child = bench.command(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let stats = bench.run_json(&["stats"]).succeeds().json();
        assert!(stats["occurrences"].as_u64().unwrap() <= ROWS as u64);
    }
    bench.run(&arguments).succeeds();
    let domain = &bench.run_json(&["domains"]).succeeds().json()[0];
    assert_eq!((&domain["captions"], &domain["occurrences"]), (&(ROWS - 500).into(), &ROWS.into()));

    // What is stored is what was given: the first row that brought each text brought its vector.
    let query = bench.write("q.npy", common::npy(&scattered(ROWS, DIM)[..DIM * 50], 50, DIM));
    let found = bench.run_json(&["search", "--embedding", &query, "-k", "1", "--exact"]).succeeds().lines();
    for (i, answer) in found.iter().enumerate() {
        assert_eq!(answer["neighbours"][0]["caption"], format!("Sound {i} rings out."));
        assert!(answer["neighbours"][0]["similarity"].as_f64().unwrap() > 0.9999);
    }
}

#[test]
fn a_domain_that_is_added_leaves_the_files_of_the_others_as_they_are() {
    let bench = Bench::external(DIM);
    let (text, npy) = (bench.write("a.txt", "Rain falls.\nWind.\n"), bench.npy("a.npy", 2, DIM));
    bench.run(&["ingest", &text, "--domain", "a", "--embeddings", &npy]).succeeds();
    let before = files(&bench.store().join("segments"));
    bench.run(&["ingest", &text, "--domain", "b", "--embeddings", &npy]).succeeds();
    let after = files(&bench.store().join("segments"));
    assert!(after.len() > before.len());
    for file in before {
        assert!(after.contains(&file), "{} was touched", file.0.display());
    }
}

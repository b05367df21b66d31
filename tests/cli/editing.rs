//! Story: a corpus is corrected. Single captions go, a new edition takes the place of the old one, and the space is freed.

use crate::common;
use crate::common::bench::{Bench, Run};
use crate::common::scattered;

const DIM: usize = 16;

fn ingest(bench: &Bench, lines: &[(&str, &str)], arguments: &[&str]) -> Run {
    let text: String = lines
        .iter()
        .map(|(clip, caption)| serde_json::json!({"caption": caption, "clip": clip}).to_string() + "\n")
        .collect();
    let (file, npy) = (bench.write("c.jsonl", text), bench.npy("e.npy", lines.len(), DIM));
    bench.run_json(&[&["ingest", &file, "--domain", "d", "--embeddings", &npy], arguments].concat())
}

fn captions(bench: &Bench) -> Vec<(String, u64)> {
    let lines = bench.run_json(&["captions", "list"]).succeeds().lines();
    let mut all: Vec<_> = lines
        .iter()
        .map(|c| (c["caption"].as_str().unwrap().to_owned(), c["multiplicity"].as_u64().unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn captions_are_listed_shown_and_removed() {
    let bench = Bench::external(DIM);
    ingest(&bench, &[("1.wav", "A dog barks."), ("2.wav", "A dog barks."), ("3.wav", "Rain.")], &[]).succeeds();
    let shown = bench.run_json(&["captions", "show", "1"]).succeeds().json();
    assert_eq!((&shown["caption"], &shown["clips"]), (&"A dog barks.".into(), &serde_json::json!(["1.wav", "2.wav"])));
    assert!(bench.run(&["captions", "show", "1"]).succeeds().stdout.contains("in 2 ingested rows"));
    bench.run(&["captions", "show", "9"]).fails(1, &["no caption named '9'"]);
    bench.run(&["captions", "remove", "1", "9"]).fails(1, &["no caption named '9'"]);
    let removed = bench.run_json(&["captions", "remove", "1"]);
    assert_eq!(removed.succeeds().json(), serde_json::json!({"captions": 1, "occurrences": 2}));
    assert!(removed.stderr.contains("echoic compact"), "{removed:?}");
    assert_eq!(captions(&bench), [("Rain.".to_owned(), 1)]);
    assert!(bench.run(&["stats"]).succeeds().stdout.contains("50 % of the captions in d are removed"));
    let compacted = bench.run_json(&["compact"]).succeeds().json();
    assert_eq!((&compacted["captions"], &compacted["segments_after"]), (&1.into(), &1.into()));
    assert_eq!(bench.run_json(&["stats"]).succeeds().json()["removed"], 0);
    assert_eq!(ingest(&bench, &[("1.wav", "A dog barks."), ("3.wav", "Rain.")], &[]).succeeds().json()["new"], 1);
}

#[test]
fn a_new_edition_takes_the_place_of_the_old_one() {
    let bench = Bench::external(DIM);
    let old = [("1.wav", "A dog barks."), ("2.wav", "A dog barks."), ("2.wav", "A hound."), ("3.wav", "Rain.")];
    ingest(&bench, &old, &[]).succeeds();
    let new = [("1.wav", "A cat purrs."), ("2.wav", "A dog barks.")];
    // Without being told to replace, ingest adds.
    assert_eq!(ingest(&bench, &new, &[]).succeeds().json()["replaced"], 0);
    assert_eq!(captions(&bench).len(), 4);
    // A row that is rejected leaves everything in place.
    let bad = [new[0], ("1.wav", "")];
    let run = ingest(&bench, &bad, &["--replace-clips"]);
    assert!(run.succeeds().stderr.contains("nothing was removed"), "{run:?}");
    assert_eq!(captions(&bench).len(), 4);

    let report = ingest(&bench, &new, &["--replace-clips"]).succeeds().json();
    assert_eq!((&report["duplicate"], &report["replaced"]), (&2.into(), &2.into()));
    let expected = [("A cat purrs.", 1), ("A dog barks.", 1), ("Rain.", 1)];
    assert_eq!(captions(&bench), expected.map(|(text, count)| (text.to_owned(), count)));
    // The vector went along, and the row that stayed is known.
    let query = bench.write("q.npy", common::npy(&scattered(4, DIM)[..DIM], 1, DIM));
    let found = bench.run_json(&["search", "--embedding", &query, "-k", "3"]).succeeds().json();
    let neighbours = found["neighbours"].as_array().unwrap();
    let dog = neighbours.iter().find(|neighbour| neighbour["caption"] == "A dog barks.").unwrap();
    assert_eq!(dog["clip"], "2.wav");
    assert!(dog["similarity"].as_f64().unwrap() > 0.9999, "{dog}");
    let report = ingest(&bench, &new, &["--replace-clips"]).succeeds().json();
    assert_eq!((&report["duplicate"], &report["replaced"]), (&2.into(), &0.into()));
}

#[test]
fn a_domain_gets_another_name_and_keeps_all_it_holds() {
    let bench = Bench::external(DIM);
    let rows = [("1.wav", "A dog barks."), ("2.wav", "A dog barks."), ("3.wav", "Rain.")];
    ingest(&bench, &rows, &[]).succeeds();
    let other = bench.write("o.txt", "Wind.\n");
    bench.run(&["ingest", &other, "--domain", "other", "--embeddings", &bench.npy("o.npy", 1, DIM)]).succeeds();
    let before = common::files(&bench.store().join("segments"));
    assert!(bench.run(&["domains", "rename", "d", "dogs"]).succeeds().stdout.contains("renamed the domain d to dogs"));
    assert_eq!(common::files(&bench.store().join("segments")), before, "the manifest alone is written");
    let listed = bench.run_json(&["captions", "list", "--domain", "dogs"]).succeeds().lines();
    assert_eq!(listed.iter().map(|c| c["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    bench.run(&["captions", "list", "--domain", "d"]).fails(1, &["no domain named 'd'", "dogs, other"]);
    // The rows are known under the new name, and not under the old one.
    let file = bench.path("c.jsonl").display().to_string();
    let npy = bench.path("e.npy").display().to_string();
    let again =
        |domain: &str| bench.run_json(&["ingest", &file, "--domain", domain, "--embeddings", &npy]).succeeds().json();
    assert_eq!(again("dogs")["duplicate"], 3);
    assert_eq!(again("d")["new"], 2);
    bench.run(&["check"]).succeeds();

    bench.run(&["domains", "rename", "dogs", "other"]).fails(1, &["'other'", "has it", "not put together"]);
    bench.run(&["domains", "rename", "dogs", "dogs"]).fails(1, &["'dogs'", "has it"]);
    bench.run(&["domains", "rename", "cats", "x"]).fails(1, &["no domain named 'cats'"]);
    bench.run(&["domains", "rename", "dogs", "a/b"]).fails(1, &["a/b"]);
    assert_eq!(bench.run_json(&["domains"]).succeeds().json().as_array().unwrap().len(), 3);
}

#[test]
fn domains_with_a_comma_between_are_told_how_to_be_named() {
    let bench = Bench::external(DIM);
    ingest(&bench, &[("1.wav", "Rain.")], &[]).succeeds();
    let other = bench.write("o.txt", "Wind.\n");
    bench.run(&["ingest", &other, "--domain", "e", "--embeddings", &bench.npy("o.npy", 1, DIM)]).succeeds();
    let query = bench.npy("q.npy", 1, DIM);
    for arguments in [
        &["search", "--embedding", &query][..],
        &["caption", "--embedding", &query],
        &["export", "x.jsonl"],
        &["captions", "list"],
        &["captions", "find", "rain"],
        &["captions", "remove", "--clip", "1.wav"],
        &["train"],
    ] {
        bench
            .run(&[arguments, &["--domain", "d,e"]].concat())
            .fails(1, &["no domain named 'd,e'", "--domain A --domain B"]);
    }
    let unknown = bench.run(&["captions", "list", "--domain", "d,z"]);
    assert!(!unknown.fails(1, &["no domain named 'd,z'"]).stderr.contains("--domain A"), "{unknown:?}");
}

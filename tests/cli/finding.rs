//! Story: somebody looks for captions by their words, and reads a long list page by page.

use std::process::Stdio;

use serde_json::Value;

use crate::common::bench::Bench;

const DIM: usize = 4;

/// Captions of two domains with ids from 1.
fn filled() -> Bench {
    let bench = Bench::external(DIM);
    let csv = "clip,caption\n1.wav,\"A dog barks, twice.\"\n2.wav,\"Ein \"\"Bär\"\" brummt auf der Straße.\"\n3.wav,A DOG howls.\n";
    let (csv, npy) = (bench.write("a.csv", csv), bench.npy("a.npy", 3, DIM));
    bench.run(&["ingest", &csv, "--domain", "a", "--embeddings", &npy]).succeeds();
    let (text, npy) = (bench.write("b.txt", "A dog barks.\nRain falls.\nA dog barks.\n"), bench.npy("b.npy", 3, DIM));
    bench.run(&["ingest", &text, "--domain", "b", "--embeddings", &npy]).succeeds();
    bench
}

fn ids(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["id"].as_u64().unwrap()).collect()
}

#[test]
fn captions_are_found_by_their_words() {
    let bench = filled();
    let find = |arguments: &[&str]| {
        let run = bench.run_json(&[&["captions", "find"], arguments].concat());
        ids(&run.succeeds().lines())
    };
    assert_eq!(find(&["dog"]), [1, 3, 4]);
    assert_eq!(find(&["DOG BARKS"]), [1, 4]);
    assert_eq!(find(&["STRASSE"]), [2]);
    assert_eq!(find(&["bär"]), find(&["BÄR"]));
    assert_eq!(find(&["dog", "--domain", "b"]), [4]);
    assert_eq!(find(&["A  dog barks.", "--exact"]), [4], "white space is folded, as in what was ingested");
    assert_eq!(find(&["dog", "--limit", "2"]), [1, 3]);
    assert_eq!(find(&["dog", "--limit", "2", "--after", "3"]), [4]);
    assert_eq!(find(&["dog", "--after", "4"]), [0; 0], "a page behind the last is empty, and no failure");

    let run = bench.run(&["captions", "find", "dog", "--limit", "2"]);
    assert_eq!(run.succeeds().stdout, "a 1  A dog barks, twice.\na 3  A DOG howls.\n");
    assert!(run.stderr.contains("--after 3"), "{run:?}");
    assert!(!bench.run(&["captions", "find", "dog", "--limit", "3"]).succeeds().stderr.contains("--after"));

    bench.run(&["captions", "find", "walrus"]).fails(1, &["'walrus'", "none of 5 captions"]);
    bench.run(&["captions", "find", "a dog barks.", "--exact"]).fails(1, &["none of 5 captions"]);
    bench.run(&["captions", "find", " "]).fails(1, &["no words"]);
    bench.run(&["captions", "find", "dog", "--domain", "z"]).fails(1, &["no domain named 'z'", "a, b"]);
}

#[test]
fn a_script_reads_page_by_page_whatever_is_removed_between() {
    let bench = filled();
    let page = |after: u64| {
        let run = bench.run_json(&["captions", "list", "--limit", "2", "--after", &after.to_string()]);
        ids(&run.succeeds().lines())
    };
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let ids = page(after);
        let Some(last) = ids.last() else { break };
        after = *last;
        all.extend(ids);
        // The caption that the next page goes on behind is gone by then.
        bench.run(&["captions", "remove", &after.to_string()]).succeeds();
    }
    assert_eq!(all, [1, 2, 3, 4, 5]);
    bench.run(&["captions", "list", "--limit", "0"]).fails(1, &["at least 1"]);
}

#[test]
fn a_table_has_what_spreadsheets_need() {
    let bench = filled();
    let run = bench.run(&["captions", "list", "--csv", "--limit", "2"]);
    let expected = "id,domain,caption,clip,multiplicity\n\
                    1,a,\"A dog barks, twice.\",1.wav,1\n\
                    2,a,\"Ein \"\"Bär\"\" brummt auf der Straße.\",2.wav,1\n";
    assert_eq!(run.succeeds().stdout, expected);
    let found = bench.run(&["captions", "find", "a dog barks.", "--csv"]);
    assert_eq!(found.succeeds().stdout, "id,domain,caption,clip,multiplicity\n4,b,A dog barks.,,2\n");
    bench.run_json(&["captions", "list", "--csv"]).fails(1, &["--csv", "--json"]);

    // It is a corpus, too.
    let (csv, npy) = (bench.write("out.csv", run.stdout), bench.npy("out.npy", 2, DIM));
    bench.run(&["ingest", &csv, "--domain", "again", "--embeddings", &npy]).succeeds();
    let again = bench.run_json(&["captions", "list", "--domain", "again"]).succeeds().lines();
    let seen: Vec<_> = again.iter().map(|c| (c["caption"].as_str().unwrap(), c["clip"].as_str().unwrap())).collect();
    assert_eq!(seen, [("A dog barks, twice.", "1.wav"), ("Ein \"Bär\" brummt auf der Straße.", "2.wav")]);
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let bench = Bench::external(DIM);
    let rows = 20_000;
    let text = bench.write("c.txt", (0..rows).map(|i| format!("Sound {i} rings out.\n")).collect::<String>());
    let npy = bench.npy("e.npy", rows, DIM);
    bench.run(&["ingest", &text, "--domain", "d", "--embeddings", &npy]).succeeds();
    for arguments in [&["captions", "list", "--csv"][..], &["captions", "find", "sound"], &["export", "-"]] {
        let mut child = bench.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{arguments:?}");
    }
}

//! Story: a store is kept: checked, repaired, backed up, exported and brought back.

use crate::common::bench::{Bench, Run};

const DIM: usize = 16;

fn filled() -> Bench {
    let bench = Bench::external(DIM);
    for (domain, rows) in [("street", 30), ("home", 20)] {
        let line = |i| serde_json::json!({"caption": format!("Sound {} rings out.", i % 17), "clip": i}).to_string();
        let text: String = (0..rows).map(|i| line(i) + "\n").collect();
        let (file, npy) = (bench.write("c.jsonl", text), bench.npy("e.npy", rows, DIM));
        bench.run(&["ingest", &file, "--domain", domain, "--embeddings", &npy]).succeeds();
    }
    bench.run(&["captions", "remove", "3", "20"]).succeeds();
    bench
}

#[test]
fn a_sound_store_passes_its_check() {
    let bench = filled();
    let text = bench.run(&["check"]);
    assert!(text.succeeds().stdout.ends_with("sound\n"), "{text:?}");
    let report = bench.run_json(&["check"]).succeeds().json();
    assert_eq!(
        (&report["captions"], &report["removed"], &report["damage"]),
        (&32.into(), &2.into(), &serde_json::json!([]))
    );
    assert_eq!(report["catalogue"], serde_json::json!({ "state": "agrees" }));
    Bench::new().run(&["check"]).fails(1, &["no Echoic store"]);
}

#[test]
fn damage_is_named_with_file_and_place_and_repair_leaves_it_alone() {
    let bench = filled();
    let path = bench.store().join("segments/00000001.vectors");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    for command in [&["check"][..], &["check", "--repair"]] {
        let run = bench.run_json(command);
        run.fails(1, &["00000001.vectors is damaged at byte", "backup"]);
        assert_eq!(run.json()["damage"][0]["offset"], 64, "{run:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn what_is_derived_is_built_again() {
    let bench = filled();
    let graph = bench.store().join("segments/00000001.graph");
    std::fs::write(&graph, "no graph").unwrap();
    std::fs::write(bench.store().join("segments/00000099.captions"), "left behind").unwrap();
    bench.run(&["check"]).fails(1, &["00000001.graph", "--repair"]);
    let query = bench.npy("q.npy", 1, DIM);
    bench.run(&["search", "--embedding", &query]).succeeds();
    let report = bench.run_json(&["check", "--repair"]).succeeds().json();
    assert_eq!(report["repaired"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!((&report["leftovers"], &report["damage"]), (&serde_json::json!([]), &serde_json::json!([])));
}

fn captions(bench: &Bench, store: &str) -> String {
    let run: Run = bench.run_json_at(std::path::Path::new(store), &["captions", "list"]);
    run.succeeds().stdout.clone()
}

#[test]
fn a_backup_takes_the_place_of_a_lost_store() {
    let bench = filled();
    let target = bench.path("backup – 1").display().to_string();
    let taken = bench.run_json(&["backup", &target]).succeeds().json();
    assert_eq!((&taken["commit"], &taken["linked"]), (&3.into(), &6.into()));
    let again = bench.run(&["backup", &target]);
    assert!(
        !again.fails(1, &["a store", "another folder", "replaces nothing"]).stderr.contains("--store"),
        "{again:?}"
    );
    let expected = captions(&bench, &bench.store().display().to_string());
    std::fs::remove_dir_all(bench.store()).unwrap();
    assert_eq!(captions(&bench, &target), expected);
    bench.run_json_at(std::path::Path::new(&target), &["check"]).succeeds();
}

#[test]
fn an_export_is_ingested_again_as_it_was() {
    let bench = filled();
    let other = bench.path("other").display().to_string();
    let at = |arguments: &[&str]| bench.run_json_at(std::path::Path::new(&other), arguments);
    at(&["init", "--model", "external", "--dim", "16"]).succeeds();
    for domain in ["street", "home"] {
        let npy = bench.path(&format!("{domain}.npy")).display().to_string();
        bench.run(&["export", &npy, "--format", "npy", "--domain", domain]).succeeds();
        let lines = bench.path(&format!("{domain}.jsonl")).display().to_string();
        at(&["ingest", &lines, "--domain", domain, "--embeddings", &npy]).succeeds();
        // Once more, but for the ids, which are new.
        let again = bench.path("again.npy").display().to_string();
        at(&["export", &again, "--format", "npy", "--domain", domain]).succeeds();
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&npy).unwrap());
        let without_ids = |path: &str| -> Vec<serde_json::Value> {
            let text = std::fs::read_to_string(path).unwrap();
            let mut lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
            lines.iter_mut().for_each(|line| _ = line.as_object_mut().unwrap().remove("caption_id"));
            lines
        };
        assert_eq!(without_ids(&again.replace("npy", "jsonl")), without_ids(&lines));
        // All of it in one file, into a store of its own.
        let parquet = bench.path(&format!("{domain}.parquet")).display().to_string();
        bench.run(&["export", &parquet, "--format", "parquet", "--domain", domain]).succeeds();
        let third = bench.path(&format!("third {domain}"));
        bench.run_json_at(&third, &["init", "--model", "external", "--dim", "16"]).succeeds();
        bench.run_json_at(&third, &["ingest", &parquet, "--domain", domain]).succeeds();
        bench.run_json_at(&third, &["export", &again, "--format", "npy"]).succeeds();
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&npy).unwrap());
        assert_eq!(without_ids(&again.replace("npy", "jsonl")), without_ids(&lines));
    }
    bench.run(&["export", "x", "--format", "xml"]).fails(1, &["xml", "jsonl, npy, model, parquet"]);
}

#[test]
fn an_export_that_fails_leaves_the_one_before_as_it_was() {
    let bench = filled();
    for (format, file) in [("jsonl", "all.jsonl"), ("npy", "all.npy"), ("parquet", "all.parquet")] {
        bench.run(&["export", file, "--format", format]).succeeds();
        let before = std::fs::read(bench.path(file)).unwrap();
        bench.run(&["export", file, "--format", format, "--domain", "nowhere"]).fails(1, &["nowhere", "street"]);
        assert!(before == std::fs::read(bench.path(file)).unwrap(), "{file} was lost");
        bench.run(&["export", file, "--format", format, "--domain", "home"]).succeeds();
        assert!(before != std::fs::read(bench.path(file)).unwrap());
    }
    bench.run(&["export", "absent.jsonl", "--domain", "nowhere"]).fails(1, &[]);
    let nowhere = bench.run(&["export", "absent/all.jsonl"]);
    assert!(!nowhere.fails(1, &["cannot create absent/all.jsonl"]).stderr.contains("tmp"), "{nowhere:?}");
    let mut left: Vec<_> =
        std::fs::read_dir(bench.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.retain(|name| !["a store", "c.jsonl", "e.npy"].contains(&name.as_str()));
    left.sort();
    assert_eq!(left, ["all.jsonl", "all.npy", "all.parquet"]);
}

#[cfg(unix)]
#[test]
fn an_export_into_a_pipe_is_written_there() {
    let bench = filled();
    let run = bench.run(&["--quiet", "export", "/dev/stdout", "--domain", "home"]).succeeds().stdout.clone();
    assert_eq!(run.lines().filter(|line| line.starts_with("{\"caption_id\"")).count(), 18, "{run}");
}

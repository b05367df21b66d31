//! Story: a store that cannot take what is asked: full, read-only, busy, foreign, too new, absent. It is never harmed.

use echoic::Store;

use crate::common;
use crate::common::bench::{Bench, Run};
use crate::common::needs::starter_is_installed;
use crate::common::{files, scattered, stores};

const DIM: usize = 16;

fn corpus(bench: &Bench, name: &str, rows: usize) -> (String, String) {
    let text: String = (0..rows).map(|i| format!("Sound number {i} of {name} rings out.\n")).collect();
    (bench.write(name, text), bench.npy(&format!("{name}.npy"), rows, DIM))
}

fn ingest(bench: &Bench, name: &str, rows: usize) -> Run {
    let (file, npy) = corpus(bench, name, rows);
    bench.run_json(&["ingest", &file, "--domain", "d", "--embeddings", &npy])
}

#[test]
fn a_folder_without_a_store_says_how_to_make_one() {
    let bench = Bench::new();
    for command in [&["stats"][..], &["domains"], &["search", "--embedding", "q.npy"], &["train"]] {
        bench.run(command).fails(1, &["no Echoic store", "echoic init"]);
    }
}

#[test]
fn a_second_init_leaves_the_store_as_it_is() {
    let bench = Bench::external(DIM);
    ingest(&bench, "c.txt", 3).succeeds();
    let before = files(&bench.store());
    bench.run(&["init", "--model", "external", "--dim", "8"]).fails(1, &["a store"]);
    assert!(before == files(&bench.store()), "init changed a store");
}

#[test]
fn init_asks_for_what_is_missing_and_refuses_what_is_unknown() {
    let bench = Bench::new();
    bench.run(&["init", "--model", "external"]).fails(1, &["--dim"]);
    bench.run(&["init", "--model", "nobody/knows"]).fails(1, &["nobody/knows"]);
    bench.run(&["init", "--model", "external", "--dim", "0"]).fails(1, &[]);
    bench.run(&["frobnicate"]).fails(1, &["frobnicate"]);
}

#[test]
fn queries_of_another_dimension_or_without_direction_are_refused() {
    let bench = Bench::external(DIM);
    ingest(&bench, "c.txt", 3).succeeds();
    let wide = bench.npy("wide.npy", 1, DIM * 2);
    bench.run(&["search", "--embedding", &wide]).fails(1, &["wide.npy", "32", "16"]);
    let zero = bench.write("zero.npy", common::npy(&[0.0; DIM], 1, DIM));
    bench.run(&["search", "--embedding", &zero]).fails(1, &["zero.npy", "length zero"]);
    // One such row among others does not stop them.
    let mut rows = scattered(3, DIM);
    rows[DIM] = f32::NAN;
    let some = bench.write("some.npy", common::npy(&rows, 3, DIM));
    let run = bench.run_json(&["search", "--embedding", &some]);
    let lines = run.fails(1, &["some.npy, row 1", "not finite"]).lines();
    assert_eq!(lines.iter().map(|l| l["row"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(lines.iter().map(|l| l["error"].is_string()).collect::<Vec<_>>(), [false, true, false]);
    let query = bench.npy("q.npy", 1, DIM);
    bench.run(&["search", "--embedding", &query, "--domain", "nowhere"]).fails(1, &["nowhere", "d"]);
    bench.run(&["search", "--embedding", &query, "-k", "0"]).fails(1, &[]);
    bench.run(&["search", "--text", "rain"]).fails(1, &["external", "--embedding"]);
    bench.run(&["search", "--text", " "]).fails(1, &["--text", "no words"]);
    bench.run(&["search", "--embedding", &query, "--temperature", "-1"]).fails(1, &["temperature", "above 0"]);
    bench.run(&["search", "--embedding", &query, "-k", "2"]).succeeds();
}

#[test]
fn an_unknown_format_version_is_refused_and_left_alone() {
    let bench = Bench::external(DIM);
    ingest(&bench, "c.txt", 3).succeeds();
    let manifest = bench.store().join("manifest");
    let mut bytes = std::fs::read(&manifest).unwrap();
    // schema/v1.md: the version is a little-endian u32 at 8, the header's checksum one at 28.
    bytes[8..12].copy_from_slice(&77u32.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&manifest, &bytes).unwrap();
    for command in [&["stats"][..], &["domains", "remove", "d"]] {
        bench.run(command).fails(1, &["version 77", "newer version"]);
    }
    assert_eq!(std::fs::read(&manifest).unwrap(), bytes);
}

#[test]
fn a_store_that_is_being_written_answers_readers_and_refuses_a_second_writer() {
    let bench = Bench::external(DIM);
    ingest(&bench, "c.txt", 3).succeeds();
    let writer = stores::writing(&bench.store());
    ingest(&bench, "more.txt", 2).fails(1, &["a writer already", &std::process::id().to_string()]);
    assert_eq!(bench.run_json(&["stats"]).succeeds().json()["captions"], 3);
    drop(writer);
    assert_eq!(ingest(&bench, "more.txt", 2).succeeds().json()["new"], 2);
}

#[test]
fn a_store_of_another_space_refuses_the_towers() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    let space = echoic::EmbeddingSpace { model: "starter".into(), sha256: "0".repeat(64), dim: 384 };
    Store::create(bench.store(), space).unwrap();
    let file = bench.write("c.txt", "Rain falls.\n");
    bench.run(&["ingest", &file, "--domain", "d"]).fails(1, &["embedding space", "000000000000"]);
    bench.run(&["search", "--text", "rain"]).fails(1, &["embedding space"]);
}

#[test]
fn the_demo_leaves_a_store_for_another_model_alone() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::external(DIM);
    bench.run(&["demo"]).fails(1, &["external", "starter", "--store DIR"]);
}

#[cfg(target_os = "linux")]
mod on_small_and_sealed_disks {
    use super::*;
    use crate::common::process::Mounted;

    #[test]
    fn a_full_disk_loses_nothing_that_was_committed() {
        let bench = Bench::new();
        let (small, store) = (bench.path("small"), bench.path("small").join("store"));
        let Some(_mounted) = Mounted::new(small, "3m") else { return };
        let at = |arguments: &[&str]| bench.run_json_at(&store, arguments);
        at(&["init", "--model", "external", "--dim", "16"]).succeeds();
        let (file, npy) = corpus(&bench, "first.txt", 100);
        at(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).succeeds();
        let (file, npy) = corpus(&bench, "huge.txt", 60_000);
        at(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).fails(1, &["store", "free some space"]);

        let query = bench.write("q.npy", common::npy(&scattered(100, DIM), 100, DIM));
        let found = at(&["search", "--embedding", &query, "-k", "1", "--exact"]).succeeds().lines();
        for (i, answer) in found.iter().enumerate() {
            let expected = format!("Sound number {i} of first.txt rings out.");
            assert_eq!(answer["neighbours"][0]["caption"], expected, "a committed caption is gone");
        }
        assert_eq!(at(&["domains", "remove", "d"]).succeeds().code, 0, "a full disk must let itself be emptied");
    }

    #[test]
    fn a_read_only_store_is_read_and_refuses_to_be_written() {
        let bench = Bench::new();
        let disk = bench.path("disk");
        let Some(mounted) = Mounted::new(disk.clone(), "16m") else { return };
        let store = disk.join("store");
        let at = |arguments: &[&str]| bench.run_json_at(&store, arguments);
        at(&["init", "--model", "external", "--dim", "16"]).succeeds();
        let (file, npy) = corpus(&bench, "c.txt", 10);
        at(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).succeeds();
        mounted.seal();
        assert_eq!(at(&["stats"]).succeeds().json()["captions"], 10);
        at(&["search", "--embedding", &npy, "-k", "1"]).succeeds();
        at(&["ingest", &file, "--domain", "e", "--embeddings", &npy]).fails(1, &["store", "hint: "]);
    }
}

//! The golden store of format version 1, committed in `schema/golden/v1`: every later version must read it.
#![allow(clippy::unwrap_used)]

mod memory_support;

use std::path::{Path, PathBuf};

use echoic::memory::{RowKey, SearchOptions, Snapshot};
use echoic::progress::Stop;
use memory_support::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/golden/v1")
}

/// Keeps the truth of a store as a golden one.
fn keep(dir: &Path, golden: &Path) {
    std::fs::remove_dir_all(dir.join("catalogue")).unwrap();
    std::fs::remove_file(dir.join("lock")).unwrap();
    assert!(!golden.exists(), "remove the old one first, if you are sure");
    copy_tree(dir, golden);
}

/// What each commit of the golden store ingested. Never change it.
fn commits() -> [(&'static str, Vec<RowKey>); 4] {
    [
        (
            "nature",
            vec![
                row("Rain falls on leaves.", Some("rain.wav"), 0),
                row("A blackbird sings.", Some("bird.wav"), 0),
                row("Rain falls on leaves.", Some("rain.wav"), 1),
                row("Regen fällt auf Blätter – leise.", None, 0),
            ],
        ),
        ("street.v2", vec![row("A tram rings its bell.", Some("tram.wav"), 0), row("Rain falls on leaves.", None, 0)]),
        ("nature", vec![row("A blackbird sings.", Some("garden.wav"), 0)]),
        ("nature", vec![row("Wind.", None, 0), row("A blackbird sings.", None, 0)]),
    ]
}

fn build(dir: &Path) {
    Store::create(dir, space(DIM)).expect("a store");
    let mut writer = Store::open(dir).expect("a writer").writer().expect("a writer");
    for (domain, rows) in commits() {
        ingest(&mut writer, domain, &rows).expect("a commit");
    }
}

#[test]
#[ignore = "makes the golden store anew; only for a new format version"]
fn make_the_golden_store() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("v1");
    build(&dir);
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    writer.index_above(1, &Control::default()).unwrap();
    let decoder = guard.path().join("decoder");
    std::fs::write(&decoder, b"not really a decoder\n").unwrap();
    writer.publish_decoder("tiny", &decoder, serde_json::json!({"preset": "tiny", "epochs": 1})).unwrap();
    drop(writer);
    keep(&dir, &golden());
}

fn golden_removed() -> PathBuf {
    golden().with_file_name("v1-removed")
}

/// The golden store, from which captions are removed in two commits, so that one segment has a second generation.
fn build_removed(dir: &Path) {
    build(dir);
    let mut writer = Store::open(dir).expect("a writer").writer().expect("a writer");
    writer.remove_captions(&[3]).expect("a removal");
    writer.remove_captions(&[2, 5]).expect("a removal");
}

#[test]
#[ignore = "makes the golden store with removed captions anew; only for a new format version"]
fn make_the_golden_store_with_removed_captions() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("v1-removed");
    build_removed(&dir);
    keep(&dir, &golden_removed());
}

#[test]
fn the_golden_store_with_removed_captions_reads_as_it_was_written() {
    let memory = Store::open(&golden_removed()).unwrap().snapshot().unwrap();
    assert_eq!(memory.verify(&()).unwrap(), []);
    let seen: Vec<_> = contents(&memory).into_iter().map(|seen| (seen.0, seen.3)).collect();
    assert_eq!(seen, [(1, 2), (4, 1), (6, 1)], "ids and multiplicities");
    let stats = memory.stats();
    assert_eq!((stats.commit, stats.captions, stats.occurrences, stats.removed), (6, 3, 4, 3));
    let guard = tempfile::tempdir().unwrap();
    let (copy, built) = (guard.path().join("copy"), guard.path().join("built"));
    copy_tree(&golden_removed(), &copy);
    let mut writer = Store::open(&copy).unwrap().writer().unwrap();
    let again = ingest(&mut writer, "nature", &commits()[0].1).unwrap();
    assert_eq!((again.new, again.repeats, again.duplicates), (2, 0, 2), "what was removed is new again");
    build_removed(&built);
    for (path, content) in files(&built.join("segments")) {
        let name = path.file_name().unwrap();
        let golden = std::fs::read(golden_removed().join("segments").join(name)).unwrap();
        assert_eq!(content, golden, "{}", path.display());
    }
}

#[test]
fn the_golden_store_reads_as_it_was_written() {
    let memory = Store::open(&golden()).unwrap().snapshot().unwrap();
    assert_eq!(memory.verify(&()).unwrap(), []);
    let clips = |list: &[&str]| list.iter().map(|clip| (*clip).to_owned()).collect::<Vec<_>>();
    let caption =
        |id, domain: &str, text: &str, count, of: &[&str]| (id, domain.to_owned(), text.to_owned(), count, clips(of));
    assert_eq!(
        contents(&memory),
        [
            caption(1, "nature", "Rain falls on leaves.", 2, &["rain.wav", "rain.wav"]),
            caption(2, "nature", "A blackbird sings.", 3, &["bird.wav", "garden.wav"]),
            caption(3, "nature", "Regen fällt auf Blätter – leise.", 1, &[]),
            caption(4, "street.v2", "A tram rings its bell.", 1, &["tram.wav"]),
            caption(5, "street.v2", "Rain falls on leaves.", 1, &[]),
            caption(6, "nature", "Wind.", 1, &[]),
        ]
    );
    let stats = memory.stats();
    assert_eq!((stats.format_version, stats.commit, stats.captions, stats.occurrences), (1, 5, 6, 9));
    assert_eq!(stats.indexed, 0, "its graphs are of version 1: they are done without");
    assert_eq!((stats.decoders[0].name.as_str(), &stats.decoders[0].details["epochs"]), ("tiny", &1.into()));
    let found = memory.search(&embed("Wind.", DIM), &SearchOptions::default()).unwrap();
    assert_eq!((found[0].id, found.len()), (6, 6));
}

#[test]
fn the_golden_store_can_be_written_to() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("v1");
    copy_tree(&golden(), &dir);
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    for (domain, rows) in commits() {
        assert_eq!(ingest(&mut writer, domain, &rows).unwrap().duplicates, rows.len() as u64);
    }
    assert_eq!(ingest(&mut writer, "nature", &[row("Thunder.", None, 0)]).unwrap().new, 1);
    assert_eq!(writer.index_above(1, &Control::default()).unwrap(), 4, "graphs of version 1 are built anew");
    let indexed = writer.snapshot().unwrap();
    assert_eq!((indexed.stats().indexed, indexed.verify(&()).unwrap()), (7, vec![]));
    assert_eq!(writer.snapshot().unwrap().search(&embed("Thunder.", DIM), &SearchOptions::default()).unwrap()[0].id, 7);
}

fn golden_graph() -> PathBuf {
    golden().with_file_name("v1-graph3")
}

#[test]
#[ignore = "makes the golden graph anew; only for a new version of graphs"]
fn make_the_golden_graph() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    Store::create(&dir, space(DIM)).unwrap();
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    ingest(&mut writer, "rows", &numbered("row", 400)).unwrap();
    writer.index_above(1, &Control::default()).unwrap();
    drop(writer);
    keep(&dir, &golden_graph());
}

/// Graphs have versions of their own, because they can be built again; while this one is current, it must be walked as it is.
#[test]
fn the_golden_graph_is_used_as_it_is() {
    let memory = Store::open(&golden_graph()).unwrap().snapshot().unwrap();
    assert_eq!((memory.stats().indexed, memory.verify(&()).unwrap()), (400, vec![]));
    let walk = SearchOptions::default().k(5).effort(Effort::ef(12));
    let scan = walk.clone().effort(Effort::EXACT);
    let ids = |query: &[f32], options: &SearchOptions| -> Vec<u64> {
        memory.search(query, options).unwrap().iter().map(|neighbour| neighbour.id).collect()
    };
    let mut hits = 0;
    for text in 0..100 {
        let query = embed(&format!("a query {text}"), DIM);
        let truth = ids(&query, &scan);
        hits += ids(&query, &walk).iter().filter(|id| truth.contains(id)).count();
    }
    assert!(hits > 450, "{hits} of 500");
}

/// A change of the format that nobody meant shows here first.
#[test]
fn the_same_input_still_makes_the_same_segment_files() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    build(&dir);
    for (path, content) in files(&dir.join("segments")) {
        let name = path.file_name().unwrap();
        assert_eq!(content, std::fs::read(golden().join("segments").join(name)).unwrap(), "{}", path.display());
    }
}

//! The golden stores of each format version, committed in `schema/golden/`: every later version must read them.

use std::path::{Path, PathBuf};

use echoic::internals::index_above;
use echoic::memory::{BackupMode, Effort, ModelParts, RowKey, SearchOptions};
use echoic::progress::Control;
use echoic::{EmbeddingSpace, Store};
use sha2::{Digest, Sha256};

use crate::common::stores::*;
use crate::common::{copy_tree, files};

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
    let mut writer = writing(dir);
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
    let mut writer = writing(&dir);
    index_above(&mut writer, 1, &Control::default()).unwrap();
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
    let mut writer = writing(dir);
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
    let memory = open(&golden_removed());
    assert_eq!(memory.verify(&Control::default()).unwrap(), []);
    let seen: Vec<_> = contents(&memory).into_iter().map(|seen| (seen.0, seen.3)).collect();
    assert_eq!(seen, [(1, 2), (4, 1), (6, 1)], "ids and multiplicities");
    let stats = memory.stats();
    assert_eq!((stats.commit, stats.captions, stats.occurrences, stats.removed), (6, 3, 4, 3));
    let guard = tempfile::tempdir().unwrap();
    let (copy, built) = (guard.path().join("copy"), guard.path().join("built"));
    copy_tree(&golden_removed(), &copy);
    let mut writer = writing(&copy);
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
    let memory = open(&golden());
    assert_eq!(memory.verify(&Control::default()).unwrap(), []);
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
    let mut writer = writing(&dir);
    for (domain, rows) in commits() {
        assert_eq!(ingest(&mut writer, domain, &rows).unwrap().duplicates, rows.len() as u64);
    }
    assert_eq!(ingest(&mut writer, "nature", &[row("Thunder.", None, 0)]).unwrap().new, 1);
    assert_eq!(index_above(&mut writer, 1, &Control::default()).unwrap(), 4, "graphs of version 1 are built anew");
    let indexed = writer.snapshot().unwrap();
    assert_eq!((indexed.stats().indexed, indexed.verify(&Control::default()).unwrap()), (7, vec![]));
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
    let mut writer = writing(&dir);
    ingest(&mut writer, "rows", &numbered("row", 400)).unwrap();
    index_above(&mut writer, 1, &Control::default()).unwrap();
    drop(writer);
    keep(&dir, &golden_graph());
}

/// Graphs have versions of their own, because they can be built again; while this one is current, it must be walked as it is.
#[test]
fn the_golden_graph_is_used_as_it_is() {
    let memory = open(&golden_graph());
    assert_eq!((memory.stats().indexed, memory.verify(&Control::default()).unwrap()), (400, vec![]));
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

fn golden_model() -> PathBuf {
    golden().with_file_name("v2-model")
}

/// What belongs to the model of the golden store of version 2. Never change it.
fn golden_parts() -> ModelParts {
    let details = serde_json::json!({
        "model": "someone/tiny-clap", "family": "laion", "dim": DIM, "weights": ["5".repeat(64)],
        "source": {
            "kind": "hub", "endpoint": "https://huggingface.co", "repository": "someone/tiny-clap", "revision": "main",
            "commit": "0123456789abcdef0123456789abcdef01234567"
        }
    });
    ModelParts { details, files: vec![("adapter".into(), b"not really an adapter\n".to_vec())] }
}

fn build_with_model(dir: &Path) {
    let space = EmbeddingSpace { model: "someone/tiny-clap".into(), sha256: "a".repeat(64), dim: DIM };
    let store = Store::create_with_model(dir, space, &golden_parts()).expect("a store");
    let mut writer = store.writer().expect("a writer");
    for (domain, rows) in &commits()[..2] {
        ingest(&mut writer, domain, rows).expect("a commit");
    }
}

#[test]
#[ignore = "makes the golden store of version 2 anew; only for a new format version"]
fn make_the_golden_store_with_a_model() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("v2-model");
    build_with_model(&dir);
    std::fs::remove_dir(dir.join("decoders")).unwrap(); // empty, and so not kept by git
    keep(&dir, &golden_model());
}

#[test]
fn the_golden_store_with_a_model_reads_as_it_was_written() {
    let memory = open(&golden_model());
    assert_eq!(memory.verify(&Control::default()).unwrap(), []);
    let seen: Vec<_> = contents(&memory).into_iter().map(|seen| (seen.0, seen.1, seen.3)).collect();
    let captions = [(1, "nature", 2), (2, "nature", 1), (3, "nature", 1), (4, "street.v2", 1), (5, "street.v2", 1)];
    assert_eq!(seen, captions.map(|(id, domain, count)| (id, domain.to_owned(), count)));
    let stats = memory.stats();
    assert_eq!((stats.format_version, stats.commit, stats.bytes.model), (2, 2, 22));
    assert_eq!((memory.space().model.as_str(), memory.space().dim), ("someone/tiny-clap", DIM));
    let model = memory.model().unwrap();
    assert_eq!(model.details, golden_parts().details);
    let [adapter] = &model.files[..] else { panic!("{model:?}") };
    assert_eq!((adapter.role.as_str(), adapter.bytes), ("adapter", 22));
    let name = format!("adapter-{}.safetensors", &adapter.sha256[..12]);
    assert_eq!(adapter.path, golden_model().join("model").join(name));
    assert_eq!(std::fs::read(&adapter.path).unwrap(), b"not really an adapter\n");
    assert!(model.file("adapter").is_some() && model.file("tokenizer").is_none());
}

/// The end of the manifest's body, put together as `schema/v2.md` says it is.
#[test]
fn the_golden_manifest_ends_with_the_model_as_the_schema_describes_it() {
    let manifest = std::fs::read(golden_model().join("manifest")).unwrap();
    let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let content = b"not really an adapter\n";
    let sha256: [u8; 32] = Sha256::digest(content).into();
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let end = [
        string(&golden_parts().details.to_string()),
        1u64.to_le_bytes().to_vec(),
        string("adapter"),
        string(&format!("adapter-{}.safetensors", &hex[..12])),
        sha256.to_vec(),
        (content.len() as u64).to_le_bytes().to_vec(),
    ]
    .concat();
    assert!(manifest[32..].ends_with(&end));
    // The same fields as in version 1 stand before it: an empty list of decoders is the last of them.
    assert_eq!(manifest[manifest.len() - end.len() - 8..][..8], 0u64.to_le_bytes());
    assert_eq!(manifest[8..12], 2u32.to_le_bytes());
}

#[test]
fn the_same_input_still_makes_the_same_store_with_a_model() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    build_with_model(&dir);
    for folder in ["segments", "model"] {
        let relative = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
            let files = files(&root.join(folder)).into_iter();
            files.map(|(path, bytes)| (path.strip_prefix(root).unwrap().to_path_buf(), bytes)).collect()
        };
        assert_eq!(relative(&dir), relative(&golden_model()));
    }
    // All but the store's id, which is drawn, and the checksums over it.
    let known = |root: &Path| {
        let mut manifest = std::fs::read(root.join("manifest")).unwrap();
        [12..16, 28..32, 32..48].into_iter().for_each(|range| manifest[range].fill(0));
        manifest
    };
    assert_eq!(known(&dir), known(&golden_model()));
}

#[test]
fn the_golden_store_with_a_model_can_be_written_to() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("v2-model");
    copy_tree(&golden_model(), &dir);
    let mut writer = writing(&dir);
    for (domain, rows) in &commits()[..2] {
        assert_eq!(ingest(&mut writer, domain, rows).unwrap().duplicates, rows.len() as u64);
    }
    ingest(&mut writer, "nature", &[row("Thunder.", None, 0)]).unwrap();
    writer.keep_model(&parts("another", &[("adapter", b"another")])).unwrap();
    drop(writer);
    let report = check(&dir).unwrap();
    assert!(report.is_sound() && report.leftovers.is_empty(), "{report:?}");
    assert_eq!(
        (files(&dir.join("model")).len(), open(&dir).model().unwrap().details["model"].as_str()),
        (1, Some("another"))
    );
}

/// Builds from before 0.2 go on reading what they can read.
#[test]
fn a_store_stays_at_version_1_until_something_of_version_2_is_in_it() {
    let guard = tempfile::tempdir().unwrap();
    let (dir, target, decoder) = (guard.path().join("v1"), guard.path().join("backup"), guard.path().join("decoder"));
    copy_tree(&golden(), &dir);
    let version = |dir: &Path| {
        let manifest = std::fs::read(dir.join("manifest")).unwrap();
        assert_eq!(open(dir).stats().format_version, u32::from(manifest[8]));
        manifest[8]
    };
    assert!(version(&dir) == 1 && open(&dir).model().is_none());
    std::fs::write(&decoder, "weights").unwrap();
    let mut writer = writing(&dir);
    ingest(&mut writer, "nature", &[row("Thunder.", None, 0)]).unwrap();
    writer.publish_decoder("more", &decoder, serde_json::Value::Null).unwrap();
    writer.remove_captions(&[1]).unwrap();
    writer.compact(&Control::default()).unwrap();
    drop(writer);
    assert!(check(&dir).unwrap().is_sound());
    backup(&dir, &target, BackupMode::Copy).unwrap();
    assert_eq!((version(&dir), version(&target), dir.join("model").exists()), (1, 1, false));

    writing(&dir).keep_model(&parts("tiny", &[])).unwrap();
    assert_eq!((version(&dir), dir.join("model").exists()), (2, false), "details alone need no folder");
    ingest(&mut writing(&dir), "nature", &[row("Hail.", None, 0)]).unwrap();
    assert_eq!((version(&dir), open(&dir).model().unwrap().files.len()), (2, 0));
    let (_guard, fresh) = empty_store();
    assert_eq!(version(&fresh), 1);
}

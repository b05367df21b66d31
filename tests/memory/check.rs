//! Checking and repairing: truth is only ever looked at, everything else is built again.

use std::path::{Path, PathBuf};

use echoic::internals::index_above;
use echoic::memory::{CatalogueState, Effort, SearchOptions};
use echoic::progress::{Control, Stop};
use echoic::{Embeddings, Error, Store};
use tempfile::TempDir;

use crate::common::files;
use crate::common::stores::*;

const ROWS: usize = 600;

/// A store with a graph, and removed captions.
fn store() -> (TempDir, PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let plan = writer.plan("a", &numbered("row", ROWS)).expect("a plan");
    let vectors = Embeddings::from_vec(DIM, clustered(ROWS, DIM, 3)).expect("rows");
    writer.append("a", plan, &vectors).expect("a commit");
    ingest(&mut writer, "b", &[row("dog", Some("1"), 0), row("dog", Some("2"), 0)]).expect("a commit");
    index_above(&mut writer, 100, &Control::default()).expect("a graph");
    writer.remove_captions(&[7, 8]).expect("a removal");
    (guard, dir)
}

/// The truth, which no check and no repair may change.
fn truth(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let is_truth = |path: &Path| !path.starts_with(dir.join("catalogue")) && path.extension() != Some("graph".as_ref());
    files(dir).into_iter().filter(|(path, _)| is_truth(path) && !path.ends_with("lock")).collect()
}

fn answers(dir: &Path) -> Vec<Vec<(u64, f32)>> {
    let memory = open(dir);
    let exact = SearchOptions::default().effort(Effort::EXACT);
    let queries = clustered(20, DIM, 8);
    let found = queries.chunks(DIM).map(|query| memory.search(query, &exact).unwrap());
    found.map(|found| found.iter().map(|neighbour| (neighbour.id, neighbour.similarity)).collect()).collect()
}

#[test]
fn a_sound_store_passes_and_is_described() {
    let (_guard, dir) = store();
    let before = truth(&dir);
    let report = check(&dir).unwrap();
    assert!(report.is_sound() && report.leftovers.is_empty(), "{report:?}");
    assert_eq!((report.commit, report.segments, report.captions, report.occurrences), (3, 2, 599, 600));
    assert_eq!((report.removed, report.walked, &report.catalogue), (2, 598, &CatalogueState::Agrees));
    let read: usize = before.iter().filter(|(path, _)| !path.ends_with("manifest")).map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(report.bytes, read as u64);
    assert_eq!(truth(&dir), before);
    let empty = TempDir::new().unwrap();
    assert!(matches!(check(empty.path()), Err(Error::NoStore { .. })));
    let stop = Stop::new();
    stop.request();
    let stopped = Store::open(&dir).unwrap().check(&Control::default().with_stop(&stop));
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn a_store_that_is_being_written_is_checked_but_for_its_catalogue() {
    let (_guard, dir) = store();
    let _writer = writing(&dir);
    let report = check(&dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(matches!(&report.catalogue, CatalogueState::NotChecked(reason) if reason.contains("this process itself")));
    assert!(matches!(repair(&dir), Err(Error::Locked { .. })));
}

#[test]
fn a_graph_that_is_damaged_at_any_byte_is_named_and_built_again() {
    let (_guard, dir) = store();
    let (before, expected) = (truth(&dir), answers(&dir));
    let path = dir.join("segments/00000001.graph");
    let content = std::fs::read(&path).unwrap();
    let flips = (0..content.len()).step_by(211).chain(0..64).map(|offset| {
        let mut bad = content.clone();
        bad[offset] ^= 0x10;
        bad
    });
    let cuts = (0..content.len()).step_by(4001).map(|len| content[..len].to_vec());
    for bad in flips.chain(cuts) {
        std::fs::write(&path, &bad).unwrap();
        let report = check(&dir).unwrap();
        assert_eq!(report.damage.len(), 1, "{report:?}");
        assert!(report.damage[0].derived && report.damage[0].file == path, "{report:?}");
        assert_eq!(answers(&dir), expected, "answers are right meanwhile");
    }
    let report = repair(&dir).unwrap();
    assert!(report.is_sound() && report.walked == 598, "{report:?}");
    assert_eq!(report.repaired, [format!("built {} again", path.display())]);
    assert_eq!((truth(&dir), answers(&dir)), (before, expected));
}

/// Checksums that fit prove only that the file is as it was written, not that a walk finds its way.
#[test]
fn a_graph_that_leads_astray_is_found_by_walking_it() {
    let (_guard, dir) = store();
    let path = dir.join("segments/00000001.graph");
    let mut bad = std::fs::read(&path).unwrap();
    let number = |at: usize| u32::from_le_bytes(bad[at..at + 4].try_into().unwrap()) as usize;
    let (slots, levels, dim, calibrated) = (number(16), number(24), number(44), number(48));
    let checksums = 64 + 4 * levels + 12 * calibrated + 4 * dim;
    // The tables end where the zeros before the body begin; the body is whole blocks but for its end.
    let body = (checksums + 4).next_multiple_of(4096);
    // Each row keeps one neighbour, so that nothing leads to most.
    for row in 0..ROWS {
        let at = body + 4 * slots * row;
        bad[at + 4..at + 4 * slots].fill(0xff);
    }
    let blocks: Vec<u32> = bad[body..].chunks(4096).map(crc32fast::hash).collect();
    assert!(checksums + 4 * blocks.len() <= body, "the tables of this small graph fit before one block");
    for (index, checksum) in blocks.iter().enumerate() {
        bad[checksums + 4 * index..][..4].copy_from_slice(&checksum.to_le_bytes());
    }
    let tables = crc32fast::hash(&bad[64..checksums + 4 * blocks.len()]);
    bad[40..44].copy_from_slice(&tables.to_le_bytes());
    let header = crc32fast::hash(&bad[..60]);
    bad[60..64].copy_from_slice(&header.to_le_bytes());
    std::fs::write(&path, &bad).unwrap();
    assert_eq!(open(&dir).verify(&Control::default()).unwrap(), [], "every checksum fits");
    let report = check(&dir).unwrap();
    assert!(report.damage.len() == 1 && report.damage[0].found.contains("no walk finds"), "{report:?}");
    assert!(repair(&dir).unwrap().is_sound());
}

#[test]
fn a_catalogue_that_forgot_a_row_is_found_out_and_built_again() {
    let (_guard, dir) = store();
    let database = opened_catalogue(&dir);
    let (key, page) = database.scan_prefix("p").next().unwrap().unwrap();
    // The first page of segment 1 loses an entry, and gets a checksum that fits.
    let captions = std::fs::read(dir.join("segments/00000001.captions")).unwrap();
    let covered = [&key[..], &captions[captions.len() - 4..], &page[8..page.len() - 4]].concat();
    let crc = crc32fast::hash(&covered).to_le_bytes();
    database.insert(&key, [&page[8..page.len() - 4], &crc].concat()).unwrap();
    database.flush().unwrap();
    drop(database);
    let report = check(&dir).unwrap();
    assert!(
        matches!(&report.catalogue, CatalogueState::Wrong(found) if found.contains("all rows of segment 1")),
        "{report:?}"
    );
    assert!(report.damage.len() == 1 && report.damage[0].derived, "{report:?}");
    let report = repair(&dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(matches!(report.catalogue, CatalogueState::Agrees), "{report:?}");
    let mut writer = writing(&dir);
    assert_eq!(ingest(&mut writer, "a", &numbered("row", ROWS)).unwrap().duplicates, ROWS as u64 - 2);
}

#[test]
fn a_lost_page_is_no_damage_and_is_repaired() {
    let (_guard, dir) = store();
    let mut writer = writing(&dir);
    writer.record("audit", serde_json::json!(1)).unwrap();
    drop(writer);
    let database = opened_catalogue(&dir);
    let key = database.scan_prefix("p").keys().next().unwrap().unwrap();
    database.remove(key).unwrap();
    database.flush().unwrap();
    drop(database);
    let report = check(&dir).unwrap();
    assert!(report.is_sound(), "a writer that is killed may leave it so: {report:?}");
    assert!(matches!(&report.catalogue, CatalogueState::Outdated(_)), "{report:?}");
    let report = repair(&dir).unwrap();
    assert!(report.catalogue == CatalogueState::Agrees && report.repaired.len() == 1, "{report:?}");
    assert_eq!(writing(&dir).history().unwrap().len(), 1, "what cannot be derived is kept");
}

#[test]
fn leftovers_are_named_and_removed_and_nothing_else() {
    let (_guard, dir) = store();
    let leftover = ["segments/00000009.captions", "segments/00000002.7.tombstones", "manifest.new"];
    let foreign = ["segments/notes.txt", "thesis.tex"];
    for name in leftover.iter().chain(&foreign) {
        std::fs::write(dir.join(name), "something").unwrap();
    }
    let report = check(&dir).unwrap();
    assert!(report.is_sound());
    assert_eq!(report.leftovers.len(), 3, "{report:?}");
    let report = repair(&dir).unwrap();
    assert_eq!((report.leftovers.len(), report.repaired.len()), (0, 3), "{report:?}");
    assert!(foreign.iter().all(|name| dir.join(name).exists()) && leftover.iter().all(|name| !dir.join(name).exists()));
}

#[test]
fn damaged_truth_is_reported_and_left_alone() {
    let (_guard, dir) = store();
    let mut broken = Vec::new();
    // Two files at once: damage in one does not hide the other.
    for name in ["segments/00000001.vectors", "segments/00000002.captions"] {
        let path = dir.join(name);
        let mut content = std::fs::read(&path).unwrap();
        content[70] ^= 1;
        std::fs::write(&path, content).unwrap();
        broken.push(path);
    }
    let before = truth(&dir);
    let report = repair(&dir).unwrap();
    assert_eq!(report.damage.iter().map(|damage| damage.file.clone()).collect::<Vec<_>>(), broken);
    assert!(report.damage.iter().all(|damage| !damage.derived) && report.repaired.is_empty());
    assert_eq!(truth(&dir), before);
}

/// What is wrong with a file of the model or a decoder says nothing against the captions.
#[test]
fn captions_are_counted_where_only_the_adapter_is_damaged() {
    let (_guard, dir) = store();
    writing(&dir).keep_model(&parts("tiny", &[("adapter", b"from sounds to texts")])).unwrap();
    let (adapter, content) = files(&dir.join("model")).remove(0);
    std::fs::write(&adapter, "something else").unwrap();
    let report = check(&dir).unwrap();
    assert_eq!((report.captions, report.occurrences, report.walked), (599, 600, 598), "{report:?}");
    assert_eq!(report.catalogue, CatalogueState::Agrees);
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert!(damage.file == adapter && damage.offset.is_none() && !damage.derived, "{damage:?}");
    std::fs::write(&adapter, content).unwrap();
    assert!(check(&dir).unwrap().is_sound());
}

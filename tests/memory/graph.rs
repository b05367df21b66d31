//! The graph: it finds what the scan finds, every vector finds itself, and without it nothing changes but the time.

use std::path::PathBuf;

use echoic::internals::index_above;
use echoic::memory::{Effort, SearchOptions};
use echoic::progress::{Control, Stop};
use echoic::{Embeddings, Snapshot, Store, Writer};
use tempfile::TempDir;

use crate::common::files;
use crate::common::stores::*;

/// A store of given vectors, one caption each, in a single segment.
fn store_of(vectors: &[f32], dim: usize) -> (TempDir, PathBuf, Writer) {
    let guard = tempfile::tempdir().expect("a folder");
    let dir = guard.path().join("store");
    Store::create(&dir, space(dim)).expect("a store");
    let mut writer = writing(&dir);
    let plan = writer.plan("a", &numbered("row", vectors.len() / dim)).expect("a plan");
    writer.append("a", plan, &Embeddings::from_vec(dim, vectors.to_vec()).expect("rows")).expect("a commit");
    (guard, dir, writer)
}

fn ids(memory: &Snapshot, query: &[f32], options: &SearchOptions) -> Vec<u64> {
    memory.search(query, options).expect("an answer").iter().map(|neighbour| neighbour.id).collect()
}

#[test]
fn a_walk_finds_what_a_scan_finds_and_every_vector_finds_itself() {
    const DIM: usize = 64;
    // Just enough for the planner to want a graph; building is what takes the time.
    const ROWS: usize = 33_000;
    let vectors = clustered(ROWS, DIM, 3);
    let (_guard, dir, mut writer) = store_of(&vectors, DIM);
    assert_eq!(writer.index(&Control::default()).unwrap(), 1);
    assert_eq!(writer.index(&Control::default()).unwrap(), 0, "a sound graph is kept");
    let memory = open(&dir);
    assert_eq!(memory.stats().indexed, ROWS as u64);
    assert_eq!(memory.verify(&Control::default()).unwrap(), []);

    let (walk, scan) = (SearchOptions::default(), SearchOptions::default().effort(Effort::EXACT));
    let queries = clustered(300, DIM, 4);
    let mut hits = 0;
    for query in queries.chunks(DIM) {
        let truth = ids(&memory, query, &scan);
        hits += ids(&memory, query, &walk).iter().filter(|id| truth.contains(id)).count();
    }
    let recall = hits as f64 / 3000.0;
    assert!(recall >= 0.95, "recall@10 {recall}");

    let all = Embeddings::from_vec(DIM, vectors).unwrap();
    let one = SearchOptions::default().k(1);
    let found = memory.search_batch(&all, &one).unwrap();
    let lost: Vec<usize> = (0..found.len()).filter(|row| found[*row][0].id != *row as u64 + 1).collect();
    assert!(lost.is_empty(), "rows that no walk finds: {lost:?}");
}

#[test]
fn rows_with_the_same_vector_are_all_found() {
    const DIM: usize = 16;
    let mut vectors = clustered(4000, DIM, 5);
    let (first, rest) = vectors.split_at_mut(DIM);
    // A thousand captions that a tower cannot tell apart, spread over the segment.
    rest.chunks_mut(DIM).step_by(4).for_each(|row| row.copy_from_slice(first));
    let (_guard, _dir, mut writer) = store_of(&vectors, DIM);
    assert_eq!(index_above(&mut writer, 1, &Control::default()).unwrap(), 1);
    let memory = writer.snapshot().unwrap();
    for (row, vector) in vectors.chunks(DIM).enumerate().step_by(37) {
        let walk = SearchOptions::default().k(20).effort(Effort::ef(60));
        let scan = walk.clone().effort(Effort::EXACT);
        assert_eq!(ids(&memory, vector, &walk)[0], ids(&memory, vector, &scan)[0], "row {row}");
    }
    let walk = SearchOptions::default().k(60).effort(Effort::ef(60));
    let scan = walk.clone().effort(Effort::EXACT);
    assert_eq!(ids(&memory, &vectors[..DIM], &walk), ids(&memory, &vectors[..DIM], &scan), "all the first copies");
}

#[test]
fn a_graph_that_is_damaged_or_of_other_vectors_is_not_used() {
    const DIM: usize = 16;
    let vectors = clustered(3000, DIM, 6);
    let (_guard, dir, mut writer) = store_of(&vectors, DIM);
    let query = clustered(1, DIM, 9);
    let walk = SearchOptions::default().effort(Effort::ef(40));
    let exact = ids(&open(&dir), &query, &walk);
    assert_eq!(index_above(&mut writer, 1, &Control::default()).unwrap(), 1);
    let walked = ids(&open(&dir), &query, &walk);
    let path = dir.join("segments/00000001.graph");
    let content = std::fs::read(&path).unwrap();
    let flips = (0..64).chain((64..content.len()).step_by(1999)).map(|offset| {
        let mut bad = content.clone();
        bad[offset] ^= 0x40;
        bad
    });
    let cuts = [0, 63, 64, 1000, content.len() - 1].map(|len| content[..len].to_vec());
    let longer = [content.clone(), vec![0; 4]].concat();
    let mut scanned = 0;
    for bad in flips.chain(cuts).chain([longer]) {
        std::fs::write(&path, &bad).unwrap();
        let memory = open(&dir);
        let found = ids(&memory, &query, &walk);
        // A walk that meets the damage is given up for a scan; one that stays clear of it finds what it always did.
        match memory.stats().indexed {
            0 => assert_eq!(found, exact),
            _ => assert_eq!(found, walked),
        }
        scanned += usize::from(memory.stats().indexed == 0);
        let damage = memory.verify(&Control::default()).unwrap();
        assert!(damage.len() == 1 && damage[0].derived && damage[0].file == path, "{damage:?}");
    }
    assert!(scanned > 70, "{scanned} of all damages were noticed by a search");

    // Checksums that fit, but links that lead nowhere.
    let mut bad = content.clone();
    let word = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    let checksums = 64 + 4 * (word(24) + 3 * word(48) + word(44));
    let body = (checksums + 4 * (content.len() / 4096)).next_multiple_of(4096);
    let table_end = checksums + 4 * (content.len() - body).div_ceil(4096);
    assert!(table_end <= body);
    bad[body..body + 4000].chunks_mut(4).for_each(|link| link.copy_from_slice(&900_000u32.to_le_bytes()));
    let mut put = |at: usize, from: usize, to: usize| {
        let crc = crc32fast::hash(&bad[from..to]);
        bad[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    };
    put(checksums, body, body + 4096);
    put(40, 64, table_end);
    put(60, 0, 60);
    std::fs::write(&path, &bad).unwrap();
    let memory = open(&dir);
    assert_eq!(ids(&memory, &query, &walk).len(), 10, "no panic, and captions all the same");
    assert_eq!(memory.verify(&Control::default()).unwrap().len(), 1);

    drop(writer);
    let mut writer = writing(&dir);
    assert_eq!(index_above(&mut writer, 1, &Control::default()).unwrap(), 1, "a damaged graph is built again");
    assert_eq!(open(&dir).stats().indexed, 3000);
}

/// The calibrated table leads a question that names a recall to a walk that reaches it, or to a scan.
#[test]
fn a_search_grows_with_the_recall_it_is_asked_for() {
    const DIM: usize = 32;
    let (_guard, dir, mut writer) = store_of(&clustered(20_000, DIM, 7), DIM);
    index_above(&mut writer, 1, &Control::default()).unwrap();
    let memory = open(&dir);
    let queries = Embeddings::from_vec(DIM, clustered(200, DIM, 8)).unwrap();
    let ask = |effort: Effort| {
        let options = SearchOptions::default().effort(effort);
        let found = memory.search_batch(&queries, &options).unwrap();
        found.iter().map(|found| found.iter().map(|n| n.id).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let truth = ask(Effort::EXACT);
    let share = |found: &[Vec<u64>]| {
        let hits = found.iter().zip(&truth).map(|(found, truth)| found.iter().filter(|id| truth.contains(id)).count());
        hits.sum::<usize>() as f32 / 2000.0
    };
    for wanted in [0.8, 0.9, 0.99] {
        assert!(share(&ask(Effort::recall(wanted))) >= wanted - 0.03, "{wanted}");
    }
    assert_eq!(ask(Effort::recall(1.0)).len(), truth.len());
    for bad in [0.0, -0.5, 1.01, f32::NAN] {
        let options = SearchOptions::default().effort(Effort::recall(bad));
        assert!(matches!(memory.search_batch(&queries, &options), Err(echoic::Error::Input { .. })), "{bad}");
    }
}

#[test]
fn building_can_be_stopped_and_leaves_nothing() {
    let (_guard, dir, mut writer) = store_of(&clustered(500, 8, 2), 8);
    let stop = Stop::new();
    stop.request();
    assert!(matches!(
        index_above(&mut writer, 1, &Control::default().with_stop(&stop)),
        Err(echoic::Error::Interrupted)
    ));
    assert_eq!(files(&dir.join("segments")).len(), 2);
    assert!(writer.snapshot().is_ok(), "stopping poisons nothing");
}

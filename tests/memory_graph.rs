//! The graph: it finds what the scan finds, every vector finds itself, and without it nothing changes but the time.

mod memory_support;

use std::path::PathBuf;

use echoic::Embeddings;
use echoic::memory::{Memory, SearchOptions, Writer};
use echoic::progress::Stop;
use memory_support::*;
use tempfile::TempDir;

/// A store of given vectors, one caption each, in a single segment.
fn store_of(vectors: &[f32], dim: usize) -> (TempDir, PathBuf, Writer) {
    let guard = tempfile::tempdir().expect("a folder");
    let dir = guard.path().join("store");
    Memory::create(&dir, space(dim)).expect("a store");
    let mut writer = Memory::writer(&dir).expect("a writer");
    let plan = writer.plan("a", &numbered("row", vectors.len() / dim)).expect("a plan");
    writer.append("a", plan, &Embeddings::from_vec(dim, vectors.to_vec()).expect("rows")).expect("a commit");
    (guard, dir, writer)
}

fn ids(memory: &Memory, query: &[f32], options: &SearchOptions) -> Vec<u64> {
    memory.search(query, options).expect("an answer").iter().map(|neighbour| neighbour.id).collect()
}

#[test]
fn a_walk_finds_what_a_scan_finds_and_every_vector_finds_itself() {
    const DIM: usize = 64;
    let vectors = clustered(40_000, DIM, 3);
    let (_guard, dir, mut writer) = store_of(&vectors, DIM);
    let begun = std::time::Instant::now();
    assert_eq!(writer.index(&(), &Stop::new()).unwrap(), 1);
    println!("built in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(writer.index(&(), &Stop::new()).unwrap(), 0, "a sound graph is kept");
    let memory = Memory::open(&dir).unwrap();
    assert_eq!(memory.stats().indexed, 40_000);
    assert_eq!(memory.verify(&()).unwrap(), []);

    let (walk, scan) = (SearchOptions::default(), SearchOptions { exact: true, ..SearchOptions::default() });
    let queries = clustered(300, DIM, 4);
    let mut hits = 0;
    for query in queries.chunks(DIM) {
        let truth = ids(&memory, query, &scan);
        hits += ids(&memory, query, &walk).iter().filter(|id| truth.contains(id)).count();
    }
    let recall = hits as f64 / 3000.0;
    println!("recall@10 {recall}");
    assert!(recall >= 0.95, "recall@10 {recall}");

    let all = Embeddings::from_vec(DIM, vectors).unwrap();
    let one = SearchOptions { k: 1, ..SearchOptions::default() };
    let found = memory.search_batch(&all, &one).unwrap();
    let lost: Vec<usize> = (0..found.len()).filter(|row| found[*row][0].id != *row as u64 + 1).collect();
    assert!(lost.is_empty(), "rows that no walk finds: {lost:?}");
}

//! The store's own speed: commit, open, scan, projection, walk. Peers are compared by `benches/peers/run.py`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on shall fail")]

#[allow(dead_code, reason = "stories need more of it")]
#[path = "../tests/common/stores.rs"]
mod stores;

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use echoic::bridge::project_all;
use echoic::memory::{Effort, Scope, SearchOptions};
use echoic::progress::Control;
use echoic::{Embeddings, Snapshot, Store, Writer};
use stores::{clustered, numbered, open, space, writing};

const DIM: usize = 384;
const ROWS: usize = 50_000;
const CHUNK: usize = 10_000;

fn append(writer: &mut Writer, prefix: &str, vectors: &[f32]) {
    let plan = writer.plan("bench", &numbered(prefix, vectors.len() / DIM)).unwrap();
    writer.append("bench", plan, &Embeddings::from_vec(DIM, vectors.to_vec()).unwrap()).unwrap();
}

/// One segment of [`ROWS`] rows.
fn store(dir: &Path, vectors: &[f32]) -> Writer {
    Store::create(dir, space(DIM)).unwrap();
    let mut writer = writing(dir);
    append(&mut writer, "row", vectors);
    writer
}

fn commit(c: &mut Criterion) {
    let vectors = clustered(CHUNK, DIM, 7);
    let mut group = c.benchmark_group("commit");
    group.sample_size(10).throughput(Throughput::Elements(CHUNK as u64));
    let fresh = || {
        let guard = tempfile::tempdir().unwrap();
        let dir = guard.path().join("store");
        Store::create(&dir, space(DIM)).unwrap();
        (writing(&dir), guard)
    };
    group.bench_function("10000 rows of 384", |b| {
        b.iter_batched(
            fresh,
            |(mut writer, guard)| (append(&mut writer, "row", &vectors), writer, guard),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    let vectors = clustered(ROWS, DIM, 7);
    let mut writer = store(&dir, &vectors);
    let queries: Vec<Vec<f32>> = clustered(256, DIM, 8).chunks(DIM).map(<[f32]>::to_vec).collect();
    c.bench_function("open 50000 rows", |b| b.iter(|| open(black_box(&dir))));

    let search = |memory: &Snapshot, options: &SearchOptions, index: &mut usize| {
        *index = (*index + 1) % queries.len();
        memory.search(&queries[*index], options).unwrap()
    };
    let exact = SearchOptions::default().effort(Effort::EXACT);
    let memory = writer.snapshot().unwrap();
    let mut index = 0;
    c.bench_function("scan 50000 x 384, all threads", |b| b.iter(|| search(&memory, &exact, &mut index)));
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    c.bench_function("scan 50000 x 384, one thread", |b| {
        b.iter(|| single.install(|| search(&memory, &exact, &mut index)))
    });

    c.bench_function("projection onto 50000 x 384, one thread", |b| {
        let block = &memory.blocks(&Scope::all()).unwrap()[0];
        let project = || project_all(block.vectors(), |row| block.multiplicity(row), &queries[0], 0.01).unwrap();
        b.iter(|| single.install(project));
    });

    let begun = Instant::now();
    writer.index(&Control::default()).unwrap();
    eprintln!("graph of {ROWS} x {DIM} built in {:.1} s", begun.elapsed().as_secs_f64());
    let memory = writer.snapshot().unwrap();
    assert_eq!(memory.stats().indexed, ROWS as u64);
    c.bench_function("scan by codes 50000 x 384, one thread", |b| {
        b.iter(|| single.install(|| search(&memory, &exact, &mut index)))
    });
    let together = Embeddings::from_vec(DIM, queries.concat()).unwrap();
    c.bench_function("scan by codes 50000 x 384, 256 queries together, one thread", |b| {
        b.iter(|| single.install(|| memory.search_batch(&together, &exact).unwrap()))
    });
    c.bench_function("open 50000 rows and answer", |b| {
        b.iter(|| open(black_box(&dir)).search(&queries[0], &SearchOptions::default()).unwrap())
    });
    for wanted in [0.8, 0.9, 0.95, 0.99] {
        let options = SearchOptions::default().effort(Effort::recall(wanted));
        let found = queries.iter().map(|query| {
            let truth: Vec<u64> = memory.search(query, &exact).unwrap().iter().map(|n| n.id).collect();
            memory.search(query, &options).unwrap().iter().filter(|n| truth.contains(&n.id)).count()
        });
        let recall = found.sum::<usize>() as f64 / (10 * queries.len()) as f64;
        c.bench_function(&format!("walk 50000 x 384, asked for {wanted}, recall@10 {recall:.3}"), |b| {
            b.iter(|| search(&memory, &options, &mut index));
        });
    }
}

criterion_group!(benches, commit, read);
criterion_main!(benches);

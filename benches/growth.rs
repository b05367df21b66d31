//! Does an ingested row cost the same in a large store as in a small one? Grows a store from nothing, in commits of the size that
//! `ingest` makes, and prints what the rows of each stretch cost, merges and catalogue included, but not the making of the rows. On a busy
//! machine compare processor time, of all threads of this process.
//!
//! `cargo bench --bench growth -- [ROWS [DIM]]`; 2,000,000 rows of 16 dimensions unless told otherwise.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on shall fail")]

mod processor;

use std::ops::{AddAssign, Sub};
use std::time::Instant;

use echoic::ingest::CHUNK_ROWS;
use echoic::memory::RowKey;
use echoic::progress::Control;
use echoic::{EmbeddingSpace, Embeddings, Store, Writer};
use processor::processor_seconds;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Ends of the stretches, in rows.
const ENDS: [usize; 9] = [10_000, 30_000, 100_000, 200_000, 400_000, 700_000, 1_000_000, 1_500_000, 2_000_000];

/// Rows `first` and on.
fn keys(first: usize, rows: usize) -> Vec<RowKey> {
    let key =
        |i| RowKey { text: format!("Sound {i} rings out over the yard."), clip: Some(format!("{i}.wav")), ordinal: 0 };
    (first..first + rows).map(key).collect()
}

/// Seconds by the clock, and of processor time.
#[derive(Clone, Copy, Default)]
struct Spent {
    clock: f64,
    processor: f64,
}

impl Sub for Spent {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self { clock: self.clock - earlier.clock, processor: self.processor - earlier.processor }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        *self = Self { clock: self.clock + more.clock, processor: self.processor + more.processor };
    }
}

/// Appends a commit of `rows` rows that are all new; returns what planning took, and appending.
fn append(writer: &mut Writer, first: usize, rows: usize, rng: &mut ChaCha8Rng, start: Instant) -> [Spent; 2] {
    let dim = writer.space().dim;
    let keys = keys(first, rows);
    let vectors = (0..rows * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
    let vectors = Embeddings::from_vec(dim, vectors).unwrap();
    let now = || Spent { clock: start.elapsed().as_secs_f64(), processor: processor_seconds() };
    let begun = now();
    let plan = writer.plan("bench", &keys).unwrap();
    let planned = now();
    let appended = writer.append("bench", plan, &vectors).unwrap();
    assert_eq!(appended.new, rows as u64);
    [planned - begun, now() - planned]
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<usize>().ok());
    let (total, dim) = (numbers.next().unwrap_or(2_000_000), numbers.next().unwrap_or(16));
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    let store = Store::create(&dir, EmbeddingSpace::external(dim)).unwrap();
    let mut writer = store.writer().unwrap();
    let (mut rng, start) = (ChaCha8Rng::seed_from_u64(1), Instant::now());
    println!(
        "| rows from | to | processor µs a row | of it to plan | µs a row by the clock | segments | slowest commit, ms | a block for each quarter of a processor µs |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let (mut rows, mut stretches) = (0, Vec::new());
    for end in ENDS.into_iter().filter(|end| *end <= total) {
        let (from, mut planning, mut appending, mut slowest) = (rows, Spent::default(), Spent::default(), 0.0f64);
        while rows < end {
            let count = CHUNK_ROWS.min(end - rows);
            let [planned, appended] = append(&mut writer, rows, count, &mut rng, start);
            planning += planned;
            appending += appended;
            (rows, slowest) = (rows + count, slowest.max(appended.clock));
        }
        let us_a_row = |seconds: f64| seconds * 1e6 / (rows - from) as f64;
        let busy = us_a_row(planning.processor + appending.processor);
        let (plan, a_row) = (us_a_row(planning.processor), us_a_row(planning.clock + appending.clock));
        let segments = writer.snapshot().unwrap().stats().segments;
        let slowest = slowest * 1e3;
        let plot = "█".repeat((busy * 4.0).round() as usize);
        println!("| {from} | {rows} | {busy:.2} | {plan:.2} | {a_row:.1} | {segments} | {slowest:.0} | {plot} |");
        stretches.push(serde_json::json!({"from": from, "to": rows, "processor_us_a_row": busy, "plan_us_a_row": plan, "us_a_row": a_row, "segments": segments, "slowest_ms": slowest}));
    }
    let timed = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    let merge = timed(&mut || _ = writer.merge(&Control::default()).unwrap());
    // Rows that are all stored already, spread over the whole store.
    let again = |part: usize| keys(part * (rows / 64), CHUNK_ROWS.min(rows));
    let mut again = (0..64usize).map(again).collect::<Vec<_>>();
    let known = again.iter().map(Vec::len).sum::<usize>();
    let replan = timed(&mut || {
        again.drain(..).for_each(|keys| assert!(writer.plan("bench", &keys).unwrap().is_empty()));
    });
    let removed = timed(&mut || _ = writer.remove_captions(&(1..=1000).collect::<Vec<u64>>()).unwrap());
    let mut open_writer = Some(writer);
    let close = timed(&mut || drop(open_writer.take()));
    let bytes = store.snapshot().unwrap().stats().bytes.catalogue;
    let open = timed(&mut || _ = store.snapshot().unwrap());
    let reopen = timed(&mut || drop(store.writer().unwrap()));
    std::fs::remove_dir_all(dir.join("catalogue")).unwrap();
    let rebuild = timed(&mut || drop(store.writer().unwrap()));
    let figures = serde_json::json!({
        "rows": rows, "dim": dim, "stretches": stretches, "final_merge_s": merge, "remove_1000_captions_s": removed,
        "plan_stored_us_a_row": replan * 1e6 / known as f64, "catalogue_bytes": bytes,
        "close_s": close, "open_s": open, "open_writer_s": reopen, "open_writer_without_catalogue_s": rebuild,
    });
    println!("\n{figures}");
}

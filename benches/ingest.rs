//! How many rows a second does `ingest --embeddings` store, before any graph is built? A corpus as CSV with a clip a row, and its embeddings
//! as `.npy`, are read, counted as the command line counts them, planned, normalised, written and committed to a new store.
//!
//! `cargo bench --bench ingest -- [ROWS [DIM]]`; 100,000 rows of 384 unless told otherwise. The captions are those of AudioCaps where
//! `ECHOIC_DATA` names the folder of `captions/`, repeated with a number behind them once they run out; else they are made up. On a busy
//! machine compare processor time, of all threads of this process.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on shall fail")]

mod processor;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use echoic::corpus::{self, Options};
use echoic::formats::npy::NpyRows;
use echoic::ingest::{Ingest, Source};
use echoic::{EmbeddingSpace, Store};
use processor::processor_seconds;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Stores that are made, one after the other; the median is what counts.
const TURNS: usize = 5;

fn captions() -> Vec<String> {
    let real = std::env::var_os("ECHOIC_DATA").map(|data| PathBuf::from(data).join("captions/audiocaps-train.csv"));
    let real = real.and_then(|path| corpus::open(&path, &Options::default()).ok());
    let real: Vec<String> = real.into_iter().flatten().flatten().map(|row| row.text).collect();
    if !real.is_empty() {
        return real;
    }
    let made = |i: usize| {
        let (what, how, place) =
            (["A dog barks", "Rain falls", "An engine idles"], ["loudly", "softly"], ["indoors", "outside"]);
        format!("{} {} {}, followed by \"{}\" sounds", what[i % 3], how[i % 2], place[i / 2 % 2], i)
    };
    (0..50_000).map(made).collect()
}

fn write_corpus(path: &Path, rows: usize) {
    let captions = captions();
    let mut out = BufWriter::new(File::create(path).unwrap());
    writeln!(out, "file_name,caption").unwrap();
    for row in 0..rows {
        let caption = captions[row % captions.len()].replace('"', "\"\"");
        match row / captions.len() {
            0 => writeln!(out, "clip{row}.wav,\"{caption}\"").unwrap(),
            again => writeln!(out, "clip{row}.wav,\"{caption} ({again})\"").unwrap(),
        }
    }
    out.into_inner().unwrap().sync_all().unwrap();
}

fn write_embeddings(path: &Path, rows: usize, dim: usize) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    out.write_all(b"\x93NUMPY\x01\x00").unwrap();
    out.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    out.write_all(header.as_bytes()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..rows * dim {
        out.write_all(&rng.random_range(-1.0f32..1.0).to_le_bytes()).unwrap();
    }
    out.into_inner().unwrap().sync_all().unwrap();
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<usize>().ok());
    let (rows, dim) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(384));
    let guard = tempfile::tempdir().unwrap();
    let (captions, embeddings) = (guard.path().join("corpus.csv"), guard.path().join("embeddings.npy"));
    write_corpus(&captions, rows);
    write_embeddings(&embeddings, rows, dim);
    println!(
        "| turn | rows | new | seconds | processor seconds | rows/s | rows per processor second |\n|---|---|---|---|---|---|---|"
    );
    let mut taken = Vec::new();
    for turn in 1..=TURNS {
        let dir = guard.path().join(format!("store-{turn}"));
        let store = Store::create(&dir, EmbeddingSpace::external(dim)).unwrap();
        let (begun, busy) = (Instant::now(), processor_seconds());
        let count = corpus::open(&captions, &Options::default()).unwrap().count();
        assert_eq!(count, rows);
        let corpus = corpus::open(&captions, &Options::default()).unwrap();
        let mut writer = store.writer().unwrap();
        let source = Source::rows(NpyRows::open(&embeddings).unwrap());
        let report = Ingest::new(&mut writer, "bench").index(false).run(corpus, source).unwrap();
        assert_eq!((report.read, report.rejected), (rows as u64, 0));
        drop(writer);
        let (seconds, busy) = (begun.elapsed().as_secs_f64(), processor_seconds() - busy);
        println!(
            "| {turn} | {rows} | {} | {seconds:.2} | {busy:.2} | {:.0} | {:.0} |",
            report.new,
            rows as f64 / seconds,
            rows as f64 / busy
        );
        taken.push((seconds, busy));
        std::fs::remove_dir_all(&dir).unwrap();
    }
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = taken.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        rows as f64 / values[TURNS / 2]
    };
    let figures = serde_json::json!({
        "rows": rows, "dim": dim, "rows_s": median(|t| t.0), "rows_processor_s": median(|t| t.1),
    });
    println!("\n{figures}");
}

//! Questions from the driver, one JSON object a line; one JSON object a line back. Times are taken here, inside the process, as the driver
//! takes those of the peers inside its own.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use echoic::formats::npy::NpyRows;
use echoic::internals::project_on_all;
use echoic::memory::{Effort, Neighbour, RowKey, Scope, SearchOptions};
use echoic::progress::Control;
use echoic::{EmbeddingSpace, Embeddings, Result, Snapshot, Store};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Answers until the input ends.
pub fn serve() -> Result<()> {
    let (mut memory, mut pools) = (None, BTreeMap::new());
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let threads = question["threads"].as_u64().unwrap_or(1) as usize;
        // Kept from question to question, as a program that serves would: threads remember what walks work with.
        let pool = pools
            .entry(threads)
            .or_insert_with(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        let answer = pool.install(|| answer(&question, &mut memory, threads))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").unwrap();
        out.flush().unwrap();
    }
    Ok(())
}

fn answer(question: &Value, memory: &mut Option<Snapshot>, threads: usize) -> Result<Value> {
    let text = |key: &str| question[key].as_str().unwrap();
    match text("op") {
        "build" => build(text("store").as_ref(), text("vectors").as_ref(), question["domains"].as_array()),
        "open" => {
            let query = NpyRows::open(text("queries"))?.read_all()?;
            let (begun, before) = (Instant::now(), memory_use());
            let opened = memory.insert(Store::open(text("store"))?.snapshot()?);
            let open = begun.elapsed();
            opened.search(query.row(0).unwrap(), &SearchOptions::default())?;
            let first = begun.elapsed().as_secs_f64();
            Ok(json!({ "open_s": open.as_secs_f64(), "first_s": first, "memory": memory_use() - before }))
        }
        "search" => search(memory.as_ref().unwrap(), question, threads),
        "project" => project(memory.as_ref().unwrap(), question),
        other => panic!("no operation {other}"),
    }
}

/// One store of all vectors; `domains` are `{name, rows}` in the order of the vectors, one domain if there are none.
fn build(store: &Path, vectors: &Path, domains: Option<&Vec<Value>>) -> Result<Value> {
    let vectors = NpyRows::open(vectors)?.read_all()?;
    let dim = vectors.dim();
    let whole = vec![json!({ "name": "all", "rows": vectors.len() })];
    let begun = Instant::now();
    let mut writer = Store::create(store, EmbeddingSpace::external(dim))?.writer()?;
    let mut at = 0;
    for domain in domains.unwrap_or(&whole) {
        let (name, rows) = (domain["name"].as_str().unwrap(), domain["rows"].as_u64().unwrap() as usize);
        let keys: Vec<RowKey> = (at..at + rows).map(|row| RowKey::new(format!("caption {row}"))).collect();
        let plan = writer.plan(name, &keys)?;
        let part = Embeddings::from_vec(dim, vectors.as_slice()[at * dim..(at + rows) * dim].to_vec())?;
        writer.append(name, plan, &part)?;
        at += rows;
    }
    let ingest = begun.elapsed();
    let begun = Instant::now();
    writer.index(&Control::default())?;
    Ok(json!({ "ingest_s": ingest.as_secs_f64(), "index_s": begun.elapsed().as_secs_f64() }))
}

fn options(question: &Value) -> SearchOptions {
    let scope = question["domain"].as_str().map_or_else(Scope::all, |domain| Scope::domains([domain]));
    let effort = match (question["exact"].as_bool(), question["recall"].as_f64(), question["ef"].as_u64()) {
        (Some(true), ..) => Effort::EXACT,
        (_, _, Some(ef)) => Effort::ef(ef as usize),
        (_, Some(recall), None) => Effort::recall(recall as f32),
        (_, None, None) => Effort::default(),
    };
    SearchOptions::default().k(question["k"].as_u64().unwrap_or(10) as usize).scope(scope).effort(effort)
}

/// With one thread, query after query, each timed; with more, all at once. `batch` gives them to the store in one call.
fn search(memory: &Snapshot, question: &Value, threads: usize) -> Result<Value> {
    let queries = NpyRows::open(question["queries"].as_str().unwrap())?.read_all()?;
    let options = options(question);
    let mut times = Vec::new();
    let begun = Instant::now();
    let found: Vec<Vec<Neighbour>> = if question["batch"].as_bool().unwrap_or(false) {
        memory.search_batch(&queries, &options)?
    } else if threads > 1 {
        let queries: Vec<&[f32]> = queries.rows().collect();
        queries.par_iter().map(|query| memory.search(query, &options)).collect::<Result<_>>()?
    } else {
        let timed = |query| {
            let begun = Instant::now();
            let found = memory.search(query, &options);
            times.push(begun.elapsed().as_secs_f64());
            found
        };
        queries.rows().map(timed).collect::<Result<_>>()?
    };
    let seconds = begun.elapsed().as_secs_f64();
    let rows: Vec<Vec<u64>> = found.iter().map(|found| found.iter().map(|n| n.id - 1).collect()).collect();
    Ok(json!({ "seconds": seconds, "times": times, "rows": rows }))
}

/// The whole memory's projection of every query, timed one by one.
fn project(memory: &Snapshot, question: &Value) -> Result<Value> {
    let queries = NpyRows::open(question["queries"].as_str().unwrap())?.read_all()?;
    let mut times = Vec::new();
    let mut first = Vec::new();
    for query in queries.rows().take(question["count"].as_u64().unwrap_or(20) as usize) {
        let begun = Instant::now();
        let projected = project_on_all(memory, query, &Scope::all(), 0.01)?;
        times.push(begun.elapsed().as_secs_f64());
        first.push(projected.embedding);
    }
    Ok(json!({ "times": times, "embeddings": first }))
}

/// Bytes that this process holds beside mapped files.
fn memory_use() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

//! An audit that was written by hand: every part of a page has something to show, and texts hold what markup is made of.

use std::path::{Path, PathBuf};

use echoic::audio::Audio;
use echoic::embedding::normalize;
use echoic::memory::{RowKey, Scope};
use echoic::page::{Map, Mapping, Method, Sound};
use echoic::progress::Control;
use echoic::{EmbeddingSpace, Embeddings, Snapshot, Store};
use serde_json::{Value, json};

use crate::common::scattered;

/// A text that would be trouble as markup.
pub const MARKUP: &str = "</script><img src=x onerror=document.title='hurt'> & <b>bold</b> rain";

/// Components of the vectors.
pub const DIM: usize = 16;

/// A sound of four seconds: two tones, a pause and a rise.
fn sound() -> Value {
    let rate = 16_000;
    let samples: Vec<f32> = (0..4 * rate)
        .map(|i| {
            let t = i as f32 / rate as f32;
            let swell = (t * 2.3).sin().abs() * if (1.6..2.1).contains(&t) { 0.02 } else { 0.6 };
            let hertz = if t < 1.6 { 440.0 } else { 300.0 + 900.0 * (t - 1.6) };
            swell * ((t * hertz * std::f32::consts::TAU).sin() + 0.3 * (t * 3.1 * hertz * std::f32::consts::TAU).sin())
                / 1.3
        })
        .collect();
    serde_json::to_value(Sound::of(Audio::samples(&samples, rate)).unwrap()).unwrap()
}

/// A store of texts of four domains around as many middles.
pub fn memory(folder: &Path, texts: usize) -> Snapshot {
    let middles = Embeddings::from_vec(DIM, scattered(4, DIM)).unwrap();
    let around = Embeddings::from_vec(DIM, scattered(texts, DIM)).unwrap();
    let mut writer = Store::create(folder, EmbeddingSpace::external(DIM)).unwrap().writer().unwrap();
    for (index, domain) in ["street", "weather", "household", "field-notes"].into_iter().enumerate() {
        let keys: Vec<RowKey> =
            (index..texts).step_by(4).map(|row| RowKey::new(format!("{domain} text {row}"))).collect();
        let plan = writer.plan(domain, &keys).unwrap();
        let mut vectors = Embeddings::new(DIM);
        for text in plan.texts() {
            let row: usize = text.rsplit(' ').next().unwrap().parse().unwrap();
            let near = around.row(row).unwrap().iter().zip(middles.row(index).unwrap());
            let mut vector: Vec<f32> = near.map(|(x, middle)| 0.7 * x + middle).collect();
            normalize(&mut vector);
            vectors.push(&vector).unwrap();
        }
        writer.append(domain, plan, &vectors).unwrap();
    }
    writer.snapshot().unwrap()
}

/// A map of it with one query.
pub fn map(memory: &Snapshot, method: Method) -> Map {
    let query: Vec<f32> = scattered(5, DIM)[4 * DIM..].to_vec();
    let prefix: Vec<f32> = query.iter().zip(scattered(1, DIM)).map(|(x, y)| x + 2.0 * y).collect();
    let answered = memory.captions(&Scope::all()).unwrap().take(3).map(|text| text.unwrap().0.id);
    Mapping::new(memory)
        .method(method)
        .query("field.wav", &query, Some(&prefix), answered)
        .run(&Control::default())
        .unwrap()
}

fn neighbour(rank: usize, domain: &str, caption: &str, weight: f64) -> Value {
    let influence = match rank {
        1 => json!({ "caption": "Rain falls on a roof.", "changes": true, "shift": 0.1834 }),
        _ => json!({ "caption": "", "changes": false, "shift": 0.0021 }),
    };
    json!({
        "rank": rank, "id": rank, "domain": domain, "caption": caption, "similarity": 0.62 - 0.02 * rank as f64, "weight": weight,
        "multiplicity": 1 + rank % 3, "clip": if rank.is_multiple_of(2) { json!(format!("clip-{rank}.wav")) } else { Value::Null },
        "found": rank != 4, "influence": influence,
    })
}

fn token(text: &str, probability: f64, habit: f64, instead: Option<&str>) -> Value {
    json!({ "text": text, "is_end": text.is_empty(), "probability": probability, "habit": habit, "forced": (probability / habit).ln(), "instead": instead })
}

fn window(start: f64, support: f64, caption: &str) -> Value {
    json!({
        "start": start, "end": start + 1.5, "level_dbfs": -21.4, "heard": "sound", "share": support / 1.6, "support": support, "caption": caption,
        "nearest": neighbour(2, "weather", "Rain falls.", 0.2), "influence": { "caption": caption, "changes": support > 0.6, "shift": 0.03 },
    })
}

/// The data of a page of one audited caption.
pub fn data(map: Option<&Map>) -> Value {
    let texts = [
        ("street", "A tram rings its bell while it passes."),
        ("weather", MARKUP),
        ("household", "A kettle begins to whistle."),
        (
            "street",
            "Wheels squeal in a bend of the rails, far away and for a long time, until a door is shut and all is still.",
        ),
        ("weather", "Thunder rolls far away."),
        ("field-notes", "Überraschend: 雨が降る."),
        ("household", "A clock ticks."),
        ("street", "A bus idles."),
    ];
    let audited: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(i, (domain, text))| neighbour(i + 1, domain, text, 0.5 / (1 << i) as f64))
        .collect();
    json!({
        "echoic": env!("CARGO_PKG_VERSION"), "heading": { "store": "by-hand", "made": "2026-01-01 00:00 UTC" }, "map": map,
        "captions": [{ "sound": sound(), "audit": {
            "path": "recordings/field.wav", "seconds": 4.0, "level_dbfs": -19.7, "heard": "sound",
            "caption": "A tram squeals in a bend.", "strategy": "projection", "neighbours": [], "lost_mass": 0.0123,
            "timings": { "embed_ms": 84.2, "search_ms": 1.1, "decode_ms": 12.9 },
            "parameters": { "decoder": "mine", "decoder_sha256": "00", "commit": 12, "temperature": 0.01, "k": null, "mass": 0.99, "exact": false,
                "domains": null, "max_tokens": null, "beam": 1, "sample": 0.0, "top_p": 1.0, "seed": 0 },
            "texts": { "rows": 12_045, "occurrences": 13_000 }, "effective_texts": 3.42, "prefix_similarity": 0.713, "audited": audited,
            "search": { "k": 8, "recall": 0.875, "missed_ranks": [4], "approximate_ms": 0.8, "exact_ms": 3.9 },
            "strategies": [
                { "strategy": "projection", "caption": "A tram squeals in a bend.", "agrees": true, "prefix_similarity": 0.713 },
                { "strategy": "nearest", "caption": "A tram rings its bell.", "agrees": false, "prefix_similarity": 0.6 },
                { "strategy": "direct", "caption": MARKUP, "agrees": false, "prefix_similarity": 1.0 },
            ],
            "tokens": [
                token(" A", 0.93, 0.91, None), token(" tram", 0.71, 0.004, Some(" man")), token(" sque", 0.44, 0.01, Some(" passes")),
                token("als", 0.99, 0.98, None), token(" in", 0.38, 0.55, Some(" on")), token(" a", 0.9, 0.88, None),
                token(" bend", 0.62, 0.002, Some(" room")), token(".", 0.8, 0.7, None), token("", 0.99, 0.99, None),
            ],
            "windows": [
                window(0.0, 0.52, "A bell rings."), window(1.25, 0.71, "A tram squeals in a bend."), window(2.5, 0.4, "Rain falls."),
            ],
        } }],
    })
}

/// Writes a page beside the pictures and gives its place.
pub fn written(name: &str, html: &str) -> PathBuf {
    let page = pictures().join(name);
    std::fs::create_dir_all(pictures()).unwrap();
    echoic::file::replace(&page, html.as_bytes()).unwrap();
    page
}

/// Where pictures go.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("pages")
}

//! The vectors of the comparison: real captions and clips through the starter, and a larger set grown from them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use echoic::embedding::{dot, normalize};
use echoic::formats::npy::NpyRows;
use echoic::{Clap, Embeddings, Result, corpus};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::json;

/// The corpora that are stored, one domain each, without the file's extension.
const STORED: [&str; 10] = [
    "clotho-train",
    "audiocaps-train",
    "bbc_sound_effects",
    "bsd10k_titles",
    "wavtext5k",
    "wavcaps-soundbible",
    "musiccaps",
    "song_describer",
    "librittsp_style_prompts",
    "birds_xenocanto_labels",
];
/// The corpora whose captions ask, because they were held out.
const ASKED: [&str; 2] = ["clotho-val", "audiocaps-val"];
/// Queries of each kind.
const QUERIES: usize = 1000;
/// Texts that are embedded between two writes.
const CHUNK: usize = 4096;

/// Embeds what lies in `data/captions` and `data/audio`. A file that is there already is kept.
pub fn embed(data: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).unwrap();
    let clap = Clap::load("starter")?;
    let mut seen = HashSet::new();
    let mut domains = Vec::new();
    let mut parts = Vec::new();
    for name in STORED {
        let texts: Vec<String> = captions(data, name)?.into_iter().filter(|text| seen.insert(text.clone())).collect();
        let file = out.join(format!("{name}.npy"));
        if !file.exists() {
            eprintln!("{name}: {} captions", texts.len());
            write_npy(&file, &embed_texts(&clap, &texts)?);
        }
        fs::write(out.join(format!("{name}.txt")), texts.join("\n")).unwrap();
        domains.push(json!({ "name": name, "rows": texts.len() }));
        parts.push(file);
    }
    if !out.join("captions.npy").exists() {
        let mut all = Vec::new();
        for part in parts {
            all.extend_from_slice(NpyRows::open(&part)?.read_all()?.as_slice());
        }
        write_npy(&out.join("captions.npy"), &Embeddings::from_vec(clap.space().dim, all)?);
    }
    fs::write(out.join("domains.json"), serde_json::to_string(&domains).unwrap()).unwrap();
    if !out.join("text-queries.npy").exists() {
        let mut texts = Vec::new();
        for name in ASKED {
            let unseen: Vec<String> = captions(data, name)?.into_iter().filter(|t| seen.insert(t.clone())).collect();
            texts.extend(spread(&unseen, QUERIES / ASKED.len()));
        }
        write_npy(&out.join("text-queries.npy"), &embed_texts(&clap, &texts)?);
    }
    if !out.join("audio-queries.npy").exists() {
        let clips = spread(&clips(data), QUERIES);
        let embedded: Vec<_> = clips.par_iter().map(|clip| clap.embed_audio(&data.join("audio").join(clip))).collect();
        let mut all = Embeddings::new(clap.space().dim);
        // A clip that cannot be read asks nothing.
        for embedding in embedded.into_iter().flatten() {
            all.push(&embedding.embedding)?;
        }
        write_npy(&out.join("audio-queries.npy"), &all);
    }
    Ok(())
}

fn captions(data: &Path, name: &str) -> Result<Vec<String>> {
    let file = ["csv", "jsonl", "json"].map(|extension| data.join("captions").join(format!("{name}.{extension}")));
    let path = file.iter().find(|path| path.exists()).unwrap_or(&file[0]);
    Ok(corpus::open(path, &corpus::Options::default())?.flatten().map(|row| row.text).collect())
}

/// The first column of the index: half of them from ESC-50, half from all the others.
fn clips(data: &Path) -> Vec<String> {
    let index = fs::read_to_string(data.join("audio/index.csv")).unwrap();
    let all: Vec<String> = index.lines().skip(1).filter_map(|line| Some(line.split(',').next()?.to_owned())).collect();
    let (esc, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| path.starts_with("esc50"));
    [spread(&esc, QUERIES / 2), spread(&others, QUERIES / 2)].concat()
}

/// `count` of `all`, evenly spread.
fn spread(all: &[String], count: usize) -> Vec<String> {
    let count = count.min(all.len());
    (0..count).map(|i| all[i * all.len() / count].clone()).collect()
}

fn embed_texts(clap: &Clap, texts: &[String]) -> Result<Embeddings> {
    let mut all = Vec::new();
    for chunk in texts.chunks(CHUNK) {
        all.extend(clap.embed_texts(chunk)?.into_vec());
    }
    Embeddings::from_vec(clap.space().dim, all)
}

/// How many neighbours a grown vector mixes, out of a window of its kin.
const MIXED: usize = 3;
/// Length of the noise that is added to a mixture of unit vectors.
const NOISE: f32 = 0.25;

/// Grows a set to `rows`: the vectors themselves, then mixtures. A mixture takes a stored vector and the two nearest of 64 others drawn at
/// random, weighs the three with numbers drawn evenly, adds noise of length 0.25 and has its length made 1. Seeded: the same each time.
pub fn grow(from: &Path, to: &Path, rows: usize) -> Result<()> {
    let base = NpyRows::open(from)?.read_all()?;
    let dim = base.dim();
    let mut all = base.as_slice().to_vec();
    all.truncate(rows * dim);
    let grown: Vec<Vec<f32>> = (base.len()..rows)
        .into_par_iter()
        .map(|row| mixture(&base, &mut ChaCha8Rng::seed_from_u64(row as u64)))
        .collect();
    all.extend(grown.into_iter().flatten());
    write_npy(to, &Embeddings::from_vec(dim, all)?);
    Ok(())
}

fn mixture(base: &Embeddings, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut any = || base.row(rng.random_range(0..base.len())).unwrap();
    let first = any();
    let mut others: Vec<&[f32]> = (0..64).map(|_| any()).collect();
    others.sort_by(|a, b| dot(first, b).total_cmp(&dot(first, a)));
    let mut mixed = vec![0.0; base.dim()];
    for vector in std::iter::once(first).chain(others).take(MIXED) {
        let weight: f32 = rng.random_range(0.0..1.0);
        mixed.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * x);
    }
    normalize(&mut mixed);
    let mut noise: Vec<f32> = (0..base.dim()).map(|_| rng.random_range(-1.0..1.0)).collect();
    normalize(&mut noise);
    mixed.iter_mut().zip(&noise).for_each(|(x, noise)| *x += NOISE * noise);
    normalize(&mut mixed);
    mixed
}

/// Writes `[rows, dim]` as little-endian float32.
pub fn write_npy(path: &Path, rows: &Embeddings) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows.len(), rows.dim());
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let part = path.with_extension("part");
    let mut out = BufWriter::new(File::create(&part).unwrap());
    out.write_all(b"\x93NUMPY\x01\x00").unwrap();
    out.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    out.write_all(header.as_bytes()).unwrap();
    for x in rows.as_slice() {
        out.write_all(&x.to_le_bytes()).unwrap();
    }
    out.into_inner().unwrap().sync_all().unwrap();
    fs::rename(part, path).unwrap();
}

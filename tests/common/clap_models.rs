//! The small models of `tests/fixtures/make_clap_fixtures.py`, its sounds made again, and what the references make of them.

use std::path::PathBuf;

use echoic::embedding::dot;
use safetensors::SafeTensors;
use serde_json::Value;

/// The folders of the models and the sample rate of each, in Hz.
pub const MODELS: [(&str, u32); 5] = [
    ("laion", 48_000),
    ("laion-original", 48_000),
    ("wavcaps-cnn14", 32_000),
    ("wavcaps-htsat", 32_000),
    ("msclap", 44_100),
];

/// Components of their embeddings.
pub const DIM: usize = 32;

/// Sounds and captions to be told apart.
pub const PAIRS: usize = 200;

pub fn folder(model: &str) -> PathBuf {
    super::fixture("clap").join(model)
}

/// The rows of a reference.
pub fn golden(model: &str, name: &str) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(folder(&format!("{model}.golden.safetensors"))).unwrap();
    let table = SafeTensors::deserialize(&bytes).unwrap();
    let numbers: Vec<f32> =
        table.tensor(name).unwrap().data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    numbers.chunks(DIM).map(<[f32]>::to_vec).collect()
}

/// The largest cosine distance between unit rows, of which there must be as many.
pub fn worst<'a>(got: impl IntoIterator<Item = &'a [f32]>, wanted: &[Vec<f32>]) -> f32 {
    let distances: Vec<f32> = got.into_iter().zip(wanted).map(|(got, wanted)| 1.0 - dot(got, wanted)).collect();
    assert_eq!(distances.len(), wanted.len());
    distances.into_iter().fold(0.0, f32::max)
}

/// A list of texts, or of the token ids of the odd ones: `odd`, `captions`, `ids`.
pub fn texts() -> Value {
    serde_json::from_slice(&std::fs::read(folder("texts.json")).unwrap()).unwrap()
}

pub fn strings(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

/// `variation` of the script: a short sound of its own for each index, in whole numbers.
pub fn variation(index: usize, rate: usize) -> Vec<i16> {
    let count = rate / 4 + index * 97 % 50 * (rate / 50);
    let period = 20 + index * 37 % 600;
    let loud = (4000 + index * 53 % 100 * 100) as i64;
    let share = (index * 29 % 8) as i64;
    let mut state = 1 + index as u32;
    (0..count)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = i64::from(state >> 16) - 32_768;
            let at = (n % period * 65_536 / period) as i64;
            let wave = at.min(65_535 - at) * 2 - 32_768;
            let fade = if index.is_multiple_of(3) { 256 } else { 256 - (200 * n / count) as i64 };
            let sample = (wave * (8 - share) + noise * share).div_euclid(8) * loud;
            (sample.div_euclid(32_768) * fade).div_euclid(256) as i16
        })
        .collect()
}

//! Speed of the towers: texts a second, seconds of audio a second, log-mel.
//!
//! `cargo bench --bench towers`; without the starter (`echoic models pull starter`) only the parts that need no weights run.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use echoic::Clap;
use echoic::internals::mel::{LogMel, MelParameters};
use echoic::internals::resample::Resampler;
use echoic::internals::sfx::Sfx;
use echoic::internals::windows;

/// Ten seconds of noise under a slow envelope, mono at 44.1 kHz.
fn sound() -> Vec<f32> {
    let mut state = 1u32;
    (0..441_000)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            noise * (0.5 + 0.5 * (i as f32 / 20_000.0).sin())
        })
        .collect()
}

fn mel(samples: &[f32]) -> Vec<f32> {
    let mut stream = LogMel::new(&MelParameters::SFX);
    let mut frames = Vec::new();
    stream.push(samples, &mut frames).expect("log-mel");
    stream.finish(&mut frames).expect("log-mel");
    frames
}

fn front_end(c: &mut Criterion) {
    let samples = sound();
    let mut group = c.benchmark_group("10 s of sound");
    group.throughput(Throughput::Elements(10));
    group.bench_function("log-mel", |b| b.iter(|| mel(black_box(&samples))));
    group.bench_function("resample 16 to 44.1 kHz", |b| {
        b.iter(|| {
            let mut out = Vec::new();
            let mut resampler = Resampler::new(16_000, 44_100).expect("rates");
            resampler.push(black_box(&samples[..160_000]), &mut out).expect("resample");
            resampler.finish(&mut out).expect("resample");
            out
        });
    });
    group.finish();
}

fn towers(c: &mut Criterion) {
    let clap = match Clap::load("starter") {
        Ok(clap) => clap,
        Err(error) => {
            let hint = error.hint().map(|hint| hint.to_string()).unwrap_or_default();
            eprintln!("SKIPPED: {error}; hint: {hint}");
            return;
        }
    };
    let frames = mel(&sound());
    let folder = echoic::models::path("starter").expect("installed");
    let tower = &Sfx::load(&folder.join("sfx/checkpoint.pth")).expect("weights");
    let mut group = c.benchmark_group("audio tower");
    group.sample_size(10).throughput(Throughput::Elements(10));
    group.bench_function("10 s of sound", |b| b.iter(|| windows::maps(tower, black_box(frames.clone()))));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/starter/tone.mp3");
    group.throughput(Throughput::Elements(3));
    group.bench_function("3 s of mp3, with decoding", |b| b.iter(|| clap.audio_features(black_box(&file))));
    group.finish();

    let texts: Vec<String> = (0..256)
        .map(|i| format!("A dog number {i} barks while rain falls on the roof of a {} house.", ["small", "big"][i % 2]))
        .collect();
    let mut group = c.benchmark_group("text tower");
    group.sample_size(10).throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function("256 captions", |b| b.iter(|| clap.embed_texts(black_box(&texts))));
    group.finish();
}

criterion_group!(benches, front_end, towers);
criterion_main!(benches);

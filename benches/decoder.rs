//! What captioning and training cost: projection, decoding, a training step.

use std::{hint::black_box, path::Path, time::Duration};

use candle_core::{D, Device, Tensor, Var};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use echoic::bridge::{Scored, project, project_all};
use echoic::decoder::{Decoder, GenerateOptions, Preset, TrainOptions, TrainingSet, TrainingText, train};
use echoic::embedding::{dot, normalize};
use echoic::internals::ops;
use echoic::progress::Control;
use echoic::{EmbeddingSpace, Embeddings, Tokenizer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn unit_rows(rows: usize, dim: usize) -> Embeddings {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut all = Embeddings::new(dim);
    for _ in 0..rows {
        let mut row: Vec<f32> = (0..dim).map(|i| rng.random_range(-1.0..1.0) + f32::from(i == 0)).collect();
        normalize(&mut row);
        all.push(&row).expect("rows have one length");
    }
    all
}

fn projections(c: &mut Criterion) {
    let memory = unit_rows(70_000, 512);
    let query = unit_rows(1, 512).into_vec();
    let mut group = c.benchmark_group("project");
    for k in [10, 100, 1000] {
        let scored: Vec<Scored<'_>> = memory
            .rows()
            .take(k)
            .map(|embedding| Scored { similarity: dot(embedding, &query), multiplicity: 1, embedding })
            .collect();
        group.bench_with_input(BenchmarkId::new("nearest", k), &scored, |b, scored| {
            b.iter(|| project(black_box(scored), 60_000, 0.01));
        });
    }
    group.sample_size(10).throughput(Throughput::Elements(memory.len() as u64));
    group.bench_function("exact/70000", |b| {
        b.iter(|| project_all(black_box(memory.as_slice()), |_| 1, &query, 0.01));
    });
    group.finish();
}

/// Captions of words `w0`, `w1`, …: as many different ones as a corpus of this size has.
fn corpus(texts: usize, words: usize) -> (TrainingSet, Tokenizer) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut word = || (words as f64 * rng.random::<f64>().powi(3)) as usize;
    let text = |_| TrainingText {
        text: (0..12).map(|_| format!("w{}", word())).collect::<Vec<_>>().join(" "),
        multiplicity: 1,
        clips: Vec::new(),
    };
    let texts: Vec<TrainingText> = (0..texts).map(text).collect();
    let vocabulary: serde_json::Map<_, _> = std::iter::once("[UNK]".to_owned())
        .chain((0..words).map(|w| format!("w{w}")))
        .enumerate()
        .map(|(id, word)| (word, id.into()))
        .collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "[UNK]", "vocab": vocabulary }
    });
    let embeddings = unit_rows(texts.len(), 384);
    let space = EmbeddingSpace { model: "bench".into(), sha256: String::new(), dim: 384 };
    let tokenizer =
        Tokenizer::from_json("the bench's tokenizer", json.to_string()).expect("the tokenizer is well-formed");
    (TrainingSet { texts, embeddings, space }, tokenizer)
}

fn train_into(dir: &Path, preset: Preset, texts: usize, words: usize) -> f64 {
    let (set, tokenizer) = corpus(texts, words);
    let options = TrainOptions::default().preset(preset).epochs(1).validation(0.0);
    let report = train(&set, &tokenizer, &options, dir, &Control::default()).expect("training works");
    report.tokens_per_second
}

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("train");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    for (preset, texts, words) in [(Preset::Small, 640, 4000), (Preset::Paper, 64, 5000)] {
        let dir = tempfile::tempdir().expect("a folder for the decoder");
        eprintln!("train/{preset}: {:.0} tokens/s", train_into(dir.path(), preset, texts, words));
        group.throughput(Throughput::Elements(13 * texts as u64));
        group.bench_function(BenchmarkId::new("epoch", preset), |b| {
            b.iter_batched(|| (), |()| train_into(dir.path(), preset, texts, words), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.sample_size(10);
    for (preset, texts) in [(Preset::Small, 640), (Preset::Paper, 64)] {
        let dir = tempfile::tempdir().expect("a folder for the decoder");
        train_into(dir.path(), preset, texts, 4000);
        let decoder = Decoder::load(dir.path().join("best.safetensors")).expect("the decoder was written");
        let prefixes = unit_rows(16, 384);
        // Half-trained decoders do not end their captions: all have 15 tokens.
        let options = GenerateOptions::default().max_tokens(15).beam(1);
        group.throughput(Throughput::Elements(16));
        group.bench_function(BenchmarkId::new("16 captions of 15 tokens", preset), |b| {
            b.iter(|| decoder.generate_batch(black_box(&prefixes), &options));
        });
    }
    group.finish();
}

/// The fused layer norm beside the one composed of candle's operations, forward and backward.
fn fused(c: &mut Criterion) {
    let (rows, width) = (900, 256);
    let random = |len: usize| unit_rows(1, len).into_vec();
    let tensor =
        |shape: &[usize]| Var::from_vec(random(shape.iter().product()), shape, &Device::Cpu).expect("the shape fits");
    let (x, gain, bias) = (tensor(&[rows, width]), tensor(&[width]), tensor(&[width]));
    let composed = || -> candle_core::Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let scale = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
        centred.broadcast_div(&scale)?.broadcast_mul(&gain)?.broadcast_add(&bias)
    };
    let mut group = c.benchmark_group("layer norm, forward and backward");
    group.bench_function("composed", |b| b.iter(|| composed().and_then(|out| out.sum_all()?.backward())));
    group.bench_function("fused", |b| {
        b.iter(|| ops::layer_norm(&x, &gain, &bias).and_then(|out| ops::layer_norm_backward(&x, &gain, &out, None)));
    });
    group.finish();
}

criterion_group!(benches, projections, fused, decoding, training);
criterion_main!(benches);

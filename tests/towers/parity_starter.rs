//! The starter's towers against their references, number by number. `tests/fixtures/make_fixtures.py` made the references.

use echoic::audio::Clip;
use echoic::embedding::dot;
use echoic::internals::mel::{LogMel, MelParameters};
use echoic::internals::resample::Resampler;
use echoic::internals::sfx::{BANDS, BLOCK, Sfx};
use echoic::internals::windows;
use echoic::towers::pooling::block_embedding;
use safetensors::SafeTensors;

use crate::common::fixture;
use crate::common::needs::{starter, starter_is_installed};

/// The rows of a reference tensor.
fn reference(name: &str) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(fixture("starter/reference.safetensors")).unwrap();
    let table = SafeTensors::deserialize(&bytes).unwrap();
    let view = table.tensor(name).unwrap();
    let numbers: Vec<f32> = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    numbers.chunks(view.shape().get(1).copied().unwrap_or(numbers.len())).map(<[f32]>::to_vec).collect()
}

/// The largest difference, relative to the largest number of the reference.
fn relative(got: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(got.len(), wanted.len());
    let size = wanted.iter().fold(0f32, |m, x| m.max(x.abs()));
    got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / size
}

fn mel(name: &str) -> Vec<f32> {
    let path = fixture("starter").join(name);
    let clip = Clip::open(&path, MelParameters::SFX.sample_rate).unwrap();
    let mut stream = LogMel::new(&MelParameters::SFX);
    let mut frames = Vec::new();
    clip.samples(|block| {
        let scaled: Vec<f32> = block.iter().map(|x| x / clip.peak()).collect();
        stream.push(&scaled, &mut frames)
    })
    .unwrap();
    stream.finish(&mut frames).unwrap();
    frames
}

#[test]
fn log_mel_frames_agree_with_librosa() {
    for name in ["sweep", "bursts", "clicks"] {
        let wanted = reference(&format!("{name}.mel"));
        let error = relative(&mel(&format!("{name}.wav")), &wanted.concat());
        println!("{name}: log-mel within {error:.1e}");
        assert!(error < 1e-4, "{name}: off by {error}");
    }
}

#[test]
fn audio_blocks_agree_with_the_wheels_own_network() {
    if !starter_is_installed() {
        return;
    }
    for name in ["sweep", "bursts", "clicks"] {
        let wanted = reference(&format!("{name}.blocks"));
        // The reference pads the last block with zeros and takes the maximum over what follows from them too.
        let frames = mel(&format!("{name}.wav"));
        let mut padded = frames.clone();
        padded.resize(frames.len().div_ceil(BLOCK * BANDS) * BLOCK * BANDS, 0.0);
        let tower = &Sfx::load(&echoic::models::path("starter").unwrap().join("sfx/checkpoint.pth")).unwrap();
        let maps = windows::maps(tower, padded);
        assert_eq!(maps.blocks.len(), wanted.len());
        for (index, (block, wanted)) in maps.blocks.iter().zip(&wanted).enumerate() {
            let error = relative(&block_embedding(block), wanted);
            println!("{name}, block {index}: within {error:.1e}");
            assert!(error < 1e-3, "{name}, block {index}: off by {error}");
        }
        for (short, full) in windows::maps(tower, frames).blocks.iter().zip(&maps.blocks) {
            // Only rounding differs: a Winograd tile at the edge holds zeros in place of values that cancel out.
            let error = relative(&short.fourth, &full.fourth[..short.fourth.len()]);
            assert!(error < 1e-5, "{name}: leaving out frames beyond reach changes the maps by {error}");
            assert!(relative(&short.third, &full.third[..short.third.len()]) < 1e-5);
        }
    }
}

#[test]
fn texts_agree_with_transformers() {
    let Some(clap) = starter() else { return };
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("starter/texts.json")).unwrap()).unwrap();
    let texts: Vec<String> = serde_json::from_value(json["texts"].clone()).unwrap();
    let ids: Vec<Vec<u32>> = serde_json::from_value(json["ids"].clone()).unwrap();
    for (text, ids) in texts.iter().zip(&ids) {
        assert_eq!(&clap.tokenizer().tokens(text).unwrap(), ids, "{text:?}");
    }
    let wanted = reference("texts");
    let got = clap.embed_texts(&texts).unwrap();
    assert_eq!((got.len(), got.dim()), (texts.len(), 384));
    let mut worst = 0f32;
    for ((text, got), wanted) in texts.iter().zip(got.rows()).zip(&wanted) {
        let distance = 1.0 - dot(got, wanted);
        worst = worst.max(distance);
        assert!(distance < 1e-5, "{text:?}: cosine distance {distance}");
        assert!((dot(got, got) - 1.0).abs() < 1e-5);
    }
    println!("{} texts: cosine distance at most {worst:.1e}", texts.len());
}

#[test]
fn a_text_has_the_same_bits_in_every_batch_and_with_any_number_of_threads() {
    let Some(clap) = starter() else { return };
    let texts: Vec<String> = (0..70).map(|i| format!("sound number {i} {}", "of rain ".repeat(i % 23))).collect();
    let whole = clap.embed_texts(&texts).unwrap();
    for (text, row) in texts.iter().zip(whole.rows()) {
        assert!(clap.embed_texts(&[text]).unwrap().as_slice() == row, "{text:?}");
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| clap.embed_texts(&texts).unwrap()) == whole, "{threads} threads");
    }
    assert!(clap.embed_texts(&Vec::<String>::new()).unwrap().is_empty());
}

#[test]
fn audio_features_have_the_same_bits_in_every_run_and_with_any_number_of_threads() {
    let Some(clap) = starter() else { return };
    let path = fixture("starter/sweep.wav");
    let first = clap.audio_features(&path).unwrap();
    assert!(clap.audio_features(&path).unwrap() == first);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| clap.audio_features(&path).unwrap()) == first, "{threads} threads");
    }
}

#[test]
fn resampling_agrees_with_soxr() {
    let (input, wanted) = (reference("resample.input").concat(), reference("resample.output").concat());
    let mut resampler = Resampler::new(16_000, 44_100).unwrap();
    let mut got = Vec::new();
    resampler.push(&input, &mut got).unwrap();
    resampler.finish(&mut got).unwrap();
    assert!(got.len().abs_diff(wanted.len()) <= 1, "{} and {}", got.len(), wanted.len());
    // The sweep ends at 7 kHz of 8 kHz; its abrupt ends ring differently under different filters.
    let inner = 1_500..wanted.len() - 1_500;
    let error = relative(&got[inner.clone()], &wanted[inner]);
    println!("resampling within {error:.1e} of soxr");
    assert!(error < 1e-3, "off by {error}");
}

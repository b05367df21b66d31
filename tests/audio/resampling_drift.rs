//! How far our resampling takes log-mels and features from those that soxr gives a sound: `tests/fixtures/make_audio_fixtures.py` made the references.

use echoic::internals::checkpoint;
use echoic::internals::cnn14::{Cnn14, Cnn14Config};
use echoic::internals::framing::Framing;
use echoic::internals::htsat::{Htsat, HtsatConfig, Layout};

use crate::common::fixture;
use crate::common::sounds::{References, cosine_distance, windows};

const RATES: [u32; 6] = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000];

#[test]
fn features_hardly_depend_on_who_resampled() {
    let references = References::open("resampled.safetensors");
    let tensors = checkpoint::open(&fixture("audio/wavcaps-cnn14.safetensors")).unwrap();
    let sizes = Cnn14Config { channels: [16, 8, 16, 24, 32, 40] };
    let cnn14 = Cnn14::load(tensors.as_ref(), "audio_encoder.audio_enc.", &sizes).unwrap();
    let tensors = checkpoint::open(&fixture("audio/laion-htsat.safetensors")).unwrap();
    let sizes = HtsatConfig { width: 8, depths: vec![2, 2, 1, 2], heads: vec![2, 1, 4, 4], ..HtsatConfig::tiny() };
    let htsat = Htsat::load(tensors.as_ref(), "audio_model.audio_encoder.", Layout::HuggingFace, &sizes).unwrap();
    let (mut all, mut limits) = (Vec::new(), Vec::new());
    for rate in RATES {
        let mel = windows(&Framing::WAVCAPS_CNN14, 7.3, rate).swap_remove(0);
        let (mean, max) = mel_drift(&references, rate, &mel);
        let first = cosine_distance(&cnn14.forward(&mel).unwrap(), &references.get(&format!("cnn14.{rate}")));
        let mel = windows(&Framing::LAION, 7.3, rate).swap_remove(0);
        let second = cosine_distance(&htsat.forward(&mel).unwrap(), &references.get(&format!("htsat.{rate}")));
        println!(
            "{rate} Hz: log-mel {mean:.1e} dB on average, at most {max:.1e}; cosine drift {first:.1e} and {second:.1e}"
        );
        limits.push((rate, mean, first.max(second)));
        all.extend([first, second]);
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    println!("cosine drift: {mean:.1e} on average, at most {:.1e}", all.iter().copied().fold(0.0, f64::max));
    for (rate, mean, drift) in limits {
        assert!(mean < 0.01, "{rate} Hz: log-mels differ by {mean} dB on average");
        // What was sampled below the towers' rates leaves bands empty, and how empty depends on the filter.
        let limit = if rate < 32_000 { 3e-3 } else { 1e-6 };
        assert!(drift < limit, "{rate} Hz: cosine drift {drift}");
    }
}

/// The mean and the largest difference in dB, in the bands that the sound reaches with both filters open.
fn mel_drift(references: &References, rate: u32, mel: &[f32]) -> (f32, f32) {
    let get = |part: &str| references.get(&format!("mel.{rate}.{part}"));
    assert_eq!(mel.len() / 64, get("frames")[0] as usize);
    let (rows, values, bands) = (get("rows"), get("values"), get("bands")[0] as usize);
    let errors: Vec<f32> = rows
        .iter()
        .zip(values.chunks(64))
        .flat_map(|(row, wanted)| mel[*row as usize * 64..][..bands].iter().zip(wanted))
        .map(|(got, wanted)| (got - wanted).abs())
        .collect();
    (errors.iter().sum::<f32>() / errors.len() as f32, errors.iter().copied().fold(0.0, f32::max))
}

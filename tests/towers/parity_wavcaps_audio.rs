//! WavCaps' audio towers against their references, number by number. `tests/fixtures/make_audio_fixtures.py` made the references.

use echoic::internals::checkpoint;
use echoic::internals::cnn14::{Cnn14, Cnn14Config};
use echoic::internals::framing::Framing;
use echoic::internals::htsat::{Htsat, HtsatConfig, Layout};

use crate::common::fixture;
use crate::common::sounds::{References, SECONDS, assert_windows_agree, cosine_distance, windows};

const PREFIX: &str = "audio_encoder.audio_enc.";

fn cnn14() -> Cnn14 {
    let tensors = checkpoint::open(&fixture("audio/wavcaps-cnn14.safetensors")).unwrap();
    Cnn14::load(tensors.as_ref(), PREFIX, &Cnn14Config { channels: [16, 8, 16, 24, 32, 40] }).unwrap()
}

fn htsat() -> Htsat {
    let tensors = checkpoint::open(&fixture("audio/wavcaps-htsat.pt")).unwrap();
    let sizes = HtsatConfig { width: 8, depths: vec![2, 2, 2, 1], heads: vec![1, 2, 2, 4], ..HtsatConfig::tiny() };
    Htsat::load(tensors.as_ref(), PREFIX, Layout::Original, &sizes).unwrap()
}

#[test]
fn log_mel_frames_agree_with_torchlibrosa() {
    let references = References::open("wavcaps.safetensors");
    for (name, seconds) in SECONDS {
        let mel = windows(&Framing::WAVCAPS_CNN14, seconds, 32_000).swap_remove(0);
        let error = references.mel_error(name, &mel, 64);
        println!("{name} s: log-mel within {error:.1e} dB");
        assert!(error < 1e-3, "{name} s: off by {error} dB");
    }
}

#[test]
fn cnn14_agrees_with_its_layers_in_torch() {
    let (references, tower) = (References::open("wavcaps.safetensors"), cnn14());
    for (name, seconds) in SECONDS {
        let windows = windows(&Framing::WAVCAPS_CNN14, seconds, 32_000);
        assert_eq!(windows.len(), 1);
        let got = tower.forward(&windows[0]).unwrap();
        let distance = cosine_distance(&got, &references.get(&format!("cnn14.{name}")));
        println!("{name} s: cosine distance {distance:.1e}");
        assert!(distance < 1e-5, "{name} s: cosine distance {distance}");
    }
}

#[test]
fn htsat_agrees_with_its_layers_in_torch() {
    assert_windows_agree(&References::open("wavcaps.safetensors"), &htsat(), &Framing::WAVCAPS_HTSAT, 32_000);
}

#[test]
fn htsat_stretches_a_few_frames_as_torch_does() {
    let (references, tower) = (References::open("wavcaps.safetensors"), htsat());
    // Framed for CNN14, which pads nothing here.
    let window = windows(&Framing::WAVCAPS_CNN14, 7.3, 32_000).swap_remove(0);
    let distance = cosine_distance(&tower.forward(&window).unwrap(), &references.get("htsat.stretched.7.3"));
    println!("7.3 s stretched: cosine distance {distance:.1e}");
    assert!(distance < 1e-5, "cosine distance {distance}");
}

#[test]
fn features_have_the_same_bits_with_any_number_of_threads() {
    let (cnn14, htsat) = (cnn14(), htsat());
    let window = windows(&Framing::WAVCAPS_CNN14, 7.3, 32_000).swap_remove(0);
    let both = || (cnn14.forward(&window).unwrap(), htsat.forward(&window).unwrap());
    let first = both();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(both) == first, "{threads} threads");
    }
}

#[test]
fn silence_and_clipped_sound_have_features() {
    let (cnn14, htsat) = (cnn14(), htsat());
    for sample in [0.0, 1.0] {
        let mel = Framing::WAVCAPS_CNN14.log_mel(&vec![sample; 40_000]).unwrap();
        assert!(cnn14.forward(&mel).unwrap().iter().all(|x| x.is_finite()));
        assert!(htsat.forward(&mel).unwrap().iter().all(|x| x.is_finite()));
    }
    assert!(cnn14.forward(&[0.0; 63 * 64]).is_err() && htsat.forward(&[0.0; 1_025 * 64]).is_err());
}

#[test]
fn a_checkpoint_of_another_size_is_named_with_its_tensor() {
    let tensors = checkpoint::open(&fixture("audio/wavcaps-cnn14.safetensors")).unwrap();
    let error = Cnn14::load(tensors.as_ref(), PREFIX, &Cnn14Config::default()).unwrap_err().to_string();
    assert!(error.contains("audio_encoder.audio_enc.conv_block1.conv1.weight"), "{error}");
    assert!(error.contains("[16, 1, 3, 3]") && error.contains("[64, 1, 3, 3]"), "{error}");
    let error = Cnn14::load(tensors.as_ref(), "", &Cnn14Config::default()).unwrap_err().to_string();
    assert!(error.contains("bn0.weight: found nothing"), "{error}");
    let tensors = checkpoint::open(&fixture("audio/wavcaps-htsat.pt")).unwrap();
    let sizes = HtsatConfig { width: 8, depths: vec![2, 2, 2, 1], heads: vec![1, 2, 2, 2], ..HtsatConfig::tiny() };
    let error = Htsat::load(tensors.as_ref(), PREFIX, Layout::Original, &sizes).unwrap_err().to_string();
    assert!(error.contains("layers.3.blocks.0.attn.relative_position_bias_table"), "{error}");
    let error = Htsat::load(tensors.as_ref(), PREFIX, Layout::HuggingFace, &sizes).unwrap_err().to_string();
    assert!(error.contains("batch_norm.weight: found nothing"), "{error}");
}

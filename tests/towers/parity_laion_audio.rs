//! The audio tower of LAION's CLAP against transformers, number by number. `tests/fixtures/make_audio_fixtures.py` made the references.

use echoic::internals::checkpoint;
use echoic::internals::framing::Framing;
use echoic::internals::htsat::{Htsat, HtsatConfig, Layout};

use crate::common::fixture;
use crate::common::sounds::{References, SECONDS, assert_windows_agree, cosine_distance, windows};

fn htsat() -> Htsat {
    let tensors = checkpoint::open(&fixture("audio/laion-htsat.safetensors")).unwrap();
    let config = r#"{"patch_embeds_hidden_size": 8, "depths": [2, 2, 1, 2], "num_attention_heads": [2, 1, 4, 4]}"#;
    let config = HtsatConfig::from_hugging_face(&serde_json::from_str(config).unwrap(), "config.json").unwrap();
    Htsat::load(tensors.as_ref(), "audio_model.audio_encoder.", Layout::HuggingFace, &config).unwrap()
}

#[test]
fn log_mel_frames_agree_with_the_feature_extractor() {
    let references = References::open("laion.safetensors");
    for (name, seconds) in SECONDS {
        let mel = windows(&Framing::LAION, seconds, 48_000).pop().unwrap();
        let error = references.mel_error(name, &mel, 64);
        println!("{name} s: log-mel within {error:.1e} dB");
        assert!(error < 1e-3, "{name} s: off by {error} dB");
    }
}

#[test]
fn htsat_agrees_with_clap_audio_model() {
    assert_windows_agree(&References::open("laion.safetensors"), &htsat(), &Framing::LAION, 48_000);
}

#[test]
fn the_fused_model_hears_a_window_with_another_log_mel_and_the_same_tower() {
    let (references, tower) = (References::open("laion-fused.safetensors"), htsat());
    for (name, seconds) in SECONDS.into_iter().filter(|(_, seconds)| *seconds <= 10.0) {
        let window = windows(&Framing::LAION_FUSED, seconds, 48_000).swap_remove(0);
        let error = references.mel_error(name, &window, 64);
        let distance = cosine_distance(&tower.forward(&window).unwrap(), &references.get(&format!("htsat.{name}")));
        println!("{name} s: log-mel within {error:.1e} dB, cosine distance {distance:.1e}");
        assert!(error < 1e-3, "{name} s: off by {error} dB");
        assert!(distance < 1e-5, "{name} s: cosine distance {distance}");
    }
}

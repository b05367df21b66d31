//! What Microsoft's CLAP of 2023 hears, against torchlibrosa, and the tower behind it. `tests/fixtures/make_audio_fixtures.py` made the references.

use echoic::internals::checkpoint;
use echoic::internals::framing::Framing;
use echoic::internals::htsat::{Htsat, HtsatConfig, Layout};

use crate::common::fixture;
use crate::common::sounds::{References, SECONDS, cosine_distance, windows};

#[test]
fn seven_seconds_at_44_100_hz_are_heard_through_filters_for_32_khz() {
    let references = References::open("msclap.safetensors");
    let tensors = checkpoint::open(&fixture("audio/wavcaps-htsat.pt")).unwrap();
    let sizes = HtsatConfig { width: 8, depths: vec![2, 2, 2, 1], heads: vec![1, 2, 2, 4], ..HtsatConfig::tiny() };
    let tower = Htsat::load(tensors.as_ref(), "audio_encoder.audio_enc.", Layout::Original, &sizes).unwrap();
    for ((name, seconds), count) in SECONDS.into_iter().zip([1, 1, 2, 2, 4]) {
        let windows = windows(&Framing::MSCLAP, seconds, 44_100);
        assert_eq!(windows.len(), count, "{name} s");
        let last = windows.last().unwrap();
        let error = references.mel_error(name, last, 64);
        let distance = cosine_distance(&tower.forward(last).unwrap(), &references.get(&format!("htsat.{name}")));
        println!("{name} s: log-mel within {error:.1e} dB, cosine distance {distance:.1e}");
        assert!(error < 1e-3, "{name} s: off by {error} dB");
        assert!(distance < 1e-5, "{name} s: cosine distance {distance}");
    }
}

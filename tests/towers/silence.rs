//! Silence weighs nothing: a sound with silence before or behind it is that sound, for every family; and what holds only silence says so.

use echoic::Clap;
use echoic::audio::{Audio, Heard};
use echoic::embedding::dot;

use crate::common::clap_models::{MODELS, folder};
use crate::common::needs::starter_is_installed;
use crate::common::sounds;

const RATE: u32 = 16_000;

/// A model of each family, of random weights, and the starter where it is installed.
fn models() -> Vec<(String, Clap)> {
    let load = |model: &str| (model.to_owned(), Clap::load(folder(model).to_str().unwrap()).unwrap());
    let mut all: Vec<_> = MODELS.iter().map(|(model, _)| load(model)).collect();
    if starter_is_installed() {
        all.push(("starter".to_owned(), Clap::load("starter").unwrap()));
    }
    all
}

fn sound(seconds: f64) -> Vec<f32> {
    sounds::sound(seconds, RATE).into_iter().map(|x| f32::from(x) / 32_768.0).collect()
}

/// Noise of a peak of `level`.
fn noise(seconds: usize, level: f32) -> Vec<f32> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        level * f32::from((state >> 16) as i16) / 32_768.0
    };
    (0..seconds * RATE as usize).map(|_| next()).collect()
}

#[test]
fn a_sound_with_silence_around_it_is_that_sound() {
    let alone = sound(5.0);
    let (silence, faint, soft) = (noise(20, 0.0), noise(20, 1e-4), noise(20, 3e-3));
    let padded = [
        ([silence.as_slice(), &alone].concat(), 0.999),
        ([alone.as_slice(), &faint].concat(), 0.999),
        ([alone.as_slice(), &soft].concat(), 0.98),
    ];
    for (name, clap) in models() {
        let wanted = clap.embed_audio(Audio::samples(&alone, RATE)).unwrap();
        assert_eq!(wanted.level.heard, Heard::Sound);
        for (padded, least) in &padded {
            let got = clap.embed_audio(Audio::samples(padded, RATE)).unwrap();
            let near = dot(&got.embedding, &wanted.embedding);
            assert!(near >= *least, "{name}: {near} of {least}, {} windows", got.windows);
        }
        let windows = clap.embed_windows(Audio::samples(&padded[0].0, RATE)).unwrap();
        let (first, last) = (&windows[0], &windows[windows.len() - 1]);
        assert_eq!((first.start, last.end), (0.0, 25.0), "{name}");
        assert!(windows.windows(2).all(|pair| pair[1].start <= pair[0].end), "{name}: a gap");
        assert_eq!((first.level.heard, last.level.heard), (Heard::Silence, Heard::Sound), "{name}");
    }
}

#[test]
fn a_long_sound_of_like_windows_is_their_plain_mean() {
    let long = sound(47.0);
    for (name, clap) in models() {
        let windows = clap.embed_windows(Audio::samples(&long, RATE)).unwrap();
        assert!(windows.len() > 1 && windows.iter().all(|window| window.weight == 1.0), "{name}");
    }
}

#[test]
fn only_silence_and_too_little_are_told_and_are_heard_as_before() {
    for (name, clap) in models() {
        for (samples, heard) in [
            (noise(6, 0.0), Heard::Silence),
            (noise(25, 0.0), Heard::Silence),
            (noise(6, 1e-5), Heard::Silence),
            (vec![0.5], Heard::TooShort),
            (sound(0.02), Heard::TooShort),
            (sound(0.3), Heard::Sound),
        ] {
            let got = clap.embed_audio(Audio::samples(&samples, RATE)).unwrap();
            assert_eq!(got.level.heard, heard, "{name}, {} samples", samples.len());
            assert!(got.windows >= 1);
        }
    }
}

//! A sound is the same sound, bit for bit, as a file, as the bytes of one and as samples; and what is no sound is told in each form.

use std::io::Read;
use std::path::Path;

use echoic::audio::{Audio, Clip};
use echoic::progress::Stop;
use echoic::{Clap, Error, Result};
use hound::{SampleFormat, WavSpec, WavWriter};

use crate::common::clap_models::{MODELS, folder};
use crate::common::needs::starter_is_installed;
use crate::common::{fixture, hint, is_for_the_user, sounds};

/// A sound as samples of full scale 1.
fn samples(seconds: f64, rate: u32) -> Vec<f32> {
    sounds::sound(seconds, rate).into_iter().map(|x| f32::from(x) / 32_768.0).collect()
}

/// Writes samples as they are.
fn float_wav(path: &Path, samples: &[f32], rate: u32) {
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 32, sample_format: SampleFormat::Float };
    let mut writer = WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|x| writer.write_sample(*x).unwrap());
    writer.finalize().unwrap();
}

/// A model of each family, of random weights, and the starter where it is installed.
fn models() -> Vec<(String, Clap)> {
    let load = |model: &str| (model.to_owned(), Clap::load(folder(model).to_str().unwrap()).unwrap());
    let mut all: Vec<_> = MODELS.iter().map(|(model, _)| load(model)).collect();
    if starter_is_installed() {
        all.push(("starter".to_owned(), Clap::load("starter").unwrap()));
    }
    all
}

#[test]
fn samples_are_heard_as_the_file_that_holds_them() {
    let place = tempfile::tempdir().unwrap();
    let models = models();
    for (seconds, rate) in [(1.3, 44_100), (0.2, 16_000), (2.0, 48_000), (23.0, 32_000)] {
        let samples = samples(seconds, rate);
        let path = place.path().join(format!("{rate}.wav"));
        float_wav(&path, &samples, rate);
        for (name, clap) in &models {
            let (file, given) =
                (clap.embed_audio(&path).unwrap(), clap.embed_audio(Audio::samples(&samples, rate)).unwrap());
            assert_eq!(given, file, "{name}, {seconds} s at {rate} Hz");
            assert_eq!((file.seconds, file.sample_rate, file.channels), (seconds, rate, 1));
            let windows = clap.embed_windows(Audio::samples(&samples, rate)).unwrap();
            assert_eq!(windows, clap.embed_windows(&path).unwrap(), "{name}, {seconds} s at {rate} Hz");
            assert_eq!(windows.len(), file.windows);
        }
    }
}

/// Two minutes are kept in memory, what is longer is read twice; and blocks of one form end elsewhere than those of another.
#[test]
fn long_and_short_clips_have_the_same_samples_in_every_form() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sound.wav");
    for (seconds, rate, to) in
        [(0.001, 8_000, 44_100), (9.7, 22_050, 48_000), (131.0, 8_000, 8_000), (131.0, 8_000, 11_025)]
    {
        let samples = samples(seconds, rate);
        float_wav(&path, &samples, rate);
        let bytes = std::fs::read(&path).unwrap();
        let file = Clip::open(&path, to).unwrap();
        for clip in [Clip::open(Audio::samples(&samples, rate), to), Clip::open(Audio::bytes("sound.wav", bytes), to)] {
            let clip = clip.unwrap();
            assert_eq!((clip.facts(), clip.len(), clip.peak()), (file.facts(), file.len(), file.peak()));
            assert!(sounds::samples(&clip) == sounds::samples(&file), "{seconds} s from {rate} to {to} Hz");
        }
        let bands = [Audio::from(&path), Audio::samples(&samples, rate)]
            .map(|audio| Clip::open_in_band(audio, to, 4_000).unwrap());
        assert!(
            sounds::samples(&bands[0]) == sounds::samples(&bands[1]),
            "in a band: {seconds} s from {rate} to {to} Hz"
        );
    }
}

#[test]
fn the_bytes_of_a_file_are_heard_as_the_file_under_any_name() {
    let models = models();
    for name in ["bursts.wav", "tone.flac", "tone.ogg", "tone.mp3", "tone.m4a"] {
        let path = fixture("starter").join(name);
        let bytes = std::fs::read(&path).unwrap();
        for (model, clap) in &models {
            let file = clap.embed_audio(&path).unwrap();
            for called in [name, "a recording"] {
                let heard = clap.embed_audio(Audio::bytes(called, bytes.clone())).unwrap();
                assert_eq!(heard, file, "{model}: {name} as {called}");
            }
            let read = Audio::read(name, bytes.as_slice()).unwrap();
            assert_eq!(read.name(), name);
            assert_eq!(clap.embed_audio(read).unwrap(), file, "{model}: {name} from a reader");
        }
    }
}

/// What each way to listen says of a sound that is none.
#[track_caller]
fn refused(clap: &Clap, audio: Audio<'_>, words: &[&str]) {
    let name = audio.name();
    let errors = [
        Clip::open(audio.clone(), 44_100).map(drop).unwrap_err(),
        clap.embed_audio(audio.clone()).map(drop).unwrap_err(),
        clap.embed_windows(audio).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Input { .. }) && is_for_the_user(&error), "{name}: {error:?}");
        let said = format!("{error}; {}", hint(&error));
        assert!(!said.contains('\n'), "{said}");
        for word in words {
            assert!(said.contains(word), "'{word}' is not in {said}");
        }
    }
}

#[test]
fn what_is_no_sound_is_told() {
    let clap = Clap::load(folder("wavcaps-cnn14").to_str().unwrap()).unwrap();
    refused(&clap, Audio::samples(&[], 44_100), &["samples", "at least one sample"]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e13, f32::MIN] {
        let mut samples = vec![0.1; 32_000];
        samples[24_000] = bad;
        refused(
            &clap,
            Audio::samples(&samples, 16_000),
            &["32000 samples at 16000 Hz", "1.500 s from the start", "finite"],
        );
        // Also behind the first block.
        samples.rotate_right(200_000 % 32_000);
        let long = [vec![0.0; 100_000], samples].concat();
        refused(&clap, Audio::samples(&long, 16_000), &["s from the start"]);
    }
    for rate in [0, 1, 999, 2_000_000, u32::MAX] {
        refused(&clap, Audio::samples(&[0.1; 100], rate), &[&format!("a sample rate of {rate} Hz"), "1000 to"]);
    }
    refused(&clap, Audio::bytes("nothing.wav", Vec::new()), &["nothing.wav", "0 bytes"]);
    refused(&clap, Audio::bytes("words.flac", &b"These are words.\n".repeat(90)[..]), &["words.flac", "an audio file"]);
    let ogg = std::fs::read(fixture("starter/tone.ogg")).unwrap();
    refused(&clap, Audio::bytes("stump.ogg", &ogg[..30]), &["stump.ogg"]);
    assert_eq!(clap.embed_audio(Audio::samples(&[0.5], 8_000)).unwrap().windows, 1, "one sample is a sound");
    assert!(clap.embed_audio(Audio::samples(&[0.0; 8_000], 8_000)).is_ok(), "and so is silence");
}

#[test]
fn a_reader_that_fails_is_named() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let read: Result<Audio<'_>> = Audio::read("from afar.wav", Broken);
    let error = read.unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("from afar.wav")), "{error:?}");
}

#[test]
fn a_sound_of_more_than_was_allowed_is_refused_in_every_form() {
    let place = tempfile::tempdir().unwrap();
    let (rate, path) = (16_000, place.path().join("two.wav"));
    let samples = samples(2.0, rate);
    float_wav(&path, &samples, rate);
    let bytes = std::fs::read(&path).unwrap();
    let forms = || [Audio::from(&path), Audio::bytes("two.wav", bytes.clone()), Audio::samples(&samples, rate)];
    for audio in forms() {
        assert!((Clip::open(audio.clone().at_most(2.0), 44_100).unwrap().seconds() - 2.0).abs() < 1e-9);
        let refused = Clip::open(audio.at_most(1.999), 44_100).unwrap_err();
        assert!(matches!(&refused, Error::TooMuch { allowed, .. } if allowed == "1.999 s"), "{refused}");
    }
    let wide = place.path().join("wide.wav");
    let spec = WavSpec { channels: 4, sample_rate: rate, bits_per_sample: 32, sample_format: SampleFormat::Float };
    let mut writer = WavWriter::create(&wide, spec).unwrap();
    samples.iter().for_each(|x| writer.write_sample(*x).unwrap());
    writer.finalize().unwrap();
    assert!(Clip::open(Audio::from(&wide).at_most_channels(4), rate).is_ok());
    let refused = Clip::open(Audio::from(&wide).at_most_channels(3), rate).unwrap_err();
    assert!(matches!(&refused, Error::TooMuch { found, .. } if found == "4 channels"), "{refused}");
}

#[test]
fn listening_ends_soon_after_it_is_asked_to_stop() {
    let rate = 8_000;
    let samples = samples(30.0, rate);
    let stop = Stop::new();
    let audio = Audio::samples(&samples, rate).stopped_by(&stop);
    let clip = Clip::open(audio.clone(), rate).unwrap();
    let mut heard = 0;
    let ended = clip.samples(|block| {
        heard += block.len();
        stop.request();
        Ok(())
    });
    assert!(matches!(ended, Err(Error::Interrupted)) && heard < samples.len(), "{ended:?} after {heard}");
    assert!(matches!(Clip::open(audio, rate), Err(Error::Interrupted)));
}

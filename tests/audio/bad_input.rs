//! Audio files of every kind that a user may bring, good and bad: each decodes, or says in one paragraph why not.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use echoic::Error;
use echoic::audio::Clip;
use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::TempDir;

use crate::common::process::{alone, peak_memory};
use crate::common::sounds::samples;
use crate::common::{fixture, is_for_the_user};

const RATE: u32 = 44_100;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A second of a 440 Hz tone at half of full scale, the same on each channel.
fn tone(path: &Path, channels: u16, sample_rate: u32, bits: u16, format: SampleFormat) {
    let spec = WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format: format };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for index in 0..sample_rate {
        let value = 0.5 * (std::f64::consts::TAU * 440.0 * f64::from(index) / f64::from(sample_rate)).sin();
        for _ in 0..channels {
            match format {
                SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                SampleFormat::Int => writer.write_sample((value * f64::from(1u32 << (bits - 1))) as i32).unwrap(),
            }
        }
    }
    writer.finalize().unwrap();
}

/// The error that `path` gives, which must be the user's to mend, name the file, and say what was expected.
fn refused(path: &Path) -> String {
    let error = Clip::open(path, RATE).expect_err("must be refused");
    assert!(is_for_the_user(&error), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(!message.contains('\n'), "one paragraph: {message}");
    message
}

#[test]
fn every_kind_of_wav_gives_the_same_tone() {
    let folder = folder();
    let path = folder.path().join("tone.wav");
    let kinds = [
        (1, 44_100, 8, SampleFormat::Int),
        (1, 44_100, 16, SampleFormat::Int),
        (2, 44_100, 24, SampleFormat::Int),
        (1, 44_100, 32, SampleFormat::Int),
        (1, 44_100, 32, SampleFormat::Float),
        (6, 48_000, 16, SampleFormat::Int),
        (8, 22_050, 16, SampleFormat::Int),
        (1, 8_000, 16, SampleFormat::Int),
        (2, 192_000, 24, SampleFormat::Int),
        (1, 11_025, 8, SampleFormat::Int),
    ];
    for (channels, rate, bits, format) in kinds {
        let kind = format!("{channels} channels, {rate} Hz, {bits} bits, {format:?}");
        tone(&path, channels, rate, bits, format);
        let clip = Clip::open(&path, RATE).unwrap();
        assert_eq!((clip.sample_rate(), clip.channels()), (rate, channels), "{kind}");
        assert_eq!((clip.seconds(), clip.len()), (1.0, u64::from(RATE)), "{kind}");
        let got = samples(&clip);
        for (index, x) in got.iter().enumerate().take(40_000).skip(4_000) {
            let wanted = 0.5 * (std::f64::consts::TAU * 440.0 * index as f64 / f64::from(RATE)).sin() as f32;
            assert!(
                (x - wanted).abs() < if bits == 8 { 0.02 } else { 1e-3 },
                "{kind}: sample {index} is {x}, not {wanted}"
            );
        }
        assert!((clip.peak() - 0.5).abs() < 0.02, "{kind}: peak {}", clip.peak());
    }
}

#[test]
fn compressed_formats_decode() {
    for (name, seconds) in [("tone.flac", 0.5), ("tone.ogg", 0.5), ("tone.mp3", 3.0), ("tone.m4a", 0.5)] {
        let path = fixture("starter").join(name);
        let clip = Clip::open(&path, RATE).unwrap();
        assert!((clip.seconds() - seconds).abs() < 0.06, "{name}: {} s", clip.seconds());
        assert!((clip.peak() - 0.5).abs() < 0.1, "{name}: peak {}", clip.peak());
        assert_eq!(samples(&clip).len() as u64, clip.len());
    }
}

#[test]
fn an_empty_file_a_folder_and_an_absent_file_are_refused() {
    let folder = folder();
    let path = folder.path().join("empty.wav");
    fs::write(&path, b"").unwrap();
    assert!(refused(&path).contains("empty file"));
    assert!(refused(folder.path()).contains("a folder"));
    assert!(refused(&folder.path().join("absent.wav")).contains("cannot open"));
}

#[test]
fn text_and_noise_under_an_audio_name_are_refused() {
    let folder = folder();
    let noise: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let contents = [
        b"file_name,caption_1\nrain.wav,Rain falls.\n".repeat(50),
        b"RIFF".to_vec(),
        b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec(),
        b"OggS".to_vec(),
        b"ID3\x04\x00\x00\x00\x00\x00\x00".to_vec(),
        vec![0; 5_000],
        noise,
    ];
    for (index, contents) in contents.iter().enumerate() {
        for extension in ["wav", "mp3", "ogg", "flac", "m4a"] {
            let path = folder.path().join(format!("{index}.{extension}"));
            fs::write(&path, contents).unwrap();
            let message = refused(&path);
            assert!(message.contains("expected an audio file") || message.contains("expected at least"), "{message}");
        }
    }
}

#[test]
fn a_clip_without_samples_is_refused() {
    let folder = folder();
    let path = folder.path().join("nothing.wav");
    let spec = WavSpec { channels: 1, sample_rate: 44_100, bits_per_sample: 16, sample_format: SampleFormat::Int };
    WavWriter::create(&path, spec).unwrap().finalize().unwrap();
    let message = refused(&path);
    assert!(message.contains("0 seconds") && message.contains("at least one sample"), "{message}");
}

#[test]
fn samples_that_are_not_finite_or_overflow_in_resampling_are_refused() {
    let folder = folder();
    let path = folder.path().join("nan.wav");
    let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 32, sample_format: SampleFormat::Float };
    for bad in [f32::NAN, f32::INFINITY, f32::MAX, -3e38] {
        let mut writer = WavWriter::create(&path, spec).unwrap();
        (0..8_000).for_each(|i| writer.write_sample(if i == 4_000 { bad } else { 0.1 }).unwrap());
        writer.finalize().unwrap();
        assert!(refused(&path).contains("0.500 s"), "the place is named");
    }
}

#[test]
fn silence_is_fine() {
    let folder = folder();
    let path = folder.path().join("silence.wav");
    let spec = WavSpec { channels: 2, sample_rate: 44_100, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    (0..44_100 * 2).for_each(|_| writer.write_sample(0i16).unwrap());
    writer.finalize().unwrap();
    let clip = Clip::open(&path, RATE).unwrap();
    assert_eq!((clip.peak(), clip.seconds()), (0.0, 1.0));
}

#[test]
fn truncated_files_give_what_is_there() {
    let folder = folder();
    let wav = folder.path().join("whole.wav");
    tone(&wav, 1, 44_100, 16, SampleFormat::Int);
    for source in [fixture("starter/tone.mp3"), fixture("starter/tone.ogg"), fixture("starter/tone.flac"), wav] {
        let bytes = fs::read(&source).unwrap();
        let whole = Clip::open(&source, RATE).unwrap().seconds();
        let cut = folder.path().join("cut").with_extension(source.extension().unwrap());
        fs::write(&cut, &bytes[..bytes.len() * 7 / 10]).unwrap();
        match Clip::open(&cut, RATE) {
            Ok(clip) => {
                let name = cut.display();
                assert!(clip.seconds() > 0.0 && clip.seconds() < whole, "{name}: {} of {whole} s", clip.seconds());
                assert_eq!(samples(&clip).len() as u64, clip.len());
            }
            // Half a second of vorbis is one page: without its end there is nothing.
            Err(error) => assert!(source.ends_with("tone.ogg") && is_for_the_user(&error), "{error}"),
        }
    }
}

#[test]
fn no_damage_makes_the_decoder_panic_or_hang() {
    let folder = folder();
    for name in ["tone.mp3", "tone.ogg", "tone.flac", "tone.m4a", "clicks.wav"] {
        let bytes = fs::read(fixture("starter").join(name)).unwrap();
        let path = folder.path().join(name);
        let mut state = 12_345u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize
        };
        for round in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + round % 8 {
                let at = random() % damaged.len().min(if round % 2 == 0 { 400 } else { usize::MAX });
                damaged[at] = random() as u8;
            }
            fs::write(&path, &damaged).unwrap();
            if let Err(error) = Clip::open(&path, RATE) {
                assert!(matches!(error, Error::Input { .. }), "{name}, round {round}: {error:?}");
            }
        }
    }
}

/// Three hours of 8 kHz, 8-bit silence: a sparse file, so the disk holds next to nothing.
#[test]
fn a_file_of_three_hours_is_streamed_in_bounded_memory() {
    alone(module_path!(), "a_file_of_three_hours_is_streamed_in_bounded_memory", stream_three_hours);
}

fn stream_three_hours() {
    const FRAMES: u32 = 3 * 3600 * 8_000;
    let folder = folder();
    let path = folder.path().join("long.wav");
    let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 8, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    (0..2).for_each(|_| writer.write_sample(0i8).unwrap());
    writer.finalize().unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let header = u32::try_from(fs::metadata(&path).unwrap().len()).unwrap() - 2;
    for (at, value) in [(4, header - 8 + FRAMES), (header - 4, FRAMES)] {
        file.seek(SeekFrom::Start(u64::from(at))).unwrap();
        file.write_all(&value.to_le_bytes()).unwrap();
    }
    file.set_len(u64::from(header + FRAMES)).unwrap();
    drop(file);

    let before = peak_memory();
    let clip = Clip::open(&path, 8_000).unwrap();
    assert_eq!(clip.seconds(), 3.0 * 3600.0);
    let mut taken = 0;
    clip.samples(|block| {
        taken += block.len() as u64;
        Ok(())
    })
    .unwrap();
    assert_eq!(taken, u64::from(FRAMES));
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        // As samples the file is 345 MB.
        assert!(after - before < 100 << 20, "peak memory grew by {} MB", (after - before) >> 20);
    }
}

//! What is in a file is read to its end, and what an encoder put around the sound is cut where the file says so; else a remark tells of it.
//!
//! `make_length_fixtures.py` made the files, and asked ffmpeg for their lengths.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use echoic::audio::{Audio, Clip};
use hound::{SampleFormat, WavSpec, WavWriter};

use crate::common::sounds::samples;
use crate::common::{fixture, hint, sounds};

const RATE: u32 = 16_000;

/// What the log says meanwhile.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A sound's samples at their own rate, and the remarks on it.
fn heard<'a>(audio: impl Into<Audio<'a>>, rate: u32) -> (Vec<f32>, String) {
    let (audio, log) = (audio.into(), Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let all = tracing::subscriber::with_default(subscriber, || samples(&Clip::open(audio, rate).unwrap()));
    let remarks = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (all, remarks)
}

#[track_caller]
fn heard_without_remark(path: &Path, rate: u32) -> Vec<f32> {
    let (all, remarks) = heard(path, rate);
    assert_eq!(remarks, "", "{}", path.display());
    all
}

fn lengths() -> Vec<(PathBuf, usize)> {
    counted("lengths.json")
}

/// The files of `make_length_fixtures.py` with the samples that a table of it counts.
fn counted(table: &str) -> Vec<(PathBuf, usize)> {
    let counts = fs::read(fixture("lengths").join(table)).unwrap();
    let counts: std::collections::BTreeMap<String, usize> = serde_json::from_slice(&counts).unwrap();
    counts.into_iter().map(|(name, length)| (fixture("lengths").join(name), length)).collect()
}

#[test]
fn files_are_as_long_as_ffmpeg_reads_them_and_nothing_is_remarked() {
    for (path, length) in lengths() {
        assert_eq!(heard_without_remark(&path, RATE).len(), length, "{}", path.display());
        let bytes = fs::read(&path).unwrap();
        let (from_memory, remarks) = heard(Audio::bytes("a recording", bytes), RATE);
        assert_eq!((from_memory.len(), remarks.as_str()), (length, ""), "{} from memory", path.display());
    }
}

#[test]
fn joined_files_are_heard_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    // Where a program wrote to a pipe, nothing says where the first file ends.
    let mut all: Vec<_> =
        lengths().into_iter().filter(|(path, _)| !path.display().to_string().contains("piped")).collect();
    let wav = folder.path().join("a.wav");
    sounds::wav_at(&wav, &sounds::sound(1.0, RATE), RATE);
    all.push((wav, RATE as usize));
    for (path, length) in all {
        let bytes = fs::read(&path).unwrap();
        let joined = folder.path().join("joined").with_extension(path.extension().unwrap());
        fs::write(&joined, [bytes.as_slice(), &bytes, &bytes].concat()).unwrap();
        let once = heard_without_remark(&path, RATE);
        let got = heard_without_remark(&joined, RATE);
        // In a stream, the delay and padding of those behind the first stay, and the tag of an mp3 is a frame without sound.
        let around = got.len().abs_diff(3 * length);
        assert!(around <= 3 * 2_400, "{}: {} samples for three times {length}", path.display(), got.len());
        let sure = length.saturating_sub(2_400);
        assert_eq!(got[..sure], once[..sure], "{}", path.display());
        let exact = ["wav", "flac", "caf", "m4a", "mov"].contains(&path.extension().unwrap().to_str().unwrap());
        assert!(!exact || got == [once.as_slice(), &once, &once].concat(), "{}", path.display());
    }
}

#[test]
fn quicktime_says_which_byte_of_a_sample_comes_first() {
    let of = |name: &str| heard_without_remark(&fixture("lengths").join(name), RATE);
    let expected = of("s24le.mov");
    assert!(expected.iter().any(|x| x.abs() > 0.2));
    for name in ["s24be.mov", "s32be.mov", "f32be.mov", "f64be.mov"] {
        assert_eq!(of(name), expected, "{name}");
    }
}

#[test]
fn a_tag_behind_a_flac_costs_none_of_it() {
    let bytes = fs::read(fixture("lengths/lossless.flac")).unwrap();
    let tag = [b"TAG".as_slice(), &[b' '; 125]].concat();
    let (got, remarks) = heard(Audio::bytes("tagged.flac", [bytes.as_slice(), &tag].concat()), RATE);
    assert!(got == heard_without_remark(&fixture("lengths/lossless.flac"), RATE), "{} samples", got.len());
    assert_eq!(remarks, "");
}

#[test]
fn a_joined_file_that_cannot_be_heard_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = [(RATE, "a.wav"), (8_000, "b.wav")].map(|(rate, name)| {
        let path = folder.path().join(name);
        sounds::wav_at(&path, &sounds::sound(0.5, rate), rate);
        fs::read(path).unwrap()
    });
    let joined = folder.path().join("joined.wav");
    for (second, words) in
        [(second.as_slice(), "sample rate changes from 16000 to 8000"), (b"RIFF\x04\0\0\0WAVE", "joined to it")]
    {
        fs::write(&joined, [&first, second].concat()).unwrap();
        let (all, remarks) = heard(&joined, RATE);
        assert_eq!(all.len(), 8_000);
        assert!(remarks.contains(words), "{remarks}");
    }
}

#[test]
fn a_flac_whose_header_does_not_know_its_length_or_sum_is_read_whole() {
    let bytes = fs::read(fixture("lengths/lossless.flac")).unwrap();
    let whole = heard_without_remark(&fixture("lengths/lossless.flac"), RATE);
    // The number of samples has 36 bits, of which the upper four lie in byte 21; the sum follows.
    let mut unknown = bytes.clone();
    unknown[21] &= 0xf0;
    unknown[22..26].fill(0);
    let mut smaller = bytes.clone();
    smaller[22..26].copy_from_slice(&1_000u32.to_be_bytes());
    let mut sum = bytes.clone();
    sum[26..42].fill(0x11);
    for damaged in [unknown, smaller, sum] {
        let (got, remarks) = heard(Audio::bytes("a.flac", damaged), RATE);
        assert!(got == whole && remarks.is_empty(), "{remarks}");
    }
}

#[test]
fn a_wav_from_a_pipe_lacks_nothing_and_one_that_was_cut_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    sounds::wav_at(&path, &sounds::sound(1.0, RATE), RATE);
    let bytes = fs::read(&path).unwrap();
    let whole = heard_without_remark(&path, RATE);
    let mut streamed = bytes.clone();
    for at in [4, 40] {
        streamed[at..at + 4].fill(0xff);
    }
    let (got, remarks) = heard(Audio::bytes("streamed.wav", streamed), RATE);
    assert!(got == whole && remarks.is_empty(), "{remarks}");
    let (got, remarks) = heard(Audio::bytes("cut.wav", &bytes[..bytes.len() / 2]), RATE);
    assert!(got.len() < whole.len() && !remarks.is_empty());
}

/// A frame of MPEG audio, the longest packet here, which a cut may take away.
const PACKET: usize = 1_152;

#[test]
fn of_what_breaks_off_the_rest_is_heard_and_the_cut_is_told() {
    let endless = ["untagged.mp3", "piped.aiff", "piped.caf"]; // nothing says how long they were
    for (path, by_ffmpeg) in counted("cut.json") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        let cut = Audio::bytes(name, &bytes[..bytes.len() * 3 / 5]);
        if by_ffmpeg == 0 {
            // Its index, or the only page, cluster or table of it, is gone.
            let Err(error) = Clip::open(cut.clone(), RATE) else { continue };
            assert!(hint(&error).contains("export it again"), "{error}: {}", hint(&error));
            assert!(!error.to_string().contains("no audio format that is known"), "{error}");
            continue;
        }
        let (got, remarks) = heard(cut, RATE);
        assert!(got.len() + PACKET > by_ffmpeg && got.len() <= by_ffmpeg, "{name}: {} of {by_ffmpeg}", got.len());
        let is_told = remarks.contains("truncated") || remarks.contains("early");
        assert_eq!(is_told, !endless.contains(&name), "{name}: {remarks:?}");
    }
}

#[test]
fn an_aiff_is_as_long_as_its_sound_whatever_its_header_says() {
    let whole = heard_without_remark(&fixture("lengths/piped.aiff"), RATE);
    let bytes = fs::read(fixture("lengths/piped.aiff")).unwrap();
    let place = |tag: &[u8]| bytes.windows(4).position(|window| window == tag).unwrap();
    // The sizes of all of it and of the sound, and the count of samples.
    let (form, count, sound) = (4, place(b"COMM") + 10, place(b"SSND") + 4);
    let right = 8 + whole.len() as u32;
    for (all, samples, size) in [(0, 0, right), (u32::MAX, u32::MAX, u32::MAX), (24, 7, 0), (0x7fff_ffff, 0, right)] {
        let mut odd = bytes.clone();
        for (at, value) in [(form, all), (count, samples), (sound, size)] {
            odd[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        let (got, remarks) = heard(Audio::bytes("odd.aiff", odd), RATE);
        assert!(got == whole && remarks.is_empty(), "{all} {samples} {size}: {} {remarks}", got.len());
    }
    // The description may stand behind the sound.
    let description = place(b"COMM")..place(b"SSND");
    let mut turned = [&bytes[..description.start], &bytes[description.end..], &bytes[description.clone()]].concat();
    let sound = turned.windows(4).position(|window| window == b"SSND").unwrap() + 4;
    turned[sound..sound + 4].copy_from_slice(&right.to_be_bytes());
    let (got, remarks) = heard(Audio::bytes("turned.aiff", turned), RATE);
    assert!(got == whole && remarks.is_empty(), "{remarks}");
}

/// Writes channels of floats.
fn wav(path: &Path, channels: &[Vec<f32>]) {
    let spec = WavSpec {
        channels: channels.len().try_into().unwrap(),
        sample_rate: RATE,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for at in 0..channels[0].len() {
        channels.iter().for_each(|channel| writer.write_sample(channel[at]).unwrap());
    }
    writer.finalize().unwrap();
}

#[test]
fn channels_that_cancel_out_are_heard_by_the_loudest_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let sound: Vec<f32> = sounds::sound(3.5, RATE).into_iter().map(|x| f32::from(x) / 32_768.0).collect();
    let scaled = |factor: f32| sound.iter().map(|x| x * factor).collect::<Vec<_>>();
    let silent = vec![0.0; sound.len()];
    for channels in [
        vec![sound.clone(), scaled(-1.0)],
        vec![scaled(-0.9), sound.clone()],
        vec![silent.clone(), silent.clone(), silent.clone(), silent.clone(), scaled(-0.95), sound.clone()],
        vec![sound.clone(), scaled(-1.0), silent.clone(), silent],
    ] {
        wav(&path, &channels);
        let (got, remarks) = heard(&path, RATE);
        assert!(got == sound, "{} channels", channels.len());
        assert!(remarks.contains("cancel each other out in 3.5 of 3.5 s"), "{remarks}");
    }
    wav(&path, &[sound.clone(), scaled(-0.2)]);
    let mean: Vec<f32> = sound.iter().map(|x| (x + x * -0.2) * 0.5).collect();
    assert_eq!(heard_without_remark(&path, RATE), mean, "what the mean keeps most of is the mean");
}

//! Containers and codecs beside symphonia's own: the sound is what the reference makes of it, to the sample; headers that lie are seen through;
//! and what is not read is called by its name.

use std::fs;
use std::path::Path;

use echoic::audio::{Audio, Clip};
use echoic::{Error, Result};
use serde_json::Value;

use crate::common::log::logged;
use crate::common::{fixture, hint, sounds};

/// The fixtures, with what `make_formats.py` found about them.
fn fixtures() -> Vec<(String, Vec<u8>, Value)> {
    let expected = fs::read(fixture("formats/expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_slice(&expected).unwrap();
    let read = |(name, values): (String, Value)| {
        let bytes = fs::read(fixture("formats").join(&name)).unwrap();
        (name, bytes, values)
    };
    expected.into_iter().map(read).collect()
}

/// The samples of a sound in its own rate, mixed to one channel.
fn heard<'a>(audio: impl Into<Audio<'a>> + Clone) -> Result<(u32, Vec<f32>)> {
    let rate = Clip::open(audio.clone(), 48_000)?.sample_rate();
    Ok((rate, sounds::samples(&Clip::open(audio, rate)?)))
}

#[test]
fn every_file_sounds_as_the_reference_decodes_it() {
    for (name, bytes, expected) in fixtures() {
        let audio = Audio::bytes(name.as_str(), bytes);
        let ((rate, samples), said) = logged(|| heard(audio.clone()).unwrap());
        assert_eq!(said, "", "{name}");
        let channels = Clip::open(audio, rate).unwrap().channels();
        let told = |field: &str| expected[field].as_u64().unwrap();
        assert_eq!((u64::from(rate), u64::from(channels)), (told("rate"), told("channels")), "{name}");
        // ffmpeg leaves the padding at the end of Opus in MP4; its length is that of the sound in every other container.
        let frames = if name == "opus.mp4" { samples.len() as u64 } else { told("frames") };
        assert_eq!(samples.len() as u64, frames, "{name}");
        // What cannot be told apart from rounding; 16-bit references of Opus round to 3e-5.
        let allowed = 4e-5;
        for (number, value) in expected["samples"].as_array().unwrap().iter().enumerate() {
            let (own, value) = (samples[number * 997], value.as_f64().unwrap());
            assert!((f64::from(own) - value).abs() < allowed, "{name}, sample {}: {own} for {value}", number * 997);
        }
        let squares: f64 = samples.iter().map(|x| f64::from(x * x)).sum();
        let (rms, value) = ((squares / samples.len() as f64).sqrt(), expected["rms"].as_f64().unwrap());
        assert!((rms - value).abs() < allowed * 2.0, "{name}: {rms} for {value}");
    }
}

/// A wav file of 16-bit mono samples at 8 kHz, with these sizes in its header, and these bytes behind the sound.
fn wav(samples: &[i16], riff: u32, data: u32, behind: &[u8]) -> Vec<u8> {
    let mut bytes = [&b"RIFF"[..], &riff.to_le_bytes(), b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    for field in [1u16, 1, 0x1f40, 0, 0x3e80, 0, 2, 16] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([&b"data"[..], &data.to_le_bytes()].concat());
    samples.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    [&bytes, behind].concat()
}

#[test]
fn wav_files_are_read_whole_whatever_sizes_their_headers_say() {
    const LIST: &[u8] = b"LIST\x0e\0\0\0INFOISFT\x02\0\0\0a\0";
    let samples: Vec<i16> = (0..6 * 8_000i32).map(|i| ((i * 37) % 20_011 - 10_000) as i16).collect();
    let n = 44 + 2 * samples.len() as u32;
    let whole = n - 44;
    for (riff, data, behind) in [
        (n - 8, u32::MAX, &[][..]),
        (n - 16, whole, &[]),
        (n - 44, whole, &[]),
        (0, 0, &[]),
        (36, 0, &[]),
        (u32::MAX, u32::MAX, &[]),
        (n - 8, whole, LIST),
        (0, whole, &[0; 100]),
        (7, whole, LIST),
    ] {
        let audio = Audio::bytes("x.wav", wav(&samples, riff, data, behind));
        let ((rate, own), said) = logged(|| heard(audio).unwrap());
        let exact = own.iter().zip(&samples).all(|(own, x)| *own == f32::from(*x) / 32_768.0);
        assert!(rate == 8_000 && own.len() == samples.len() && exact, "{riff} {data}: {} samples", own.len());
        assert_eq!(said, "", "{riff} {data}");
    }
}

#[test]
fn what_a_wav_header_leaves_out_or_promises_too_much_is_remarked() {
    let samples = [1000i16; 800];
    let (found, said) = logged(|| heard(Audio::bytes("x.wav", wav(&samples, 0, 4_000, &[]))).unwrap());
    assert!(found.1.len() == 800 && said.contains("x.wav: stopped reading early"), "{said}");
    let junk = [0xEEu8; 500];
    let (found, said) = logged(|| heard(Audio::bytes("x.wav", wav(&samples, 0, 1_600, &junk))).unwrap());
    assert!(found.1.len() == 800 && said.contains("500 bytes behind the sound were left out"), "{said}");
    let error = heard(Audio::bytes("x.wav", wav(&[], 36, 0, b"LIST\x0e\0\0\0INFOISFT\x02\0\0\0a\0"))).unwrap_err();
    assert!(error.to_string().contains("0 seconds"), "{error}");
}

/// A byte of padding that is missing does not hide the chunks behind it.
#[test]
fn odd_chunks_may_lack_their_padding() {
    let samples = [500i16; 800];
    let plain = wav(&samples, 0, 1_600, &[]);
    for chunk in [&b"iXML\x05\0\0\0hello\0"[..], b"iXML\x05\0\0\0hello"] {
        let bytes = [&plain[..36], chunk, &plain[36..]].concat();
        assert_eq!(heard(Audio::bytes("x.wav", bytes)).unwrap().1.len(), 800);
    }
}

/// Sizes near the ends of their numbers neither overflow nor allocate: what is there is read.
#[test]
fn forged_sizes_are_limited_to_what_the_file_holds() {
    for (name, bytes, _) in fixtures() {
        for width in [2usize, 4, 8] {
            for at in (0..bytes.len().min(160)).step_by(width) {
                let mut forged = bytes.clone();
                let end = (at + width).min(forged.len());
                forged[at..end].fill(0xFF);
                if let Ok((_, samples)) = heard(Audio::bytes(name.as_str(), forged)) {
                    assert!(samples.len() <= 200_000, "{name} at {at}: {} samples", samples.len());
                }
            }
        }
    }
}

#[test]
fn files_that_break_off_give_what_is_there_and_damage_never_panics() {
    let mut state = 12_345u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for (name, bytes, _) in fixtures() {
        for _ in 0..30 {
            let mut damaged = bytes[..bytes.len() - random() % (bytes.len() / 2)].to_vec();
            for _ in 0..random() % 6 {
                let at = random() % damaged.len();
                damaged[at] = random() as u8;
            }
            if let Err(error) = heard(Audio::bytes(name.as_str(), damaged)) {
                assert!(matches!(error, Error::Input { .. }), "{name}: {error:?}");
            }
        }
    }
}

/// A damaged block is left out with a remark: its checksum tells.
#[test]
fn a_damaged_block_of_wavpack_is_noticed() {
    let (_, mut bytes, _) = fixtures().into_iter().find(|(name, ..)| name == "plain.wv").unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let (outcome, said) = logged(|| heard(Audio::bytes("x.wv", bytes)));
    match outcome {
        Ok(_) => assert!(said.contains("damaged packet"), "{said}"),
        Err(error) => assert!(error.to_string().contains("nothing could be decoded"), "{error}"),
    }
}

#[test]
fn what_is_not_read_is_called_by_its_name() {
    let ogg = |packet: &[u8]| {
        let mut page = b"OggS\0\x02".to_vec();
        page.extend([0; 20]);
        page.extend([1, packet.len() as u8]);
        [&page, packet].concat()
    };
    let gsm = {
        let mut bytes = wav(&[0; 100], 0, 200, &[]);
        bytes[20] = 0x31;
        bytes
    };
    for (bytes, name) in [
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9".to_vec(), "a WMA or WMV file"),
        (b"#!AMR\n\x3c\x91\x17".to_vec(), "an AMR file"),
        (b"\x0b\x77\x00\x00\x14\x40\x43\xe1".to_vec(), "an AC-3 file"),
        (b"\x0b\x77\x00\x00\x14\x80\x43\xe1".to_vec(), "an E-AC-3 file"),
        (b"MPCK\x53\x48".to_vec(), "a Musepack file"),
        (b"MAC \x96\x0f".to_vec(), "a Monkey's Audio file"),
        (b"TTA1\x01\x00".to_vec(), "a TTA file"),
        (b"DSD \x1c\x00".to_vec(), "a DSD file"),
        (b".ra\xfd\x00\x04".to_vec(), "a RealAudio file"),
        (ogg(b"Speex   1.2"), "holds Speex"),
        (gsm, "holds GSM 6.10"),
    ] {
        let error = Clip::open(Audio::bytes("x.snd", bytes), 8_000).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(hint(&error).contains("convert it to flac or wav"), "{name}: {}", hint(&error));
    }
    for (bytes, name) in [
        (b"%PDF-1.7\n".to_vec(), "a PDF file"),
        (b"PK\x03\x04\x14\x00".to_vec(), "a zip archive"),
        (b"MThd\x00\x00\x00\x06".to_vec(), "a MIDI file"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "Git LFS"),
        (b"Just some words.\n".to_vec(), "found text"),
    ] {
        let error = Clip::open(Audio::bytes("x.wav", bytes), 8_000).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(!hint(&error).contains("convert"), "{name}: {}", hint(&error));
    }
}

#[test]
fn what_phones_and_films_hold_in_mp4_is_named() {
    let bytes = fs::read(fixture("lengths/faststart.m4a")).unwrap();
    let at = bytes.windows(4).position(|window| window == b"mp4a").unwrap();
    for (kind, name) in [(b"samr", "AMR in"), (b"sawb", "AMR-WB in"), (b"enca", "copy protection")] {
        let mut other = bytes.clone();
        other[at..at + 4].copy_from_slice(kind);
        let error = Clip::open(Audio::bytes("call.3gp", other), 8_000).unwrap_err();
        assert!(error.to_string().contains(name) && hint(&error).contains("convert"), "{error}");
    }
}

/// Where a frame of MPEG audio seems to begin there is soon one to be found, in whatever bytes.
#[test]
fn what_begins_as_another_format_is_not_searched_for_packets() {
    let mp3 = fs::read(fixture("lengths/untagged.mp3")).unwrap();
    let stream: Vec<u8> = mp3.chunks(187).flat_map(|piece| [&[0x47], piece].concat()).collect();
    let timed: Vec<u8> = mp3.chunks(187).flat_map(|piece| [&[0, 0, 1, 2, 0x47], piece].concat()).collect();
    let behind = |head: &[u8]| [head, &mp3].concat();
    for (bytes, name) in [
        (stream, "an MPEG transport stream"),
        (timed, "an MPEG transport stream"),
        (behind(b"\x00\x00\x01\xba"), "an MPEG program stream"),
        (behind(b"\x7f\xfe\x80\x01"), "a DTS file"),
        (behind(b"FLV\x01\x05"), "a Flash video"),
        (behind(b"PK\x03\x04"), "a zip archive"),
    ] {
        let error = Clip::open(Audio::bytes("x.mp3", bytes), 8_000).unwrap_err();
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
    // What is no format at all is: recorders leave such bytes before the first frame.
    assert!(Clip::open(Audio::bytes("x.mp3", behind(&[0; 4_000])), 8_000).is_ok());
}

#[test]
fn errors_list_what_is_built_in() {
    let error = Clip::open(Audio::bytes("x.wav", b"Just some words.\n".to_vec()), 8_000).unwrap_err().to_string();
    for name in
        ["wav", "rf64", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3", "m4a", "webm", "wv", "opus", "wavpack"]
    {
        assert!(error.contains(name), "{name}: {error}");
    }
}

/// A program that takes arguments as ffmpeg does; `$f` is the file that it is given.
#[cfg(unix)]
fn stand_in(folder: &Path, body: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("decoder");
    fs::write(
        &program,
        format!("#!/bin/sh\nfor a; do case \"$a\" in file:*) f=\"${{a#file:}}\";; esac; done\n{body}\n"),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
#[cfg(unix)]
fn an_installed_ffmpeg_decodes_what_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound");
    let program = stand_in(folder.path(), &format!("grep -q AMR \"$f\" && cat '{}'", sound.display()));
    let samples: Vec<i16> = (0..4_000).map(|i| (i % 200 * 100) as i16).collect();
    // As a pipe is written: no sizes.
    fs::write(&sound, wav(&samples, u32::MAX, u32::MAX, &[])).unwrap();
    let foreign = b"#!AMR\n\x3c\x91\x17".to_vec();
    let path = folder.path().join("-y odd name.amr");
    fs::write(&path, &foreign).unwrap();
    let refused = Clip::open(&path, 8_000).unwrap_err();
    for audio in [Audio::from(&path), Audio::bytes("odd.amr", foreign)] {
        let ((rate, own), said) = logged(|| heard(audio.with_ffmpeg(&program)).unwrap());
        assert!(rate == 8_000 && own.len() == samples.len(), "{} samples at {rate} Hz", own.len());
        assert!(own.iter().zip(&samples).all(|(own, x)| *own == f32::from(*x) / 32_768.0));
        assert_eq!(said, "");
    }
    assert!(matches!(refused, Error::Input { .. }), "{refused:?}");
}

#[test]
#[cfg(unix)]
fn what_ffmpeg_says_of_a_failure_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let program = stand_in(folder.path(), "echo 'no such codec' >&2; exit 3");
    let audio = Audio::bytes("x.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9".to_vec());
    let error = heard(audio.clone().with_ffmpeg(&program)).unwrap_err();
    assert!(error.to_string().contains("no such codec"), "{error}");
    assert!(hint(&error).contains("a WMA or WMV file"), "{}", hint(&error));
    let error = heard(audio.with_ffmpeg(folder.path().join("absent"))).unwrap_err();
    assert!(error.to_string().contains("an installed ffmpeg"), "{error}");
    // What is read here needs no program.
    let own = heard(Audio::bytes("x.wav", wav(&[7; 400], 0, 800, &[])).with_ffmpeg(folder.path().join("absent")));
    assert_eq!(own.unwrap().1.len(), 400);
}

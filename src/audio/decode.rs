//! Decoding of audio files (symphonia) to mono samples, packet by packet.

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Cause;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use crate::quiet::quietly;
use crate::{Error, Result};

/// What this build decodes, for error messages.
pub const FORMATS: &str = "an audio file (wav, flac, ogg vorbis, mp3, m4a/aac)";

/// Sample rates outside this range are taken for damage, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=1_536_000;

/// The largest magnitude of a sample. Full scale is 1, and 32-bit integers that were written as floats reach 2³¹; much larger numbers are
/// damage, and would overflow when they are resampled.
const LOUDEST: f32 = 1e12;

/// An open audio file that gives mono samples in its own sample rate.
///
/// Channels are mixed by their mean. A file that breaks off gives what could be decoded before, with a warning in the log.
pub struct Source {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    sample_rate: u32,
    channels: u16,
    expected_frames: Option<u64>,
    frames: u64,
    broken_packets: u64,
    interleaved: Vec<f32>,
    ended: bool,
}

impl Source {
    /// Opens `path` and reads as far as the first decoded packet needs.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Input`] when it is empty or holds no audio that can be decoded.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let meta = file.metadata().map_err(Error::io("read", path))?;
        if meta.is_dir() {
            return Err(Error::input(path.display(), "a folder", FORMATS));
        }
        if meta.is_file() && meta.len() == 0 {
            return Err(Error::input(path.display(), "an empty file (0 bytes)", FORMATS));
        }
        Self::new(path, Box::new(file))
    }

    /// Opens the bytes of a file; `name` stands for it in errors, and its ending is a hint at the format.
    ///
    /// # Errors
    /// [`Error::Input`] when they are none, or hold no audio that can be decoded.
    pub fn from_bytes(name: &str, bytes: Arc<[u8]>) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::input(name, "an empty file (0 bytes)", FORMATS));
        }
        Self::new(Path::new(name), Box::new(Cursor::new(bytes)))
    }

    fn new(path: &Path, source: Box<dyn MediaSource>) -> Result<Self> {
        let (format, decoder, track) = guard(path, || open_format(path, source))?;
        let expected_frames = format.tracks().iter().find(|t| t.id == track).and_then(|t| t.num_frames);
        Ok(Self {
            path: path.to_path_buf(),
            format,
            decoder,
            track,
            sample_rate: 0,
            channels: 0,
            expected_frames,
            frames: 0,
            broken_packets: 0,
            interleaved: Vec::new(),
            ended: false,
        })
    }

    /// Samples a second of the file, in Hz; 0 until the first samples were read.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Channels of the file before mixing; 0 until the first samples were read.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Appends the next samples, mixed to mono, to `out`; false at the end of the file.
    ///
    /// # Errors
    /// [`Error::Input`] when nothing at all could be decoded, or a sample is not finite or absurdly large.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let path = self.path.clone();
        let before = out.len();
        let more = guard(&path, || self.read_packet(out))?;
        let first = self.frames - (out.len() - before) as u64;
        check_samples(&path.display().to_string(), &out[before..], first, self.sample_rate)?;
        if !more {
            self.ended = true;
            self.close()?;
        }
        Ok(more)
    }

    /// Decodes packets until one yields samples.
    fn read_packet(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                Err(Cause::ResetRequired) => {
                    // A chained ogg: the next stream may have other parameters.
                    let Some((decoder, track)) = make_decoder(self.format.as_ref()) else { return Ok(false) };
                    (self.decoder, self.track, self.expected_frames) = (decoder, track, None);
                    continue;
                }
                Err(cause) => {
                    tracing::warn!("{}: stopped reading early ({cause})", self.path.display());
                    self.expected_frames = None;
                    return Ok(false);
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = match self.decoder.decode(&packet) {
                Ok(decoded) => decoded,
                Err(Cause::DecodeError(_) | Cause::IoError(_)) => {
                    self.broken_packets += 1;
                    continue;
                }
                Err(cause) => {
                    tracing::warn!("{}: stopped decoding early ({cause})", self.path.display());
                    return Ok(false);
                }
            };
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            if decoded.frames() == 0 || channels == 0 {
                continue;
            }
            if self.sample_rate == 0 {
                check_rate(&self.path.display().to_string(), rate)?;
                (self.sample_rate, self.channels) = (rate, channels.try_into().unwrap_or(u16::MAX));
            } else if rate != self.sample_rate {
                tracing::warn!(
                    "{}: the sample rate changes from {} to {rate} Hz; the rest is left out",
                    self.path.display(),
                    self.sample_rate
                );
                return Ok(false);
            }
            decoded.copy_to_vec_interleaved(&mut self.interleaved);
            mix(&self.interleaved, channels, out);
            self.frames += (self.interleaved.len() / channels) as u64;
            return Ok(true);
        }
    }

    /// Judges the end of the file: an error if nothing was decoded, a warning if something is missing.
    fn close(&self) -> Result<()> {
        let path = self.path.display();
        if self.frames == 0 && self.broken_packets > 0 {
            return Err(Error::input(path, "audio data of which nothing could be decoded", FORMATS)
                .with_hint("the file is probably damaged: fetch or export it again"));
        }
        if self.frames == 0 {
            return Err(Error::input(path, "a clip without samples (0 seconds)", "at least one sample of audio"));
        }
        if self.broken_packets > 0 {
            tracing::warn!("{path}: {} damaged packets were left out", self.broken_packets);
        }
        if let Some(expected) = self.expected_frames.filter(|expected| self.frames < *expected) {
            tracing::warn!("{path}: truncated; it announces {expected} samples and holds {}", self.frames);
        }
        Ok(())
    }
}

/// Refuses samples that would overflow on the way; the first of `samples` is number `first` of the sound.
pub(super) fn check_samples(name: &str, samples: &[f32], first: u64, rate: u32) -> Result<()> {
    let Some(at) = samples.iter().position(|x| !x.is_finite() || x.abs() > LOUDEST) else { return Ok(()) };
    let found = match samples[at] {
        x if x.is_finite() => format!("a sample of {x:e}"),
        _ => "a sample that is not a finite number".into(),
    };
    let seconds = (first + at as u64) as f64 / f64::from(rate.max(1));
    Err(Error::input(
        name,
        format!("{found}, {seconds:.3} s from the start"),
        format!("finite samples, of at most {LOUDEST:e}"),
    )
    .with_hint("it was written by a faulty program: export it again, for example as 16-bit wav"))
}

/// Refuses sample rates that are taken for damage.
pub(super) fn check_rate(name: &str, rate: u32) -> Result<()> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    let expected = format!("{} to {} Hz", RATES.start(), RATES.end());
    Err(Error::input(name, format!("a sample rate of {rate} Hz"), expected))
}

type Opened = (Box<dyn FormatReader>, Box<dyn AudioDecoder>, u32);

fn open_format(path: &Path, source: Box<dyn MediaSource>) -> Result<Opened> {
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(source, Default::default());
    let format = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|cause| {
            Error::input(path.display(), format!("no audio format that is known here ({cause})"), FORMATS)
        })?;
    let Some((decoder, track)) = make_decoder(format.as_ref()) else {
        return Err(Error::input(path.display(), "no audio track that can be decoded here", FORMATS));
    };
    Ok((format, decoder, track))
}

/// A decoder for the default audio track, or the first that can be decoded.
fn make_decoder(format: &dyn FormatReader) -> Option<(Box<dyn AudioDecoder>, u32)> {
    let default = format.default_track(TrackType::Audio).into_iter();
    default.chain(format.tracks()).find_map(|track| {
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else { return None };
        let decoder =
            symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).ok()?;
        Some((decoder, track.id))
    })
}

/// Appends the mean over channels of each frame to `out`.
fn mix(interleaved: &[f32], channels: usize, out: &mut Vec<f32>) {
    if channels == 1 {
        out.extend_from_slice(interleaved);
        return;
    }
    let scale = 1.0 / channels as f32;
    out.extend(interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
}

/// Runs a call into symphonia; a panic in there, which damaged files can provoke, becomes an error about the file.
fn guard<T>(path: &Path, call: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing that the closure touched is used again after a panic: the source is dropped with the error.
    quietly(call).unwrap_or_else(|_| {
        Err(Error::input(path.display(), "data that make the decoder fail", FORMATS)
            .with_hint("the file is probably damaged: fetch or export it again"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_channels_by_their_mean() {
        let mut out = vec![9.0];
        mix(&[1.0, 3.0, -1.0, 1.0], 2, &mut out);
        assert_eq!(out, [9.0, 2.0, 0.0]);
    }

    #[test]
    fn a_panic_in_the_decoder_becomes_an_error_about_the_file() {
        let error = guard::<()>(Path::new("bad.mp3"), || panic!("index out of bounds")).expect_err("must fail");
        assert!(error.to_string().contains("bad.mp3"), "{error}");
    }
}

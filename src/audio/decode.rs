//! Decoding of audio files (symphonia) to mono samples, packet by packet.

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64BE,
    CODEC_ID_PCM_F64LE, CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Cause;
use symphonia::core::formats::well_known::{
    FORMAT_ID_AIFF, FORMAT_ID_CAF, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_WAVE,
};
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::MediaSource;

use super::edits::edit;
use super::ends::Ends;
use super::entries;
use super::formats::{self, FORMATS};
use super::joined::{self, Extent};
use super::mix::Mixer;
use super::place::{Forwards, Place};
use crate::quiet::quietly;
use crate::{Error, Result};

/// Sample rates outside this range are taken for damage, in Hz.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=1_536_000;

/// The largest magnitude of a sample. Full scale is 1, and 32-bit integers that were written as floats reach 2³¹; much larger numbers are
/// damage, and would overflow when they are resampled.
const LOUDEST: f32 = 1e12;

/// An open audio file that gives mono samples in its own sample rate.
///
/// Channels are mixed by their mean, and where they cancel each other out the loudest is taken (see [`Mixer`]). A file that breaks off gives
/// what could be decoded before, with a warning in the log.
pub struct Source {
    path: PathBuf,
    place: Place,
    /// Where the file that is read begins in its place, and where another that was joined to it does.
    start: u64,
    next: Option<u64>,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    ends: Ends,
    /// What is to be said of the file that is read.
    said: Option<String>,
    /// Samples of the track that were decoded, and those of them that are heard.
    position: u64,
    heard: u64,
    sample_rate: u32,
    channels: u16,
    mixer: Option<Mixer>,
    /// Samples where the channels cancelled each other out, as far as mixers have ended.
    replaced: u64,
    frames: u64,
    given: u64,
    broken_packets: u64,
    interleaved: Vec<f32>,
    /// Whether the log is spared what it was told when the file was read before.
    again: bool,
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
        match meta.is_file() {
            true => Self::new(path, Box::new(file), Place::File(path.to_path_buf())),
            false => Self::new(path, Box::new(Forwards(file)), Place::Once),
        }
    }

    /// Opens the bytes of a file; `name` stands for it in errors, and its ending is a hint at the format.
    ///
    /// # Errors
    /// [`Error::Input`] when they are none, or hold no audio that can be decoded.
    pub fn from_bytes(name: &str, bytes: Arc<[u8]>) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::input(name, "an empty file (0 bytes)", FORMATS));
        }
        Self::new(Path::new(name), Box::new(Cursor::new(bytes.clone())), Place::Bytes(bytes))
    }

    /// Opens what comes in order, such as through a pipe; `path` stands for it in errors.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn from_stream(path: &Path, source: Box<dyn MediaSource>) -> Result<Self> {
        Self::new(path, source, Place::Once)
    }

    fn new(path: &Path, source: Box<dyn MediaSource>, place: Place) -> Result<Self> {
        let Part { format, decoder, track, ends, next, said } = Part::open(path, source, &place, 0)?;
        Ok(Self {
            path: path.to_path_buf(),
            place,
            start: 0,
            next,
            format,
            decoder,
            track,
            ends,
            said,
            position: 0,
            heard: 0,
            sample_rate: 0,
            channels: 0,
            mixer: None,
            replaced: 0,
            frames: 0,
            given: 0,
            broken_packets: 0,
            interleaved: Vec::new(),
            again: false,
            ended: false,
        })
    }

    /// Says nothing more in the log: for a file that is read a second time.
    #[must_use]
    pub fn again(self) -> Self {
        Self { again: true, ..self }
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
        if !more {
            self.ended = true;
            self.end_part();
            self.mix_rest(out);
        }
        check_samples(&path.display().to_string(), &out[before..], self.given, self.sample_rate)?;
        self.given += (out.len() - before) as u64;
        if !more {
            self.close()?;
        }
        Ok(more)
    }

    /// Decodes packets until one yields samples.
    fn read_packet(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) if self.follow() => continue,
                Ok(None) => return Ok(false),
                Err(Cause::ResetRequired) => {
                    // A chained ogg: the next stream may have other parameters.
                    let Some((decoder, track)) = make_decoder(self.format.as_ref()) else { return Ok(false) };
                    // What the link announced says nothing of those behind it.
                    self.ends.announced = None;
                    self.end_part();
                    (self.decoder, self.track) = (decoder, track);
                    continue;
                }
                Err(cause) => {
                    if self.is_whole(&cause) && self.follow() {
                        continue;
                    }
                    if !self.is_whole(&cause) {
                        self.remark(&format!("stopped reading early ({cause})"));
                        self.ends.announced = None;
                    }
                    return Ok(false);
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            if self.ends.is_over(self.position) {
                if self.follow() {
                    continue;
                }
                return Ok(false);
            }
            let decoded = match self.decoder.decode(&packet) {
                Ok(decoded) => decoded,
                Err(Cause::DecodeError(_) | Cause::IoError(_)) => {
                    self.broken_packets += 1;
                    continue;
                }
                Err(cause) => {
                    self.remark(&format!("stopped decoding early ({cause})"));
                    return Ok(false);
                }
            };
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            let ambisonic = matches!(decoded.spec().channels(), Channels::Ambisonic(_));
            if decoded.frames() == 0 || channels == 0 {
                continue;
            }
            if self.sample_rate == 0 {
                check_rate(&self.path.display().to_string(), rate)?;
                (self.sample_rate, self.channels) = (rate, channels.try_into().unwrap_or(u16::MAX));
            } else if rate != self.sample_rate {
                let before = self.sample_rate;
                self.remark(&format!("the sample rate changes from {before} to {rate} Hz; the rest is left out"));
                return Ok(false);
            }
            decoded.copy_to_vec_interleaved(&mut self.interleaved);
            self.take(channels, ambisonic, out);
            return Ok(true);
        }
    }

    /// Mixes what is heard of the samples that were just decoded.
    fn take(&mut self, channels: usize, ambisonic: bool, out: &mut Vec<f32>) {
        if self.mixer.as_ref().is_some_and(|mixer| mixer.channels() != channels) {
            self.mix_rest(out);
        }
        let rate = self.sample_rate;
        let mixer = self.mixer.get_or_insert_with(|| Mixer::new(channels, rate, ambisonic));
        let count = (self.interleaved.len() / channels) as u64;
        for part in self.ends.heard(self.position, count) {
            self.heard += part.len() as u64;
            mixer.push(&self.interleaved[part.start * channels..part.end * channels], out);
        }
        self.position += count;
    }

    /// Goes on with the file that was joined to the one that has ended, if there is one.
    fn follow(&mut self) -> bool {
        let Some(next) = self.next.take() else { return false };
        self.end_part();
        let start = self.start + next;
        let opened = match self.place.section(start, None) {
            Ok(source) => Part::open(&self.path, source, &self.place, start),
            Err(cause) => Err(Error::io("open", &self.path)(cause)),
        };
        match opened {
            Ok(Part { format, decoder, track, ends, next, said }) => {
                (self.format, self.decoder, self.track, self.ends, self.next) = (format, decoder, track, ends, next);
                self.said = said;
                self.start = start;
                true
            }
            Err(cause) => {
                self.remark(&format!("another file was joined to it at byte {start}, and is left out ({cause})"));
                false
            }
        }
    }

    /// Compares what was heard with what the file that has ended announced.
    fn end_part(&mut self) {
        if let Some(said) = self.said.take() {
            self.remark(&said);
        }
        if let Some(expected) = self.ends.announced.filter(|expected| self.heard < *expected) {
            self.remark(&format!("truncated; it announces {expected} samples and holds {}", self.heard));
        }
        self.frames += self.heard;
        (self.position, self.heard, self.ends) = (0, 0, Ends::default());
    }

    /// Mixes what the mixer held back.
    fn mix_rest(&mut self, out: &mut Vec<f32>) {
        if let Some(mut mixer) = self.mixer.take() {
            mixer.finish(out);
            self.replaced += mixer.replaced();
        }
    }

    /// Whether a file that ends where another packet might begin lacks nothing: it was written to a pipe, by a program that could not go back
    /// to write down its length.
    fn is_whole(&self, cause: &Cause) -> bool {
        let is_end = matches!(cause, Cause::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof);
        let counts = [FORMAT_ID_WAVE, FORMAT_ID_AIFF, FORMAT_ID_CAF].contains(&self.format.format_info().format);
        is_end && counts && self.ends.announced.is_none_or(|announced| announced == self.heard)
    }

    /// Tells the log something about the file, once.
    fn remark(&self, text: &str) {
        if !self.again {
            tracing::warn!("{}: {text}", self.path.display());
        }
    }

    /// Judges the end of the file: an error if nothing was decoded, a warning if something is missing.
    fn close(&self) -> Result<()> {
        let path = self.path.display();
        if self.frames == 0 && self.broken_packets > 0 {
            return Err(formats::damaged(&self.path, "audio data of which nothing could be decoded"));
        }
        if self.frames == 0 {
            return Err(Error::input(path, "a clip without samples (0 seconds)", "at least one sample of audio")
                .with_hint("it is empty, or breaks off before its sound: fetch or export it again"));
        }
        if self.broken_packets > 0 {
            self.remark(&format!("{} damaged packets were left out", self.broken_packets));
        }
        if self.replaced > 0 {
            let [replaced, all] = [self.replaced, self.frames].map(|count| count as f64 / f64::from(self.sample_rate));
            self.remark(&format!(
                "its channels cancel each other out in {replaced:.1} of {all:.1} s; there the loudest of them is heard alone"
            ));
        }
        Ok(())
    }
}

/// A file, one of several that may have been joined.
struct Part {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    ends: Ends,
    /// Where the next one begins, counted from the start of this one.
    next: Option<u64>,
    said: Option<String>,
}

impl Part {
    /// Opens what begins at byte `start` of `place`, whose bytes `source` gives.
    fn open(path: &Path, source: Box<dyn MediaSource>, place: &Place, start: u64) -> Result<Self> {
        let opened = match place.look(start, |file| joined::extent(file)) {
            Some(Extent::BreaksOff) => guard(path, || open_format(path, Box::new(Forwards(source)))),
            Some(Extent::Ends(end)) => {
                let end = Some(start + end);
                let bounded = place.section(start, end).map_err(Error::io("open", path))?;
                open(path, bounded, place, start, end)
            }
            None => open(path, source, place, start, None),
        };
        let mut opened = opened.map_err(|error| {
            let kinds = place.look(start, |file| entries::kinds(file));
            kinds.and_then(|kinds| formats::in_mp4(path, &kinds)).unwrap_or(error)
        })?;
        let kind = opened.format.format_info().format;
        let next = place.look(start, |file| joined::next(file, kind));
        // FLAC does not say where it ends.
        if let (FORMAT_ID_FLAC, Some(next)) = (kind, next) {
            let bounded = place.section(start, Some(start + next)).map_err(Error::io("open", path))?;
            opened = guard(path, || open_format(path, bounded))?;
        }
        let Opened { format, mut decoder, track, said } = opened;
        if kind == FORMAT_ID_ISOMP4
            && let Some(turned) = turned(decoder.as_ref())
            && place.look(start, |file| entries::is_big_endian(file, track)) == Some(true)
        {
            decoder = turned;
        }
        let rate = decoder.codec_params().sample_rate.filter(|_| kind == FORMAT_ID_ISOMP4);
        let edit = rate.and_then(|rate| place.look(start, |file| edit(file, track, rate)));
        if edit.is_some_and(|(_, more)| more) {
            tracing::warn!(
                "{}: its edit list has several parts; the sound is heard whole, in one piece",
                path.display()
            );
        }
        let edit = edit.map(|(edit, _)| edit);
        let found = format.tracks().iter().find(|found| found.id == track);
        let ends = found.map(|track| Ends::of(track, format.format_info(), edit)).unwrap_or_default();
        Ok(Self { format, decoder, track, ends, next, said })
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

/// A container with a track that can be decoded.
struct Opened {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    said: Option<String>,
}

/// Opens a file that can be sought in; where that fails, from its beginning on: parts that it refers to may not be there, because it breaks off.
fn open(path: &Path, source: Box<dyn MediaSource>, place: &Place, start: u64, end: Option<u64>) -> Result<Opened> {
    let first = guard(path, || open_format(path, source));
    let Err(Error::Input { .. }) = &first else { return first };
    let Ok(again) = place.section(start, end) else { return first };
    guard(path, || open_format(path, Box::new(Forwards(again)))).or(first)
}

fn open_format(path: &Path, source: Box<dyn MediaSource>) -> Result<Opened> {
    let formats::Opened { format, remark } = formats::open(path, source)?;
    let Some((decoder, track)) = make_decoder(format.as_ref()) else {
        return Err(formats::no_track(path, format.as_ref()));
    };
    Ok(Opened { format, decoder, track, said: remark })
}

/// A decoder for the default audio track, or the first that can be decoded. Of MPEG audio it gives every sample: symphonia would cut it to a
/// length that may be a guess.
fn make_decoder(format: &dyn FormatReader) -> Option<(Box<dyn AudioDecoder>, u32)> {
    let default = format.default_track(TrackType::Audio).into_iter();
    default.chain(format.tracks()).find_map(|track| {
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else { return None };
        let cuts = ![CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3].contains(&parameters.codec);
        let options = AudioDecoderOptions::default().gapless(cuts);
        let decoder = formats::decoders().make_audio_decoder(parameters, &options).ok()?;
        Some((decoder, track.id))
    })
}

/// A decoder of the same samples with their highest byte first, where they have several and are not packed.
fn turned(decoder: &dyn AudioDecoder) -> Option<Box<dyn AudioDecoder>> {
    const TURNED: [(AudioCodecId, AudioCodecId); 4] = [
        (CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S24BE),
        (CODEC_ID_PCM_S32LE, CODEC_ID_PCM_S32BE),
        (CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F32BE),
        (CODEC_ID_PCM_F64LE, CODEC_ID_PCM_F64BE),
    ];
    let mut parameters = decoder.codec_params().clone();
    let (_, codec) = TURNED.iter().find(|(little, _)| *little == parameters.codec)?;
    parameters.codec = *codec;
    formats::decoders().make_audio_decoder(&parameters, &AudioDecoderOptions::default()).ok()
}

/// Runs a call into symphonia; a panic in there, which damaged files can provoke, becomes an error about the file.
fn guard<T>(path: &Path, call: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing that the closure touched is used again after a panic: the source is dropped with the error.
    quietly(call).unwrap_or_else(|_| Err(formats::damaged(path, "data that make the decoder fail")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_decoder_becomes_an_error_about_the_file() {
        let error = guard::<()>(Path::new("bad.mp3"), || panic!("index out of bounds")).expect_err("must fail");
        assert!(error.to_string().contains("bad.mp3"), "{error}");
    }
}

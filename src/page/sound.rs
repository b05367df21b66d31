//! A sound as a page shows and plays it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::audio::{Audio, Clip, Edges, Filters, LogMel, Loudness, MelParameters};
use crate::plot::{Spectrogram, Waveform};
use crate::{Error, Result};

/// The highest rate that a page plays, in Hz.
const RATE: u32 = 32_000;

/// Columns of waveform and spectrogram at most, whatever the length.
const COLUMNS: usize = 1_200;

/// Bands of the spectrogram.
const BANDS: usize = 80;

/// Length of the spectrogram's transform.
const FFT: usize = 2_048;

/// Decibels between the quietest and the loudest that is shown.
const RANGE: f32 = 75.0;

/// The loudest of a spectrogram is at least this, in dB of the transform: what lies far below a quiet room is not made to look loud.
const LEAST_TOP: f32 = -20.0;

/// Bytes of a sound that a page carries at most.
const MOST_BYTES: u64 = 6 << 20;

/// A sound as a page shows and plays it: peaks of its waveform, a spectrogram, and the sound itself where it is short enough.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Sound {
    /// What it is called.
    pub name: String,
    /// Its length in seconds.
    pub seconds: f64,
    /// The largest magnitude of a sample, full scale 1.
    pub peak: f32,
    #[serde(serialize_with = "peaks_as_base64")]
    peaks: Vec<(f32, f32)>,
    #[serde(flatten)]
    mel: Mel,
    media: Option<Media>,
    /// Why it cannot be played; `None` where it can.
    silent: Option<String>,
}

/// Loudness by column and band, 0 the quietest that is shown.
#[derive(Debug, Clone, Serialize)]
struct Mel {
    /// The middle of each band, in Hz.
    bands: Vec<f64>,
    #[serde(serialize_with = "as_base64")]
    columns: Vec<u8>,
}

/// What a browser plays.
#[derive(Debug, Clone, Serialize)]
struct Media {
    kind: &'static str,
    #[serde(serialize_with = "as_base64")]
    bytes: Vec<u8>,
}

impl Sound {
    /// Looks at a sound, in bounded memory however long it is.
    ///
    /// # Errors
    /// As [`Clip::open`].
    pub fn of<'a>(audio: impl Into<Audio<'a>>) -> Result<Self> {
        let audio = audio.into();
        let clip = Clip::open(audio.clone(), RATE)?;
        // Nothing is gained by more samples than the file has.
        let rate = RATE.min(clip.sample_rate());
        let clip = if rate < RATE { Clip::open(audio.clone(), rate)? } else { clip };
        let mut looked = Look::new(&clip, rate);
        clip.samples(|block| looked.push(block))?;
        let (peaks, mel) = looked.finish(clip.peak())?;
        let media = media(&audio, &clip, rate)?;
        let silent = media.is_none().then(|| {
            let most = MOST_BYTES / u64::from(rate);
            format!(
                "The page is silent: it carries sounds of up to {most} s, or compressed files of up to {} MB.",
                MOST_BYTES >> 20
            )
        });
        Ok(Self { name: audio.name(), seconds: clip.seconds(), peak: clip.peak(), peaks, mel, media, silent })
    }

    /// Its waveform as a plot.
    pub fn waveform(&self) -> Waveform {
        let scaled = self.peaks.iter().map(|(low, high)| (low * self.peak, high * self.peak));
        Waveform::new(self.name.clone(), self.seconds, scaled.collect())
    }

    /// Its spectrogram as a plot.
    pub fn spectrogram(&self) -> Spectrogram {
        Spectrogram::new(self.name.clone(), self.seconds, self.mel.bands.clone(), self.mel.columns.clone())
    }
}

/// Peaks and bands of a stream of samples, brought down to so many columns.
struct Look {
    len: u64,
    taken: u64,
    /// As shares of full scale.
    peaks: Vec<(f32, f32)>,
    parameters: MelParameters,
    mel: LogMel,
    frames: Vec<f32>,
    frame: u64,
    /// Decibels, `[columns, bands]`.
    columns: Vec<f32>,
}

impl Look {
    fn new(clip: &Clip<'_>, rate: u32) -> Self {
        let len = clip.len();
        let hop = ((len / COLUMNS as u64) as usize).clamp(128, FFT / 2);
        let parameters = MelParameters {
            sample_rate: rate,
            fft: FFT,
            hop,
            edges: Edges::Zeros,
            bands: BANDS,
            low: 40.0,
            high: f64::from(rate) / 2.0,
            filter_rate: rate,
            filters: Filters::HtkUnitPeak,
            loudness: Loudness::Decibels,
        };
        let columns = COLUMNS.min(parameters.frames(len) as usize);
        Self {
            len,
            taken: 0,
            peaks: vec![(0.0, 0.0); COLUMNS.min(len as usize)],
            mel: LogMel::new(&parameters),
            parameters,
            frames: Vec::new(),
            frame: 0,
            columns: vec![f32::NEG_INFINITY; columns * BANDS],
        }
    }

    fn push(&mut self, block: &[f32]) -> Result<()> {
        for sample in block {
            let column = (u128::from(self.taken) * self.peaks.len() as u128 / u128::from(self.len)) as usize;
            if let Some((low, high)) = self.peaks.get_mut(column) {
                (*low, *high) = (low.min(*sample), high.max(*sample));
            }
            self.taken += 1;
        }
        self.mel.push(block, &mut self.frames)?;
        self.gather();
        Ok(())
    }

    /// Keeps the loudest of the frames of each column.
    fn gather(&mut self) {
        let (frames, columns) = (self.parameters.frames(self.len), self.columns.len() / BANDS);
        for frame in self.frames.chunks_exact(BANDS) {
            let column = (self.frame * columns as u64 / frames) as usize;
            let kept = self.columns.chunks_exact_mut(BANDS).nth(column).into_iter().flatten();
            kept.zip(frame).for_each(|(kept, decibels)| *kept = kept.max(*decibels));
            self.frame += 1;
        }
        self.frames.clear();
    }

    fn finish(mut self, peak: f32) -> Result<(Vec<(f32, f32)>, Mel)> {
        self.mel.finish(&mut self.frames)?;
        self.gather();
        let top = self.columns.iter().fold(LEAST_TOP, |top, decibels| top.max(*decibels));
        let shown = |decibels: &f32| ((decibels - top + RANGE) / RANGE * 255.0).round().clamp(0.0, 255.0) as u8;
        let reach = if peak > 0.0 { peak } else { 1.0 };
        let peaks = self.peaks.iter().map(|(low, high)| (low / reach, high / reach)).collect();
        Ok((peaks, Mel { bands: self.parameters.middles(), columns: self.columns.iter().map(shown).collect() }))
    }
}

/// What a browser plays of a sound: the file itself where that is compressed and smaller, or 16-bit samples, at half the rate if need be.
/// `None` where all of them are too long.
fn media(audio: &Audio<'_>, clip: &Clip<'_>, rate: u32) -> Result<Option<Media>> {
    let bytes = clip.len() * 2;
    if let Some(file) = audio.file_bytes(MOST_BYTES.min(bytes))?
        && let Some(kind) = playable(&file)
    {
        return Ok(Some(Media { kind, bytes: file.into_owned() }));
    }
    if bytes <= MOST_BYTES {
        return Ok(Some(sampled(clip, rate)?));
    }
    if bytes / 2 <= MOST_BYTES {
        return Ok(Some(sampled(&Clip::open(audio.clone(), rate / 2)?, rate / 2)?));
    }
    Ok(None)
}

/// A clip as a WAVE file.
fn sampled(clip: &Clip<'_>, rate: u32) -> Result<Media> {
    let bytes = clip.len() * 2;
    let mut samples = Vec::with_capacity(bytes as usize);
    clip.samples(|block| {
        let sixteen = |sample: &f32| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
        samples.extend(block.iter().flat_map(|sample| sixteen(sample).to_le_bytes()));
        Ok(())
    })?;
    Ok(Media { kind: "audio/wav", bytes: wave(rate, &samples)? })
}

/// The kind of a compressed file that every browser plays.
fn playable(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'f', b'L', b'a', b'C', ..] => Some("audio/flac"),
        [b'O', b'g', b'g', b'S', head @ ..] => {
            // The first page names its codec.
            let head = &head[..head.len().min(64)];
            let holds = |name: &[u8]| head.windows(name.len()).any(|part| part == name);
            (holds(b"\x01vorbis") || holds(b"OpusHead")).then_some("audio/ogg")
        }
        [b'I', b'D', b'3', ..] | [0xff, 0xfa | 0xfb | 0xf2 | 0xf3, ..] => Some("audio/mpeg"),
        _ => None,
    }
}

/// A WAVE file of 16-bit mono samples.
fn wave(rate: u32, samples: &[u8]) -> Result<Vec<u8>> {
    let len = u32::try_from(samples.len()).map_err(|_| Error::Internal("a page's sound that is too long".into()))?;
    let mut file = Vec::with_capacity(44 + samples.len());
    file.extend(b"RIFF");
    file.extend((36 + len).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    // Bytes a frame, bits a sample.
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(len.to_le_bytes());
    file.extend(samples);
    Ok(file)
}

fn as_base64<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

/// Each peak as two signed bytes of which 127 is the sound's own peak.
fn peaks_as_base64<S: serde::Serializer>(peaks: &[(f32, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    let byte = |sample: f32| ((sample * 127.0).round() as i8) as u8;
    let bytes: Vec<u8> = peaks.iter().flat_map(|(low, high)| [byte(*low), byte(*high)]).collect();
    as_base64(&bytes, serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, seconds: usize, rate: u32) -> Vec<f32> {
        (0..seconds * rate as usize)
            .map(|i| 0.5 * (i as f32 * hertz * std::f32::consts::TAU / rate as f32).sin())
            .collect()
    }

    #[test]
    fn a_tone_is_a_line_at_its_height() {
        let samples = tone(1_000.0, 2, 16_000);
        let sound = Sound::of(Audio::samples(&samples, 16_000)).unwrap();
        assert!((sound.seconds - 2.0).abs() < 1e-3 && (sound.peak - 0.5).abs() < 1e-3);
        let middle = sound.mel.columns.chunks_exact(BANDS).nth(100).unwrap();
        let loudest = (0..BANDS).max_by_key(|band| middle[*band]).unwrap();
        assert!((sound.mel.bands[loudest] - 1_000.0).abs() < 60.0, "{}", sound.mel.bands[loudest]);
        assert!(sound.peaks.iter().all(|(low, high)| *low < -0.9 && *high > 0.9));
        let media = sound.media.unwrap();
        assert_eq!((media.kind, media.bytes.len()), ("audio/wav", 44 + 64_000));
    }

    #[test]
    fn a_long_sound_is_shown_in_as_many_columns_and_not_played() {
        let samples = tone(300.0, 800, 8_000);
        let sound = Sound::of(Audio::samples(&samples, 8_000)).unwrap();
        assert_eq!((sound.peaks.len(), sound.mel.columns.len()), (COLUMNS, COLUMNS * BANDS));
        assert!(sound.media.is_none() && sound.silent.unwrap().contains("786 s"));
    }

    #[test]
    fn silence_is_dark_and_one_sample_is_a_sound() {
        let sound = Sound::of(Audio::samples(&[0.0; 16_000], 16_000)).unwrap();
        assert!(sound.mel.columns.iter().all(|value| *value < 8) && sound.silent.is_none());
        let sound = Sound::of(Audio::samples(&[0.25], 48_000)).unwrap();
        assert!(!sound.peaks.is_empty() && !sound.mel.columns.is_empty());
    }
}

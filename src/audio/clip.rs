//! A sound as a tower wants it: mono, at the tower's rate, with its peak and length known beforehand.

use std::ops::Range;

use super::decode::{Source, check_rate, check_samples};
use super::ffmpeg::or_through_ffmpeg;
use super::input::{Audio, Input};
use super::level::{Level, Levels, Meter};
use super::resample::Resampler;
use crate::{Error, Result};

/// Clips up to this many seconds are kept in memory after the first pass (21 MB at 44.1 kHz); longer ones are decoded twice.
const KEPT_SECONDS: usize = 120;

/// Samples handed out at a time.
const BLOCK: usize = 1 << 16;

/// A measured audio file: what it is, and its samples on demand at the rate asked for.
#[derive(Debug)]
pub struct Clip<'a> {
    audio: Audio<'a>,
    rates: Rates,
    sample_rate: u32,
    channels: u16,
    seconds: f64,
    peak: f32,
    len: u64,
    levels: Levels,
    kept: Option<Vec<f32>>,
}

impl<'a> Clip<'a> {
    /// Decodes a sound once, resampled to `rate` Hz, to find its peak and its length.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Input`] when it holds no usable audio.
    pub fn open(audio: impl Into<Audio<'a>>, rate: u32) -> Result<Self> {
        Self::with(audio.into(), Rates { band: u32::MAX, to: rate })
    }

    /// [`Clip::open`] that first brings a file of more than `band` Hz down to `band` Hz: nothing above `band / 2` is left. For towers
    /// whose adapter learned from recordings of that rate, and to which higher frequencies would be strange.
    ///
    /// # Errors
    /// As [`Clip::open`].
    pub fn open_in_band(audio: impl Into<Audio<'a>>, rate: u32, band: u32) -> Result<Self> {
        Self::with(audio.into(), Rates { band, to: rate })
    }

    fn with(audio: Audio<'a>, rates: Rates) -> Result<Self> {
        let limit = KEPT_SECONDS * rates.to as usize;
        let mut kept = Some(Vec::new());
        let (mut peak, mut len) = (0f32, 0u64);
        let source = stream(&audio, rates, false, |block| {
            peak = block.iter().fold(peak, |peak, x| peak.max(x.abs()));
            len += block.len() as u64;
            match &mut kept {
                Some(samples) if samples.len() + block.len() <= limit => samples.extend_from_slice(block),
                kept => *kept = None,
            }
            Ok(())
        })?;
        Ok(Self {
            audio,
            rates,
            sample_rate: source.sample_rate,
            channels: source.channels,
            seconds: source.frames as f64 / f64::from(source.sample_rate.max(1)),
            peak,
            len,
            levels: source.levels,
            kept,
        })
    }

    /// What it was made of.
    pub fn facts(&self) -> Facts {
        let Self { seconds, sample_rate, channels, .. } = *self;
        Facts { seconds, sample_rate, channels, level: self.levels.level() }
    }

    /// Samples a second in the file, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Channels in the file.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The largest magnitude of a sample after mixing and resampling; 0 for silence.
    pub fn peak(&self) -> f32 {
        self.peak
    }

    /// Number of samples at the rate asked for.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when there is no sample; an opened clip has at least one.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How loud the sound is from one second to another, after mixing and before resampling.
    pub fn level(&self, seconds: Range<f64>) -> Level {
        self.levels.over(seconds)
    }

    /// How loud it is, block by block.
    pub(crate) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Hands all samples, mono at the rate asked for, to `take` in order, block by block.
    ///
    /// # Errors
    /// What `take` returns, and [`Error::Io`] or [`Error::Input`] when the file can no longer be read as it was.
    pub fn samples(&self, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        if let Some(kept) = &self.kept {
            return kept.chunks(BLOCK).try_for_each(|block| {
                self.audio.bounds.check_stop()?;
                take(block)
            });
        }
        let mut len = 0;
        stream(&self.audio, self.rates, true, |block| {
            len += block.len() as u64;
            take(block)
        })?;
        if len == self.len {
            return Ok(());
        }
        Err(Error::input(
            self.audio.name(),
            format!("{len} samples on the second reading"),
            format!("{} as on the first", self.len),
        )
        .with_hint("the file changed while it was read: try again when it is complete"))
    }
}

/// The sample rates that a file is taken through, in Hz: at most `band`, then `to`.
#[derive(Debug, Clone, Copy)]
struct Rates {
    band: u32,
    to: u32,
}

/// Two resamplers, one behind the other; either passes samples through where its rates are equal.
struct Chain {
    first: Resampler,
    second: Resampler,
    between: Vec<f32>,
}

impl Chain {
    fn new(from: u32, rates: Rates) -> Result<Self> {
        let band = from.min(rates.band);
        Ok(Self { first: Resampler::new(from, band)?, second: Resampler::new(band, rates.to)?, between: Vec::new() })
    }

    /// Appends what `input`, and behind the `last` input everything held back, comes to.
    fn push(&mut self, input: &[f32], last: bool, out: &mut Vec<f32>) -> Result<()> {
        self.between.clear();
        self.first.push(input, &mut self.between)?;
        if last {
            self.first.finish(&mut self.between)?;
        }
        self.second.push(&self.between, out)?;
        if last { self.second.finish(out) } else { Ok(()) }
    }
}

/// What a sound was before it was mixed and resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// Its length in seconds.
    pub seconds: f64,
    /// Its samples a second, in Hz.
    pub sample_rate: u32,
    /// Its channels.
    pub channels: u16,
    /// How loud it is, mixed to one channel.
    pub level: Level,
}

/// What streaming a sound through told about it.
struct Streamed {
    sample_rate: u32,
    channels: u16,
    frames: u64,
    levels: Levels,
}

/// Hands a sound to `take`; `again` if it was handed out before.
fn stream(
    audio: &Audio<'_>,
    rates: Rates,
    again: bool,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Streamed> {
    let take = |block: &[f32]| {
        audio.bounds.check_stop()?;
        take(block)
    };
    let source = match &audio.input {
        Input::File(path) => or_through_ffmpeg(Source::open(path), audio)?,
        Input::Bytes { name, bytes } => or_through_ffmpeg(Source::from_bytes(name, bytes.clone()), audio)?,
        Input::Samples { samples, rate } => {
            let name = audio.name();
            check_rate(&name, *rate)?;
            check_samples(&name, samples, 0, *rate)?;
            audio.bounds.check(&name, samples.len() as u64, *rate, 1)?;
            return stream_samples(samples, *rate, rates, take);
        }
    };
    stream_file(if again { source.again() } else { source }, audio, rates, take)
}

fn stream_samples(
    samples: &[f32],
    rate: u32,
    rates: Rates,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Streamed> {
    if samples.is_empty() {
        return Err(Error::input("the samples", "none (0 seconds)", "at least one sample of audio"));
    }
    let (mut chain, mut meter) = (Chain::new(rate, rates)?, Meter::new(rate));
    let mut resampled = Vec::new();
    let last = samples.len().div_ceil(BLOCK) - 1;
    for (index, block) in samples.chunks(BLOCK).enumerate() {
        resampled.clear();
        meter.push(block);
        chain.push(block, index == last, &mut resampled)?;
        take(&resampled)?;
    }
    Ok(Streamed { sample_rate: rate, channels: 1, frames: samples.len() as u64, levels: meter.finish() })
}

fn stream_file(
    mut source: Source,
    audio: &Audio<'_>,
    rates: Rates,
    mut take: impl FnMut(&[f32]) -> Result<()>,
) -> Result<Streamed> {
    let mut way = None;
    let (mut samples, mut resampled) = (Vec::new(), Vec::new());
    let mut frames = 0;
    let mut more = true;
    while more {
        samples.clear();
        while more && samples.len() < BLOCK {
            more = source.read(&mut samples)?;
        }
        frames += samples.len() as u64;
        let rate = source.sample_rate();
        audio.bounds.check(&audio.name(), frames, rate, source.channels())?;
        let (chain, meter) = match &mut way {
            Some(way) => way,
            empty => empty.insert((Chain::new(rate, rates)?, Meter::new(rate))),
        };
        meter.push(&samples);
        resampled.clear();
        chain.push(&samples, !more, &mut resampled)?;
        take(&resampled)?;
    }
    let (sample_rate, channels) = (source.sample_rate(), source.channels());
    let meter = way.map_or_else(|| Meter::new(sample_rate), |(_, meter)| meter);
    Ok(Streamed { sample_rate, channels, frames, levels: meter.finish() })
}

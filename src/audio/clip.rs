//! One audio file as a tower wants it: mono, at the tower's rate, with its peak and length known beforehand.

use std::path::{Path, PathBuf};

use crate::audio::decode::Source;
use crate::audio::resample::Resampler;
use crate::{Error, Result};

/// Clips up to this many seconds are kept in memory after the first pass (21 MB at 44.1 kHz); longer ones are decoded twice.
const KEPT_SECONDS: usize = 120;

/// Samples handed out at a time.
const BLOCK: usize = 1 << 16;

/// A measured audio file: what it is, and its samples on demand at the rate asked for.
#[derive(Debug)]
pub struct Clip {
    path: PathBuf,
    rate: u32,
    sample_rate: u32,
    channels: u16,
    seconds: f64,
    peak: f32,
    len: u64,
    kept: Option<Vec<f32>>,
}

impl Clip {
    /// Decodes `path` once, resampled to `rate` Hz, to find its peak and its length.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Input`] when it holds no usable audio.
    pub fn open(path: &Path, rate: u32) -> Result<Self> {
        let limit = KEPT_SECONDS * rate as usize;
        let mut kept = Some(Vec::new());
        let (mut peak, mut len) = (0f32, 0u64);
        let source = stream(path, rate, |block| {
            peak = block.iter().fold(peak, |peak, x| peak.max(x.abs()));
            len += block.len() as u64;
            match &mut kept {
                Some(samples) if samples.len() + block.len() <= limit => samples.extend_from_slice(block),
                kept => *kept = None,
            }
            Ok(())
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            rate,
            sample_rate: source.sample_rate,
            channels: source.channels,
            seconds: source.frames as f64 / f64::from(source.sample_rate.max(1)),
            peak,
            len,
            kept,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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

    /// Hands all samples, mono at the rate asked for, to `take` in order, block by block.
    ///
    /// # Errors
    /// What `take` returns, and [`Error::Io`] or [`Error::Input`] when the file can no longer be read as it was.
    pub fn samples(&self, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        if let Some(kept) = &self.kept {
            return kept.chunks(BLOCK).try_for_each(take);
        }
        let mut len = 0;
        stream(&self.path, self.rate, |block| {
            len += block.len() as u64;
            take(block)
        })?;
        if len == self.len {
            return Ok(());
        }
        Err(Error::input(
            self.path.display(),
            format!("{len} samples on the second reading"),
            format!("{} as on the first", self.len),
        )
        .with_hint("the file changed while it was read: try again when it is complete"))
    }
}

/// What streaming a file through told about it.
struct Streamed {
    sample_rate: u32,
    channels: u16,
    frames: u64,
}

fn stream(path: &Path, rate: u32, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<Streamed> {
    let mut source = Source::open(path)?;
    let mut resampler = None;
    let (mut samples, mut resampled) = (Vec::new(), Vec::new());
    let mut frames = 0;
    let mut more = true;
    while more {
        samples.clear();
        while more && samples.len() < BLOCK {
            more = source.read(&mut samples)?;
        }
        frames += samples.len() as u64;
        let resampler = match &mut resampler {
            Some(resampler) => resampler,
            empty => empty.insert(Resampler::new(source.sample_rate(), rate)?),
        };
        resampled.clear();
        resampler.push(&samples, &mut resampled)?;
        if !more {
            resampler.finish(&mut resampled)?;
        }
        take(&resampled)?;
    }
    Ok(Streamed { sample_rate: source.sample_rate(), channels: source.channels(), frames })
}

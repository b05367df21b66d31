//! What can be listened to: files, and sounds in memory.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::file::Fingerprint;
use crate::progress::Stop;
use crate::{Error, Result};

/// A sound to listen to: a file, the bytes of one, or samples.
///
/// ```
/// use echoic::audio::Audio;
///
/// let file = Audio::from("rain.flac");
/// let tone: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.05).sin()).collect();
/// let samples = Audio::samples(&tone, 16_000);
/// # let _ = (file, samples);
/// ```
#[derive(Debug, Clone)]
pub struct Audio<'a> {
    pub(super) input: Input<'a>,
    /// The ffmpeg that reads what is not read here.
    pub(super) ffmpeg: Option<PathBuf>,
    pub(super) bounds: Bounds<'a>,
}

/// How much of a sound is listened to before it is refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds<'a> {
    seconds: Option<f64>,
    channels: Option<u16>,
    stop: Option<&'a Stop>,
}

impl Bounds<'_> {
    /// Ends the listening once stopping was asked for.
    pub fn check_stop(&self) -> Result<()> {
        self.stop.map_or(Ok(()), Stop::check)
    }

    /// Refuses a sound of which `frames` have been decoded by now, where that is too much.
    pub fn check(&self, name: &str, frames: u64, rate: u32, channels: u16) -> Result<()> {
        let too_much =
            |found: String, allowed: String| Err(Error::TooMuch { subject: name.to_owned(), found, allowed });
        if let Some(allowed) = self.channels.filter(|allowed| channels > *allowed) {
            return too_much(format!("{channels} channels"), allowed.to_string());
        }
        match self.seconds {
            Some(seconds) if frames as f64 > seconds * f64::from(rate) => {
                too_much(format!("more than {seconds} s of sound"), format!("{seconds} s"))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Input<'a> {
    File(&'a Path),
    Bytes { name: String, bytes: Arc<[u8]> },
    Samples { samples: &'a [f32], rate: u32 },
}

impl<'a> Audio<'a> {
    fn of(input: Input<'a>) -> Self {
        Self { input, ffmpeg: None, bounds: Bounds::default() }
    }

    /// Mono samples, full scale 1, at `rate` Hz.
    pub fn samples(samples: &'a [f32], rate: u32) -> Self {
        Self::of(Input::Samples { samples, rate })
    }

    /// The bytes of an audio file, in any format that files are read in; errors name it `name`.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::of(Input::Bytes { name: name.into(), bytes: bytes.into() })
    }

    /// Reads an audio file from anywhere, whole, into memory; errors name it `name`.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails.
    pub fn read(name: impl Into<String>, mut reader: impl Read) -> Result<Self> {
        let (name, mut bytes) = (name.into(), Vec::new());
        reader.read_to_end(&mut bytes).map_err(Error::io("read", &name))?;
        Ok(Self::bytes(name, bytes))
    }

    /// Lets ffmpeg decode what is not read here: `program` is its name, or its path.
    ///
    /// It is started for such files only, gives its samples through a pipe, and is ended with the reading.
    #[must_use]
    pub fn with_ffmpeg(self, program: impl Into<PathBuf>) -> Self {
        Self { ffmpeg: Some(program.into()), ..self }
    }

    /// Refuses sounds of more than so many seconds, with [`Error::TooMuch`]. No more than that is decoded, whatever a file announces.
    #[must_use]
    pub fn at_most(self, seconds: f64) -> Self {
        Self { bounds: Bounds { seconds: Some(seconds), ..self.bounds }, ..self }
    }

    /// Refuses sounds of more than so many channels, with [`Error::TooMuch`].
    #[must_use]
    pub fn at_most_channels(self, channels: u16) -> Self {
        Self { bounds: Bounds { channels: Some(channels), ..self.bounds }, ..self }
    }

    /// Ends listening, decoding as well as embedding, with [`Error::Interrupted`] soon after `stop` was requested.
    #[must_use]
    pub fn stopped_by(self, stop: &'a Stop) -> Self {
        Self { bounds: Bounds { stop: Some(stop), ..self.bounds }, ..self }
    }

    /// The bytes of its file, where there are at most `most` of them; `None` for more, and for samples.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read.
    pub(crate) fn file_bytes(&self, most: u64) -> Result<Option<Cow<'_, [u8]>>> {
        match &self.input {
            Input::File(path) => {
                let len = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
                let read = (len <= most).then(|| std::fs::read(path).map(Cow::Owned).map_err(Error::io("read", path)));
                read.transpose()
            }
            Input::Bytes { bytes, .. } => Ok((bytes.len() as u64 <= most).then(|| Cow::Borrowed(&**bytes))),
            Input::Samples { .. } => Ok(None),
        }
    }

    /// What tells its content from another: that of the file or its bytes, or of the samples as little-endian f32.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        match &self.input {
            Input::File(path) => Fingerprint::of_file(path),
            Input::Bytes { bytes, .. } => Ok(Fingerprint::of_bytes(bytes)),
            Input::Samples { samples, .. } => Ok(Fingerprint::of_numbers(samples)),
        }
    }

    /// What errors and answers call it.
    pub fn name(&self) -> String {
        match &self.input {
            Input::File(path) => path.display().to_string(),
            Input::Bytes { name, .. } => name.clone(),
            Input::Samples { samples, rate } => format!("{} samples at {rate} Hz", samples.len()),
        }
    }
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Audio<'a> {
    fn from(path: &'a P) -> Self {
        Self::of(Input::File(path.as_ref()))
    }
}

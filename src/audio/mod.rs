//! From an audio file to the log-mel frames that a tower takes.
//!
//! `decode` turns a file into mono samples, `resample` brings them to a tower's rate, [`Clip`] does both in two streaming passes (the first
//! finds the peak and the length), and `mel` turns samples into log-mel frames. Memory stays bounded however long the file is.
//!
//! ```no_run
//! # fn main() -> echoic::Result<()> {
//! let clip = echoic::audio::Clip::open("rain.flac", 44_100)?;
//! println!("{:.1} s at {} Hz, peak {}", clip.seconds(), clip.sample_rate(), clip.peak());
//! clip.samples(|block| {
//!     println!("{} more samples at 44.1 kHz", block.len());
//!     Ok(())
//! })?;
//! # Ok(())
//! # }
//! ```

mod boxes;
mod clip;
pub(crate) mod decode;
mod edits;
mod ends;
mod entries;
mod ffmpeg;
mod formats;
mod input;
mod joined;
mod level;
pub(crate) mod mel;
mod mix;
mod place;
pub(crate) mod resample;

/// The endings that files of sound have which can be read, in lower case: what folders are searched for. A file that is named itself may end in any way.
pub const EXTENSIONS: &[&str] = &[
    "wav", "wave", "rf64", "bw64", "w64", "aif", "aiff", "aifc", "caf", "au", "snd", "flac", "wv", "ogg", "oga",
    "opus", "mp1", "mp2", "mp3", "mpga", "aac", "adts", "m4a", "m4b", "m4r", "mp4", "mov", "3gp", "3g2", "mka", "mkv",
    "webm",
];

pub use clip::{Clip, Facts};
pub use input::Audio;
pub(crate) use level::Stretch;
pub use level::{Heard, Level};
pub(crate) use mel::{Edges, Filters, LogMel, Loudness, MelParameters};

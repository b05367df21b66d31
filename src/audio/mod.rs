//! From an audio file to the log-mel frames that a tower takes.
//!
//! [`decode::Source`] turns a file into mono samples, [`resample::Resampler`] brings them to a tower's rate,
//! [`clip::Clip`] does both in two streaming passes (the first finds the peak and the length), and [`mel::LogMel`] turns samples into log-mel
//! frames. Memory stays bounded however long the file is.
//!
//! ```no_run
//! # fn main() -> echoic::Result<()> {
//! let clip = echoic::audio::Clip::open("rain.flac".as_ref(), 44_100)?;
//! println!("{:.1} s at {} Hz, peak {}", clip.seconds(), clip.sample_rate(), clip.peak());
//! clip.samples(|block| {
//!     println!("{} more samples at 44.1 kHz", block.len());
//!     Ok(())
//! })?;
//! # Ok(())
//! # }
//! ```

pub mod clip;
pub mod decode;
pub mod mel;
pub mod resample;

pub use crate::audio::clip::Clip;
pub use crate::audio::mel::{LogMel, MelParameters};

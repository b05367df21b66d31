//! Plots, drawn as SVG: curves, histograms, scatter and heat maps, waveforms and spectrograms; as PNG where no browser is at hand.
//!
//! A plot is its data; [`Look`] says for which paper it is coloured. Every plot has a title and a description for those who hear it read.
//!
//! ```
//! use echoic::plot::{Axis, Lines, Look, Series};
//!
//! let curve = Series::new("training", vec![(1.0, 4.2), (2.0, 3.1), (3.0, 2.8)]);
//! let svg = Lines::new("Loss by epoch", Axis::new("epoch"), Axis::new("nats a token"), vec![curve]).svg(Look::Light);
//! assert!(svg.starts_with("<svg") && svg.contains("nats a token"));
//! ```

mod axis;
mod colours;
mod heat;
mod histogram;
mod lines;
mod raster;
mod scatter;
mod sheet;
mod sound;

pub use axis::Axis;
pub use colours::Look;
pub use heat::Heat;
pub use histogram::{Bins, Histogram};
pub use lines::{Lines, Series};
pub use raster::png;
pub use scatter::{Group, Scatter};
pub use sound::{Spectrogram, Waveform};

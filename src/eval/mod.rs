//! Experiments: a grid of ways to caption, each measured by what people wrote, beside controls that hear nothing.
//!
//! A metric says little by itself: half of what is asked about sounds can be answered without hearing them. So every way is measured twice
//! more: with the caption that silence gets, and with the captions of other sounds. A captioner that hears is better than both.
//!
//! ```
//! use echoic::eval::{Grid, Questions};
//! use echoic::captioner::CaptionOptions;
//! use echoic::Strategy;
//!
//! let questions = Questions::of_sounds([("a.wav", ["A dog barks."]), ("b.wav", ["Rain falls."])]);
//! assert_eq!(questions.len(), 2);
//! let grid = Grid::default().strategies([Strategy::Nearest, Strategy::Projection]).k([1, 10]);
//! let names: Vec<String> = grid.ways(&CaptionOptions::default()).into_iter().map(|way| way.name).collect();
//! assert_eq!(names, ["nearest", "projection k=1", "projection k=10"]);
//! ```

mod calibrate;
mod experiment;
mod grid;
mod questions;

pub use calibrate::calibrate;
pub use experiment::{Experiment, Measured};
pub use grid::{Grid, Way};
pub use questions::{Question, Questions};

//! Readers of caption corpora: every layout becomes one stream of rows, in order, with line numbers.
//!
//! A row that cannot be used (no text, invalid UTF-8, a quote that never closes) comes out as [`Rejected`] with its line
//! and the reason, and reading goes on behind it: one bad line never costs the rest of a corpus.
//!
//! ```
//! use echoic::corpus::{self, Format, Options};
//!
//! let csv = "file_name,caption_1,caption_2\nrain.wav,Rain falls on a roof.,Heavy rain outside.\n";
//! let rows: Vec<_> = corpus::parse("inline", csv.as_bytes(), &Options::default())?.collect();
//! let first = rows[0].as_ref().unwrap();
//! assert_eq!(first.text, "Rain falls on a roof.");
//! assert_eq!(first.clip.as_deref(), Some("rain.wav"));
//! # Ok::<(), echoic::Error>(())
//! ```

mod csv;
mod detect;
mod document;
mod entry;
mod format;
mod json;
mod open;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod scanner;
mod shipped;
mod survey;
mod text;
mod yaml;

#[cfg(feature = "train")]
pub(crate) use csv::table;
pub use format::{Format, Options};
pub use open::{Corpus, open, parse};
pub use row::{Item, MAX_ROW_BYTES, Rejected, Row};
pub use shipped::{Shipped, shipped};
pub use survey::Survey;

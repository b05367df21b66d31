//! Audits as one page to look at and listen to: a single HTML file that asks no network for anything, and works from a folder.
//!
//! The page carries its data as JSON, its sounds as data and its drawing as a script that the page's own policy names by hash; all else is
//! refused by the browser. Texts are set as texts, whatever they hold.

mod caption;
mod document;
mod flatten;
mod map;
mod memory;
mod sound;

pub use caption::{Heading, Shown, caption};
#[cfg(feature = "internals")]
pub(crate) use document::document;
pub use map::{Kind, Map, Mapping, Method, Point};
pub use memory::{Figure, memory};
pub use sound::Sound;

//! The log of captions and audits: what was heard, how it was captioned, and what came of it. A store keeps one where it is asked to.
//!
//! The log lies in the folder of the store and is no part of the memory: it is derived from nothing, and deleting it changes no answer. It
//! is one file that only grows, with a lock of its own. So captions are logged while a writer is at work, two processes log beside each other,
//! readers take no lock, and what a process that was killed has left half written is dropped by the next. sled, which keeps the catalogue, may be
//! damaged by a kill: it keeps only what can be built again.
//!
//! [`History::add`] returns when its entries are on the medium. [`replay`] captions what was logged once more, and says what differs.

mod entry;
mod format;
mod log;
mod places;
mod reading;
mod replay;

pub use entry::{Entry, Kind, Record, Subject};
pub use log::{Cleared, History};
pub use reading::{Entries, Order};
pub use replay::{Difference, Input, Replayed, replay};

//! How long work reports that it moves on, and how it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Receives the progress of long work. The library never prints; the command line draws bars.
pub trait Progress: Sync {
    /// A phase begins: `what` in a few words, `total` units if known.
    fn begin(&self, what: &str, total: Option<u64>);
    /// `units` more are done.
    fn advance(&self, units: u64);
    /// A short remark about the phase, such as the current loss or file.
    fn note(&self, text: &str);
    /// The phase has ended.
    fn end(&self);
}

/// Reports nothing.
impl Progress for () {
    fn begin(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _units: u64) {}
    fn note(&self, _text: &str) {}
    fn end(&self) {}
}

/// A request to stop, shared between a signal handler and long work.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// A request that has not been made yet.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Asks the work to stop at its next safe point.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once stopping was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`Error::Interrupted`] once stopping was asked for.
    pub fn check(&self) -> Result<()> {
        if self.requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

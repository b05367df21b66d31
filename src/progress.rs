//! How long work reports that it moves on, and how it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Receives the progress of long work. The library never prints; the command line draws bars.
///
/// Each `begin` is followed by its `end`, also where the work fails, is stopped or panics; a phase may begin inside another. What the library
/// begins is therefore a [`Phase`].
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

/// A phase of work that is under way: it begins with this value and ends when the value is dropped, whatever way that comes about.
#[must_use = "the phase ends when it is dropped"]
pub struct Phase<'a>(&'a dyn Progress);

impl<'a> Phase<'a> {
    /// Begins a phase: `what` in a few words, `total` units if known. Further reports go to `progress` itself.
    pub fn begin(progress: &'a dyn Progress, what: &str, total: Option<u64>) -> Self {
        progress.begin(what, total);
        Self(progress)
    }

    /// Ends the phase before its value goes out of scope.
    pub fn end(self) {}
}

impl Drop for Phase<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl std::fmt::Debug for Phase<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Phase").finish_non_exhaustive()
    }
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

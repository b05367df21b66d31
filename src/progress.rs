//! How long work reports that it moves on, and how it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Receives the progress of long work. The library never prints; the command line draws bars.
///
/// Each `begin` is followed by its `end`, also where the work fails, is stopped or panics; a phase may begin inside another. What the library
/// begins is therefore a [`Phase`], which [`Control::begin`] makes.
pub trait Progress: Sync {
    /// A phase begins: `what` in a few words, `total` units if known.
    fn begin(&self, what: &str, total: Option<u64>);
    /// [`Progress::begin`] of a phase whose units are bytes.
    fn begin_bytes(&self, what: &str, total: Option<u64>) {
        self.begin(what, total);
    }
    /// `units` more are done.
    fn advance(&self, units: u64);
    /// `units` were done by an earlier run: they count for how far the work has come, and not for how fast it is.
    fn skip(&self, units: u64) {
        self.advance(units);
    }
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

/// What long work reports to and what can stop it. The default reports to nobody and is never stopped.
///
/// ```
/// use echoic::progress::{Control, Stop};
///
/// static STOP: Stop = Stop::new(); // a signal handler calls `STOP.request()`
/// let control = Control::default().with_stop(&STOP);
/// assert!(control.check().is_ok());
/// STOP.request();
/// assert!(control.check().is_err());
/// ```
#[derive(Clone, Copy)]
pub struct Control<'a> {
    progress: &'a dyn Progress,
    stop: Option<&'a Stop>,
}

impl Default for Control<'_> {
    fn default() -> Self {
        Self { progress: &(), stop: None }
    }
}

impl<'a> Control<'a> {
    /// Reports to `progress`, and stops when `stop` asks for it.
    pub fn new(progress: &'a dyn Progress, stop: &'a Stop) -> Self {
        Self { progress, stop: Some(stop) }
    }

    /// The same, reporting to `progress`.
    #[must_use]
    pub fn with_progress(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// The same, stopped by `stop`.
    #[must_use]
    pub fn with_stop(self, stop: &'a Stop) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Begins a phase: `what` in a few words, `total` units if known. It ends when the value is dropped.
    pub fn begin(&self, what: &str, total: Option<u64>) -> Phase<'a> {
        self.progress.begin(what, total);
        Phase(self.progress)
    }

    /// [`Control::begin`] of a phase whose units are bytes.
    pub fn begin_bytes(&self, what: &str, total: Option<u64>) -> Phase<'a> {
        self.progress.begin_bytes(what, total);
        Phase(self.progress)
    }

    /// `units` more of the phase are done.
    pub fn advance(&self, units: u64) {
        self.progress.advance(units);
    }

    /// `units` of the phase were done by an earlier run.
    pub fn skip(&self, units: u64) {
        self.progress.skip(units);
    }

    /// A short remark about the phase.
    pub fn note(&self, text: &str) {
        self.progress.note(text);
    }

    /// True once stopping was asked for.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_some_and(Stop::requested)
    }

    /// Call it at each point where the work may stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once stopping was asked for.
    pub fn check(&self) -> Result<()> {
        self.stop.map_or(Ok(()), Stop::check)
    }
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("is_stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

/// A phase of work that is under way: it begins with this value and ends when the value is dropped, whatever way that comes about.
#[must_use = "the phase ends when it is dropped"]
pub struct Phase<'a>(&'a dyn Progress);

impl Phase<'_> {
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

    /// Call it at each point where the work may stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once stopping was asked for.
    pub fn check(&self) -> Result<()> {
        if self.requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

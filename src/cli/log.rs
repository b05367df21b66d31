//! `--log`: captions and audits that the store's log keeps.

use std::sync::atomic::{AtomicBool, Ordering};

use echoic::captioner::Captioned;
use echoic::file::Fingerprint;
use echoic::history::{History, Kind, Record};
use echoic::{Error, Result, Snapshot};
use serde_json::Value;

use super::context::Context;
use super::sounds::Sound;

/// The log that a run adds to.
pub struct Log {
    history: History,
    memory: Snapshot,
    /// Set by the first failure: whatever it is, the next sound would meet it, too.
    is_over: AtomicBool,
}

impl Log {
    /// The log of the store, where it is asked for.
    ///
    /// # Errors
    /// As [`Context::snapshot`].
    pub fn of(context: &Context, wanted: bool) -> Result<Option<Self>> {
        if !wanted {
            return Ok(None);
        }
        let (history, memory) = (History::of(&context.store()?), context.snapshot()?);
        // A log that cannot be read at all fails when it is added to: captions come first.
        if let Ok(unreadable @ 1..) = history.unreadable() {
            let (entries, are) = if unreadable == 1 { ("entry", "is") } else { ("entries", "are") };
            tracing::warn!(
                "{}: {unreadable} {entries} of the log {are} damaged or missing; what is logged now goes behind, and `echoic audit history` \
                 lists what is left",
                history.path().display()
            );
        }
        Ok(Some(Self { history, memory, is_over: AtomicBool::new(false) }))
    }

    /// Logs the captions of a sound: that of the whole, or those of its windows. Returns their numbers; where they could not be logged none, and
    /// the first time why.
    ///
    /// `audit` is what an audit found beside the caption, where it was one.
    pub fn put(
        &self,
        sound: &Sound,
        heard: &Fingerprint,
        all: &[Captioned],
        audit: Option<Value>,
    ) -> (Vec<u64>, Option<Error>) {
        let kind = if audit.is_some() { Kind::Audit } else { Kind::Caption };
        let records = all.iter().map(|captioned| {
            let mut record = Record::of(captioned, heard.clone(), &self.memory).root(sound.root_name());
            record.path.clone_from(&sound.name);
            record.audit(audit.clone())
        });
        self.add(kind, &records.collect::<Vec<_>>())
    }

    fn add(&self, kind: Kind, records: &[Record]) -> (Vec<u64>, Option<Error>) {
        if self.is_over.load(Ordering::Relaxed) {
            return (Vec::new(), None);
        }
        match self.history.add(kind, records) {
            Ok(numbers) => (numbers, None),
            Err(error) => {
                self.is_over.store(true, Ordering::Relaxed);
                tracing::warn!("not logged, and nothing more is logged in this run");
                (Vec::new(), Some(error))
            }
        }
    }
}

//! What a client can ask of the machine.

use std::time::Duration;

use crate::{Error, Result};

/// What a client can ask of the machine, and how long it may take to ask. Memory stays below the sounds that are held at once times what one may
/// have, beside what store and model take.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a sound.
    pub upload_bytes: u64,
    /// Seconds of a sound.
    pub seconds: f64,
    /// Channels of a sound.
    pub channels: u16,
    /// Sounds that are received or worked on at once; who comes past them is asked to come again.
    pub sounds: usize,
    /// Other questions that are worked on at once.
    pub questions: usize,
    /// Connections at once; who comes past them waits to be let in.
    pub connections: usize,
    /// The time in which the head of a request must have come, and after which an idle connection is closed.
    pub head: Duration,
    /// The longest pause between two parts of a body, and of a client in taking an answer.
    pub pause: Duration,
    /// The time after which a request is given up.
    pub request: Duration,
    /// How long what is under way may go on after stopping was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload_bytes: 64 << 20,
            seconds: 600.0,
            channels: 8,
            sounds: 4,
            questions: 64,
            connections: 256,
            head: Duration::from_secs(10),
            pause: Duration::from_secs(10),
            request: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Bytes of words to look for: what a stored caption may have.
    pub(super) const TEXT_BYTES: usize = 4_096;
    /// Sounds, questions or connections at once.
    const AT_ONCE: usize = 65_536;
    /// Bytes of a body of JSON.
    pub(super) const JSON_BYTES: u64 = 4 << 20;
    /// Neighbours that can be asked for.
    pub(super) const NEIGHBOURS: usize = 1_000;
    /// Captions that a decoder may keep in parallel.
    pub(super) const BEAM: usize = 64;
    /// Tokens of a caption that can be asked for.
    pub(super) const TOKENS: usize = 1_000;
    /// Seconds after which to come again where all places are taken.
    pub(super) const RETRY_SECONDS: u64 = 1;

    /// Refuses limits under which nobody could be answered.
    pub(super) fn check(&self) -> Result<()> {
        let counts = [
            ("bytes of a sound", self.upload_bytes as f64),
            ("seconds of a sound", self.seconds),
            ("channels of a sound", f64::from(self.channels)),
            ("sounds at once", self.sounds as f64),
            ("questions at once", self.questions as f64),
            ("connections at once", self.connections as f64),
            ("seconds of a request's head", self.head.as_secs_f64()),
            ("seconds of a pause", self.pause.as_secs_f64()),
            ("seconds of a request", self.request.as_secs_f64()),
        ];
        let at_once = [self.sounds, self.questions, self.connections].into_iter().max().unwrap_or_default();
        if at_once > Self::AT_ONCE {
            return Err(Error::input(
                "the limit of what is done at once",
                at_once,
                format!("at most {}", Self::AT_ONCE),
            ));
        }
        match counts.iter().find(|(_, count)| !(count.is_finite() && *count > 0.0)) {
            Some((what, count)) => Err(Error::input(format!("the limit of {what}"), count, "a number above 0")),
            None => Ok(()),
        }
    }
}

//! Long work: what has become of it, and those who watch it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::memory::held;
use crate::Error;
use crate::progress::Progress;

/// Works that have ended of which is still told.
const REMEMBERED: usize = 32;

/// How a work stands.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Its number.
    pub job: u64,
    /// `working`, `done`, `stopped` or `failed`.
    pub state: State,
    /// What is being done.
    pub phase: String,
    /// Units that are done in this phase, and all of them where that is known.
    pub done: u64,
    pub total: Option<u64>,
    /// What came of it.
    pub report: Option<Value>,
    pub error: Option<String>,
    pub hint: Option<String>,
}

/// Where a work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Working,
    Done,
    Stopped,
    Failed,
}

/// A work under way. What it reports goes to all who watch.
#[derive(Debug)]
pub struct Job(watch::Sender<Standing>);

impl Job {
    /// Its number.
    pub fn id(&self) -> u64 {
        self.0.borrow().job
    }

    /// The work has ended so.
    pub fn end(&self, outcome: Result<(State, Value), Error>) {
        self.0.send_modify(|standing| match outcome {
            Ok((state, report)) => (standing.state, standing.report) = (state, Some(report)),
            Err(error) => {
                standing.state = State::Failed;
                standing.hint = error.hint().map(|hint| hint.to_string());
                standing.error = Some(error.to_string());
            }
        });
    }
}

impl Progress for Job {
    fn begin(&self, what: &str, total: Option<u64>) {
        self.0.send_modify(|standing| (standing.phase, standing.done, standing.total) = (what.to_owned(), 0, total));
    }

    fn advance(&self, units: u64) {
        self.0.send_modify(|standing| standing.done += units);
    }

    fn note(&self, _text: &str) {}

    fn end(&self) {}
}

/// The works of this server.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<BTreeMap<u64, Arc<Job>>>);

impl Jobs {
    /// A new work.
    pub fn begin(&self) -> Arc<Job> {
        let mut all = held(&self.0);
        let job = all.last_key_value().map_or(1, |(last, _)| last + 1);
        let ended: Vec<u64> =
            all.iter().filter(|(_, job)| job.0.borrow().state != State::Working).map(|(id, _)| *id).collect();
        for id in ended.iter().take((ended.len() + 1).saturating_sub(REMEMBERED)) {
            all.remove(id);
        }
        let (phase, state) = ("waiting".to_owned(), State::Working);
        let standing = Standing { job, state, phase, done: 0, total: None, report: None, error: None, hint: None };
        let begun = Arc::new(Job(watch::Sender::new(standing)));
        all.insert(job, Arc::clone(&begun));
        begun
    }

    /// Watches a work; `None` where there is none of this number, or no more.
    pub fn watch(&self, job: u64) -> Option<watch::Receiver<Standing>> {
        let all = held(&self.0);
        all.get(&job).map(|job| job.0.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_that_ended_long_ago_are_forgotten_and_those_under_way_are_not() {
        let jobs = Jobs::default();
        let going_on = jobs.begin();
        for _ in 0..100 {
            jobs.begin().end(Ok((State::Done, Value::Null)));
        }
        assert!(jobs.watch(going_on.id()).is_some() && jobs.watch(101).is_some());
        assert!(jobs.watch(2).is_none());
        assert!(jobs.0.lock().unwrap().len() <= REMEMBERED + 1);
    }
}

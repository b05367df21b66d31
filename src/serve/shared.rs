//! What all requests share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::clips::Clips;
use super::guard::Guard;
use super::jobs::Jobs;
use super::limits::Limits;
use super::memory::Memory;
use super::refusal::Refusal;
use crate::Result;
use crate::error::Error;
use crate::progress::Stop;

/// What all requests share.
#[derive(Debug)]
pub struct Shared {
    pub memory: Memory,
    pub clips: Option<Clips>,
    pub guard: Guard,
    pub limits: Limits,
    pub jobs: Jobs,
    /// What stops long work.
    pub stop: Stop,
    /// True once the server is about to end: for what waits.
    pub ending: watch::Sender<bool>,
    sounds: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

/// A place among those that are worked on; it is free again when dropped.
pub type Place = OwnedSemaphorePermit;

impl Shared {
    /// Nothing is under way yet.
    pub fn new(memory: Memory, clips: Option<Clips>, guard: Guard, limits: Limits) -> Self {
        Self {
            memory,
            clips,
            guard,
            limits,
            jobs: Jobs::default(),
            stop: Stop::new(),
            ending: watch::Sender::new(false),
            sounds: Arc::new(Semaphore::new(limits.sounds)),
            questions: Arc::new(Semaphore::new(limits.questions)),
        }
    }

    /// A place for a sound, if one is free.
    pub fn place_of_sound(&self) -> Result<Place, Refusal> {
        Arc::clone(&self.sounds).try_acquire_owned().map_err(|_| Refusal::busy("sounds"))
    }

    /// A place for another question, if one is free.
    pub fn place_of_question(&self) -> Result<Place, Refusal> {
        Arc::clone(&self.questions).try_acquire_owned().map_err(|_| Refusal::busy("questions"))
    }

    /// Does `work` on a thread that may be kept busy. Its place is free when the work is done, be the client there to hear of it or not.
    pub async fn work<T: Send + 'static>(
        self: Arc<Self>,
        place: Place,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let time = self.limits.request;
        let working = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&self)
        });
        match tokio::time::timeout(time, working).await {
            Ok(Ok(outcome)) => Ok(outcome?),
            Ok(Err(_)) => Err(Error::Internal("the work broke off".into()).into()),
            Err(_) => Err(Refusal::new(axum::http::StatusCode::GATEWAY_TIMEOUT, format!("no answer within {time:?}"))),
        }
    }
}

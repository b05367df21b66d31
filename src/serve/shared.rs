//! What all requests share.

use std::sync::Arc;

use axum::http::StatusCode;
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

    /// Does `work` on a thread that may be kept busy, and asks it to stop once nobody waits for it any more. Its place is free when the work is
    /// done, be the client there to hear of it or not.
    pub async fn work<T: Send + 'static>(
        self: Arc<Self>,
        place: Place,
        work: impl FnOnce(&Self, &Stop) -> Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let time = self.limits.request;
        let stop = Arc::new(Stop::new());
        let _waiting = Waiting(Arc::clone(&stop));
        let working = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&self, &stop)
        });
        match tokio::time::timeout(time, working).await {
            Ok(Ok(outcome)) => Ok(outcome?),
            Ok(Err(_)) => Err(Error::Internal("the work broke off".into()).into()),
            Err(_) => Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, format!("no answer within {time:?}"))
                .hint("ask about a shorter sound, or for fewer parts of an audit")),
        }
    }
}

/// A client that waits for a work. It goes away with the request, whatever way that ends.
struct Waiting(Arc<Stop>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.request();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{EmbeddingSpace, Store};

    /// What requests share on an empty store, with one place for a sound and this time for a request.
    fn shared(dir: &std::path::Path, request: Duration) -> Arc<Shared> {
        Store::create(dir, EmbeddingSpace::external(4)).unwrap();
        let limits = Limits { sounds: 1, request, ..Limits::default() };
        let guard = Guard::new("127.0.0.1:1".parse().unwrap(), &[], None).unwrap();
        Arc::new(Shared::new(Memory::open(dir).unwrap(), None, guard, limits))
    }

    /// Work that ends when it is asked to, and not before.
    fn endless(_: &Shared, stop: &Stop) -> Result<()> {
        let begun = Instant::now();
        while !stop.requested() {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody asked it to stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Error::Interrupted)
    }

    async fn is_free(shared: &Shared) {
        while shared.place_of_sound().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_given_up_and_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path(), Duration::from_millis(30));
        let place = shared.place_of_sound().unwrap();
        assert_eq!(shared.place_of_sound().unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
        let outcome = Arc::clone(&shared).work(place, endless).await;
        assert_eq!(outcome.unwrap_err().status(), StatusCode::GATEWAY_TIMEOUT);
        is_free(&shared).await;
    }

    #[tokio::test]
    async fn work_for_a_client_that_went_away_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path(), Duration::from_secs(60));
        let place = shared.place_of_sound().unwrap();
        let waiting = tokio::spawn(Arc::clone(&shared).work(place, endless));
        tokio::time::sleep(Duration::from_millis(20)).await;
        waiting.abort();
        is_free(&shared).await;
    }

    #[tokio::test]
    async fn work_that_panics_is_told_and_gives_its_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path(), Duration::from_secs(60));
        let place = shared.place_of_sound().unwrap();
        let outcome = Arc::clone(&shared).work(place, |_, _| -> Result<()> { panic!("a fault of ours") }).await;
        assert_eq!(outcome.unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
        is_free(&shared).await;
    }
}

//! Work on several things at once, whose results come in the order of the things.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use echoic::{Error, Result};

/// Things that a thread may be ahead of the one whose result is waited for: so many results are held at most.
const AHEAD: usize = 4;

/// Gives `take` the results of `work` on each of `things`, in their order, while `jobs` threads work. The first error of `take` ends it all.
///
/// # Errors
/// That of `take`.
pub fn in_order<T: Sync, R: Send>(
    things: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<()>,
) -> Result<()> {
    let (tasks, waiting) = mpsc::channel::<usize>();
    let (done, results) = mpsc::channel();
    let (waiting, over) = (Mutex::new(waiting), AtomicBool::new(false));
    let labour = |done: mpsc::Sender<_>| {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(task) = next() {
            let result = catch_unwind(AssertUnwindSafe(|| work(&things[task])));
            if over.load(Ordering::Relaxed) || done.send((task, result)).is_err() {
                break;
            }
        }
    };
    thread::scope(|scope| {
        // Both ends are dropped on every way out, so that the threads end, too.
        let (tasks, results) = (tasks, results);
        for _ in 0..jobs.clamp(1, things.len().max(1)) {
            let done = done.clone();
            scope.spawn(|| labour(done));
        }
        drop(done);
        let (mut given, mut early) = (0, BTreeMap::new());
        for (place, thing) in things.iter().enumerate() {
            while given < things.len().min(place + jobs.saturating_mul(AHEAD).max(1)) {
                tasks.send(given).map_err(|_| gone())?;
                given += 1;
            }
            let result = loop {
                if let Some(result) = early.remove(&place) {
                    break result;
                }
                let (task, result) = results.recv().map_err(|_| gone())?;
                early.insert(task, result);
            };
            let result = result.unwrap_or_else(|panic| resume_unwind(panic));
            take(thing, result).inspect_err(|_| over.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    })
}

fn gone() -> Error {
    Error::Internal("a thread ended before its work".into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_few_are_ahead() {
        let things: Vec<usize> = (0..200).collect();
        for jobs in [1, 2, 7, 500] {
            let (begun, taken, ahead) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |thing: &usize| {
                ahead.fetch_max(begun.fetch_add(1, Ordering::SeqCst) - taken.load(Ordering::SeqCst), Ordering::SeqCst);
                thread::sleep(Duration::from_micros((thing * 7919 % 11 * 50) as u64));
                thing * 2
            };
            let mut out = Vec::new();
            let take = |thing: &usize, result| {
                out.push((*thing, result));
                taken.fetch_add(1, Ordering::SeqCst);
                Ok(())
            };
            in_order(&things, jobs, work, take).unwrap();
            assert_eq!(out, things.iter().map(|thing| (*thing, thing * 2)).collect::<Vec<_>>());
            assert!(ahead.into_inner() <= jobs * AHEAD, "{jobs} jobs");
        }
        in_order(&[] as &[u8], 3, |_| (), |_, ()| Ok(())).unwrap();
    }

    #[test]
    fn an_error_ends_it_and_a_panic_is_passed_on() {
        let things: Vec<usize> = (0..1000).collect();
        let worked = AtomicUsize::new(0);
        let work = |thing: &usize| {
            worked.fetch_add(1, Ordering::SeqCst);
            *thing
        };
        let ended = in_order(&things, 2, work, |_, thing| if thing < 5 { Ok(()) } else { Err(Error::Interrupted) });
        assert!(matches!(ended, Err(Error::Interrupted)));
        assert!(worked.into_inner() <= 6 + 2 * AHEAD);
        let panicked = std::panic::catch_unwind(|| {
            in_order(&things, 2, |thing| assert!(*thing != 3, "the third"), |_, ()| Ok(()))
        });
        assert!(panicked.is_err());
    }
}

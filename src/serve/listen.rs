//! Connections: let in as long as there is room, ended where a client takes too long, and finished before the server ends.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use super::limits::Limits;
use super::routes::router;
use super::shared::Shared;
use crate::progress::Stop;
use crate::{Error, Result};

/// How often it is looked whether stopping was asked for.
const TICK: Duration = Duration::from_millis(50);
/// Bytes of the head of a request.
const HEAD_BYTES: usize = 32 << 10;
/// Threads that move bytes; the work is done by others.
const MOVERS: usize = 2;

/// Answers until `stop` is requested, and finishes what is under way.
pub fn run(listener: TcpListener, shared: Arc<Shared>, stop: &Stop) -> Result<()> {
    let limits = shared.limits;
    let threads = MOVERS + limits.sounds + limits.questions + 1;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(MOVERS)
        .max_blocking_threads(threads)
        .enable_all()
        .build()
        .map_err(Error::io("start threads for", "the server"))?;
    let asked = runtime.block_on(answer(listener, Arc::clone(&shared), stop))?;
    runtime.shutdown_timeout(limits.grace.saturating_sub(asked.elapsed()));
    Ok(())
}

/// Returns when it was asked to stop.
async fn answer(listener: TcpListener, shared: Arc<Shared>, stop: &Stop) -> Result<Instant> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::io("listen on", "the address"))?;
    let (app, graceful, limits) = (router(&shared), GracefulShutdown::new(), shared.limits);
    let room = Arc::new(Semaphore::new(limits.connections));
    let stopped = async {
        while !stop.requested() {
            sleep(TICK).await;
        }
    };
    tokio::pin!(stopped);
    loop {
        let arrival = async {
            // Who finds no room waits outside.
            let place = Arc::clone(&room).acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let arrived = tokio::select! {
            arrived = arrival => arrived,
            () = &mut stopped => break,
        };
        match arrived {
            Some((Ok((stream, _)), place)) => attend(stream, place, app.clone(), &graceful, &limits),
            // Out of file descriptors, most likely: others will be given back.
            Some((Err(error), _)) => {
                tracing::warn!("a connection could not be taken: {error}");
                sleep(TICK).await;
            }
            None => break,
        }
    }
    drop(listener);
    let asked = Instant::now();
    shared.stop.request();
    shared.ending.send_replace(true);
    if timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("what was still under way after {:?} was broken off", limits.grace);
    }
    Ok(asked)
}

/// Answers what comes over one connection.
fn attend(stream: TcpStream, place: OwnedSemaphorePermit, app: Router, graceful: &GracefulShutdown, limits: &Limits) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.pause));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection ended early: {error}");
        }
        drop(place);
    });
}

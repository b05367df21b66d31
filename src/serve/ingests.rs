//! Captions that are sent in, stored while those who wait are told how far it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::body;
use super::jobs::{Job, Standing, State as Work};
use super::refusal::Refusal;
use super::shared::Shared;
use crate::binding::keep_model;
use crate::corpus::Corpus;
use crate::ingest::Ingest;
use crate::progress::Control;
use crate::{Result, Store, Writer};

/// The shortest time between two events of a work.
const PACE: Duration = Duration::from_millis(100);

/// Captions for a domain: a list, or lines of text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    domain: String,
    captions: Option<Vec<String>>,
    text: Option<String>,
}

impl Given {
    fn captions(&mut self) -> Result<Vec<String>, Refusal> {
        let captions = match (self.captions.take(), self.text.take()) {
            (Some(captions), None) => captions,
            (None, Some(text)) => text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
            _ => return Err(Refusal::question("give either `captions`, a list, or `text`, a caption a line")),
        };
        if captions.is_empty() { Err(Refusal::question("there are no captions")) } else { Ok(captions) }
    }
}

/// `POST /api/ingest`: answers once there is a writer, and goes on alone.
pub async fn ingest(State(shared): State<Arc<Shared>>, request: Request) -> Result<(StatusCode, Json<Value>), Refusal> {
    let place = shared.place_of_question()?;
    let document = body::json(request, &shared.limits).await?;
    let mut given: Given = serde_json::from_value(document)
        .map_err(|error| Refusal::question(format!("this says not what to ingest: {error}")))?;
    let captions = given.captions()?;
    crate::memory::check_name("domain", &given.domain).map_err(Refusal::of_question)?;
    let worker = Arc::clone(&shared);
    let begun = shared.work(place, move |shared, _| {
        shared.memory.towers()?;
        let writer = Store::open(shared.memory.snapshot()?.dir())?.writer()?;
        let job = shared.jobs.begin();
        let id = job.id();
        tokio::task::spawn_blocking(move || job.end(store(&worker, &job, writer, &given.domain, captions)));
        Ok(id)
    });
    let job = begun.await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "job": job, "events": format!("/api/jobs/{job}/events") }))))
}

fn store(shared: &Shared, job: &Job, mut writer: Writer, domain: &str, captions: Vec<String>) -> Result<(Work, Value)> {
    let clap = shared.memory.towers()?;
    keep_model(&mut writer, clap)?;
    let control = Control::new(job, &shared.stop);
    let rows = captions.len() as u64;
    let ingest = Ingest::new(&mut writer, domain).expecting(rows).control(control);
    let report = ingest.run(Corpus::of(captions), clap)?;
    let state = if report.interrupted { Work::Stopped } else { Work::Done };
    let mut said = json!(report);
    said["domain"] = json!(domain);
    writer.record("ingest", said.clone())?;
    Ok((state, said))
}

/// `GET /api/jobs/{id}/events`: an event `progress` with each change, the last with how it ended.
pub async fn events(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<u64>, PathRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let Path(id) = id.map_err(Refusal::no_number)?;
    let mut watching = watched(&shared, id)?;
    watching.mark_changed();
    let ending = shared.ending.subscribe();
    let events = stream::unfold(Some((watching, ending)), |watched| async move {
        let (mut watching, mut ending) = watched?;
        tokio::select! {
            changed = watching.changed() => changed.ok()?,
            _ = ending.wait_for(|ending| *ending) => return None,
        }
        let standing = watching.borrow_and_update().clone();
        let event = Event::default().event("progress").json_data(&standing).ok()?;
        if standing.state != Work::Working {
            return Some((Ok(event), None));
        }
        tokio::time::sleep(PACE).await;
        Some((Ok(event), Some((watching, ending))))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn watched(shared: &Shared, id: u64) -> Result<watch::Receiver<Standing>, Refusal> {
    shared.jobs.watch(id).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("there is no job {id}")))
}

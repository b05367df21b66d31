//! What the store holds: figures, domains, decoders with the curves of their trainings.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::shared::Shared;
use crate::decoder::LogEntry;
use crate::decoders::{self, DecoderSummary, TrainingFolder, trainings};
use crate::error::Missing;
use crate::gap;
use crate::memory::{DomainStats, StoreStats};
use crate::{Error, Result, Store};

/// The store in numbers, as `stats` prints them, and what can be played.
#[derive(Debug, Serialize)]
pub struct Figures {
    #[serde(flatten)]
    stats: StoreStats,
    trainings: Vec<TrainingFolder>,
    gap: Option<gap::Summary>,
    /// Recordings that can be played; null where there is no folder of them.
    clips: Option<usize>,
}

/// A decoder, as `decoders show` prints it but for its path, with the curve of its training.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    summary: DecoderSummary,
    sha256: String,
    details: Value,
    log: Vec<LogEntry>,
}

/// `GET /healthz`
pub async fn health(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Value>) {
    let ending = *shared.ending.borrow();
    let (status, said) = if ending { (StatusCode::SERVICE_UNAVAILABLE, "ending") } else { (StatusCode::OK, "ok") };
    (status, Json(json!({ "status": said })))
}

/// `GET /api/stats`
pub async fn stats(State(shared): State<Arc<Shared>>) -> Result<Json<Figures>, Refusal> {
    let place = shared.place_of_question()?;
    let figures = shared.work(place, |shared, _| {
        let snapshot = shared.memory.snapshot()?;
        let clips = shared.clips.as_ref().map(super::clips::Clips::len);
        let gap = gap::summary(&Store::open(snapshot.dir())?);
        Ok(Figures { stats: snapshot.stats(), trainings: trainings(snapshot.dir()), gap, clips })
    });
    figures.await.map(Json)
}

/// `GET /api/domains`
pub async fn domains(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<DomainStats>>, Refusal> {
    let place = shared.place_of_question()?;
    shared.work(place, |shared, _| Ok(shared.memory.snapshot()?.domains())).await.map(Json)
}

/// `GET /api/decoders`
pub async fn all_decoders(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<DecoderSummary>>, Refusal> {
    let place = shared.place_of_question()?;
    shared.work(place, |shared, _| Ok(decoders::summaries(&shared.memory.snapshot()?))).await.map(Json)
}

/// `GET /api/decoders/{name}`
pub async fn decoder(
    State(shared): State<Arc<Shared>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Shown>, Refusal> {
    let Path(name) = name.map_err(Refusal::no_number)?;
    let place = shared.place_of_question()?;
    shared.work(place, move |shared, _| shown(shared, name)).await.map(Json)
}

fn shown(shared: &Shared, name: String) -> Result<Shown> {
    let snapshot = shared.memory.snapshot()?;
    let all = decoders::summaries(&snapshot);
    let known: Vec<String> = all.iter().map(|summary| summary.name.clone()).collect();
    let mut both = all.into_iter().zip(snapshot.decoders());
    // Only a name that the store knows is looked for among its files.
    let Some((summary, entry)) = both.find(|(summary, _)| summary.name == name) else {
        return Err(Error::NotFound { kind: Missing::Decoder, name, known });
    };
    // Decoders that came from elsewhere have no log here.
    let log = match decoders::training_log(snapshot.dir(), &summary.name) {
        Err(Error::Input { .. }) => Vec::new(),
        log => log?,
    };
    Ok(Shown { summary, sha256: entry.sha256.clone(), details: entry.details.clone(), log })
}

//! Recordings, played by the captions that describe them.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeFile;

use super::refusal::Refusal;
use super::shared::Shared;
use crate::error::Missing;
use crate::{Error, Result};

/// `GET /api/clips/{id}`: the recording that a caption describes, or the part of it that is asked for.
pub async fn clip(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<u64>, PathRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let Path(id) = id.map_err(Refusal::no_number)?;
    let place = shared.place_of_question()?;
    let file = shared.work(place, move |shared, _| found(shared, id)).await?;
    let Some(file) = file else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("the recording of the caption {id} is not here")));
    };
    let served = ServeFile::new(file).try_call(request).await;
    let served = served
        .map_err(|error| Refusal::new(StatusCode::NOT_FOUND, format!("the recording cannot be read: {error}")))?;
    Ok(served.into_response())
}

fn found(shared: &Shared, id: u64) -> Result<Option<PathBuf>> {
    let snapshot = shared.memory.snapshot()?;
    if snapshot.caption(id)?.is_none() {
        return Err(Error::NotFound { kind: Missing::Caption, name: id.to_string(), known: Vec::new() });
    }
    let Some(clips) = &shared.clips else { return Ok(None) };
    let names = snapshot.clips(id)?;
    Ok(names.iter().find_map(|name| clips.file(name)).map(std::path::Path::to_path_buf))
}

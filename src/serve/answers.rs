//! Captions, audits, and what is found.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::body::{self, Upload};
use super::question::{About, Question};
use super::refusal::Refusal;
use super::shared::Shared;
use crate::Result;
use crate::audio::{Audio, Level};
use crate::audit::{Auditor, CaptionAudit};
use crate::captioner::{Captioned, Timings, milliseconds};
use crate::page::{Map, Mapping, Sound};
use crate::progress::{Control, Stop};
use crate::retrieval::{Provenance, retrieve};

/// What a sound is called that came without a name.
const UNNAMED: &str = "upload";

/// Texts on a map: what a browser is sent with each sound.
const MAPPED: usize = 2_000;

/// What is near to words or to a sound, as `search` prints it.
#[derive(Debug, Serialize)]
pub struct Found {
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(flatten)]
    level: Option<Level>,
    neighbours: Vec<Provenance>,
    lost_mass: f32,
    timings: Timings,
}

/// What a page shows of a sound.
#[derive(Debug, Serialize)]
pub struct Shown {
    audit: CaptionAudit,
    sound: Sound,
    map: Map,
}

/// A sound that came, and what is asked about it.
struct Asked<'a> {
    shared: &'a Shared,
    question: &'a Question,
    audio: Audio<'a>,
    stop: &'a Stop,
}

/// `POST /api/caption`
pub async fn caption(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<Captioned>, Refusal> {
    about_sound(shared, request, About::Caption, |Asked { shared, question, audio, .. }| {
        let captioner = shared.memory.captioner(shared.memory.snapshot()?, question.decoder.as_deref())?;
        let options = question.caption_options(&captioner);
        let least = question.least_confidence(&captioner, options.strategy)?;
        let caption = captioner.caption(audio, &options)?;
        Ok(match least {
            Some(least) => caption.withheld_below(least),
            None => caption,
        })
    })
    .await
}

/// `POST /api/audit`
pub async fn audit(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<CaptionAudit>, Refusal> {
    about_sound(shared, request, About::Caption, |Asked { shared, question, audio, stop }| {
        let captioner = shared.memory.captioner(shared.memory.snapshot()?, question.decoder.as_deref())?;
        let options = question.caption_options(&captioner);
        Auditor::new(&captioner, options, question.parts()).control(Control::new(&(), stop)).audit(audio)
    })
    .await
}

/// `POST /api/page`
pub async fn page(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<Shown>, Refusal> {
    about_sound(shared, request, About::Caption, |Asked { shared, question, audio, stop }| {
        let (memory, control) = (shared.memory.snapshot()?, Control::new(&(), stop));
        let captioner = shared.memory.captioner(memory.clone(), question.decoder.as_deref())?;
        let options = question.caption_options(&captioner);
        let scope = options.retrieval.scope.clone();
        let audit = Auditor::new(&captioner, options, question.parts()).control(control).audit(audio.clone())?;
        let map = Mapping::new(&memory).scope(scope).most(MAPPED).audit(&audit).run(&control)?;
        Ok(Shown { audit, sound: Sound::of(audio)?, map })
    })
    .await
}

/// `POST /api/search`
pub async fn search(State(shared): State<Arc<Shared>>, request: Request) -> Result<Json<Found>, Refusal> {
    if !body::is_json(&request) {
        return about_sound(shared, request, About::Search, by_sound).await;
    }
    let place = shared.place_of_question()?;
    let question = Question::of(request.uri(), About::Search)?;
    let question = question.with(&body::json(request, &shared.limits).await?)?;
    let Some(text) = question.text.clone().filter(|text| !text.trim().is_empty()) else {
        return Err(Refusal::question("there are no words in `text`"));
    };
    shared.work(place, move |shared, _| by_text(shared, &question, &text)).await.map(Json)
}

/// Takes a sound in, once there is a place for it, and answers what is asked about it.
async fn about_sound<T: Send + 'static>(
    shared: Arc<Shared>,
    request: Request,
    about: About,
    answer: impl FnOnce(Asked<'_>) -> Result<T> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    let question = Question::of(request.uri(), about)?;
    // It reads the manifest, for which others that are moved here shall not wait.
    tokio::task::block_in_place(|| question.check_names(&shared.memory.snapshot()?))?;
    let place = shared.place_of_sound()?;
    let Upload { name, bytes } = body::sound(request, &shared.limits).await?;
    let answered = shared.work(place, move |shared, stop| {
        let name = question.name.clone().or(name).unwrap_or_else(|| UNNAMED.to_owned());
        let limits = &shared.limits;
        let audio =
            Audio::bytes(name, bytes).at_most(limits.seconds).at_most_channels(limits.channels).stopped_by(stop);
        answer(Asked { shared, question: &question, audio, stop })
    });
    answered.await.map(Json)
}

fn by_text(shared: &Shared, question: &Question, text: &str) -> Result<Found> {
    let (clap, start) = (shared.memory.towers()?, Instant::now());
    let query = clap.embed_texts(&[text])?.into_vec();
    let embed_ms = milliseconds(start);
    let found = near(shared, question, &query, embed_ms)?;
    Ok(Found { query: Some(text.to_owned()), ..found })
}

fn by_sound(Asked { shared, question, audio, .. }: Asked<'_>) -> Result<Found> {
    let (clap, path, start) = (shared.memory.towers()?, audio.name(), Instant::now());
    let heard = clap.embed_audio(audio)?;
    let embed_ms = milliseconds(start);
    let found = near(shared, question, &heard.embedding, embed_ms)?;
    Ok(Found { path: Some(path), seconds: Some(heard.seconds), level: Some(heard.level), ..found })
}

fn near(shared: &Shared, question: &Question, query: &[f32], embed_ms: f64) -> Result<Found> {
    let (snapshot, start) = (shared.memory.snapshot()?, Instant::now());
    let found = retrieve(&snapshot, query, &question.search_options())?;
    let timings = Timings { embed_ms, search_ms: milliseconds(start), ..Timings::default() };
    let (neighbours, lost_mass) = (found.neighbours, found.lost_mass);
    Ok(Found { path: None, query: None, seconds: None, level: None, neighbours, lost_mass, timings })
}

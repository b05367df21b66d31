//! Bodies, read piece by piece: no more of one is held than is allowed, and nobody is waited for without end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Frame;
use serde_json::Value;
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// Bytes of a multipart body beside the sound in it.
const AROUND: u64 = 64 << 10;

/// Characters of the name of a sound.
const NAME: usize = 255;

/// The field that holds the sound.
const FIELD: &str = "audio";

/// A sound as it came.
#[derive(Debug)]
pub struct Upload {
    /// What the client calls its file, where it says so. No file is opened by it.
    pub name: Option<String>,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
}

/// Whether the body is a document.
pub fn is_json(request: &Request) -> bool {
    content_type(request).split(';').next().is_some_and(|kind| kind.trim() == "application/json")
}

fn content_type(request: &Request) -> String {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    given.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a document.
pub async fn json(request: Request, limits: &Limits) -> Result<Value, Refusal> {
    if !is_json(&request) {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is no application/json")
            .hint("send the header `Content-Type: application/json`"));
    }
    let bytes = in_time(limits, whole(request, limits, Limits::JSON_BYTES)).await?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::question(format!("the body is no JSON: {error}")))
}

/// Reads a sound: the body itself, or the field `audio` of a form.
pub async fn sound(request: Request, limits: &Limits) -> Result<Upload, Refusal> {
    let upload = match content_type(&request).starts_with("multipart/") {
        true => in_time(limits, field(request, limits)).await.map_err(about_sound)?,
        false => {
            let bytes = in_time(limits, whole(request, limits, limits.upload_bytes)).await.map_err(about_sound)?;
            Upload { name: None, bytes }
        }
    };
    if upload.bytes.is_empty() {
        return Err(Refusal::question("there is no sound in the body")
            .hint("send the bytes of an audio file, or a form with the field `audio`"));
    }
    Ok(upload)
}

async fn in_time<T>(limits: &Limits, reading: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    timeout(limits.request, reading).await.unwrap_or_else(|_| Err(late(limits.request)))
}

fn late(after: Duration) -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {after:?}"))
}

fn too_large(limit: u64) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes"))
}

/// Advice for who sends a sound.
fn about_sound(refusal: Refusal) -> Refusal {
    match refusal.status() {
        StatusCode::PAYLOAD_TOO_LARGE => refusal.hint("cut the sound, or send it in a format that packs it"),
        _ => refusal,
    }
}

/// What a sound is called, for a line of text: not long, and nothing that moves a terminal.
pub fn sound_name(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(NAME).collect()
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal::question(format!("the body cannot be read: {error}"))
}

/// Refuses a body that announces itself as too large, before any of it comes.
fn check_announced(request: &Request, limit: u64) -> Result<(), Refusal> {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > limit) { Err(too_large(limit)) } else { Ok(()) }
}

/// Takes a piece more, unless that would be too much.
fn append(bytes: &mut Vec<u8>, piece: &[u8], limit: u64) -> Result<(), Refusal> {
    if (bytes.len() + piece.len()) as u64 > limit {
        return Err(too_large(limit));
    }
    bytes.extend_from_slice(piece);
    Ok(())
}

async fn whole(request: Request, limits: &Limits, limit: u64) -> Result<Vec<u8>, Refusal> {
    check_announced(&request, limit)?;
    let (mut body, mut bytes) = (request.into_body(), Vec::new());
    while let Some(frame) = timeout(limits.pause, body.frame()).await.map_err(|_| late(limits.pause))? {
        let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
        append(&mut bytes, &piece, limit)?;
    }
    Ok(bytes)
}

async fn field(request: Request, limits: &Limits) -> Result<Upload, Refusal> {
    let limit = limits.upload_bytes;
    check_announced(&request, limit + AROUND)?;
    // What stands before, between and behind the fields is bounded by the whole, what stands before the sound by itself.
    let most = usize::try_from(limit + AROUND).unwrap_or(usize::MAX);
    let begun = Arc::new(AtomicBool::new(false));
    let counted = Arc::clone(&begun);
    let request = request.map(|body| Body::new(Limited::new(Head { body, begun: counted, read: 0 }, most)));
    let mut form = Multipart::from_request(request, &()).await.map_err(broken)?;
    let mut found = None;
    while let Some(mut field) =
        timeout(limits.pause, form.next_field()).await.map_err(|_| late(limits.pause))?.map_err(broken)?
    {
        begun.store(true, Ordering::Relaxed);
        if field.name() != Some(FIELD) || found.is_some() {
            return Err(Refusal::question(format!("the form has another field than one `{FIELD}`")));
        }
        let (name, mut bytes) = (field.file_name().map(sound_name), Vec::new());
        while let Some(piece) =
            timeout(limits.pause, field.chunk()).await.map_err(|_| late(limits.pause))?.map_err(broken)?
        {
            append(&mut bytes, &piece, limit)?;
        }
        found = Some(Upload { name, bytes });
    }
    found.ok_or_else(|| Refusal::question(format!("the form has no field `{FIELD}`")))
}

/// A form of which no more is read than is around a sound, until its sound has begun: what stands before is looked through again and again.
struct Head {
    body: Body,
    begun: Arc<AtomicBool>,
    read: u64,
}

impl HttpBody for Head {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.read > AROUND && !self.begun.load(Ordering::Relaxed) {
            let reason = format!("no field `{FIELD}` within {AROUND} bytes");
            return Poll::Ready(Some(Err(axum::Error::new(std::io::Error::other(reason)))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.read += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }
}

//! What is still coming when a request is refused: it is let come for a moment, and thrown away.
//!
//! A connection that is closed on a client that still sends is reset, and the client never reads why it was refused.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

use super::memory::held;

/// Bytes that are let come. Who sends more is cut off.
const BYTES: usize = 16 << 20;
/// The time in which they must.
const TIME: Duration = Duration::from_secs(2);

/// A body of which two hold an end: who answers, and who throws away what is left.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Body>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *held(&self.0)).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        held(&self.0).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        held(&self.0).size_hint()
    }
}

/// Answers; and where that is a refusal, lets what is still coming come first.
pub async fn drain(request: Request, next: Next) -> Response {
    // Such a client sends nothing before it is told to.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let mut rest = Shared(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(head, Body::new(rest.clone()))).await;
    let is_refusal = response.status().is_client_error() || response.status().is_server_error();
    if is_refusal && !asks_first && !rest.is_end_stream() {
        let _ = timeout(TIME, discard(&mut rest)).await;
    }
    response
}

async fn discard(rest: &mut Shared) {
    let mut left = BYTES;
    while let Some(Ok(frame)) = rest.frame().await {
        let len = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(len) else { return };
        left = less;
    }
}

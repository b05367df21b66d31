//! What a client is told where it gets no answer: `{"error", "hint"}` under the right status.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::limits::Limits;
use crate::Error;

/// Why there is no answer.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: String,
    hint: Option<String>,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: None }
    }

    /// A question that cannot be meant.
    pub fn question(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// What cannot be meant, in the library's words.
    pub fn of_question(error: Error) -> Self {
        let refusal = Self::from(error);
        let status = match refusal.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Self { status, ..refusal }
    }

    /// An address in which a number is none.
    pub fn no_number(rejection: PathRejection) -> Self {
        Self::question(rejection.body_text())
    }

    /// All places are taken.
    pub fn busy(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("as many {what} as allowed are being worked on"))
            .hint("come again in a moment")
    }

    /// What it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The status that says whose mistake it is.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::Input { .. } | Error::Dimension { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::TooMuch { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Locked { .. } | Error::Training { .. } => StatusCode::CONFLICT,
        Error::NoStore { .. } | Error::ModelMissing { .. } | Error::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = status(&error);
        if status.is_server_error() {
            tracing::warn!("{error}");
        }
        Self { status, hint: error.hint().map(|hint| hint.to_string()), error: error.to_string() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error, hint } = self;
        let mut response = (status, Json(json!({ "error": error, "hint": hint }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(Limits::RETRY_SECONDS));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

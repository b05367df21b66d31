//! The page and what describes the interface, as files within the program.

use axum::http::{HeaderName, header};

/// What a file is, and its text.
type Asset = ([(HeaderName, &'static str); 1], &'static str);

const fn asset(kind: &'static str, text: &'static str) -> Asset {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// `GET /`
pub async fn page() -> Asset {
    asset("text/html; charset=utf-8", include_str!("assets/index.html"))
}

/// `GET /serve.css`
pub async fn style() -> Asset {
    asset("text/css; charset=utf-8", include_str!("assets/serve.css"))
}

/// `GET /serve.js`
pub async fn script() -> Asset {
    asset("text/javascript; charset=utf-8", include_str!("assets/serve.js"))
}

/// `GET /openapi.json`
pub async fn openapi() -> Asset {
    asset("application/json", OPENAPI)
}

/// The interface in the words of OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("assets/openapi.json");

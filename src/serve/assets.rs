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

/// `GET /page.css`: what this page has in common with those that audits write.
pub async fn common_style() -> Asset {
    asset("text/css; charset=utf-8", include_str!("../page/assets/page.css"))
}

/// `GET /page.js`: the same of its script.
pub async fn common_script() -> Asset {
    let text = concat!(
        include_str!("../page/assets/dom.js"),
        include_str!("../page/assets/table.js"),
        include_str!("../page/assets/sound.js"),
        include_str!("../page/assets/words.js"),
        include_str!("../page/assets/map.js"),
        include_str!("../page/assets/caption.js"),
    );
    asset("text/javascript; charset=utf-8", text)
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

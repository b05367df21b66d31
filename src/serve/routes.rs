//! What is answered at which address.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::drain::drain;
use super::guard::HEADERS;
use super::refusal::Refusal;
use super::shared::Shared;
use super::{answers, assets, ingests, playing, tables};

/// A method, a path, and who answers.
type Route = (&'static str, &'static str, MethodRouter<Arc<Shared>>);

fn routes() -> [Route; 18] {
    [
        ("get", "/", get(assets::page)),
        ("get", "/page.css", get(assets::common_style)),
        ("get", "/page.js", get(assets::common_script)),
        ("get", "/serve.css", get(assets::style)),
        ("get", "/serve.js", get(assets::script)),
        ("get", "/openapi.json", get(assets::openapi)),
        ("get", "/healthz", get(tables::health)),
        ("post", "/api/caption", post(answers::caption)),
        ("post", "/api/audit", post(answers::audit)),
        ("post", "/api/page", post(answers::page)),
        ("post", "/api/search", post(answers::search)),
        ("get", "/api/stats", get(tables::stats)),
        ("get", "/api/domains", get(tables::domains)),
        ("get", "/api/decoders", get(tables::all_decoders)),
        ("get", "/api/decoders/{name}", get(tables::decoder)),
        ("post", "/api/ingest", post(ingests::ingest)),
        ("get", "/api/jobs/{id}/events", get(ingests::events)),
        ("get", "/api/clips/{id}", get(playing::clip)),
    ]
}

/// All that is answered, behind the guard.
pub fn router(shared: &Arc<Shared>) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (_, path, answer)| router.route(path, answer));
    router
        .fallback(|| async {
            Refusal::new(StatusCode::NOT_FOUND, "nothing is at this address").hint("/openapi.json lists what there is")
        })
        .method_not_allowed_fallback(|| async { Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not by this method") })
        // Each body has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(shared), guarded))
        .layer(from_fn(drain))
        .with_state(Arc::clone(shared))
}

/// Lets a request through, or refuses it; every answer carries the headers.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match shared.guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_description_names_what_is_answered_and_nothing_else() {
        let document: Value = serde_json::from_str(assets::OPENAPI).unwrap();
        let described = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        });
        let answered = routes().map(|(method, path, _)| (method.to_owned(), path.to_owned()));
        let of_the_page = ["/", "/page.css", "/page.js", "/serve.css", "/serve.js"];
        let answered: BTreeSet<_> =
            answered.into_iter().filter(|(_, path)| !of_the_page.contains(&path.as_str())).collect();
        assert_eq!(described.collect::<BTreeSet<_>>(), answered);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}

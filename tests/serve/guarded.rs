//! Story: a page of another site, a name that was made to point here, and a stranger without the token try to get in.

use crate::common::bench::Bench;
use crate::served::Served;

const TOKEN: &str = "a-token-of-some-length";

fn request(served: &Served, head: &str) -> (u16, String) {
    served.raw(&format!("GET /api/stats HTTP/1.1\r\n{head}Connection: close\r\n\r\n"))
}

#[test]
fn a_name_that_is_not_its_own_is_not_answered() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &["--host", "sounds.example"]);
    let port = served.host().rsplit(':').next().unwrap();
    for host in [served.host().to_owned(), format!("localhost:{port}"), "sounds.example".into()] {
        let (status, said) = request(&served, &format!("Host: {host}\r\n"));
        assert_eq!(status, 200, "{host}: {said}");
    }
    for host in
        [format!("evil.example:{port}"), "127.0.0.1:1".into(), "localhost".into(), "sounds.example.evil.example".into()]
    {
        let (status, said) = request(&served, &format!("Host: {host}\r\n"));
        assert_eq!(status, 421, "{host}: {said}");
        assert!(!said.contains("captions"), "{said}");
    }
    let own = served.host();
    assert_ne!(request(&served, "").0, 200);
    assert_ne!(request(&served, &format!("Host: {own}\r\nHost: evil.example\r\n")).0, 200);
    let absolute = format!("GET http://evil.example/api/stats HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n");
    assert_eq!(served.raw(&absolute).0, 421);
}

#[test]
fn a_page_of_another_origin_is_not_answered() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &[]);
    let own = served.host().to_owned();
    let status = |head: &str| request(&served, &format!("Host: {own}\r\n{head}\r\n")).0;
    assert_eq!(status(&format!("Origin: http://{own}")), 200);
    assert_eq!(status("Sec-Fetch-Site: same-origin"), 200);
    assert_eq!(status("Sec-Fetch-Site: none"), 200);
    for head in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(status(head), 403, "{head}");
    }
    // Whoever follows a link to the page gets it, which holds nothing of the store; what it asks for then comes from itself.
    let visit = |path: &str| {
        let head = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nConnection: close";
        served.raw(&format!("GET {path} HTTP/1.1\r\nHost: {own}\r\n{head}\r\n\r\n")).0
    };
    assert_eq!((visit("/"), visit("/api/stats")), (200, 403));
    // Nor is a browser told that it might be.
    let preflight = format!(
        "OPTIONS /api/ingest HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
    );
    let (status, said) = served.raw(&preflight);
    assert!(status == 403 && !said.to_lowercase().contains("access-control-allow"), "{said}");
}

#[test]
fn without_the_token_nothing_of_the_store_is_told() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &["--token", TOKEN]);
    let own = served.host().to_owned();
    let status = |head: &str| request(&served, &format!("Host: {own}\r\n{head}")).0;
    assert_eq!(status(&format!("Authorization: Bearer {TOKEN}\r\n")), 200);
    assert_eq!(status(&format!("authorization: bearer {TOKEN}\r\n")), 200);
    for head in [
        String::new(),
        "Authorization: Bearer \r\n".into(),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
        format!("Authorization: Bearer {}\r\n", &TOKEN[1..]),
    ] {
        assert_eq!(status(&head), 401, "{head}");
    }
    for path in [
        "/api/stats",
        "/api/domains",
        "/api/decoders",
        "/api/decoders/x",
        "/api/clips/1",
        "/api/jobs/1/events",
        "/api/nowhere",
    ] {
        assert_eq!(served.get(path).0, 401, "{path}");
    }
    assert_eq!(served.post("/api/caption", "audio/wav", b"x").0, 401);
    // The page itself holds nothing, and asks for the token.
    for path in ["/", "/healthz", "/openapi.json"] {
        assert_eq!(served.get(path).0, 200, "{path}");
    }
}

#[test]
fn others_are_let_in_with_a_token_only() {
    let bench = Bench::external(8);
    bench.run(&["serve", "--bind", "0.0.0.0:0"]).fails(1, &["token", "127.0.0.1"]);
    bench.run(&["serve", "--bind", "[::]:0"]).fails(1, &["token"]);
    bench.run(&["serve", "--bind", "0.0.0.0:0", "--token", "short"]).fails(1, &["token", "16"]);
    bench.run(&["serve", "--clips", "no/such/folder"]).fails(1, &["no/such/folder"]);
    bench.run(&["serve", "--max-seconds", "0"]).fails(1, &["seconds"]);
    let other = Bench::new();
    other.run(&["serve"]).fails(1, &["echoic init"]);
}

#[test]
fn every_answer_forbids_what_a_page_does_not_need() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &[]);
    for path in ["/", "/api/stats", "/nowhere", "/serve.js"] {
        let response = served.agent.get(served.at(path)).call().unwrap();
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("access-control-allow-origin"), "");
    }
}

//! Story: somebody asks over HTTP what they would ask on the command line, and is told the same.

use serde_json::{Value, json};

use crate::common::bench::Bench;
use crate::served::{CAPTIONS, Served, form, recording, stocked};

/// What both say, but for how long it took.
fn same(served: &Value, printed: &Value) {
    let (served, printed) = (served.as_object().unwrap(), printed.as_object().unwrap());
    for (name, value) in printed {
        match name.as_str() {
            "path" | "timings" | "search" | "root" => assert!(name == "root" || served.contains_key(name), "{name}"),
            _ => assert_eq!(served.get(name), Some(value), "{name}"),
        }
    }
}

#[test]
fn captions_audits_and_searches_are_those_of_the_command_line() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let (path, bytes) = recording(bench.dir.path(), 12.0);
    let path = path.to_str().unwrap();

    let (status, caption) = served.post("/api/caption?strategy=nearest&domain=street", "audio/wav", &bytes);
    assert_eq!(status, 200, "{caption}");
    same(
        &caption,
        &bench.run_json(&["caption", path, "--strategy", "nearest", "--domain", "street"]).succeeds().json(),
    );

    let (kind, body) = form("audio", "mine.wav", &bytes);
    let (status, caption) = served.post("/api/caption", &kind, &body);
    assert_eq!((status, &caption["path"]), (200, &"mine.wav".into()), "{caption}");
    same(&caption, &bench.run_json(&["caption", path]).succeeds().json());

    let (status, audit) = served.post("/api/audit?only=neighbours,words", "audio/wav", &bytes);
    assert_eq!(status, 200, "{audit}");
    same(&audit, &bench.run_json(&["audit", "caption", path, "--only", "neighbours,words"]).succeeds().json());

    for least in ["0", "1"] {
        let (status, caption) = served.post(&format!("/api/caption?min_confidence={least}"), "audio/wav", &bytes);
        assert_eq!((status, caption["withheld"].is_string()), (200, least == "1"), "{caption}");
        same(&caption, &bench.run_json(&["caption", path, "--min-confidence", least]).succeeds().json());
    }

    let (status, drawn) = served.post("/api/caption?sample=0.8&top_p=0.9&seed=5&max_tokens=6", "audio/wav", &bytes);
    assert_eq!(status, 200, "{drawn}");
    let drawing = ["caption", path, "--sample", "0.8", "--top-p", "0.9", "--seed", "5", "--max-tokens", "6"];
    same(&drawn, &bench.run_json(&drawing).succeeds().json());

    let (status, page) = served.post("/api/page?only=neighbours,words&name=mine.wav", "audio/wav", &bytes);
    assert_eq!(status, 200, "{page}");
    same(&page["audit"], &audit);
    assert_eq!(page["sound"]["seconds"], audit["seconds"]);
    let points = page["map"]["points"].as_array().unwrap();
    let asked = points.last().unwrap();
    assert_eq!((points.len(), &asked["kind"], &asked["label"]), (12, &"query".into(), &"mine.wav".into()));

    let (status, found) = served.post("/api/search?k=3", "audio/wav", &bytes);
    assert_eq!(status, 200, "{found}");
    same(&found, &bench.run_json(&["search", "--audio", path, "-k", "3"]).succeeds().json());

    let (status, found) = served.post_json("/api/search", &json!({ "text": "rain", "k": 2, "domain": ["street"] }));
    assert_eq!((status, &found["neighbours"][0]["caption"]), (200, &CAPTIONS[0].into()), "{found}");
    same(&found, &bench.run_json(&["search", "rain", "-k", "2", "--domain", "street"]).succeeds().json());
}

#[test]
fn each_decoder_writes_as_itself_however_many_are_asked_in_turn() {
    let Some(bench) = stocked() else { return };
    let names: Vec<String> = (0..6).map(|number| format!("decoder-{number}")).collect();
    for (seed, name) in names.iter().enumerate() {
        bench.run(&["train", "--name", name, "--epochs", "1", "--seed", &seed.to_string()]).succeeds();
    }
    let served = Served::start(&bench, &[]);
    let (path, bytes) = recording(bench.dir.path(), 1.0);
    let path = path.to_str().unwrap();
    // More than are kept loaded, and each once more when it was let go.
    for name in names.iter().chain(&names) {
        let (status, caption) = served.post(&format!("/api/caption?decoder={name}"), "audio/wav", &bytes);
        assert_eq!((status, &caption["parameters"]["decoder"]), (200, &name.as_str().into()), "{caption}");
        same(&caption, &bench.run_json(&["caption", path, "--decoder", name]).succeeds().json());
    }
}

#[test]
fn what_the_store_holds_is_told() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let (_, stats) = served.get("/api/stats");
    same(&stats, &bench.run_json(&["stats"]).succeeds().json());
    assert_eq!(stats["clips"], Value::Null);
    assert_eq!(served.get("/api/domains").1, bench.run_json(&["domains"]).succeeds().json());
    assert_eq!(served.get("/api/decoders").1, bench.run_json(&["decoders"]).succeeds().json());
    let (status, tiny) = served.get("/api/decoders/tiny");
    assert_eq!((status, &tiny["name"]), (200, &"tiny".into()));
    assert_eq!(tiny["log"].as_array().unwrap().len(), 4);
    assert!(tiny["log"][0]["train_loss"].as_f64().unwrap() > 0.0);
    let (status, description) = served.get("/openapi.json");
    assert_eq!((status, &description["openapi"]), (200, &"3.1.0".into()));
}

#[test]
fn who_asks_for_what_is_not_there_is_told_so() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let (_, bytes) = recording(bench.dir.path(), 1.0);
    let refused = |(status, said): (u16, Value), expected: u16, word: &str| {
        let error = said["error"].as_str().unwrap_or_else(|| panic!("no error in {said}"));
        assert!(status == expected && error.contains(word), "{status} {said}, not {expected} with {word}");
        assert!(said.get("hint").is_some());
    };
    refused(served.get("/nowhere"), 404, "nothing is at this address");
    refused(served.get("/api/caption"), 405, "method");
    refused(served.get("/api/decoders/none"), 404, "tiny");
    refused(served.get("/api/decoders/..%2F..%2Fmanifest"), 404, "tiny");
    refused(served.get("/api/clips/99999"), 404, "caption");
    refused(served.get("/api/jobs/7/events"), 404, "job");
    refused(served.post("/api/caption?decoder=none", "audio/wav", &bytes), 404, "none");
    refused(served.post("/api/caption?domain=none", "audio/wav", &bytes), 404, "street");
    refused(served.post("/api/caption?temperature=-1", "audio/wav", &bytes), 400, "temperature");
    refused(served.post("/api/caption?strategy=best", "audio/wav", &bytes), 400, "strategy");
    refused(served.post_json("/api/search", &json!({ "text": "rain ".repeat(1_000) })), 400, "4096 bytes");
    refused(served.get("/api/clips/abc"), 400, "abc");
    refused(served.post("/api/caption?colour=red", "audio/wav", &bytes), 400, "colour");
    refused(served.post("/api/caption", "audio/wav", b""), 400, "no sound");
    refused(served.post("/api/caption", "audio/wav", b"no sound at all"), 422, "upload");
    refused(served.post("/api/search", "application/json", b"{"), 400, "JSON");
    refused(served.post_json("/api/search", &json!({ "text": "  " })), 400, "words");
    refused(served.post("/api/ingest", "text/plain", b"{}"), 415, "json");
}

#[test]
fn a_store_of_embeddings_from_elsewhere_says_that_it_hears_nothing() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &[]);
    let (status, said) = served.post_json("/api/search", &json!({ "text": "rain" }));
    assert!(status == 422 && said["error"].as_str().unwrap().contains("no tower"), "{status} {said}");
    assert_eq!(served.get("/api/domains"), (200, json!([])));
}

#[test]
fn a_server_that_is_asked_to_stop_ends_in_order() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &[]);
    let port = served.printed["address"].as_str().unwrap().rsplit(':').next().unwrap();
    assert!(port.parse::<u16>().unwrap() > 0);
    served.is_alive();
    #[cfg(unix)]
    {
        let (code, took) = served.stop();
        assert!(code == 0 && took.as_secs() < 5, "{code} after {took:?}");
    }
}

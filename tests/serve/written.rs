//! Story: captions are pasted in and stored while somebody watches; another program writes to the store; known clips are played.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use echoic::Store;
use serde_json::{Value, json};

use crate::common::copy_tree;
use crate::served::{CAPTIONS, Served, recording, stocked};

/// The events of a job until it ends.
fn watched(served: &Served, path: &str) -> Vec<Value> {
    let response = served.agent.get(served.at(path)).call().unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let lines = BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok()).collect()
}

#[test]
fn pasted_captions_are_stored_and_found_at_once() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let (_, before) = served.get("/api/stats");
    let (status, begun) = served.post_json(
        "/api/ingest",
        &json!({ "domain": "pasted", "text": "A kettle whistles.\n\nA kettle whistles.\nGlass breaks.\n" }),
    );
    assert_eq!(status, 202, "{begun}");
    let events = watched(&served, begun["events"].as_str().unwrap());
    let last = events.last().unwrap();
    assert_eq!(last["state"], "done", "{events:?}");
    assert_eq!((&last["report"]["new"], &last["report"]["repeats"]), (&2.into(), &1.into()), "{last}");
    let (_, after) = served.get("/api/stats");
    assert!(after["commit"].as_u64() > before["commit"].as_u64());
    let (_, found) = served.post_json("/api/search", &json!({ "text": "a kettle", "k": 1 }));
    assert_eq!(found["neighbours"][0]["caption"], "A kettle whistles.");
    for unfit in [
        json!({ "domain": "../x", "text": "a" }),
        json!({ "domain": "x", "captions": [] }),
        json!({ "domain": "x" }),
        json!({ "domain": "x", "text": "a", "path": "/etc" }),
    ] {
        let (status, said) = served.post_json("/api/ingest", &unfit);
        assert!((400..500).contains(&status), "{unfit}: {status} {said}");
    }
}

#[test]
fn what_another_program_commits_is_seen_and_its_lock_is_told() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let text = bench.write("more.txt", "A violin plays alone.\n");
    bench.run(&["ingest", &text, "--domain", "more"]).succeeds();
    let (_, found) = served.post_json("/api/search", &json!({ "text": "a violin", "k": 1 }));
    assert_eq!(found["neighbours"][0]["caption"], "A violin plays alone.");
    let (_, bytes) = recording(bench.dir.path(), 1.0);
    let (status, _) = served.post("/api/caption", "audio/wav", &bytes);
    assert_eq!(status, 200);
    bench.run(&["domains", "remove", "more"]).succeeds();
    assert_eq!(served.get("/api/domains").1.as_array().unwrap().len(), 2);

    let writer = Store::open(bench.store()).unwrap().writer().unwrap();
    let (status, said) = served.post_json("/api/ingest", &json!({ "domain": "x", "captions": ["A door slams."] }));
    assert!(status == 409 && said["error"].as_str().unwrap().contains("writer"), "{status} {said}");
    drop(writer);
    assert_eq!(served.post_json("/api/ingest", &json!({ "domain": "x", "captions": ["A door slams."] })).0, 202);
}

#[test]
fn a_copy_that_takes_the_place_of_the_store_is_seen_though_it_has_as_many_commits() {
    let Some(bench) = stocked() else { return };
    let copy = bench.path("copy");
    copy_tree(&bench.store(), &copy);
    let texts =
        ["alpha", "beta"].map(|name| bench.write(&format!("{name}.txt"), format!("A bell called {name} rings.\n")));
    bench.run(&["ingest", &texts[0], "--domain", "alpha"]).succeeds();
    bench.run_json_at(&copy, &["ingest", &texts[1], "--domain", "beta"]).succeeds();
    let served = Served::start(&bench, &[]);
    let domains = || served.get("/api/domains").1.to_string();
    assert!(domains().contains("alpha"));
    std::fs::rename(bench.store(), bench.path("old")).unwrap();
    std::fs::rename(&copy, bench.store()).unwrap();
    assert!(domains().contains("beta") && !domains().contains("alpha"));
    let (_, found) = served.post_json("/api/search", &json!({ "text": "a bell called beta rings", "k": 1 }));
    assert_eq!(found["neighbours"][0]["caption"], "A bell called beta rings.");
}

#[test]
fn known_clips_are_played_whole_and_in_part() {
    let Some(bench) = stocked() else { return };
    let folder = bench.path("recordings");
    std::fs::create_dir(&folder).unwrap();
    let (path, bytes) = recording(bench.dir.path(), 1.0);
    std::fs::copy(path, folder.join("clip-0.wav")).unwrap();
    let secret = bench.write("secret.wav", b"outside");
    #[cfg(unix)]
    std::os::unix::fs::symlink(secret, folder.join("clip-1.wav")).unwrap();
    let served = Served::start(&bench, &["--clips", folder.to_str().unwrap()]);
    assert_eq!(served.get("/api/stats").1["clips"], 1);
    let id = |text: &str| {
        let (_, found) = served.post_json("/api/search", &json!({ "text": text, "k": 1 }));
        found["neighbours"][0]["id"].as_u64().unwrap()
    };
    let clip = served.at(&format!("/api/clips/{}", id(CAPTIONS[0])));
    let mut whole = served.agent.get(&clip).call().unwrap();
    assert_eq!(whole.status().as_u16(), 200);
    assert!(whole.headers()["content-type"].to_str().unwrap().starts_with("audio/"));
    assert_eq!(whole.body_mut().read_to_vec().unwrap(), bytes);
    let mut part = served.agent.get(&clip).header("Range", "bytes=100-199").call().unwrap();
    assert_eq!(part.status().as_u16(), 206);
    assert_eq!(part.body_mut().read_to_vec().unwrap(), bytes[100..200]);
    assert_eq!(served.agent.get(&clip).header("Range", "bytes=99999999-").call().unwrap().status().as_u16(), 416);
    // A link, a recording that is not here, and a caption of no clip.
    for text in [CAPTIONS[1], CAPTIONS[2], "A rooster crows."] {
        let (status, said) = served.get(&format!("/api/clips/{}", id(text)));
        assert_eq!(status, 404, "{text}: {said}");
    }
    for path in ["/api/clips/..%2Fsecret.wav", "/api/clips/clip-0.wav", "/api/clips/-1"] {
        let (status, _) = served.get(path);
        assert!((400..500).contains(&status), "{path}: {status}");
    }
}

#[cfg(unix)]
#[test]
fn an_ingest_under_way_ends_behind_a_commit_when_the_server_stops() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let captions: Vec<String> = (0..6000).map(|i| format!("Sound number {i} is heard.")).collect();
    let (status, _) = served.post_json("/api/ingest", &json!({ "domain": "many", "captions": captions }));
    assert_eq!(status, 202);
    let begun = Instant::now();
    let (code, took) = served.stop();
    assert!(code == 0 && took < Duration::from_secs(25), "{code} after {took:?} of {:?}", begun.elapsed());
    bench.run(&["check"]).succeeds();
}

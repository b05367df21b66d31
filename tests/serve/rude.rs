//! Story: clients that do not behave. They send what is none, send it slowly, leave in the middle, and come all at once. The server stays up, and
//! its memory stays bounded.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::bench::Bench;
use crate::served::{Served, answer, form, recording, stocked};

#[test]
fn forms_that_are_none_are_refused() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &[]);
    let (_, bytes) = recording(bench.dir.path(), 1.0);
    let (kind, whole) = form("audio", "a.wav", &bytes);
    let bodies: [(&str, Vec<u8>); 7] = [
        ("multipart/form-data", whole.clone()),
        ("multipart/form-data; boundary=other", whole.clone()),
        (&kind, Vec::new()),
        (&kind, whole[..whole.len() / 2].to_vec()),
        (&kind, b"--edge\r\n\r\n".to_vec()),
        (&kind, [b"--edge\r\nContent-Disposition: ", &[b'x'; 200_000][..]].concat()),
        (&kind, form("path", "a.wav", &bytes).1),
    ];
    for (kind, body) in bodies {
        let (status, said) = served.post("/api/caption", kind, &body);
        assert!((400..500).contains(&status) && said["error"].is_string(), "{kind}: {status} {said}");
    }
    // What stands before the sound is short.
    let begun = Instant::now();
    let (kind, long) = form("audio", &"n".repeat(4 << 20), &bytes);
    let (status, said) = served.post("/api/caption", &kind, &long);
    assert!(status == 400 && begun.elapsed() < Duration::from_secs(3), "{status} {said} after {:?}", begun.elapsed());
    let (kind, body) = form("audio", &"n".repeat(1_000), &bytes);
    let (_, said) = served.post("/api/caption", &kind, &body);
    assert_eq!(said["path"].as_str().unwrap().len(), 255);
    // What a client calls its file is a word, and no file.
    for name in ["/etc/passwd", "../../manifest", "C:\\\\x", ""] {
        let (kind, body) = form("audio", name, &bytes);
        let (status, said) = served.post("/api/caption", &kind, &body);
        assert_eq!(status, 200, "{name}: {said}");
    }
    served.is_alive();
}

#[test]
fn who_sends_too_slowly_is_let_go() {
    let bench = Bench::external(8);
    let served = Served::start(&bench, &["--pause-seconds", "1", "--request-seconds", "3"]);
    let begun = Instant::now();
    let mut head = served.connect();
    head.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").unwrap();
    let mut body = served.connect();
    let request = format!(
        "POST /api/caption HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n",
        served.host()
    );
    body.write_all(request.as_bytes()).unwrap();
    // A byte at a time keeps within every pause, and not within the whole.
    let mut dripping = served.connect();
    dripping.write_all(request.as_bytes()).unwrap();
    let mut idle = served.connect();
    assert_eq!(answer(&mut body).0, 408);
    answer(&mut head);
    answer(&mut idle);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for _ in 0..20 {
        if dripping.write_all(b"x").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    served.is_alive();
}

#[test]
fn who_leaves_in_the_middle_gives_the_place_back() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &["--max-sounds", "1"]);
    let (_, bytes) = recording(bench.dir.path(), 10.0);
    for part in [10, bytes.len() / 2, bytes.len()] {
        let mut leaving = served.connect();
        let head =
            format!("POST /api/caption HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", served.host(), bytes.len());
        leaving.write_all(head.as_bytes()).unwrap();
        leaving.write_all(&bytes[..part]).unwrap();
        drop(leaving);
    }
    let begun = Instant::now();
    while served.post("/api/caption", "audio/wav", &bytes).0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the place is not free again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_does_not_take_the_answer_is_let_go_and_the_next_is_let_in() {
    let Some(bench) = stocked() else { return };
    let folder = bench.path("clips");
    std::fs::create_dir(&folder).unwrap();
    // More than the buffers of both ends hold.
    std::fs::write(folder.join("clip-0.wav"), vec![0; 64 << 20]).unwrap();
    let arguments = ["--max-connections", "1", "--pause-seconds", "1", "--clips", folder.to_str().unwrap()];
    let served = Served::start(&bench, &arguments);
    let (_, found) = served.post_json("/api/search", &serde_json::json!({ "text": "rain", "k": 10 }));
    let rows = found["neighbours"].as_array().unwrap();
    let id = &rows.iter().find(|row| row["clip"] == "clip-0.wav").unwrap()["id"];
    // The connection of that question is idle, and is let go.
    let mut stuck = served.connect();
    write!(stuck, "GET /api/clips/{id} HTTP/1.1\r\nHost: {}\r\n\r\n", served.host()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    let (status, text) =
        served.raw(&format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", served.host()));
    assert_eq!(status, 200, "{text}");
    assert!(begun.elapsed() > Duration::from_millis(500), "there was room for two: {:?}", begun.elapsed());
    let (_, taken) = answer(&mut stuck);
    assert!(taken.len() < 64 << 20, "all of it came");
}

#[test]
fn two_hundred_uploads_at_once_are_answered_or_sent_away_and_memory_stays_bounded() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &["--max-sounds", "4", "--max-upload", "4"]);
    let (_, bytes) = recording(bench.dir.path(), 60.0);
    assert_eq!(served.post("/api/caption", "audio/wav", &bytes).0, 200);
    let before = served.peak_mib();
    let counts: [AtomicUsize; 2] = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                // Who is refused while still sending is told so, and not cut off.
                let response = served.agent.post(served.at("/api/caption")).send(&bytes[..]).unwrap();
                let place = match response.status().as_u16() {
                    200 => 0,
                    503 => 1,
                    other => panic!("{other}"),
                };
                counts[place].fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    let [answered, sent_away] = counts.map(AtomicUsize::into_inner);
    served.is_alive();
    assert!(answered >= 4, "{answered} answered, {sent_away} sent away");
    assert_eq!(served.post("/api/caption", "audio/wav", &bytes).0, 200);
    if let (Some(before), Some(after)) = (before, served.peak_mib()) {
        println!("{answered} answered, {sent_away} sent away; peak {before} MiB with one, {after} MiB with all");
        assert!(after < before + 4 * (2 * 4 + 50) + 64, "{before} MiB before, {after} after");
    }
}

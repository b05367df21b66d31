//! Story: somebody sends more than is allowed for: too many bytes, seconds, channels, or at once.

use std::io::Write;

use serde_json::Value;

use crate::common::bench::Bench;
use crate::common::sounds::{sound, wav_at};
use crate::served::{Served, answer, form, recording, stocked};

fn refused(answer: &(u16, Value), word: &str) {
    assert!(answer.0 == 413 && answer.1["error"].as_str().unwrap().contains(word), "{answer:?}");
}

#[test]
fn a_sound_that_is_too_long_large_or_wide_is_refused() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &["--max-seconds", "5", "--max-upload", "1", "--max-channels", "2"]);
    let (_, long) = recording(bench.dir.path(), 5.2);
    let (_, fits) = recording(bench.dir.path(), 5.0);
    for path in ["/api/caption", "/api/audit?only=neighbours", "/api/search"] {
        refused(&served.post(path, "audio/wav", &long), "5 s");
        assert_eq!(served.post(path, "audio/wav", &fits).0, 200, "{path}");
    }
    let large = vec![0; (1 << 20) + 1];
    refused(&served.post("/api/caption", "audio/wav", &large), "bytes");
    let (kind, body) = form("audio", "large.wav", &large);
    refused(&served.post("/api/caption", &kind, &body), "bytes");

    let wide = bench.path("wide.wav");
    let spec = hound::WavSpec {
        channels: 3,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&wide, spec).unwrap();
    sound(1.0, 48_000).iter().for_each(|x| writer.write_sample(*x).unwrap());
    writer.finalize().unwrap();
    refused(&served.post("/api/caption", "audio/wav", &std::fs::read(&wide).unwrap()), "3 channels");
    served.is_alive();
}

#[test]
fn limits_that_nothing_can_hold_are_refused_at_the_start() {
    let bench = Bench::external(8);
    for option in ["--max-sounds", "--max-connections"] {
        bench.run(&["serve", "--bind", "127.0.0.1:0", option, "18446744073709551615"]).fails(1, &["at most 65536"]);
    }
    bench.run(&["serve", "--bind", "127.0.0.1"]).fails(1, &["such as 127.0.0.1:7373"]);
}

#[test]
fn a_small_file_that_unpacks_into_hours_is_given_up_early() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &["--max-seconds", "10"]);
    let before = served.peak_mib();
    // A rate of 1 kHz: an hour of silence in 7 MB.
    let path = bench.path("hour.wav");
    wav_at(&path, &vec![0; 3_600_000], 1_000);
    let begun = std::time::Instant::now();
    refused(&served.post("/api/caption", "audio/wav", &std::fs::read(&path).unwrap()), "10 s");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    if let (Some(before), Some(after)) = (before, served.peak_mib()) {
        assert!(after < before + 100, "{before} MiB before, {after} after");
    }
}

#[test]
fn who_finds_all_places_taken_is_told_when_to_come_again() {
    let Some(bench) = stocked() else { return };
    let served = Served::start(&bench, &["--max-sounds", "1"]);
    let (_, bytes) = recording(bench.dir.path(), 1.0);
    // One holds the only place by sending slowly.
    let mut slow = served.connect();
    let head = format!(
        "POST /api/caption HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        served.host(),
        bytes.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&bytes[..100]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let refused = served.agent.post(served.at("/api/caption")).send(&bytes[..]).unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    // Words find a place nevertheless, and the slow one is answered in the end.
    let (status, _) = served.post_json("/api/search", &serde_json::json!({ "text": "rain" }));
    assert_eq!(status, 200);
    slow.write_all(&bytes[100..]).unwrap();
    assert_eq!(answer(&mut slow).0, 200);
    assert_eq!(served.post("/api/caption", "audio/wav", &bytes).0, 200);
}

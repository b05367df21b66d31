//! Story: a librarian wants no caption that is made up. Each says how likely it is to fit; below a threshold there is none; and what that number
//! is worth is learned from sounds that people have described.

use serde_json::Value;

use crate::batch::{listening, sounds};
use crate::captions_from_text::{DIM, trained};
use crate::common::bench::Bench;
use crate::common::sounds::wav_at;

const RATE: u32 = 16_000;

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// A store that hears, sixty sounds, and a table in which every other sound is described by its own caption and the rest by another's.
fn described() -> Option<Bench> {
    let bench = listening()?;
    let names: Vec<String> = (0..60).map(|index| format!("clips/{index:02}.wav")).collect();
    sounds(&bench, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let answers = bench.run_json(&["caption", "clips"]).succeeds().lines();
    let caption = |index: usize| answers[index]["caption"].as_str().unwrap().to_owned();
    let others: Vec<&str> = include_str!("../../corpora/nature.txt").lines().take(60).collect();
    let mut rows = "file_name,caption\n".to_owned();
    for (index, other) in others.iter().enumerate() {
        let text = if index % 2 == 0 { caption(index) } else { (*other).to_owned() };
        rows += &format!("{index:02}.wav,\"{text}\"\n");
    }
    bench.write("described.csv", rows);
    Some(bench)
}

#[test]
fn silence_is_told_and_no_caption_of_it_is_believed() {
    let Some(bench) = listening() else { return };
    wav_at(&bench.path("silence.wav"), &vec![0; 5 * RATE as usize], RATE);
    let hiss: Vec<i16> = (0..5 * RATE as usize).map(|i| (i * 7919 % 13) as i16 - 6).collect();
    wav_at(&bench.path("hiss.wav"), &hiss, RATE);
    let silence = bench.run_json(&["caption", "silence.wav"]).succeeds().json();
    assert_eq!((&silence["heard"], number(&silence, "confidence")), (&"silence".into(), 0.0));
    assert_eq!(bench.run_json(&["caption", "hiss.wav"]).succeeds().json()["heard"], "faint");
    let run = bench.run_json(&["caption", "silence.wav", "--min-confidence", "0.01"]);
    assert!(run.stderr.contains("only silence"), "{run:?}");
    let unsure = run.succeeds().json();
    assert_eq!((&unsure["caption"], &unsure["withheld"]), (&"unsure".into(), &silence["caption"]));
    assert_eq!(unsure["neighbours"], silence["neighbours"], "the nearest texts stay");
    let shown = bench.run(&["caption", "silence.wav", "--min-confidence", "0.01"]).succeeds().stdout.clone();
    assert!(shown.contains("\n  unsure (0.00)\n"), "{shown}");
}

#[test]
fn the_confidence_of_a_caption_is_what_was_learned_from_described_sounds() {
    let Some(bench) = described() else { return };
    let ask = ["calibrate", "described.csv", "--audio", "clips"];
    let dry = bench.run_json(&[&ask[..], &["--dry-run"]].concat()).succeeds().json();
    assert!(!bench.store().join("confidence.json").exists());
    let told = bench.run_json(&ask).succeeds().json();
    assert_eq!((&told["curves"], &told["sounds"], &told["kept"]), (&dry["curves"], &60.into(), &true.into()));
    let curve = &told["curves"]["text"];
    assert!(number(curve, "right") >= 0.4 && number(curve, "right") < 0.7, "{curve}");
    let answers = bench.run_json(&["caption", "clips"]).succeeds().lines();
    for answer in &answers {
        // The caption is the nearest text, so its own similarity is that text's.
        let similarity = number(answer, "similarity");
        assert!((similarity - number(&answer["neighbours"][0], "similarity")).abs() < 1e-5, "{answer}");
        let expected = 1.0 / (1.0 + (-(number(curve, "slope") * similarity + number(curve, "intercept"))).exp());
        assert!((number(answer, "confidence") - expected).abs() < 1e-5, "{answer}");
    }
    // Half of them by a threshold in their middle.
    let mut all: Vec<f64> = answers.iter().map(|answer| number(answer, "confidence")).collect();
    all.sort_by(f64::total_cmp);
    let middle = all[30].to_string();
    let ask = ["caption", "clips", "--min-confidence", &middle, "--csv", "sure.csv", "--log"];
    let run = bench.run_json(&ask);
    let withheld = run.succeeds().lines().iter().filter(|answer| answer["caption"] == "unsure").count();
    assert!((20..=40).contains(&withheld), "{withheld} of 60");
    let table = std::fs::read_to_string(bench.path("sure.csv")).unwrap();
    assert_eq!(table.matches(",unsure\n").count(), withheld);
    let log = bench.run_json(&["audit", "history", "--limit", "100"]).succeeds().stdout.clone();
    assert!(!log.contains("unsure"), "the log keeps what was written");
    // A copy of the store knows it, too.
    bench.run(&["backup", "copy"]).succeeds();
    let copied = bench.run_json_at(&bench.path("copy"), &["caption", "clips/00.wav"]).succeeds().json();
    assert_eq!(copied["confidence"], answers[0]["confidence"]);
}

#[test]
fn what_cannot_be_known_is_not_made_up() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let answer = bench.run_json(&["caption", "--embedding", &query]).succeeds().json();
    assert!(answer.get("confidence").is_none() && answer.get("similarity").is_none(), "{answer}");
    let run = bench.run(&["caption", "--embedding", &query, "--min-confidence", "0.5"]);
    run.fails(1, &["the least confidence", "no calibration of projection", "echoic calibrate"]);
    bench.run(&["caption", "--embedding", &query, "--min-confidence", "1.5"]).fails(1, &["from 0 to 1"]);
    bench.write("m.csv", "file_name,caption\na.wav,A dog barks.\n");
    bench.run(&["calibrate", "m.csv"]).fails(1, &["no tower"]);
}

#[test]
fn what_teaches_nothing_is_refused_and_a_damaged_file_is_named() {
    let Some(bench) = described() else { return };
    bench.run(&["calibrate", "described.csv", "--audio", "clips", "--limit", "9"]).fails(1, &["9 with", "at least 50"]);
    let same = (0..60).map(|index| format!("{index:02}.wav,Something is heard.\n")).collect::<String>();
    bench.write("same.csv", format!("file_name,caption\n{same}"));
    bench.run(&["calibrate", "same.csv", "--audio", "clips"]).fails(1, &["one description of all"]);
    std::fs::write(bench.store().join("confidence.json"), "{\"space\": 3}").unwrap();
    bench.run(&["caption", "clips/00.wav"]).fails(1, &["confidence.json", "echoic calibrate"]);
}

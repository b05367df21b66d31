//! Someone brings sounds of their own, learns an adapter from them, and searches with it.

use crate::common::bench::Bench;
use crate::common::needs::starter_is_installed;
use crate::common::{scattered, sounds};

const RATE: u32 = 32_000;

/// What is heard, and two ways to say it.
const KINDS: [(&str, [&str; 2]); 3] = [
    ("tone", ["A steady tone hums.", "A single note sounds continuously."]),
    ("noise", ["Loud noise hisses.", "White noise rushes without a pause."]),
    ("click", ["Something clicks quickly.", "Sharp clicks follow one another."]),
];

/// Half a second of a kind of sound; `variant` changes its pitch, its grain or its pace.
fn sound(kind: &str, variant: usize) -> Vec<f32> {
    let random = scattered(1, RATE as usize + variant * 7);
    let period = 900 + variant * 350;
    let sample = |i: usize| match kind {
        "tone" => (i as f32 * (200.0 + 90.0 * variant as f32) * std::f32::consts::TAU / RATE as f32).sin() * 0.5,
        "noise" => random[i + variant * 7],
        _ if i % period < 30 => 0.9,
        _ => 0.0,
    };
    (0..RATE as usize / 2).map(sample).collect()
}

/// Sounds and their pairs: of each kind six to learn from and two held out.
fn pairs(bench: &Bench) -> Vec<String> {
    let mut rows = vec!["audio,caption,split,concepts".to_owned()];
    for (kind, captions) in KINDS {
        for variant in 0..8 {
            let name = format!("{kind} {variant}.wav");
            let samples: Vec<i16> = sound(kind, variant).iter().map(|x| (x * 32_000.0) as i16).collect();
            sounds::wav_at(&bench.path(&name), &samples, RATE);
            let split = if variant % 4 == 2 { "val" } else { "train" };
            rows.extend(captions.map(|caption| format!("{name},{caption},{split},{kind}")));
        }
    }
    rows
}

/// With a cache of its own, which has the starter but keeps this story's adapters apart from the user's.
fn own_bench() -> Option<Bench> {
    if !starter_is_installed() {
        return None;
    }
    let bench = Bench::with_own_cache();
    std::fs::create_dir(bench.path("cache")).unwrap();
    std::os::unix::fs::symlink(echoic::models::path("starter").unwrap(), bench.path("cache/starter")).unwrap();
    Some(bench)
}

const QUICK: [&str; 6] = ["--epochs", "40", "--batch", "16", "--hidden", "64"];

#[test]
fn an_adapter_learned_from_own_sounds_finds_sounds_it_has_not_heard() {
    let Some(bench) = own_bench() else { return };
    let rows = pairs(&bench);
    bench.write("pairs.csv", rows.join("\n"));
    let report = bench.run_json(&[&["align", "pairs.csv", "--out", "own.safetensors"], &QUICK[..]].concat());
    let report = report.succeeds().json();
    assert_eq!((&report["training_clips"], &report["validation_clips"]), (&18.into(), &6.into()));
    assert_eq!(report["validation"]["recall_at_1"], 1.0, "{report}");
    let log = std::fs::read_to_string(bench.path("own.safetensors.log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 40);

    let again = bench.run_json(&[&["align", "pairs.csv", "--out", "again.safetensors"], &QUICK[..]].concat());
    assert_eq!(again.succeeds().json()["sha256"], report["sha256"], "the same pairs give the same adapter");

    bench.run_json(&["init", "--adapter", "own.safetensors"]).succeeds();
    bench.write("captions.txt", KINDS.map(|(_, captions)| captions[0]).join("\n"));
    bench.run_json(&["ingest", "captions.txt", "--domain", "kinds"]).succeeds();
    for (kind, captions) in KINDS {
        let found = bench.run_json(&["search", "--audio", &format!("{kind} 2.wav"), "-k", "1"]);
        assert_eq!(found.succeeds().json()["neighbours"][0]["caption"], captions[0]);
    }
}

#[test]
fn bad_rows_are_told_with_their_lines_and_cost_nothing_else() {
    let Some(bench) = own_bench() else { return };
    let mut rows = pairs(&bench);
    bench.write("text.wav", "this is no sound");
    bench.write("empty.wav", "");
    rows.insert(1, "missing.wav,Rain falls.,train,rain".into());
    rows.insert(2, "text.wav,Rain falls.,train,rain".into());
    rows.insert(3, "empty.wav,Rain falls.,train,rain".into());
    rows.insert(4, "tone 1.wav,,train,rain".into());
    bench.write("pairs.csv", rows.join("\n"));
    let outcome = bench.run_json(&["align", "pairs.csv", "--out", "own.safetensors", "--epochs", "1", "--hidden", "8"]);
    let report = outcome.succeeds().json();
    let rejected = report["rejected"].as_array().unwrap();
    assert_eq!(rejected.iter().map(|r| r["line"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 4, 5], "{report}");
    assert!(outcome.stderr.contains("line 2"), "{outcome:?}");
    assert_eq!(report["training_clips"], 18);
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_written() {
    let Some(bench) = own_bench() else { return };
    bench.write("text.wav", "this is no sound");
    bench.write("only_bad.csv", "audio,caption\ntext.wav,Rain falls.\n");
    bench
        .run_json(&["align", "only_bad.csv", "--out", "own.safetensors"])
        .fails(1, &["no clip to learn from", "line 2"]);
    bench.write("no_column.csv", "audio,words\ntext.wav,Rain falls.\n");
    bench.run_json(&["align", "no_column.csv", "--out", "own.safetensors"]).fails(1, &["'caption'", "audio, words"]);
    bench.write("no_row.csv", "audio,caption\n");
    bench.run_json(&["align", "no_row.csv", "--out", "own.safetensors"]).fails(1, &["no usable row"]);
    bench.run_json(&["align", "none.csv", "--out", "own.safetensors"]).fails(1, &["none.csv"]);
    bench.run_json(&["align", "only_bad.csv", "--out", "none/own.safetensors"]).fails(1, &["none"]);
    bench
        .run_json(&["align", "only_bad.csv", "--out", "own.safetensors", "--epochs", "0"])
        .fails(1, &["epochs: found 0"]);
    assert!(!bench.path("own.safetensors").exists());
}

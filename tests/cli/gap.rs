//! Story: somebody measures how far sounds lie from texts where that is known, and trains a decoder that is shifted by it.

use std::path::Path;

use serde_json::Value;

use crate::common::bench::Bench;
use crate::common::needs::starter_is_installed;
use crate::common::npy;
use crate::common::sounds::{sound, wav_at};

const DIM: usize = 4;

/// Six directions that cancel out, at `height` on the first axis: a ring around it.
fn ring(height: f32) -> Vec<f32> {
    let radius = (1.0 - height * height).sqrt();
    let one = |at: usize| {
        let mut row = vec![0.0; DIM];
        row[0] = height;
        row[1 + at / 2] = if at.is_multiple_of(2) { radius } else { -radius };
        row
    };
    (0..6).flat_map(one).collect()
}

/// A store of six texts of three clips, and files of the texts' embeddings and of those of their sounds.
struct Known {
    bench: Bench,
    sounds: String,
    texts: String,
}

fn known() -> Known {
    let bench = Bench::external(DIM);
    let rows = ["Rain falls.", "Rain drums.", "A dog barks.", "A hound bays.", "Wind blows.", "A storm howls."];
    let rows: Vec<String> = rows.iter().enumerate().map(|(row, text)| format!("clip-{}.wav,{text}", row / 2)).collect();
    let captions = bench.write("captions.csv", format!("file_name,caption\n{}\n", rows.join("\n")));
    let texts = bench.write("texts.npy", npy(&ring(-0.8), 6, DIM));
    let sounds = bench.write("sounds.npy", npy(&ring(0.8), 6, DIM));
    bench.run(&["ingest", &captions, "--domain", "d", "--embeddings", &texts]).succeeds();
    Known { bench, sounds, texts }
}

impl Known {
    fn pairs(&self) -> [&str; 4] {
        ["--audio-embeddings", &self.sounds, "--text-embeddings", &self.texts]
    }

    fn measured(&self) -> Value {
        self.bench.run_json(&[&["gap"], &self.pairs()[..]].concat()).succeeds().json()
    }

    fn file(&self) -> std::path::PathBuf {
        self.bench.store().join("gap.safetensors")
    }
}

#[track_caller]
fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
}

#[test]
fn what_is_known_of_a_gap_is_measured() {
    let known = known();
    let gap = known.measured();
    let pairs = &gap["pairs"];
    near(&pairs["distance"], 1.6);
    near(&pairs["paired"]["mean"], -0.64 + 0.36);
    // One of the five others lies opposite, four lie across.
    near(&pairs["unpaired"]["mean"], -0.64 - 0.36 / 5.0);
    assert_eq!((&pairs["paired"]["count"], &pairs["unpaired"]["count"]), (&6.into(), &30.into()));
    assert_eq!(
        pairs["unpaired"]["histogram"]["counts"].as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>(),
        30
    );
    near(&pairs["separability"]["accuracy"], 1.0);
    for side in [&gap["texts"], &pairs["texts"], &pairs["sounds"]] {
        near(&side["centroid_length"], 0.8);
        near(&side["participation_ratio"], 3.0);
        near(&side["within"], 0.64 - 0.36 / 5.0);
        assert_eq!((&side["count"], &side["sampled"]), (&6.into(), &6.into()));
    }
    // The two captions of each clip lie opposite each other.
    near(&gap["noise"]["sigma"], 1.2);
    assert_eq!((&gap["noise"]["clips"], &gap["kept"]), (&3.into(), &true.into()));
    // The shift is a row as other programs read it: its direction is that of the sounds.
    let file = known.file().display().to_string();
    let found = known.bench.run_json(&["search", "--embedding", &file, "-k", "6"]).succeeds().json();
    near(&found["neighbours"][0]["similarity"], -0.8);
    let text = known.bench.run(&[&["gap", "--plot"], &known.pairs()[..]].concat()).succeeds().stdout.clone();
    for words in [
        "1.600, which is the length of the shift",
        "-0.280, mean of 6",
        "1.2000 (variance 1.44000)",
        "a sound and another text",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let picture = known.bench.path("gap.svg").display().to_string();
    known.bench.run(&[&["gap", "--svg", &picture], &known.pairs()[..]].concat()).succeeds();
    assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
}

#[test]
fn without_pairs_the_texts_are_measured_and_a_kept_shift_stays() {
    let known = known();
    let alone = known.bench.run_json(&["gap", "--dry-run"]).succeeds().json();
    assert_eq!((&alone["pairs"], &alone["kept"]), (&Value::Null, &false.into()));
    near(&alone["texts"]["participation_ratio"], 3.0);
    assert!(!known.file().exists());
    let text = known.bench.run(&["gap"]).succeeds().stdout.clone();
    assert!(text.contains("without pairs") && text.contains("--audio-embeddings"), "{text}");
    known
        .bench
        .run(&["train", "--bridge", "shift"])
        .fails(1, &["measured with pairs", "echoic gap --audio-embeddings"]);
    known.bench.run(&["gap", "--svg", "x.svg"]).fails(1, &["no pairs", "--audio-embeddings"]);
    known.measured();
    let before = std::fs::read(known.file()).unwrap();
    let text = known.bench.run(&["gap"]).succeeds().stdout.clone();
    assert!(text.contains("measured with pairs, and stays"), "{text}");
    assert_eq!(std::fs::read(known.file()).unwrap(), before);
    let stats = known.bench.run_json(&["stats"]).succeeds().json();
    assert_eq!(stats["gap"]["pairs"], 6);
    known.bench.run(&["gap", "--domain", "none"]).fails(1, &["none"]);
}

#[test]
fn a_decoder_is_shifted_by_what_was_measured() {
    if !starter_is_installed() {
        return; // its tokenizer cuts the texts
    }
    let known = known();
    let gap = known.measured();
    let command = ["train", "--bridge", "both", "--noise", "estimate", "--epochs", "1", "--name", "s"];
    let trained = known.bench.run_json(&command).succeeds().json();
    assert_eq!(trained["shift_sha256"], gap["pairs"]["shift_sha256"]);
    near(&trained["shift_length"], 1.6);
    near(&trained["noise_variance"], 1.44);
    let shown = known.bench.run_json(&["decoders", "show", "s"]).succeeds().json();
    assert_eq!(shown["shift_from"], "the gap measured at commit 1 with 6 pairs");
    let shift = known.bench.write("shift.npy", npy(&[1.6, 0.0, 0.0, 0.0], 1, DIM));
    let given = ["train", "--bridge", "shift", "--shift", &shift, "--epochs", "1", "--name", "t"];
    let given = known.bench.run_json(&given).succeeds().json();
    assert_eq!(given["shift_from"], "a file");
}

#[test]
fn what_does_not_fit_is_told() {
    let known = known();
    let five = known.bench.write("five.npy", npy(&ring(0.8)[..5 * DIM], 5, DIM));
    let with =
        |sounds: &str, texts: &str| known.bench.run(&["gap", "--audio-embeddings", sounds, "--text-embeddings", texts]);
    with(&five, &known.texts).fails(1, &["5 rows of sounds and 6 of texts"]);
    let narrow = known.bench.npy("narrow.npy", 6, 3);
    with(&narrow, &known.texts).fails(1, &["narrow.npy", "rows of 3 numbers", "rows of 4"]);
    with("nowhere.npy", &known.texts).fails(1, &["nowhere.npy"]);
    known.bench.run(&["gap", "--audio-embeddings", &five]).fails(1, &["--text-embeddings"]);
    let captions = known.bench.path("captions.csv").display().to_string();
    known.bench.run(&["gap", "--pairs", &captions]).fails(1, &["--audio-embeddings FILE --text-embeddings FILE"]);
    assert!(!known.file().exists(), "what failed was kept");
    // A row of zeros has no direction, and goes with its pair.
    let zeros = known.bench.write("zeros.npy", npy(&[&ring(0.8)[..5 * DIM], &[0.0; DIM]].concat(), 6, DIM));
    let found = with(&zeros, &known.texts);
    assert!(found.succeeds().stdout.contains("1 pair without a direction left out"), "{found:?}");
}

#[test]
fn a_damaged_gap_changes_no_answer_and_is_mended_by_taking_it_away() {
    let known = known();
    known.measured();
    let backup = known.bench.path("copy");
    known.bench.run(&["backup", &backup.display().to_string()]).succeeds();
    assert_eq!(std::fs::read(backup.join("gap.safetensors")).unwrap(), std::fs::read(known.file()).unwrap());
    known.bench.run(&["check"]).succeeds();
    let mut bytes = std::fs::read(known.file()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x10;
    std::fs::write(known.file(), &bytes).unwrap();
    known.bench.run(&["train", "--bridge", "shift"]).fails(1, &["gap.safetensors", "SHA-256"]);
    known.bench.run(&["check"]).fails(1, &["gap.safetensors", "check --repair"]);
    let stats = known.bench.run_json(&["stats"]);
    assert!(stats.succeeds().json()["gap"].is_null() && stats.stderr.contains("gap.safetensors"), "{stats:?}");
    let other = known.bench.path("other");
    assert!(known.bench.run(&["backup", &other.display().to_string()]).succeeds().stderr.contains("left behind"));
    assert!(!other.join("gap.safetensors").exists());
    let repaired = known.bench.run_json(&["check", "--repair"]).succeeds().json();
    assert!(repaired["repaired"].to_string().contains("can only be measured again"), "{repaired}");
    assert!(!known.file().exists());
    known.measured();
    known.bench.run(&["check"]).succeeds();
}

#[test]
fn the_gap_of_another_space_is_refused() {
    let (known, other) = (known(), Bench::external(3));
    known.measured();
    std::fs::copy(known.file(), other.store().join("gap.safetensors")).unwrap();
    other.run(&["check"]).fails(1, &["gap.safetensors", "4 dimensions"]);
    other.run(&["train", "--bridge", "shift"]).fails(1, &["3 dimensions", "4 dimensions"]);
}

#[test]
fn sounds_and_captions_are_heard_and_read_and_a_missing_file_stops_nothing() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    bench.run(&["init"]).succeeds();
    let captions = bench.write(
        "pairs.csv",
        "file_name,caption_1,caption_2\na,A tone rises.,A whistle.\nb.wav,Clicks and noise.,Noise.\ngone.wav,Rain.,Hail.\ndeep/c.wav,A hum.,A buzz.\n",
    );
    let folder = bench.path("clips");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let write =
        |name: &str, seconds: f64, rate: u32| wav_at(Path::new(&folder.join(name)), &sound(seconds, rate), rate);
    write("a.wav", 1.0, 44_100);
    write("deep/b.wav", 2.0, 32_000);
    write("deep/c.wav", 1.5, 16_000);
    let folder = folder.display().to_string();
    let run = bench.run_json(&["gap", "--pairs", &captions, "--audio", &folder]);
    assert_eq!(run.code, 1, "{run:?}");
    let lines = run.lines();
    assert!(lines[0]["path"].as_str().unwrap().ends_with("gone.wav"), "{run:?}");
    let gap = &lines[1];
    assert_eq!((&gap["failed"], &gap["kept"]), (&1.into(), &true.into()));
    assert_eq!((&gap["pairs"]["count"], &gap["pairs"]["sounds"]["count"]), (&6.into(), &3.into()));
    assert_eq!(gap["texts"], Value::Null, "nothing is stored");
    assert_eq!(gap["pairs"]["separability"], Value::Null, "three sounds are too few");
    bench.run(&["gap", "--pairs", &captions, "--audio", "nowhere"]).fails(1, &["nowhere", "no folder"]);
    // Beside the captions there is none of them.
    bench
        .run(&["gap", "--pairs", &captions, "--audio", &bench.store().display().to_string()])
        .fails(1, &["no sound for any"]);
}

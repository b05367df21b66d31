//! Story: a training is stopped, and its owner comes back to it days later. Nothing that it learned goes away unasked, and what is finished
//! takes no more room than it must.

use std::path::Path;

use echoic::decoder::{TrainOptions, TrainingBridge};
use echoic::memory::RowKey;
use echoic::progress::{Control, Stop};
use echoic::training::{Training, training_set};
use echoic::{EmbeddingSpace, Snapshot, Store};

use crate::common::bench::Bench;
use crate::common::hub::sha256;
use crate::common::needs::starter_is_installed;
use crate::common::{files, stores, texts};

const DIM: usize = 24;

/// A store whose texts come in threes of one clip.
fn filled(store: &Path) -> Snapshot {
    let set = texts::set();
    Store::create(store, EmbeddingSpace::external(DIM)).unwrap();
    let mut writer = stores::writing(store);
    let clip = |i: usize| Some(format!("clip-{}.wav", i / 3));
    let keys = set.texts.iter().enumerate().map(|(i, t)| RowKey { text: t.text.clone(), clip: clip(i), ordinal: 0 });
    let plan = writer.plan("d", &keys.collect::<Vec<_>>()).unwrap();
    writer.append("d", plan, &set.embeddings).unwrap();
    drop(writer);
    stores::open(store)
}

fn options() -> TrainOptions {
    TrainOptions::default().epochs(2).batch(16).validation(0.2).seed(3)
}

fn stopped(memory: &Snapshot, name: &str) {
    let stop = Stop::new();
    stop.request();
    let training = Training::new(memory, name).options(options());
    assert!(training.control(Control::default().with_stop(&stop)).run(&texts::tokenizer()).unwrap().interrupted);
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_command_refuses_to_begin_anew_and_tells_both_ways_out() {
    if !starter_is_installed() {
        return; // its tokenizer cuts the texts
    }
    let bench = Bench::new();
    stopped(&filled(&bench.store()), "mine");
    let folder = bench.store().join("decoders/mine");
    let before = files(&folder);
    let command = ["train", "--name", "mine", "--epochs", "1"];
    bench.run(&command).fails(1, &["decoders/mine", "stopped after 0 of 2 epochs", "--resume goes on", "--restart"]);
    assert_eq!(files(&folder), before, "the refusal changed something");
    // Other options than before are no way to go on, and nothing is lost by trying.
    bench.run(&[&command[..], &["--resume"]].concat()).fails(1, &["other texts or options", "--restart"]);
    assert_eq!(files(&folder), before);
    bench.run(&[&command[..], &["--resume", "--restart"]].concat()).fails(1, &["cannot be used with"]);
    let trained = bench.run_json(&[&command[..], &["--restart", "--noise", "0.01"]].concat()).succeeds().json();
    assert_eq!(trained["epochs"], 1);
    assert!(Path::new(trained["best"].as_str().unwrap()).is_file(), "the decoder is where the report says");
    assert_eq!(names(&folder), ["lock", "log.jsonl"], "nothing to go on with is kept");
    bench.run(&[&command[..], &["--resume"]].concat()).fails(1, &["has come to its end", "do not resume"]);
    // To train a finished one anew needs no more words than the first time.
    bench.run(&command).succeeds();
}

#[test]
fn folders_of_trainings_are_counted() {
    let bench = Bench::new();
    let memory = filled(&bench.store());
    stopped(&memory, "begun");
    Training::new(&memory, "done").options(options()).run(&texts::tokenizer()).unwrap();
    let stats = bench.run_json(&["stats"]).succeeds().json();
    let bytes = |name: &str| -> u64 {
        files(&bench.store().join("decoders").join(name)).iter().map(|(_, content)| content.len() as u64).sum()
    };
    let folder = |name: &str, finished| serde_json::json!({ "name": name, "bytes": bytes(name), "finished": finished });
    assert_eq!(stats["trainings"], serde_json::json!([folder("begun", false), folder("done", true)]));
    assert!(bytes("begun") > 100_000 && bytes("done") < 2_000);
    let text = bench.run(&["stats"]).succeeds().stdout.clone();
    assert!(text.contains("begun, ") && text.contains(", not finished"), "{text}");
}

#[test]
fn the_record_says_how_it_was_trained() {
    let bench = Bench::new();
    let memory = filled(&bench.store());
    let shift: Vec<f32> = (0..DIM).map(|i| i as f32 / 100.0).collect();
    let bridge = TrainingBridge::default().noise_variance(0.02).shift(shift.clone());
    let report = Training::new(&memory, "mine").options(options().bridge(bridge)).run(&texts::tokenizer()).unwrap();
    // A fifth of 36 texts are 7: two clips of three.
    assert_eq!((report.texts, report.held_out), (30, 6));
    let listed = bench.run_json(&["decoders"]).succeeds().json();
    let near = |key: &str, value: f64| (listed[0][key].as_f64().unwrap() - value).abs() < 1e-6;
    let length = shift.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    assert!(near("noise_variance", 0.02) && near("shift_length", length), "{listed}");
    let bytes: Vec<u8> = shift.iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(listed[0]["shift_sha256"], sha256(&bytes));
    assert_eq!((&listed[0]["held_out"], &listed[0]["seed"]), (&6.into(), &3.into()));
    let shown = bench.run_json(&["decoders", "show", "mine"]).succeeds().json();
    assert_eq!(shown["details"]["split"]["by"], "clip");
    assert!(shown["details"]["report"]["best"].is_null(), "a path of this machine in the record");
}

/// A text of two clips joins their other texts.
#[test]
fn clips_become_numbers_within_their_domain() {
    let (_guard, dir) = stores::empty_store();
    let mut writer = stores::writing(&dir);
    let rows = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("d", "3")];
    let rows: Vec<RowKey> =
        rows.iter().enumerate().map(|(i, (text, clip))| stores::row(text, Some(clip), i as u32)).collect();
    for domain in ["one", "other"] {
        stores::ingest(&mut writer, domain, &rows).unwrap();
    }
    drop(writer);
    let set_of = stores::open(&dir);
    let set = training_set(&set_of, &echoic::memory::Scope::all()).unwrap();
    let clips: Vec<(&str, &[u32])> = set.texts.iter().map(|text| (text.text.as_str(), &text.clips[..])).collect();
    let expected: [(&str, &[u32]); 8] =
        [("a", &[0]), ("b", &[0, 1]), ("c", &[1]), ("d", &[2]), ("a", &[3]), ("b", &[3, 4]), ("c", &[4]), ("d", &[5])];
    assert_eq!(clips, expected);
}

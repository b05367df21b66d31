//! Story: a store collects decoders; its owner looks at what there is, and removes some while others are writing captions with them.

use std::path::Path;

use echoic::captioner::CaptionOptions;
use echoic::decoder::TrainOptions;
use echoic::error::Missing;
use echoic::memory::{RowKey, Scope};
use echoic::progress::{Control, Stop};
use echoic::training::Training;
use echoic::{Captioner, EmbeddingSpace, Error, Snapshot, Store, decoders};

use crate::common::bench::Bench;
use crate::common::{stores, texts};

const DIM: usize = 24;

/// A store of two domains, each with half of the texts.
pub fn filled(store: &Path) -> Snapshot {
    let set = texts::set();
    Store::create(store, EmbeddingSpace::external(DIM)).unwrap();
    let mut writer = stores::writing(store);
    for (domain, skipped) in [("even", 0), ("odd", 1)] {
        let rows = || (0..set.texts.len()).skip(skipped).step_by(2);
        let keys: Vec<_> = rows().map(|i| RowKey { text: set.texts[i].text.clone(), clip: None, ordinal: 0 }).collect();
        let plan = writer.plan(domain, &keys).unwrap();
        let mut embeddings = echoic::Embeddings::new(DIM);
        for text in plan.texts() {
            let row = set.texts.iter().position(|t| t.text == text).unwrap();
            embeddings.push(set.embeddings.row(row).unwrap()).unwrap();
        }
        writer.append(domain, plan, &embeddings).unwrap();
    }
    drop(writer);
    stores::open(store)
}

/// Trains for one epoch; stopped before it ends where `whole` is false.
pub fn train(memory: &Snapshot, name: &str, scope: Scope, whole: bool) {
    let options = TrainOptions::default().epochs(1).batch(16);
    let stop = Stop::new();
    if !whole {
        stop.request();
    }
    let training = Training::new(memory, name).scope(scope).options(options);
    training.control(Control::default().with_stop(&stop)).run(&texts::tokenizer()).unwrap();
}

/// A store at the place where the bench's commands look, with two finished decoders and one that was stopped.
fn three_decoders() -> Bench {
    let bench = Bench::new();
    let memory = filled(&bench.store());
    train(&memory, "all", Scope::all(), true);
    train(&memory, "half", Scope::domains(["even"]), true);
    train(&memory, "begun", Scope::all(), false);
    bench
}

#[test]
fn decoders_are_listed_with_what_tells_them_apart() {
    let bench = three_decoders();
    let listed = bench.run_json(&["decoders"]).succeeds().json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["begun", "half", "all"], "the last finished one is in use");
    let (begun, half, all) = (&listed[0], &listed[1], &listed[2]);
    assert_eq!((&all["domains"], &half["domains"]), (&serde_json::Value::Null, &serde_json::json!(["even"])));
    assert_eq!((&all["preset"], &all["epochs"], &all["finished"]), (&"small".into(), &1.into(), &true.into()));
    assert_eq!((&begun["epochs"], &begun["finished"]), (&0.into(), &false.into()));
    assert!(all["validation_loss"].as_f64().unwrap() > 0.0 && begun["validation_loss"].is_null());
    assert!(all["vocabulary"].as_u64().unwrap() > 3 && all["captions"].as_u64() > half["captions"].as_u64());
    let memory = stores::open(&bench.store());
    assert_eq!(all["bytes"], memory.decoder_path("all").unwrap().metadata().unwrap().len());
    let used: Vec<_> = listed.as_array().unwrap().iter().filter(|d| d["default"] == true).collect();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0]["name"], "all", "a new decoder takes nobody's place unasked");

    let text = bench.run(&["decoders", "list"]).succeeds().stdout.clone();
    let rows: Vec<_> = text.lines().collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows[0].starts_with("decoder") && rows[2].contains("even"), "{text}");
    assert!(rows[1].contains("begun") && rows[1].contains("stopped before the end"), "{text}");
    assert_eq!(text.matches("used where none is named").count(), 1, "{text}");
}

#[test]
fn the_decoder_in_use_changes_only_when_it_is_asked_to() {
    let bench = three_decoders();
    let caption = |more: &[&str]| {
        let query = bench.npy("q.npy", 1, DIM);
        bench.run_json(&[&["caption", "--embedding", &query], more].concat())
    };
    let by = |run: &crate::common::bench::Run| run.succeeds().json()["parameters"]["decoder"].clone();
    assert_eq!(by(&caption(&[])), "all");
    bench.run(&["decoders", "use", "half"]).succeeds();
    let run = caption(&[]);
    assert_eq!(by(&run), "half");
    assert!(run.stderr.contains("half learned from even alone, and texts of odd guide it"), "{run:?}");
    assert!(!caption(&["--domain", "even"]).stderr.contains("learned from"));
    // Training again keeps its place; another name does not take it.
    let memory = stores::open(&bench.store());
    train(&memory, "all", Scope::all(), true);
    train(&memory, "new", Scope::all(), true);
    assert_eq!(by(&caption(&[])), "half");
    assert_eq!(by(&caption(&["--decoder", "new"])), "new");
    bench.run(&["decoders", "use", "none"]).fails(1, &["no decoder named 'none'"]);
    bench.run(&["decoders", "use", "begun"]).fails(1, &["begun", "stopped"]);
    bench.run(&["check"]).succeeds();
}

#[test]
fn one_is_shown_with_its_training() {
    let bench = three_decoders();
    let shown = bench.run_json(&["decoders", "show", "half"]).succeeds().json();
    let bytes = std::fs::read(shown["path"].as_str().unwrap()).unwrap();
    assert_eq!(shown["bytes"], bytes.len());
    assert_eq!((&shown["details"]["report"]["epochs"], &shown["domains"][0]), (&1.into(), &"even".into()));
    let text = bench.run(&["decoders", "show", "half"]).succeeds().stdout.clone();
    for word in ["half", "finished", "even", "small", "validation loss", "UTC", shown["sha256"].as_str().unwrap()] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    bench.run(&["decoders", "show", "none"]).fails(1, &["no decoder named 'none'", "begun, half, all"]);
}

#[test]
fn a_decoder_is_removed_with_the_folder_that_it_trained_in() {
    let bench = three_decoders();
    let memory = stores::open(&bench.store());
    let (path, work) = (memory.decoder_path("half").unwrap(), decoders::work_folder(memory.dir(), "half"));
    assert!(path.exists() && work.join("log.jsonl").exists());
    let run = bench.run(&["decoders", "remove", "half"]);
    assert!(run.succeeds().stdout.starts_with("removed the decoder half, "), "{run:?}");
    assert!(!path.exists() && !work.exists());
    bench.run(&["decoders", "remove", "half"]).fails(1, &["no decoder named 'half'", "(there are: begun, all)"]);
    bench.run(&["decoders", "remove", "../segments"]).fails(1, &["decoder"]);
    bench.run(&["check"]).succeeds();

    // Files of others in the folder are not ours to remove.
    let note = decoders::work_folder(memory.dir(), "all").join("note.txt");
    std::fs::write(&note, "keep me").unwrap();
    let removed = bench.run_json(&["decoders", "remove", "all"]).succeeds().json();
    assert_eq!((&removed["decoder"], &removed["published"]), (&"all".into(), &true.into()));
    assert_eq!(std::fs::read_dir(note.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(note).unwrap(), "keep me");

    // What is left of a training that crashed before it published anything goes by its name, too.
    let crashed = decoders::work_folder(memory.dir(), "crashed");
    std::fs::create_dir(&crashed).unwrap();
    std::fs::write(crashed.join(".tmpAbCdEf"), [0; 1000]).unwrap();
    let run = bench.run(&["decoders", "remove", "crashed"]);
    assert!(run.succeeds().stdout.starts_with("removed the unfinished training of crashed"), "{run:?}");
    assert!(!crashed.exists());
    bench.run(&["decoders", "remove", "begun"]).succeeds();
    assert!(bench.run(&["decoders"]).succeeds().stdout.contains("echoic train"));
}

#[test]
fn who_uses_a_decoder_is_not_disturbed_by_its_removal() {
    let bench = three_decoders();
    let store = bench.store();
    let query = texts::set().embeddings.row(3).unwrap().to_vec();
    let captioner = Captioner::open(&store, Some("half")).unwrap();
    let before = captioner.caption_embedding("query", &query, &CaptionOptions::default()).unwrap().caption;
    let store = Store::open(&store).unwrap();
    let opened = store.snapshot().unwrap();
    assert!(decoders::remove(&store, "half").unwrap().published);
    let after = captioner.caption_embedding("query", &query, &CaptionOptions::default()).unwrap().caption;
    assert_eq!(before, after);

    // Who opened the store before, and wants a decoder only now, is told what there is now.
    assert_eq!(decoders::summaries(&opened).len(), 3);
    match decoders::load(&opened, Some("half")) {
        Err(Error::NotFound { kind: Missing::Decoder, known, .. }) => assert_eq!(known, ["begun", "all"]),
        other => panic!("{other:?}"),
    }
    // One that was trained anew since has another file.
    train(&opened, "all", Scope::domains(["odd"]), true);
    assert!(!opened.decoder_path("all").unwrap().exists());
    assert!(decoders::load(&opened, Some("all")).is_ok());
    decoders::remove(&store, "all").unwrap();
    assert!(decoders::load(&opened, None).is_ok(), "the one that is left");
}

#[test]
fn a_decoder_is_understood_when_the_domain_that_it_learned_from_has_another_name() {
    let bench = three_decoders();
    let renamed = bench.run_json(&["domains", "rename", "even", "twos"]).succeeds().json();
    assert_eq!(renamed, serde_json::json!({ "domain": "twos", "renamed_from": "even" }));
    let half = bench.run_json(&["decoders", "show", "half"]).succeeds().json();
    assert_eq!(half["domains"], serde_json::json!(["twos"]));
    assert_eq!(bench.run_json(&["decoders", "show", "all"]).succeeds().json()["domains"], serde_json::Value::Null);
    let query = bench.npy("q.npy", 1, DIM);
    let remark = |domain: &str| {
        bench
            .run(&["caption", "--embedding", &query, "--decoder", "half", "--domain", domain])
            .succeeds()
            .stderr
            .clone()
    };
    assert!(!remark("twos").contains("learned from"), "{}", remark("twos"));
    assert!(remark("odd").contains("learned from twos alone, and texts of odd"), "{}", remark("odd"));
}

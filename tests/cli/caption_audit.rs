//! Story: somebody does not believe a caption. They have it taken apart, and check what they are told by doing it.

use serde_json::Value;

use crate::batch::listening;
use crate::captions_from_text::{DIM, trained};
use crate::common::bench::Bench;
use crate::common::clap_models::variation;
use crate::common::sounds::wav_at;

fn texts(lines: &Value, field: &str) -> Vec<String> {
    lines.as_array().unwrap().iter().map(|line| line[field].as_str().unwrap().to_owned()).collect()
}

fn audit(bench: &Bench, arguments: &[&str]) -> Value {
    bench.run_json(&[&["audit", "caption"], arguments].concat()).succeeds().json()
}

#[test]
fn an_audit_says_what_the_caption_says_and_what_an_exact_search_finds() {
    let Some((bench, captions)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let audit = audit(&bench, &["--embedding", &query]);
    let caption = bench.run_json(&["caption", "--embedding", &query]).succeeds().json();
    for field in ["caption", "neighbours", "lost_mass", "strategy", "parameters"] {
        assert_eq!(audit[field], caption[field], "{field}");
    }
    let exact = bench.run_json(&["caption", "--embedding", &query, "--exact"]).succeeds().json();
    let audited = audit["audited"].as_array().unwrap();
    for (neighbour, expected) in audited.iter().zip(exact["neighbours"].as_array().unwrap()) {
        for field in ["id", "caption", "domain", "similarity", "weight", "multiplicity", "clip"] {
            assert_eq!(neighbour[field], expected[field], "{field}");
        }
    }
    let ranks: Vec<u64> = audited.iter().map(|neighbour| neighbour["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, (1..=10).collect::<Vec<_>>());
    assert_eq!(audit["texts"], serde_json::json!({ "rows": captions.len() + 1, "occurrences": captions.len() + 2 }));
    assert_eq!((&audit["search"]["recall"], &audit["search"]["k"]), (&1.0.into(), &10.into()));
    let effective = audit["effective_texts"].as_f64().unwrap();
    assert!((1.0..=captions.len() as f64 + 1.0).contains(&effective), "{effective}");

    // Each strategy's caption is the one that it writes by itself.
    for strategy in audit["strategies"].as_array().unwrap() {
        let name = strategy["strategy"].as_str().unwrap();
        let alone = bench.run_json(&["caption", "--embedding", &query, "--strategy", name]).succeeds().json();
        assert_eq!(strategy["caption"], alone["caption"], "{name}");
        assert_eq!(strategy["agrees"], strategy["caption"] == audit["caption"]);
    }
    assert_eq!(texts(&audit["strategies"], "strategy"), ["projection", "nearest", "direct", "text"]);

    // The tokens are the caption.
    let written: String = texts(&audit["tokens"], "text").concat();
    assert_eq!(format!("{written}."), audit["caption"].as_str().unwrap());
    for token in audit["tokens"].as_array().unwrap() {
        let [probability, habit, forced] = ["probability", "habit", "forced"].map(|name| token[name].as_f64().unwrap());
        assert!((0.0..=1.0).contains(&probability) && (0.0..=1.0).contains(&habit));
        assert!((forced - (probability / habit).ln()).abs() < 1e-3, "{token}");
    }
}

#[test]
fn what_is_said_to_change_without_a_text_changes_when_it_is_removed() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    for options in [&["--strategy", "projection"][..], &["--strategy", "text"], &["-k", "3"], &["--exact"]] {
        let audit = audit(&bench, &[&["--embedding", &query, "--only", "influence"], options].concat());
        for neighbour in audit["audited"].as_array().unwrap().iter().take(3) {
            let copy = bench.path("copy");
            bench.run(&["backup", &copy.display().to_string()]).succeeds();
            let id = neighbour["id"].to_string();
            bench.run_json_at(&copy, &["captions", "remove", &id]).succeeds();
            let without = [&["caption", "--embedding", &query], options].concat();
            let without = bench.run_json_at(&copy, &without).succeeds().json();
            let influence = &neighbour["influence"];
            assert_eq!(influence["caption"], without["caption"], "{options:?} without {id}");
            assert_eq!(influence["changes"], influence["caption"] != audit["caption"]);
            std::fs::remove_dir_all(copy).unwrap();
        }
    }
}

/// The exact search knows the weights of all: those of the three that were found and what was left out are the whole.
#[test]
fn what_was_truly_left_out_is_told_beside_its_bound() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let audit_of = |more: &[&str]| audit(&bench, &[&["--embedding", &query, "--only", "neighbours"], more].concat());
    let few = audit_of(&["-k", "3", "--temperature", "0.2"]);
    let weights: f64 =
        few["audited"].as_array().unwrap().iter().map(|neighbour| neighbour["weight"].as_f64().unwrap()).sum();
    let lost = few["true_lost_mass"].as_f64().unwrap();
    assert!((lost - (1.0 - weights)).abs() < 1e-5 && lost > 0.01, "{lost} beside {weights}");
    assert!(lost <= few["lost_mass"].as_f64().unwrap(), "{few}");
    assert_eq!(audit_of(&["--exact"])["true_lost_mass"], 0.0);
    assert_eq!(audit_of(&["--strategy", "nearest"])["true_lost_mass"], Value::Null);
    let told =
        bench.run(&["audit", "caption", "--embedding", &query, "-k", "3", "--beam", "1"]).succeeds().stdout.clone();
    assert!(told.contains("of the weight left out, truly ") && told.contains(", 1 beam,"), "{told}");
}

#[test]
fn no_more_than_twenty_texts_are_left_out_one_by_one() {
    let Some((bench, captions)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let audit = audit(&bench, &["--embedding", &query, "-k", "1000"]);
    let audited = audit["audited"].as_array().unwrap();
    assert_eq!(audited.len(), captions.len() + 1);
    let influences = audited.iter().filter(|neighbour| !neighbour["influence"].is_null()).count();
    assert_eq!(influences, 20);
    assert!(audited[19]["influence"].is_object() && audited[20]["influence"].is_null());
}

#[test]
fn only_what_was_asked_for_is_looked_into() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 2, DIM);
    let both = bench.run_json(&["audit", "caption", "--embedding", &query, "--only", "neighbours"]).succeeds().lines();
    assert_eq!((both.len(), &both[1]["row"]), (2, &1.into()));
    for part in ["strategies", "tokens", "windows"] {
        assert_eq!(both[0][part], serde_json::json!([]), "{part}");
    }
    assert!(both[0]["audited"].as_array().unwrap().iter().all(|neighbour| neighbour["influence"].is_null()));
    let words = bench.run_json(&["audit", "caption", "--embedding", &query, "--only", "words"]).succeeds().lines();
    assert!(!words[0]["tokens"].as_array().unwrap().is_empty());
    let text = bench.run(&["audit", "caption", "--embedding", &query]).succeeds().stdout.clone();
    for word in ["neighbours: 10 of the 10", "strategies:", "words:", "texts speak"] {
        assert!(text.contains(word), "'{word}' is not in {text}");
    }
    assert!(!text.contains('█'), "bars are plain in a pipe: {text}");
    assert_eq!(bench.run(&["audit", "caption", "--embedding", &query, "--only", "everything"]).code, 1);
}

#[test]
fn without_a_decoder_neighbours_are_audited_all_the_same_and_windows_say_what_they_say_alone() {
    let Some(bench) = listening() else { return };
    let rate = 16_000;
    let long: Vec<i16> = [7, 21, 35].into_iter().flat_map(|kind| variation(kind, 10 * rate)).collect();
    wav_at(&bench.path("long.wav"), &long, rate as u32);
    wav_at(&bench.path("short.wav"), &long[..2 * rate], rate as u32);
    bench.write("none.wav", "this is no sound");
    let run = bench.run_json(&["audit", "caption", "long.wav", "none.wav", "short.wav"]);
    run.fails(1, &["none.wav"]);
    let lines = run.lines();
    let [long, failure, short] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(failure["error"].as_str().unwrap().contains("none.wav"));
    assert_eq!((long["path"].as_str(), short["path"].as_str()), (Some("long.wav"), Some("short.wav")));
    assert_eq!(long["strategy"], "text");
    assert_eq!(
        (&long["tokens"], texts(&long["strategies"], "strategy")),
        (&serde_json::json!([]), vec!["text".into()])
    );
    assert_eq!(short["windows"], serde_json::json!([]), "a sound of one window is the window");

    let alone = bench.run_json(&["caption", "--windows", "long.wav"]).succeeds().lines();
    let windows = long["windows"].as_array().unwrap();
    assert_eq!(windows.len(), alone.len());
    for (window, alone) in windows.iter().zip(&alone) {
        for field in ["start", "end", "caption", "level_dbfs"] {
            assert_eq!(window[field], alone[field], "{field}");
        }
        assert_eq!(window["nearest"], alone["neighbours"][0]);
    }
    let shares: f64 = windows.iter().map(|window| window["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    let caption = bench.run_json(&["caption", "long.wav"]).succeeds().json();
    assert_eq!(long["caption"], caption["caption"], "windows kept apart do not change the whole");
    assert_eq!(long["neighbours"], caption["neighbours"]);
}

#[test]
fn what_cannot_be_audited_is_refused_with_a_reason() {
    let bench = Bench::external(DIM);
    let query = bench.npy("q.npy", 1, DIM);
    let audit = |more: &[&str]| bench.run(&[&["audit", "caption", "--embedding", &query], more].concat());
    audit(&[]).fails(1, &["no caption"]);
    let text = bench.write("one.txt", "A bell rings.");
    let npy = bench.npy("one.npy", 1, DIM);
    bench.run(&["ingest", &text, "--domain", "one", "--embeddings", &npy]).succeeds();
    audit(&["--domain", "two"]).fails(1, &["two", "one"]);
    audit(&["--decoder", "mine"]).fails(1, &["mine"]);
    bench.run(&["audit", "caption", "rain.wav"]).fails(1, &["no tower of its own"]);
    // One caption: nothing is left without it, and all of the weight is its own.
    let alone = bench.run_json(&["audit", "caption", "--embedding", &query]).succeeds().json();
    let audited = alone["audited"].as_array().unwrap();
    assert_eq!((audited.len(), &audited[0]["influence"], &audited[0]["weight"]), (1, &Value::Null, &1.0.into()));
    assert_eq!(alone["effective_texts"], 1.0);
}

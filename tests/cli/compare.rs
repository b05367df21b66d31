//! Story: a researcher changes one thing, and wants to know what it did to the captions before believing in it.

use serde_json::Value;

use crate::batch::listening;
use crate::captions_from_text::{DIM, trained};
use crate::common::bench::Bench;
use crate::common::clap_models::variation;
use crate::common::sounds::wav_at;

fn compare(bench: &Bench, arguments: &[&str]) -> Value {
    bench.run_json(&[&["audit", "compare"], arguments].concat()).succeeds().json()
}

#[test]
fn each_side_says_what_it_says_alone() {
    let Some((bench, _)) = trained() else { return };
    let queries = bench.npy("q.npy", 12, DIM);
    let same = compare(&bench, &["projection", "strategy=projection,temperature=0.01", "--embedding", &queries]);
    assert_eq!((&same["queries"], &same["changed"]), (&12.into(), &0.into()));
    let found = compare(&bench, &["text", "k=2", "--embedding", &queries, "--beam", "1"]);
    let alone = |more: &[&str]| {
        let run = bench.run_json(&[&["caption", "--embedding", &queries, "--beam", "1"], more].concat());
        run.succeeds().lines().iter().map(|line| line["caption"].clone()).collect::<Vec<_>>()
    };
    let side = |name: &str| -> Vec<Value> {
        found["captions"].as_array().unwrap().iter().map(|compared| compared[name].clone()).collect()
    };
    assert_eq!(side("a"), alone(&["--strategy", "text"]));
    assert_eq!(side("b"), alone(&["-k", "2"]));
    let changed = side("a").iter().zip(side("b")).filter(|(a, b)| *a != b).count();
    assert_eq!(found["changed"], changed);
    // Embeddings of the user's own: there is no model that could judge.
    assert_eq!((&found["judge"], &found["similarity"]), (&Value::Null, &Value::Null));

    let copy = bench.path("other");
    bench.run(&["backup", &copy.display().to_string()]).succeeds();
    bench.run_json_at(&copy, &["domains", "remove", "a"]).succeeds();
    let store = copy.display().to_string();
    let text = bench.run(&["audit", "compare", "text", &format!("{store},text"), "--embedding", &queries, "--all"]);
    assert!(text.succeeds().stdout.contains("A bell rings."), "{text:?}");

    bench.run(&["audit", "compare", "nobody", "text", "--embedding", &queries]).fails(1, &["nobody", "tiny"]);
    for bad in ["k=0", "colour=red", "strategy=near", ""] {
        let run = bench.run(&["audit", "compare", bad, "text", "--embedding", &queries]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("error: "), "{run:?}");
    }
    let other = bench.path("wide");
    bench.run_json_at(&other, &["init", "--model", "external", "--dim", "7"]).succeeds();
    let wide = other.display().to_string();
    bench.run(&["audit", "compare", "text", &format!("{wide},text"), "--embedding", &queries]).fails(1, &["7"]);
}

#[test]
fn a_model_judges_by_the_sound_and_by_what_people_said() {
    let Some(bench) = listening() else { return };
    let names = ["rec/one.wav", "rec/two.wav", "rec/three.wav"];
    std::fs::create_dir(bench.path("rec")).unwrap();
    for (index, name) in names.iter().enumerate() {
        wav_at(&bench.path(name), &variation(7 * index + 1, 16_000), 16_000);
    }
    let copy = bench.path("half");
    bench.run(&["backup", &copy.display().to_string()]).succeeds();
    let nearest = bench.run_json(&["search", "--audio", "rec", "-k", "1"]).succeeds().lines();
    let id = nearest[0]["neighbours"][0]["id"].to_string();
    bench.run_json_at(&copy, &["captions", "remove", &id]).succeeds();
    let best = nearest[0]["neighbours"][0]["caption"].as_str().unwrap();
    let references = bench.write("refs.csv", format!("file_name,caption\none.wav,\"{best}\"\n"));
    let store = copy.display().to_string();
    let found = compare(&bench, &["text", &format!("store={store}"), "rec", "--references", &references]);
    assert_eq!(found["captions"][0]["path"], "one.wav");
    // The first way kept the nearest text, so nothing can be nearer to the sound, nor to a reference that says the same.
    let [similarity, by_references] = ["similarity", "references"].map(|name| &found[name]);
    assert_eq!((&similarity["queries"], &similarity["wins_b"]), (&3.into(), &0.into()));
    assert_eq!((&by_references["queries"], &by_references["wins_a"]), (&1.into(), &1.into()));
    assert!((by_references["mean"]["a"].as_f64().unwrap() - 1.0).abs() < 1e-5);
    let first = &found["captions"][0];
    let expected = nearest[0]["neighbours"][0]["similarity"].as_f64().unwrap();
    assert!((first["similarity"]["a"].as_f64().unwrap() - expected).abs() < 1e-5);
    let d = &similarity["difference"];
    let [low, mean, high] = ["low", "mean", "high"].map(|name| d[name].as_f64().unwrap());
    assert!(low <= mean && mean <= high && high <= 0.0, "{d}");
    let again = compare(&bench, &["text", &format!("store={store}"), "rec", "--references", &references]);
    assert_eq!(found, again);
    // Three sounds are too few for a verdict, and of none there is nothing to say.
    let text = bench.run(&["audit", "compare", "text", &format!("store={store}"), "rec"]).succeeds().stdout.clone();
    assert!(text.contains("too few sounds to tell"), "{text}");
    let failed = bench.run(&["audit", "compare", "text", "k=2,text", "nowhere.wav"]);
    assert_eq!((failed.fails(1, &["nowhere.wav"]).stdout.as_str(), failed.code), ("", 1));
    bench.run(&["audit", "compare", "text", "text", "rec", "--references", "none.csv"]).fails(1, &["none.csv"]);
}

//! Story: a researcher trains with numbers of her own, finds them in the record, and trains the decoder further on another domain.

use serde_json::Value;

use crate::common::bench::Bench;
use crate::common::needs::starter_is_installed;

const DIM: usize = 8;

fn filled() -> Bench {
    let bench = Bench::external(DIM);
    for (domain, texts) in [
        ("farm", ["A cow moos", "A hen clucks", "A horse neighs"]),
        ("street", ["A tram rings", "A bus stops", "A horn blares"]),
    ] {
        let captions: Vec<String> = texts
            .iter()
            .flat_map(|text| ["", " twice", " far away", " again"].map(|end| format!("{text}{end}.")))
            .collect();
        let corpus = bench.write(&format!("{domain}.txt"), captions.join("\n"));
        let embeddings = bench.npy(&format!("{domain}.npy"), captions.len(), DIM);
        bench.run(&["ingest", &corpus, "--domain", domain, "--embeddings", &embeddings]).succeeds();
    }
    bench
}

#[test]
fn numbers_of_ones_own_are_recorded_and_taken_over() {
    if !starter_is_installed() {
        return; // its tokenizer cuts the texts
    }
    let bench = filled();
    let command = "train --name base --domain farm --epochs 2 --batch 4 --noise 0 --layers 1 --width 32 --heads 2 --prefix-tokens 2 \
                   --max-tokens 9 --tying off --schedule steps --warm-up 0.5 --decay-every 3 --decay-factor 0.1 --weight-decay 0.01 \
                   --beta2 0.95 --dropout 0.05 --label-smoothing 0.1 --clip 0.5 --least-count 1 --informed-start off";
    bench.run(&command.split_whitespace().collect::<Vec<_>>()).succeeds();
    let shown = bench.run_json(&["decoders", "show", "base"]).succeeds().json();
    let shape = &shown["shape"];
    let numbers = |of: &Value, names: &[&str]| names.iter().map(|name| of[*name].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        numbers(shape, &["layers", "width", "heads", "prefix_tokens", "max_tokens"]),
        [1.0, 32.0, 2.0, 2.0, 9.0]
    );
    assert_eq!(shape["tied"], false);
    let recipe = &shown["recipe"];
    assert_eq!(
        numbers(recipe, &["epochs", "batch", "weight_decay", "beta2", "clip", "least_count"]),
        [2.0, 4.0, 0.01, 0.95, 0.5, 1.0]
    );
    assert_eq!(recipe["schedule"], serde_json::json!({ "steps": { "warm_up": 0.5, "every": 3.0, "factor": 0.1 } }));
    assert_eq!(recipe["informed_start"], false);
    let text = bench.run(&["decoders", "show", "base"]).succeeds().stdout.clone();
    for words in ["1 layer, width 32, 2 heads", "not tied", "clipped at 0.5", "times 0.1 every 3", "start drawn"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let query = bench.path("farm.npy").display().to_string();
    let captions = bench.run_json(&["caption", "--embedding", &query, "--decoder", "base"]).succeeds().lines();
    assert!(captions.iter().all(|line| !line["caption"].as_str().unwrap().is_empty()));

    let further = bench.run(&["train", "--name", "further", "--from", "base", "--domain", "street", "--epochs", "1"]);
    assert!(further.succeeds().stdout.contains("it began with base, and knows"), "{further:?}");
    let told = bench.run_json(&["decoders", "show", "further"]).succeeds().json();
    assert_eq!((&told["from"]["name"], &told["from"]["sha256"]), (&"base".into(), &shown["sha256"]));
    assert_eq!(numbers(&told["shape"], &["layers", "width"]), [1.0, 32.0]);
    assert!(told["shape"]["vocabulary"].as_u64() > shape["vocabulary"].as_u64());
    assert!(told["details"]["report"]["added_tokens"].as_u64().unwrap() >= 6, "{told}");
}

#[test]
fn what_cannot_be_trained_is_refused_before_it_begins() {
    if !starter_is_installed() {
        return;
    }
    let bench = filled();
    let train = |more: &[&str]| bench.run(&[&["train", "--name", "x"], more].concat());
    train(&["--from", "nobody"]).fails(1, &["nobody"]);
    train(&["--from", "nobody", "--layers", "2"]).fails(1, &["--from", "cannot be used with", "--layers"]);
    train(&["--from", "nobody", "--tying", "on"]).fails(1, &["cannot be used with"]);
    train(&["--width", "30", "--heads", "4"]).fails(1, &["a width that the heads divide"]);
    train(&["--dropout", "1"]).fails(1, &["dropout", "below 1"]);
    train(&["--decay-factor", "0.5"]).fails(1, &["the factor", "the schedule steps"]);
    train(&["--preset", "paper", "--floor", "0.5"]).fails(1, &["the floor", "the schedule cosine"]);
    train(&["--clip", "-1"]).fails(1, &["0 or more"]);
    train(&["--max-tokens", "5000"]).fails(1, &["max_tokens", "4096"]);
    let help = bench.run(&["train", "--help"]).succeeds().stdout.clone();
    let at = |words: &str| help.find(words).unwrap_or_else(|| panic!("{words}: {help}"));
    assert!(at("--bridge") < at("Shape (by default") && at("Shape (by default") < at("Recipe (by default"));
    assert!(at("Recipe (by default") < at("--label-smoothing") && at("--layers") < at("Recipe (by default"));
}

//! Story: a user brings embeddings of a model of their own, trains on the texts alone, and captions what was never text.
//! Every answer names the stored texts behind it.

use serde_json::Value;

use crate::common;
use crate::common::bench::{Bench, Run, finished};
use crate::common::needs::starter_is_installed;
use crate::common::{scattered, stores};

pub const DIM: usize = 24;
const SUBJECTS: [&str; 6] = ["A dog", "A cat", "A train", "Heavy rain", "An engine", "A child"];
const ACTIONS: [&str; 5] =
    ["passes by", "makes a loud noise", "is heard far away", "starts and stops", "goes on and on"];

/// A store of two domains with a decoder of one epoch, and the captions of the first domain in order.
pub fn trained() -> Option<(Bench, Vec<String>)> {
    if !starter_is_installed() {
        return None; // its tokenizer cuts the texts
    }
    let bench = Bench::external(DIM);
    let captions: Vec<String> =
        SUBJECTS.iter().flat_map(|s| ACTIONS.iter().map(move |a| format!("{s} {a}."))).collect();
    let text = bench.write("a.txt", captions.join("\n"));
    let npy = bench.npy("a.npy", captions.len(), DIM);
    bench.run(&["ingest", &text, "--domain", "a", "--embeddings", &npy]).succeeds();
    let other = bench.write("b.csv", "clip,caption\nx,A bell rings.\ny,A bell rings.\n");
    let npy = bench.write("b.npy", common::npy(&[1.0; DIM * 2], 2, DIM));
    bench.run(&["ingest", &other, "--domain", "b", "--embeddings", &npy]).succeeds();
    bench.run_json(&["train", "--name", "tiny", "--epochs", "1", "--domain", "a"]).succeeds();
    Some((bench, captions))
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn weights(answer: &Value) -> Vec<f64> {
    answer["neighbours"].as_array().unwrap().iter().map(|n| n["weight"].as_f64().unwrap()).collect()
}

#[test]
fn the_names_in_json_are_kept() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let caption = bench.run_json(&["caption", "--embedding", &query]).succeeds().json();
    assert_eq!(names(&caption), ["caption", "lost_mass", "neighbours", "parameters", "path", "strategy", "timings"]);
    assert_eq!(
        names(&caption["neighbours"][0]),
        ["caption", "clip", "domain", "id", "multiplicity", "similarity", "weight"]
    );
    assert!(!caption["caption"].as_str().unwrap().is_empty());
    let found = bench.run_json(&["search", "--embedding", &query]).succeeds().json();
    assert_eq!(names(&found), ["lost_mass", "neighbours", "path", "timings"]);
}

#[test]
fn each_strategy_weighs_the_stored_texts_in_its_own_way() {
    let Some((bench, captions)) = trained() else { return };
    // The very embeddings of the first captions: the nearest text is known.
    let query = bench.write("q.npy", common::npy(&scattered(captions.len(), DIM)[..DIM * 3], 3, DIM));
    for strategy in ["direct", "nearest", "projection"] {
        let run = bench.run_json(&["caption", "--embedding", &query, "--strategy", strategy, "-k", "5"]);
        let answers = run.succeeds().lines();
        assert_eq!(answers.len(), 3);
        for (row, answer) in answers.iter().enumerate() {
            assert_eq!((&answer["strategy"], &answer["row"]), (&strategy.into(), &row.into()));
            assert_eq!(answer["neighbours"][0]["caption"], captions[row]);
            let weights = weights(answer);
            assert_eq!(weights.len(), 5);
            match strategy {
                "direct" => assert_eq!(weights, [0.0; 5]),
                "nearest" => assert_eq!(weights, [1.0, 0.0, 0.0, 0.0, 0.0]),
                _ => {
                    assert!(weights.is_sorted_by(|a, b| a >= b), "{weights:?}");
                    let lost = answer["lost_mass"].as_f64().unwrap();
                    let sum: f64 = weights.iter().sum();
                    assert!(sum <= 1.0 + 1e-5 && sum + lost >= 1.0 - 1e-5, "{sum} and {lost} lost");
                }
            }
        }
    }
}

#[test]
fn the_exact_projection_agrees_with_one_that_retrieves_everything() {
    let Some((bench, captions)) = trained() else { return };
    let query = bench.npy("q.npy", 4, DIM);
    for temperature in ["0.01", "0.05", "0.5"] {
        let ask = |how: &[&str]| {
            let arguments = [&["search", "--embedding", &query, "--temperature", temperature], how].concat();
            bench.run_json(&arguments).succeeds().lines()
        };
        let everything = (captions.len() + 1).to_string();
        let (all, exact) = (ask(&["-k", &everything]), ask(&["--exact", "-k", &everything]));
        for (all, exact) in all.iter().zip(&exact) {
            assert!(all["lost_mass"].as_f64().unwrap() < 1e-6 && exact["lost_mass"].as_f64().unwrap() == 0.0);
            for (a, b) in weights(all).iter().zip(weights(exact)) {
                // A similarity is rounded to f32, and the temperature divides its last bit.
                assert!((a - b).abs() < 1e-4, "{a} {b} at {temperature}");
            }
        }
    }
}

/// The weight that is asked for drives how many texts are retrieved, and the bound says that it is covered.
#[test]
fn a_projection_widens_until_the_mass_is_covered() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 3, DIM);
    for mass in ["0.5", "0.9", "0.999"] {
        // A temperature at which many texts share the weight.
        let ask = ["caption", "--embedding", &query, "--temperature", "0.1", "--mass", mass];
        for answer in bench.run_json(&ask).succeeds().lines() {
            let lost = answer["lost_mass"].as_f64().unwrap();
            assert!(lost <= 1.0 - mass.parse::<f64>().unwrap() + 1e-6, "{lost} lost of {mass}");
            assert_eq!(answer["neighbours"].as_array().unwrap().len(), 10, "as many are reported as ever");
        }
    }
    bench.run(&["caption", "--embedding", &query, "--mass", "1"]).fails(1, &["the mass", "--exact"]);
    bench.run(&["search", "--embedding", &query, "--recall", "2"]).fails(1, &["recall", "0.99"]);
    bench.run(&["search", "--embedding", &query, "--ef", "0"]).fails(1, &["--ef", "at least 1"]);
    bench.run(&["caption", "--embedding", &query, "--max-tokens", "0"]).fails(1, &["--max-tokens", "at least 1"]);
    bench.run(&["search", "--embedding", &query, "--recall", "0.99"]).succeeds();
    bench.run(&["search", "--embedding", &query, "--ef", "64"]).succeeds();
    bench.run(&["search", "--embedding", &query, "--ef", "64", "--exact"]).fails(1, &["--exact"]);
}

#[test]
fn words_are_drawn_by_a_seed_where_that_is_asked_for() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 8, DIM);
    let ask = |more: &[&str]| -> Vec<String> {
        let answers = bench.run_json(&[&["caption", "--embedding", &query], more].concat()).succeeds().lines();
        answers.iter().map(|answer| answer["caption"].as_str().unwrap().to_owned()).collect()
    };
    let bold = |seed| ask(&["--sample", "3", "--seed", seed]);
    assert_eq!(bold("1"), bold("1"));
    assert_ne!(bold("1"), bold("2"), "eight captions at a temperature that tries everything");
    assert_eq!(ask(&["--sample", "0.000001"]), ask(&["--beam", "1"]), "near 0 the likeliest word is drawn");
    assert_eq!(ask(&["--sample", "3", "--top-p", "0.000001"]), ask(&["--beam", "1"]), "and so among one word");
    assert!(ask(&["--max-tokens", "2"]).iter().all(|caption| caption.split(' ').count() <= 2));
    let refuse = |how: &[&str], told: &[&str]| {
        bench.run(&[&["caption", "--embedding", &query], how].concat()).fails(1, told);
    };
    refuse(&["--sample", "0"], &["--sample", "above 0"]);
    refuse(&["--sample", "1", "--top-p", "1.5"], &["top_p", "at most 1"]);
    refuse(&["--sample", "1", "--beam", "2"], &["--sample", "--beam"]);
    refuse(&["--seed", "2"], &["--sample"]);
}

#[test]
fn a_domain_can_be_singled_out_and_copies_of_a_text_count() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let only_b = bench.run_json(&["caption", "--embedding", &query, "--domain", "b"]).succeeds().json();
    let neighbours = only_b["neighbours"].as_array().unwrap();
    assert_eq!(neighbours.len(), 1);
    assert_eq!((&neighbours[0]["domain"], &neighbours[0]["multiplicity"]), (&"b".into(), &2.into()));
    assert_eq!(neighbours[0]["clip"], "x");
    bench.run(&["caption", "--embedding", &query, "--domain", "c"]).fails(1, &["no domain named 'c'", "a, b"]);
}

#[test]
fn what_is_missing_for_a_caption_is_named() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    bench.run(&["caption", "--embedding", &query, "--decoder", "none"]).fails(1, &["no decoder named 'none'", "tiny"]);
    bench.run(&["caption", "--embedding", &query, "--strategy", "guess"]).fails(1, &["guess", "projection"]);
    bench.run(&["caption", "sound.wav"]).fails(1, &["external", "--embedding"]);
    bench.run(&["train", "--bridge", "shift"]).fails(1, &["--shift"]);
    bench.run(&["train", "--noise", "estimate"]).fails(1, &["several captions", "--noise 0.013"]);
    bench.run(&["train", "--noise", "much"]).fails(1, &["estimate"]);
    bench.run(&["train", "--bridge", "none", "--noise", "0.1"]).fails(1, &["--noise", "--bridge none", "both"]);
    bench.run(&["train", "--shift", &query]).fails(1, &["--shift", "--bridge noise", "both"]);
    bench.run(&["train", "--name", "../up"]).fails(1, &["decoder name", "../up"]);
    assert!(!bench.store().join("up").exists(), "a name led out of the folder of decoders");
    let untrained = Bench::external(DIM);
    let npy = untrained.npy("e.npy", 1, DIM);
    let file = untrained.write("c.txt", "Rain.\n");
    untrained.run(&["caption", "--embedding", &npy]).fails(1, &["no caption", "echoic ingest"]);
    untrained.run(&["search", "--embedding", &npy]).fails(1, &["no caption", "echoic ingest"]);
    untrained.run(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).succeeds();
    untrained.run(&["caption", "--embedding", &npy, "--strategy", "nearest"]).fails(1, &["no decoder", "echoic train"]);
}

#[test]
fn without_a_decoder_the_nearest_text_is_the_caption() {
    let untrained = Bench::external(DIM);
    let npy = untrained.npy("e.npy", 2, DIM);
    let file = untrained.write("c.txt", "Rain falls.\nWind blows.\n");
    untrained.run(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).succeeds();
    let run = untrained.run_json(&["caption", "--embedding", &npy]);
    let captions = run.succeeds().lines();
    assert_eq!((&captions[0]["caption"], &captions[1]["caption"]), (&"Rain falls.".into(), &"Wind blows.".into()));
    assert_eq!((&captions[0]["strategy"], &captions[0]["neighbours"][0]["weight"]), (&"text".into(), &1.0.into()));
    assert!(captions[0]["parameters"]["decoder"].is_null() && run.stderr.contains("there is no decoder"), "{run:?}");
    // The caption alone, for other programs.
    assert_eq!(untrained.run(&["-q", "caption", "--embedding", &npy]).succeeds().stdout, "Rain falls.\nWind blows.\n");
    let asked = untrained.run(&["-v", "caption", "--embedding", &npy, "--strategy", "text"]);
    assert!(asked.succeeds().stdout.contains("text, commit 1"), "{asked:?}");
}

#[test]
fn a_caption_tells_what_it_takes_to_write_it_again() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let run = bench
        .run_json(&["caption", "--embedding", &query, "--sample", "2", "--seed", "7", "-k", "3"])
        .succeeds()
        .json();
    let parameters = &run["parameters"];
    assert_eq!(
        (&parameters["decoder"], &parameters["seed"], &parameters["sample"]),
        (&"tiny".into(), &7.into(), &2.0.into())
    );
    assert_eq!((&parameters["k"], &parameters["mass"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(parameters["commit"], bench.run_json(&["stats"]).succeeds().json()["commit"]);
    let text = bench.run(&["-v", "caption", "--embedding", &query]);
    assert!(text.succeeds().stdout.contains("projection at 0.01 by tiny, 4 beams, commit "), "{text:?}");
}

/// A single neighbour that is shown holds no more of the weight than it has.
#[test]
fn a_weight_is_the_share_among_all_texts_however_few_are_shown() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    let weights = |k: &str| -> Vec<f64> {
        let found = bench.run_json(&["search", "--embedding", &query, "-k", k, "--temperature", "1"]).succeeds().json();
        found["neighbours"].as_array().unwrap().iter().map(|one| one["weight"].as_f64().unwrap()).collect()
    };
    let (one, many) = (weights("1"), weights("10"));
    assert!((one[0] - many[0]).abs() < 1e-4 && one[0] < 0.5, "{one:?} {many:?}");
}

#[test]
fn training_leaves_a_curve_and_can_shift() {
    let Some((bench, _)) = trained() else { return };
    let shift = bench.write("shift.npy", common::npy(&[0.1; DIM], 1, DIM));
    let options =
        ["train", "--name", "both", "--epochs", "2", "--bridge", "both", "--shift", &shift, "--noise", "0.01"];
    let report = bench.run_json(&options).succeeds().json();
    assert_eq!(report["epochs"], 2);
    let log = std::fs::read_to_string(bench.store().join("decoders/both/log.jsonl")).unwrap();
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|e| e["validation_loss"].is_number() && e["train_loss"].is_number()));
    let stats = bench.run_json(&["stats"]).json();
    let mut decoders: Vec<&str> =
        stats["decoders"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    decoders.sort_unstable();
    assert_eq!(decoders, ["both", "tiny"]);
}

/// The state of a decoder's training in the store, as `stats` tells it.
fn interrupted(bench: &Bench, name: &str) -> Option<bool> {
    let stats = bench.run_json(&["stats"]).succeeds().json();
    let decoder = stats["decoders"].as_array().unwrap().iter().find(|d| d["name"] == name)?.clone();
    decoder["details"]["report"]["interrupted"].as_bool()
}

/// Starts to train, and asks to stop once the first epoch is in the log.
#[cfg(unix)]
fn stop_in_the_second_epoch(bench: &Bench, name: &str) -> Run {
    let log = bench.store().join("decoders").join(name).join("log.jsonl");
    let _ = std::fs::remove_file(&log);
    let mut command = bench.command(&["--json", "train", "--name", name, "--epochs", "100000"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    while !log.exists() {
        assert!(child.try_wait().unwrap().is_none(), "training ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let asked = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    finished(child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn training_that_is_stopped_can_go_on_and_never_takes_the_place_of_a_finished_decoder() {
    let Some((bench, _)) = trained() else { return };
    let query = bench.npy("q.npy", 1, DIM);
    // The first of its name is there to be tried, but is not taken for the newest.
    let run = stop_in_the_second_epoch(&bench, "long");
    assert_eq!(run.fails(130, &["stopped on request"]).json()["interrupted"], true);
    assert_eq!(interrupted(&bench, "long"), Some(true));
    let epochs = |name: Option<&str>| {
        let memory = stores::open(&bench.store());
        echoic::decoders::load(&memory, name).unwrap().info().training.epochs
    };
    assert_eq!((epochs(Some("long")), epochs(None)), (100_000, 1));
    bench.run(&["caption", "--embedding", &query, "--decoder", "long"]).succeeds();
    // A finished one stays until another has come to its end.
    stop_in_the_second_epoch(&bench, "tiny").fails(130, &["stopped on request"]);
    assert_eq!((interrupted(&bench, "tiny"), epochs(Some("tiny"))), (Some(false), 1));
}

#[test]
fn training_that_ends_while_another_writes_is_kept_until_it_can_be_published() {
    let Some((bench, _)) = trained() else { return };
    let writer = stores::writing(&bench.store());
    let options = ["train", "--name", "late", "--epochs", "1"];
    bench.run(&options).fails(1, &["already", "late/best.safetensors", "resume"]);
    assert_eq!(interrupted(&bench, "late"), None);
    drop(writer);
    bench.run(&[&options[..], &["--resume"]].concat()).succeeds();
    assert_eq!(interrupted(&bench, "late"), Some(false));
}

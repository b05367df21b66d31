//! Story: a user reads that a woman "coughs and cough", and wants captions that say a thing once, and say the thing that is heard.

use crate::batch::{folder, listening};
use crate::common::bench::Bench;
use crate::common::needs::starter_is_installed;

const DIM: usize = 12;

/// A store whose every text says one word in two forms, and a decoder that learned to.
fn stuttering() -> Option<Bench> {
    if !starter_is_installed() {
        return None; // its tokenizer cuts the texts
    }
    let bench = Bench::external(DIM);
    let lines = ["dog barks", "woman coughs", "rain drips", "bell rings", "engine hums", "bird chirps"].map(|said| {
        let root = said.split(' ').next_back().unwrap().trim_end_matches('s');
        format!("A {said} and {root}.\nThe {said} and will {root} while a {said} there.\n")
    });
    let (text, npy) = (bench.write("c.txt", lines.concat()), bench.npy("e.npy", 12, DIM));
    bench.run(&["ingest", &text, "--domain", "twice", "--embeddings", &npy]).succeeds();
    bench.run(&["train", "--epochs", "40", "--validation", "0", "--noise", "0.0001"]).succeeds();
    Some(bench)
}

/// The share of captions in which a word stands twice, by `score`.
fn repetition(bench: &Bench, more: &[&str]) -> f64 {
    let run = bench.run_json(&[&["caption", "--embedding", "e.npy"], more].concat());
    let lines = run.succeeds().lines();
    let rows = lines.iter().enumerate().map(|(clip, line)| {
        let caption = line["caption"].as_str().unwrap();
        format!("{clip},\"{caption}\"\n")
    });
    let predicted = bench.write("predicted.csv", format!("file_name,caption\n{}", rows.collect::<String>()));
    let scored = bench.run_json(&["score", &predicted, &predicted, "--only", "repetition"]).succeeds().json();
    scored["repetition"].as_f64().unwrap()
}

#[test]
fn no_word_is_said_twice_unless_that_is_asked_for() {
    let Some(bench) = stuttering() else { return };
    let unminded = repetition(&bench, &["--unique-words", "false"]);
    assert!(unminded > 0.5, "{unminded}");
    for more in [&[][..], &["--beam", "1"], &["--sample", "2"], &["--strategy", "direct", "--no-repeat", "0"]] {
        assert_eq!(repetition(&bench, more), 0.0, "{more:?}");
    }
    // The stored texts are as they were written.
    assert_eq!(repetition(&bench, &["--strategy", "text"]), 1.0);
    let caption = bench.run_json(&["caption", "--embedding", "e.npy", "--no-repeat", "3"]).succeeds().lines().remove(0);
    let parameters = &caption["parameters"];
    assert_eq!((&parameters["unique_words"], &parameters["no_repeat"]), (&true.into(), &3.into()));
    assert_eq!(parameters["rerank"], 0.0, "no tower of the user's own model can read the beams");
    for weight in ["-1", "nan"] {
        let run = bench.run(&["caption", "--embedding", "e.npy", "--rerank", weight]);
        run.fails(1, &["rerank", "0, or a number above"]);
    }
}

#[test]
fn the_beam_that_says_what_was_given_wins_and_an_audit_explains_it() {
    let Some(bench) = listening() else { return };
    folder(&bench, 6);
    bench.run(&["train", "--epochs", "2"]).succeeds();
    // Given the sound itself, what is nearest to what was given is nearest to the sound: no caption gets worse, by the model that judges.
    let ways = ["audit", "compare", "direct,rerank=0", "direct,rerank=1000", "night"];
    let found = bench.run_json(&ways).succeeds().json();
    let compared = found["captions"].as_array().unwrap();
    assert_eq!(compared.len(), 6);
    for captions in compared {
        let [before, after] = ["a", "b"].map(|side| captions["similarity"][side].as_f64().unwrap());
        assert!(after >= before - 1e-6, "{captions}");
    }
    assert!(found["changed"].as_u64().unwrap() > 0, "{found}");
    let ask = ["audit", "caption", "night", "--strategy", "direct", "--rerank", "1000"];
    let audits = bench.run_json(&ask).succeeds().lines();
    for (audit, captions) in audits.iter().zip(compared) {
        assert_eq!((&audit["caption"], &audit["parameters"]["rerank"]), (&captions["b"], &1000.0.into()));
        let words: String =
            audit["tokens"].as_array().unwrap().iter().map(|word| word["text"].as_str().unwrap()).collect();
        assert_eq!(words.trim_end_matches([',', ' ']), audit["caption"].as_str().unwrap().trim_end_matches('.'));
    }
}

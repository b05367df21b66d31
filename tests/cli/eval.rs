//! Story: a researcher measures ways to caption beside each other, sees what a captioner that hears nothing would reach, is stopped and goes on,
//! and hands the captions to the field's own tools.

use serde_json::Value;

use crate::batch::{lines, listening, sounds};
use crate::captions_from_text::{DIM, trained};
use crate::common::bench::Bench;
use crate::common::npy;

/// Clips of the store's own captions, each its own reference with another, and the embeddings of these captions in place of sounds.
fn manifest() -> Option<(Bench, String, String)> {
    let (bench, captions) = trained()?;
    let rows = captions.iter().enumerate().map(|(i, text)| format!("clip{i}.wav,{text},Something {i} is heard.\n"));
    let manifest = bench.write("m.csv", format!("file_name,caption_1,caption_2\n{}", rows.collect::<String>()));
    Some((bench, manifest, "a.npy".into()))
}

fn score(row: &Value, metric: &str) -> f64 {
    row["scores"][metric]["score"].as_f64().unwrap_or_else(|| panic!("no {metric} in {row}"))
}

#[test]
fn rows_stand_beside_their_controls_and_are_what_score_says_of_their_captions() {
    let Some((bench, manifest, embeddings)) = manifest() else { return };
    let ask = ["eval", &manifest, "--embeddings", &embeddings, "-k", "1,5", "--save-predictions", "out"];
    let rows = bench.run_json(&ask).succeeds().lines();
    let names: Vec<&str> = rows.iter().map(|row| row["row"].as_str().unwrap()).collect();
    assert_eq!(names, ["direct", "nearest", "projection k=1", "projection k=5", "text"]);
    for row in &rows {
        let file = format!("out/{}.csv", row["row"].as_str().unwrap().replace(' ', "_"));
        let report = bench.run_json(&["score", &file, &manifest]).succeeds().json();
        for metric in ["bleu_1", "bleu_4", "rouge_l", "cider_d", "repetition", "vocabulary"] {
            assert_eq!(score(row, metric), report[metric].as_f64().unwrap(), "{metric} of {file}");
        }
        for metric in ["bleu_4", "cider_d", "repetition"] {
            let figure = |name: &str| row["scores"][metric][name].as_f64().unwrap();
            assert!(figure("low") <= figure("score") && figure("score") <= figure("high"), "{row}");
        }
        assert!(row["silence"].is_null(), "embeddings of a stranger know no silence");
        assert!(row["why_null"]["clap_similarity"].as_str().unwrap().contains("no model"), "{row}");
        assert_eq!(row["questions"], 30);
    }
    // The nearest text of each caption is that caption, and those of others are not.
    let text = rows.last().unwrap();
    assert!(score(text, "cider_d") > 3.0, "{text}");
    assert!(text["shuffled"]["scores"]["cider_d"].as_f64().unwrap() < 1.0, "{text}");
    assert_eq!(text["scores"]["vocabulary"]["low"], Value::Null, "a vocabulary has no interval");
    let above = &text["above_first"]["cider_d"];
    assert!(above["low"].as_f64().unwrap() > 0.0, "the nearest text is surely better: {above}");
    assert_eq!(rows[0]["above_first"], Value::Null);
}

#[test]
fn a_table_is_for_people_papers_and_programs() {
    let Some((bench, manifest, embeddings)) = manifest() else { return };
    let ask = |format: &str| {
        let ask = ["eval", &manifest, "--embeddings", &embeddings, "--strategy", "text,nearest", "--format", format];
        bench.run(&ask).succeeds().stdout.clone()
    };
    let table = ask("table");
    assert!(table.lines().next().unwrap().contains("CIDEr-D  95 %"), "{table}");
    assert!(!table.contains("SPICE"), "no column for what nothing computed: {table}");
    let markdown = ask("markdown");
    let marks: Vec<usize> = markdown.lines().map(|line| line.matches('|').count()).collect();
    assert!(marks.len() == 4 && marks.iter().all(|count| *count == marks[0]), "{markdown}");
    let csv = ask("csv");
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    let names = table.headers().unwrap().clone();
    let place = names.iter().position(|name| name == "cider_d_shuffled").unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>(), ["nearest", "text"]);
    assert!(rows[1][place].parse::<f64>().unwrap() < 1.0);
}

/// A store that hears, and a manifest of three clips of which one has no file.
fn heard() -> Option<Bench> {
    let bench = listening()?;
    sounds(&bench, &["clips/a.wav", "clips/deep/Yb.wav"]);
    bench.write(
        "m.csv",
        "audiocap_id,youtube_id,start_time,caption\n1,a,0,An engine runs.\n2,a,0,A motor hums.\n3,b,0,A saw cuts wood.\n\
         4,gone,0,A drill whines.\n5,b,0,Wood is cut.\n",
    );
    Some(bench)
}

#[test]
fn what_cannot_be_heard_is_named_and_the_rest_goes_on() {
    let Some(bench) = heard() else { return };
    let run = bench.run_json(&["eval", "m.csv", "--audio", "clips"]);
    let said = run.fails(1, &["gone", "no sound of that name below clips", "--audio DIR"]).lines();
    let (failure, row) = (&said[0], said.last().unwrap());
    assert_eq!(failure["path"], "gone");
    assert_eq!((&row["row"], &row["questions"]), (&"text".into(), &2.into()));
    assert!(row["silence"]["caption"].as_str().is_some_and(|caption| !caption.is_empty()), "{row}");
    assert!(score(row, "clap_similarity") > -1.0 && score(row, "clap_similarity") < 1.0);
    bench.run(&["eval", "m.csv", "--audio", "nowhere"]).fails(1, &["no clip that can be asked of", "--audio DIR"]);
}

#[test]
fn what_was_done_is_not_done_again() {
    let Some(bench) = heard() else { return };
    let ask = || bench.run_json(&["eval", "m.csv", "--audio", "clips", "--resume", "kept"]).stdout;
    let (first, second) = (ask(), ask());
    assert_eq!(first, second);
    let sounds = std::fs::read_to_string(bench.path("kept/sounds.jsonl")).unwrap();
    assert_eq!(lines(&sounds).len(), 2, "each sound is heard once");
    // Had the captions been written anew, this one would not be seen.
    let kept = std::fs::read_to_string(bench.path("kept/captions.jsonl")).unwrap();
    let caption = lines(&kept)[0]["captions"][0].as_str().unwrap().to_owned();
    bench.write("kept/captions.jsonl", kept.replace(&caption, "An engine runs."));
    let third = ask();
    assert_ne!(third, first);
    // A line that was cut is written again.
    let cut = &kept[..kept.len() - 20];
    bench.write("kept/captions.jsonl", cut);
    assert_eq!(ask(), first);
    assert_eq!(std::fs::read_to_string(bench.path("kept/captions.jsonl")).unwrap(), kept);
    // Another sound under an old name is another sound.
    std::fs::copy(bench.path("clips/deep/Yb.wav"), bench.path("clips/a.wav")).unwrap();
    ask();
    let sounds_after = std::fs::read_to_string(bench.path("kept/sounds.jsonl")).unwrap();
    assert_eq!(sounds, sounds_after, "its content is known");
    bench.write("kept/captions.jsonl", "what is this\n");
    let run = bench.run(&["eval", "m.csv", "--audio", "clips", "--resume", "kept"]);
    run.fails(1, &["captions.jsonl", "line 1", "name another folder"]);
}

#[test]
fn captions_can_ask_in_place_of_sounds() {
    let Some(bench) = heard() else { return };
    let run = bench.run_json(&["eval", "m.csv", "--text-side"]);
    let row = run.fails(1, &["1 clip with fewer than two captions", "gone"]).lines().pop().unwrap();
    assert_eq!((&row["questions"], &row["silence"]), (&4.into(), &Value::Null));
    let limited = bench.run_json(&["eval", "m.csv", "--text-side", "--limit", "1"]).lines().pop().unwrap();
    assert_eq!(limited["questions"], 2);
    assert!(limited["shuffled"].is_null(), "one clip cannot be given the captions of another");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let Some((bench, manifest, embeddings)) = manifest() else { return };
    let ask = |more: &[&str]| bench.run(&[&["eval", &manifest, "--embeddings", &embeddings], more].concat());
    ask(&["--decoder", "none"]).fails(1, &["none", "tiny"]);
    ask(&["--only", "spice"]).fails(1, &["the metric spice", "--spice JAR"]);
    ask(&["-k", "0"]).fails(1, &["-k"]);
    bench.run(&["eval", &manifest]).fails(1, &["no tower"]);
    let few = bench.write("few.npy", npy(&[1.0; DIM * 2], 2, DIM));
    bench.run(&["eval", &manifest, "--embeddings", &few]).fails(1, &["few.npy", "2 rows", "30"]);
    let narrow = bench.write("narrow.npy", npy(&[1.0; 30], 30, 1));
    bench.run(&["eval", &manifest, "--embeddings", &narrow]).fails(1, &["narrow.npy", "24"]);
    let odd = bench.write("odd.csv", "what,ever\n1,2\n");
    bench.run(&["eval", &odd, "--embeddings", &embeddings]).fails(1, &["the columns what, ever"]);
    let bare = bench.write("bare.csv", "file_name,caption_1\na.wav,\n");
    bench.run(&["eval", &bare, "--embeddings", &embeddings]).fails(1, &["1 clip with no reference", "a.wav"]);
}

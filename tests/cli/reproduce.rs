//! Story: somebody has Clotho, the sounds of it and a CLAP model, and wants the table of the paper by one command. Here both are small stand-ins.

use crate::batch::sounds;
use crate::common::bench::Bench;
use crate::common::needs::starter_is_installed;

/// Clotho's layout with twelve clips to learn from and four to measure by.
fn clotho() -> Option<Bench> {
    if !starter_is_installed() {
        return None;
    }
    let bench = Bench::new();
    let texts: Vec<&str> = include_str!("../../corpora/machines.txt").lines().step_by(7).take(80).collect();
    let table = |split: &str, clips: usize, skip: usize| {
        let names: Vec<String> = (0..clips).map(|clip| format!("clotho/{split}/{split}{clip}.wav")).collect();
        sounds(&bench, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut rows = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n".to_owned();
        for clip in 0..clips {
            let captions: Vec<String> = (0..5).map(|i| format!("\"{}\"", texts[skip + 5 * clip + i])).collect();
            rows += &format!("{split}{clip}.wav,{}\n", captions.join(","));
        }
        bench.write(&format!("clotho/clotho_captions_{split}.csv"), rows);
    };
    table("development", 12, 0);
    table("evaluation", 4, 60);
    Some(bench)
}

const ASK: [&str; 11] = [
    "reproduce",
    "wsac",
    "--clotho",
    "clotho",
    "--model",
    "starter",
    "--preset",
    "small",
    "--epochs",
    "1",
    "--work=made",
];

#[test]
fn the_table_is_made_by_one_command_and_made_again_from_what_is_kept() {
    let Some(bench) = clotho() else { return };
    let run = bench.run_json(&ASK);
    let rows = run.succeeds().lines();
    let names: Vec<&str> = rows.iter().map(|row| row["row"].as_str().unwrap()).collect();
    let expected: Vec<String> = ["baseline", "NI", "ES", "NI-ES"]
        .iter()
        .flat_map(|decoder| ["direct", "nearest", "projection"].map(|strategy| format!("{strategy} {decoder}")))
        .collect();
    assert_eq!(names, expected);
    for row in &rows {
        assert!(row["scores"]["cider_d"]["score"].is_number() && row["questions"] == 4, "{row}");
        let p = &row["parameters"];
        assert_eq!((&p["beam"], &p["no_repeat"], &p["exact"]), (&1.into(), &0.into(), &true.into()), "as in the paper");
    }
    let decoders = bench.run_json_at(&bench.path("made/clotho/store"), &["decoders"]).succeeds().json();
    let facts = |name: &str| decoders.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert!(facts("baseline")["noise_variance"].is_null() && facts("baseline")["shift_length"].is_null());
    assert!(facts("NI")["noise_variance"].is_number() && facts("NI")["shift_length"].is_null());
    assert!(facts("ES")["noise_variance"].is_null() && facts("ES")["shift_length"].is_number());
    assert!(facts("NI-ES")["noise_variance"].is_number() && facts("NI-ES")["shift_length"].is_number());
    // Nothing is trained or captioned once more.
    let again = bench.run_json(&ASK).succeeds().lines();
    assert_eq!(again, rows);
    let shown = bench.run(&ASK).succeeds().stdout.clone();
    assert!(shown.contains("clotho") && shown.contains("projection NI-ES") && shown.contains("CIDEr-D"), "{shown}");
}

#[test]
fn what_it_takes_is_told_before_it_begins_and_what_is_missing_is_named() {
    let Some(bench) = clotho() else { return };
    let told = bench.run_json(&[&ASK[..], &["--dry-run"]].concat()).succeeds().json();
    assert_eq!((&told["estimate"]["texts"], &told["estimate"]["sounds"]), (&60.into(), &16.into()));
    let commands: Vec<&str> = told["commands"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(commands.len(), 8, "{commands:?}");
    assert!(commands[0].contains("init --model starter") && commands[7].contains("eval "), "{commands:?}");
    assert!(!bench.path("made").exists(), "nothing was done");
    let paper = bench.run(&["reproduce", "wsac", "--clotho", "clotho", "--dry-run"]).succeeds().stdout.clone();
    assert!(paper.contains("hours on two cores") && paper.contains("--preset paper --noise 0.013"), "{paper}");
    bench.run(&["reproduce", "wsac"]).fails(1, &["--clotho"]);
    bench.run(&["reproduce", "wsac", "--audiocaps", "clotho"]).fails(1, &["clotho", "train.csv"]);
}

//! Real LAION embeddings in a store of their own: what retrieval and zero-shot classification they are known for comes out of the store's search.

use std::path::{Path, PathBuf};

use echoic::embedding::dot;
use echoic::formats::npy::NpyRows;
use serde_json::Value;

use crate::common::bench::Bench;
use crate::common::needs::{real_data, starter_is_installed};

fn embeddings() -> Option<PathBuf> {
    Some(real_data("clap-embeddings")?.join("clap-embeddings"))
}

fn rows(path: &Path) -> Vec<Vec<f32>> {
    NpyRows::open(path).unwrap().read_all().unwrap().rows().map(<[f32]>::to_vec).collect()
}

/// A store whose captions are `names`, with the embeddings of a file.
fn store(names: &[String], npy: &Path) -> Bench {
    let bench = Bench::external(512);
    bench.write("names.txt", names.join("\n"));
    let ingest = ["ingest", "names.txt", "--domain", "all", "--embeddings", npy.to_str().unwrap()];
    assert_eq!(bench.run_json(&ingest).succeeds().json()["new"], names.len());
    bench
}

/// The captions that each row of a file finds.
fn found(bench: &Bench, npy: &Path, k: usize) -> Vec<Vec<String>> {
    let run = bench.run_json(&["search", "--embedding", npy.to_str().unwrap(), "-k", &k.to_string()]);
    let caption = |neighbour: &Value| neighbour["caption"].as_str().unwrap().to_owned();
    let captions = |line: Value| line["neighbours"].as_array().unwrap().iter().map(caption).collect();
    run.succeeds().lines().into_iter().map(captions).collect()
}

/// R@1 and R@10 through the store, which must be those of comparing every pair.
fn recalls(names: &[String], stored: &Path, asked: &Path) -> (f64, f64) {
    let answers = found(&store(names, stored), asked, 10);
    let share = |k: usize| {
        let hits = answers.iter().zip(names).filter(|(answer, name)| answer[..k].contains(name)).count();
        hits as f64 / names.len() as f64
    };
    let (stored, asked) = (rows(stored), rows(asked));
    let plain = |k: usize| {
        // Of rows that are alike, the one that was stored first comes first.
        let before = |i: usize, j: usize| {
            let (other, own) = (dot(&stored[j], &asked[i]), dot(&stored[i], &asked[i]));
            other > own || (other == own && j < i)
        };
        let rank = |i: usize| (0..stored.len()).filter(|j| before(i, *j)).count();
        (0..asked.len()).filter(|i| rank(*i) < k).count() as f64 / asked.len() as f64
    };
    assert_eq!((share(1), share(10)), (plain(1), plain(10)), "the store finds what comparing every pair finds");
    (share(1), share(10))
}

#[test]
fn captions_find_their_sounds_and_sounds_their_captions() {
    let Some(folder) = embeddings() else { return };
    let (audio, text) = (folder.join("audiocaps-audio.npy"), folder.join("audiocaps-text.npy"));
    let lines = std::fs::read_to_string(folder.join("audiocaps-rows.jsonl")).unwrap();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| rows.iter().map(|row| row[key].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    // A clip that two captions are about is there twice.
    let clips: Vec<String> = of("audio_id").into_iter().enumerate().map(|(row, id)| format!("{row}: {id}")).collect();
    let to_audio = recalls(&clips, &audio, &text);
    let to_text = recalls(&of("caption"), &text, &audio);
    println!(
        "text to audio: R@1 {:.3}, R@10 {:.3}; audio to text: R@1 {:.3}, R@10 {:.3}",
        to_audio.0, to_audio.1, to_text.0, to_text.1
    );
    // Computed apart from this program, with numpy: 103 and 222, 96 and 223 of 246.
    assert_eq!(to_audio, (103.0 / 246.0, 222.0 / 246.0));
    assert_eq!(to_text, (96.0 / 246.0, 223.0 / 246.0));
}

#[test]
fn classes_are_told_without_training() {
    let Some(folder) = embeddings() else { return };
    let prompts = std::fs::read_to_string(folder.join("esc50-class-text.txt")).unwrap();
    let class = |prompt: &str| prompt.trim_start_matches("This is a sound of ").trim_end_matches('.').replace('_', " ");
    let classes: Vec<String> = prompts.lines().map(class).collect();
    let bench = store(&classes, &folder.join("esc50-class-text.npy"));
    let table = std::fs::read_to_string(folder.join("esc50-rows.csv")).unwrap();
    let label = |line: &str| line.split(',').nth(2).unwrap().replace('_', " ");
    let labels: Vec<String> = table.lines().skip(1).map(label).collect();
    assert!(labels.iter().all(|label| classes.contains(label)), "{classes:?}");
    let answers = found(&bench, &folder.join("esc50-audio.npy"), 1);
    let right = answers.iter().zip(&labels).filter(|(answer, label)| answer[0] == **label).count();
    let share = right as f64 / labels.len() as f64;
    println!("ESC-50 without training: {right} of {} clips, {share:.4}", labels.len());
    assert!((0.905..0.925).contains(&share), "{share}");
}

#[test]
fn sounds_are_captioned_from_their_embeddings() {
    let Some(folder) = embeddings() else { return };
    if !starter_is_installed() {
        return;
    }
    let lines = std::fs::read_to_string(folder.join("audiocaps-rows.jsonl")).unwrap();
    let caption = |line: &str| serde_json::from_str::<Value>(line).unwrap()["caption"].as_str().unwrap().to_owned();
    let captions: Vec<String> = lines.lines().map(caption).collect();
    let bench = store(&captions, &folder.join("audiocaps-text.npy"));
    bench.run(&["train", "--epochs", "1"]).succeeds();
    let audio = folder.join("audiocaps-audio.npy");
    let run = bench.run_json(&["caption", "--embedding", audio.to_str().unwrap()]);
    let lines = run.succeeds().lines();
    assert_eq!(lines.len(), 246);
    for line in lines {
        assert!(line["caption"].is_string() && line["lost_mass"].as_f64().unwrap() <= 0.01, "{line}");
        let similarity = line["neighbours"][0]["similarity"].as_f64().unwrap();
        assert!((0.0..0.95).contains(&similarity), "{similarity}: sounds and texts lie apart");
    }
}

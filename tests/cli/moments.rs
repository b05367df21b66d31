//! Story: somebody has hours of a microphone in the woods, and asks when something was heard; and lets a player show what is heard while it plays.

use echoic::formats::npy::NpyRows;
use serde_json::Value;

use crate::batch::listening;
use crate::common::bench::Bench;
use crate::common::clap_models::variation;
use crate::common::sounds::wav_at;

const RATE: u32 = 16_000;

/// A recording of 35 s, of which ten in the middle are silence, and another of 12 s.
fn recorded() -> Option<Bench> {
    let bench = listening()?;
    std::fs::create_dir(bench.path("woods")).unwrap();
    let part = |seed: usize, seconds: usize| variation(seed, seconds * RATE as usize);
    let long = [part(3, 10), vec![0; 10 * RATE as usize], part(40, 15)].concat();
    wav_at(&bench.path("woods/long.wav"), &long, RATE);
    wav_at(&bench.path("woods/short.wav"), &part(77, 12), RATE);
    Some(bench)
}

fn number(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[test]
fn the_windows_that_fit_some_words_are_found_in_a_folder() {
    let Some(bench) = recorded() else { return };
    let words = "an engine idles";
    let find = |more: &[&str]| {
        let run = bench.run_json(&[&["search", words, "--audio", "woods", "--windows"], more].concat());
        run.succeeds().lines()
    };
    let found = find(&["-k", "100"]);
    let similarities: Vec<f64> = found.iter().map(|line| number(line, "similarity")).collect();
    assert!(similarities.is_sorted_by(|a, b| a >= b), "{similarities:?}");
    assert!(found.iter().all(|line| line["heard"] == "sound" && line["query"] == words), "{found:?}");
    // Each window that holds a sound, by the embeddings that `embed` writes.
    bench.write("words.txt", words);
    bench.run(&["embed", "--text", "words.txt", "--out", "words.npy"]).succeeds();
    bench.run(&["embed", "--audio", "woods", "--windows", "--out", "woods.npy"]).succeeds();
    let (text, vectors) = (rows(&bench, "words.npy"), rows(&bench, "woods.npy"));
    let about = std::fs::read_to_string(bench.path("woods.jsonl")).unwrap();
    let about = about.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut expected: Vec<(String, f64, f64)> = Vec::new();
    for (line, vector) in about.zip(&vectors).filter(|(line, _)| line["heard"] == "sound") {
        let similarity: f32 = vector.iter().zip(&text[0]).map(|(a, b)| a * b).sum();
        expected.push((line["path"].as_str().unwrap().to_owned(), number(&line, "start"), f64::from(similarity)));
    }
    assert!(expected.len() >= 3, "{expected:?}");
    expected.sort_by(|a, b| b.2.total_cmp(&a.2));
    assert_eq!(found.len(), expected.len());
    for (line, (name, start, similarity)) in found.iter().zip(&expected) {
        assert_eq!((line["path"].as_str().unwrap(), number(line, "start")), (name.as_str(), *start));
        assert!((number(line, "similarity") - similarity).abs() < 1e-5, "{line}");
    }
    assert_eq!(find(&["-k", "2"]), found[..2]);
    let least = (similarities[1] + similarities[2]) / 2.0;
    assert_eq!(find(&["-k", "100", "--min-similarity", &least.to_string()]), found[..2]);
    let shown = bench.run(&["search", words, "--audio", "woods", "--windows", "-k", "1"]);
    assert!(shown.succeeds().stdout.contains(" s]"), "{shown:?}");
    let none = bench.run(&["search", words, "--audio", "woods", "--windows", "--min-similarity", "1"]);
    assert!(none.succeeds().stdout.is_empty() && none.stderr.contains("no window"), "{none:?}");

    bench.run(&["search", words, "--audio", "woods"]).fails(1, &["--windows"]);
    bench.run(&["search", words, "--windows"]).fails(1, &["--audio"]);
    bench.run(&["search", words, "--min-similarity", "1.5"]).fails(1, &["from -1 to 1"]);
}

/// The rows of a `.npy`.
fn rows(bench: &Bench, name: &str) -> Vec<Vec<f32>> {
    NpyRows::open(bench.path(name)).unwrap().read_all().unwrap().rows().map(<[f32]>::to_vec).collect()
}

#[test]
fn a_search_shows_nothing_that_is_less_similar_than_was_asked_for() {
    let Some(bench) = recorded() else { return };
    let search = |more: &[&str]| {
        let run = bench.run_json(&[&["search", "a machine hums"], more].concat());
        run.succeeds().json()["neighbours"].as_array().unwrap().clone()
    };
    let all = search(&["-k", "10"]);
    let least = (number(&all[3], "similarity") + number(&all[4], "similarity")) / 2.0;
    assert_eq!(search(&["-k", "10", "--min-similarity", &least.to_string()]), all[..4]);
    let none = bench.run(&["search", "a machine hums", "--min-similarity", "1"]);
    assert!(none.succeeds().stdout.contains("nothing as similar"), "{none:?}");
}

#[test]
fn subtitles_say_what_is_heard_while_a_recording_plays() {
    let Some(bench) = recorded() else { return };
    let subtitles = |format: &str| {
        let format = ["--sidecar-format", format, "--sidecar"];
        bench.run_json(&[&["caption", "woods", "--windows"], &format[..]].concat()).succeeds().lines()
    };
    let windows = subtitles("vtt");
    let vtt = std::fs::read_to_string(bench.path("woods/long.vtt")).unwrap();
    assert!(vtt.starts_with("WEBVTT\n\n00:00:00.000 --> "), "{vtt}");
    let long: Vec<&Value> = windows.iter().filter(|line| line["path"] == "long.wav").collect();
    let mut captions: Vec<&str> = long.iter().map(|line| line["caption"].as_str().unwrap()).collect();
    captions.dedup();
    let cues: Vec<&str> = vtt.lines().skip(2).collect();
    let said: Vec<&str> = cues.chunks(3).map(|cue| cue[1]).collect();
    assert_eq!(said, captions);
    // The same as lines: each is the window that is nearest to its sound, with the time of all.
    let run = bench.run_json(&["caption", "woods", "--windows", "--merge", "--resume", "merged.jsonl"]);
    let merged = run.succeeds().lines();
    let merged: Vec<&Value> = merged.iter().filter(|line| line["path"] == "long.wav").collect();
    assert_eq!(merged.iter().map(|line| line["caption"].as_str().unwrap()).collect::<Vec<_>>(), captions);
    assert!(merged.iter().any(|line| line["windows"].as_u64() > Some(1)), "{merged:?}");
    let mut rest = long.iter();
    for line in merged {
        let joined: Vec<_> = rest.by_ref().take(line["windows"].as_u64().unwrap() as usize).collect();
        assert_eq!((&line["start"], &line["end"]), (&joined[0]["start"], &joined.last().unwrap()["end"]));
        let best = joined.iter().map(|window| number(window, "similarity")).fold(f64::MIN, f64::max);
        assert_eq!(number(line, "similarity"), best);
    }
    assert!(rest.next().is_none());
    bench
        .run(&["caption", "woods", "--windows", "--resume", "merged.jsonl"])
        .fails(1, &["merged", "windows (--windows)"]);
    subtitles("srt");
    let srt = std::fs::read_to_string(bench.path("woods/short.srt")).unwrap();
    assert!(srt.starts_with("1\n00:00:00,000 --> 00:00:"), "{srt}");
    // What stands beside the sounds is no news to a walk through the folder.
    let again = bench.run(&["caption", "woods"]);
    assert!(!again.succeeds().stderr.contains("passed over"), "{again:?}");
    bench.run(&["caption", "woods", "--sidecar", "--sidecar-format", "vtt"]).fails(1, &["--windows"]);
}

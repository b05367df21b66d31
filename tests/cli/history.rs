//! Story: a curator is asked, months later, why a sound was captioned as it was. The store's log knows what was heard, how it was captioned and
//! what came of it, and a caption made once more is the same to the bit, or it is said why not.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use echoic::history::History;
use echoic::internals::small_history;
use echoic::memory::Scope;
use echoic::{Store, file};
use serde_json::{Value, json};

use crate::common;
use crate::common::bench::{Bench, Run, finished};
use crate::common::needs::starter_is_installed;
use crate::common::sounds::{sound, wav_at};
use crate::common::{scattered, stores};
use crate::decoders::{filled, train};

const DIM: usize = 24;
/// Bytes before the first entry: schema/history.md.
const HEADER: usize = 28;

/// A store of two domains with a decoder that was trained for a moment, and three embeddings to caption.
fn curated() -> (Bench, String) {
    let bench = Bench::new();
    let memory = filled(&bench.store());
    train(&memory, "all", Scope::all(), true);
    let query = bench.npy("q.npy", 3, DIM);
    (bench, query)
}

fn logged(run: &Run) -> Vec<u64> {
    run.succeeds().lines().iter().map(|line| line["logged"].as_u64().expect("a number")).collect()
}

fn numbers(run: &Run) -> Vec<u64> {
    run.succeeds().lines().iter().map(|line| line["number"].as_u64().unwrap()).collect()
}

fn numbers_of(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter_map(|line| line["number"].as_u64()).collect()
}

fn history(bench: &Bench, arguments: &[&str]) -> Run {
    bench.run_json(&[&["audit", "history"], arguments].concat())
}

/// What differs, by its kind.
fn difference<'a>(replayed: &'a Value, of: &str) -> &'a Value {
    let all = replayed["differences"].as_array().unwrap();
    all.iter().find(|difference| difference["of"] == of).unwrap_or_else(|| panic!("no {of} in {replayed}"))
}

#[test]
fn nothing_is_logged_unless_it_is_asked_for() {
    let (bench, query) = curated();
    let before = common::files(&bench.store());
    let answers = bench.run_json(&["caption", "--embedding", &query]).succeeds().lines();
    assert!(answers.iter().all(|answer| answer.get("logged").is_none()), "{answers:?}");
    assert!(history(&bench, &[]).succeeds().lines().is_empty());
    assert!(bench.run(&["audit", "history"]).succeeds().stdout.contains("nothing is logged"));
    bench.run(&["audit", "history", "show", "1"]).fails(1, &["no entry of the log named '1'"]);
    bench.run(&["audit", "history", "replay", "--all"]).fails(1, &["nothing logged", "--log"]);
    assert_eq!(history(&bench, &["clear"]).succeeds().json(), json!({ "removed": 0, "unreadable": 0, "left": 0 }));
    assert_eq!(history(&bench, &["export", "-"]).succeeds().stdout, "");
    assert!(before == common::files(&bench.store()), "the store was touched");
}

#[test]
fn what_was_logged_is_listed_found_shown_exported_and_cleared() {
    let (bench, query) = curated();
    let answers = bench.run_json(&["caption", "--embedding", &query, "--log"]);
    assert_eq!(logged(&answers), [1, 2, 3]);
    let answers = answers.lines();
    assert_eq!(numbers(&history(&bench, &[])), [3, 2, 1]);
    assert_eq!(numbers(&history(&bench, &["list"])), [3, 2, 1]);
    let page = history(&bench, &["--limit", "2"]);
    assert_eq!(numbers(&page), [3, 2]);
    assert!(page.stderr.contains("--after 2"), "{page:?}");
    assert_eq!(numbers(&history(&bench, &["list", "--after", "2"])), [1]);
    let caption = answers[1]["caption"].as_str().unwrap();
    assert!(numbers(&history(&bench, &["--find", &caption.to_uppercase()])).contains(&2));
    assert!(numbers(&history(&bench, &["--find", "no caption says this"])).is_empty());
    assert!(numbers(&history(&bench, &["--kind", "audit"])).is_empty());
    assert_eq!(numbers(&history(&bench, &["--kind", "caption", "--since", "2000-01-01"])), [3, 2, 1]);
    assert!(numbers(&history(&bench, &["--since", "2222-01-01 12:30"])).is_empty());
    bench.run(&["audit", "history", "--since", "yesterday"]).fails(1, &["yesterday", "2026-11-28"]);

    let shown = history(&bench, &["show", "2"]).succeeds().json();
    let row = &scattered(3, DIM)[DIM..2 * DIM];
    let input = serde_json::to_value(file::Fingerprint::of_numbers(row)).unwrap();
    assert_eq!((&shown["input"], &shown["row"], &shown["subject"]), (&input, &1.into(), &"embedding".into()));
    for name in ["caption", "neighbours", "lost_mass", "strategy", "parameters"] {
        assert_eq!(shown[name], answers[1][name], "{name}");
    }
    assert_eq!((&shown["path"], &shown["kind"]), (&query.as_str().into(), &"caption".into()));
    assert_eq!((&shown["domains"], &shown["space"]["model"]), (&json!(["even", "odd"]), &"external".into()));
    assert_eq!(shown["echoic"], env!("CARGO_PKG_VERSION"));
    let text = bench.run(&["audit", "history", "show", "2"]).succeeds().stdout.clone();
    let sha256 = shown["parameters"]["decoder_sha256"].as_str().unwrap();
    for word in [caption, sha256, input["sha256"].as_str().unwrap(), "even, odd", "UTC"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    bench.run(&["audit", "history", "show", "4"]).fails(1, &["named '4'", "1 to 3"]);

    let out = bench.path("log.jsonl");
    let exported = history(&bench, &["export", out.to_str().unwrap()]).succeeds().json();
    assert_eq!(exported["entries"], 3);
    let piped = history(&bench, &["export", "-"]);
    assert_eq!(piped.succeeds().stdout, std::fs::read_to_string(out).unwrap());
    assert_eq!(numbers(&piped), [1, 2, 3]);
    assert_eq!(piped.lines()[1], shown);

    // The log counts in the store's size, passes a check, and stays out of a backup, which is of the memory alone.
    assert!(bench.run_json(&["stats"]).succeeds().json()["bytes"]["history"].as_u64().unwrap() > 0);
    bench.run(&["check"]).succeeds();
    bench.run(&["compact"]).succeeds();
    let copy = bench.path("copy");
    bench.run(&["backup", copy.to_str().unwrap()]).succeeds();
    assert!(!copy.join("history.log").exists() && !copy.join("history.lock").exists());
    assert!(bench.run_json_at(&copy, &["audit", "history"]).succeeds().lines().is_empty());

    let cleared = |arguments: &[&str]| history(&bench, arguments).succeeds().json();
    assert_eq!(cleared(&["clear", "--before", "2000-01-01"]), json!({ "removed": 0, "unreadable": 0, "left": 3 }));
    assert_eq!(cleared(&["clear"]), json!({ "removed": 3, "unreadable": 0, "left": 0 }));
    assert!(!bench.store().join("history.log").exists(), "the space is free");
    assert_eq!(logged(&bench.run_json(&["caption", "--embedding", &query, "--log"])), [1, 2, 3]);
}

#[test]
fn filters_go_together_and_pages_follow_one_another() {
    let (bench, query) = curated();
    let log = |command: &[&str]| logged(&bench.run_json(&[command, &["--embedding", &query, "--log"]].concat()));
    assert_eq!(log(&["caption"]), [1, 2, 3]);
    assert_eq!(log(&["audit", "caption", "--only", "neighbours"]), [4, 5, 6]);
    assert_eq!(log(&["caption", "--strategy", "text"]), [7, 8, 9]);
    let listed = |arguments: &[&str]| numbers(&history(&bench, arguments));
    assert_eq!(listed(&["--kind", "audit"]), [6, 5, 4]);
    assert_eq!(listed(&["--kind", "audit", "--limit", "2"]), [6, 5]);
    assert_eq!(listed(&["--kind", "audit", "--limit", "2", "--after", "5"]), [4]);
    assert_eq!(listed(&["--kind", "caption", "--after", "8", "--limit", "2"]), [7, 3]);
    let caption = history(&bench, &["show", "5"]).succeeds().json();
    assert!(caption["audit"]["audited"].is_array() && caption["kind"] == "audit");
    let words = caption["caption"].as_str().unwrap();
    let found = listed(&["--find", words, "--kind", "audit", "--since", "2000-01-01"]);
    assert!(found.contains(&5) && found.iter().all(|number| (4..=6).contains(number)), "{found:?}");
    assert_eq!(listed(&["--find", words, "--since", "2222-01-01"]), [0; 0]);

    // Everything once more, where the file lies in another folder now.
    std::fs::create_dir(bench.path("moved")).unwrap();
    std::fs::rename(&query, bench.path("moved/q.npy")).unwrap();
    let moved = bench.path("moved/q.npy").display().to_string();
    let all = history(&bench, &["replay", "--all", "--audio", &moved]).succeeds().lines();
    assert!(all.len() == 9 && all.iter().all(|line| line["identical"] == true), "{all:?}");
    history(&bench, &["replay", "--all"]).fails(1, &["q.npy"]);
}

#[test]
fn what_is_captioned_once_more_is_the_same_to_the_bit() {
    let (bench, query) = curated();
    let ways: [&[&str]; 11] = [
        &[],
        &["--beam", "1"],
        &["--beam", "7", "--max-tokens", "5"],
        &["--sample", "0.9", "--top-p", "0.8", "--seed", "18446744073709551615"],
        &["-k", "5", "--temperature", "0.07"],
        &["--mass", "0.6", "--recall", "0.9"],
        &["--ef", "12", "--domain", "odd"],
        &["--exact"],
        &["--strategy", "direct"],
        &["--strategy", "nearest"],
        &["--strategy", "text", "--domain", "even"],
    ];
    for way in ways {
        logged(&bench.run_json(&[&["caption", "--embedding", &query, "--log"], way].concat()));
    }
    let replayed = history(&bench, &["replay", "--all"]);
    let lines = replayed.succeeds().lines();
    assert_eq!(lines.len(), 3 * ways.len());
    assert!(lines.iter().all(|line| line["identical"] == true && line["differences"] == json!([])), "{lines:?}");
    let other = history(&bench, &["list", "--limit", "1"]).succeeds().json();
    assert_eq!(lines.last().unwrap()["caption"], other["caption"]);
    let told = bench.run(&["audit", "history", "replay", "1"]).succeeds().stdout.clone();
    assert!(told.contains("bit-identical"), "{told}");
}

#[test]
fn what_comes_out_otherwise_is_explained() {
    let (bench, query) = curated();
    logged(&bench.run_json(&["caption", "--embedding", &query, "--log"]));
    let replay = |number: &str, more: &[&str]| history(&bench, &[&["replay", number], more].concat());

    // A text that lies where the second of the queries points.
    let near = bench.write("near.npy", common::npy(&scattered(3, DIM)[DIM..2 * DIM], 1, DIM));
    let text = bench.write("near.txt", "A text that was not there before.\n");
    bench.run(&["ingest", &text, "--domain", "later", "--embeddings", &near]).succeeds();
    let run = replay("2", &[]);
    let found = run.fails(1, &["another outcome"]).json();
    assert_eq!(found["identical"], false);
    let commit = difference(&found, "commit");
    assert_eq!((&commit["new_domains"], &commit["gone_domains"]), (&json!(["later"]), &json!([])));
    assert!(commit["found"].as_u64() > commit["logged"].as_u64());
    let neighbours = difference(&found, "neighbours");
    assert_eq!(neighbours["new"][0]["caption"], "A text that was not there before.");
    assert_eq!(neighbours["gone"].as_array().unwrap().len(), neighbours["new"].as_array().unwrap().len());
    let told = bench.run(&["audit", "history", "replay", "2"]);
    for words in ["differs", "new domains: later", "new neighbour:  1.000  A text that was not there before."] {
        assert!(told.fails(1, &[]).stdout.contains(words), "'{words}' is not in {told:?}");
    }
    let all = bench.run(&["audit", "history", "replay", "--all"]);
    all.fails(1, &["of 3 replayed captions"]);

    // The domain goes again: the same texts, under another commit.
    bench.run(&["domains", "remove", "later"]).succeeds();
    let found = replay("2", &[]).succeeds().json();
    assert_eq!((&found["identical"], found["differences"].as_array().unwrap().len()), (&true.into(), 1));
    assert_eq!(difference(&found, "commit")["new_domains"], json!([]));

    // Another decoder under the same name, then none.
    train(&stores::open(&bench.store()), "half", Scope::domains(["even"]), true);
    bench.run(&["decoders", "use", "half"]).succeeds();
    let sha256 = |run: &Run| difference(&run.lines()[0], "decoder")["found"].as_str().map(str::to_owned);
    bench.run(&["decoders", "remove", "all"]).succeeds();
    let gone = replay("1", &[]).fails(1, &[]).json();
    assert!(difference(&gone, "impossible")["reason"].as_str().unwrap().contains("no decoder named 'all'"));
    train(&stores::open(&bench.store()), "all", Scope::domains(["odd"]), true);
    assert_eq!(sha256(&replay("1", &[])).map(|sha256| sha256.len()), Some(64));

    // The input moved, changed, and is gone.
    std::fs::create_dir(bench.path("moved")).unwrap();
    std::fs::rename(&query, bench.path("moved/q.npy")).unwrap();
    bench.run(&["audit", "history", "replay", "1"]).fails(1, &["q.npy"]);
    let moved = bench.path("moved/q.npy").display().to_string();
    assert!(difference(&replay("1", &["--audio", &moved]).json(), "decoder").is_object());
    bench.write("moved/q.npy", common::npy(&[0.5; 3 * DIM], 3, DIM));
    let changed = replay("1", &["--audio", &moved]).fails(1, &[]).json();
    assert_eq!((&changed["caption"], &changed["identical"]), (&Value::Null, &false.into()));
    let input = difference(&changed, "input");
    assert_ne!(input["logged"]["sha256"], input["found"]["sha256"]);
    bench.write("moved/q.npy", common::npy(&[0.5; DIM], 1, DIM));
    bench.run(&["audit", "history", "replay", "3", "--audio", &moved]).fails(1, &["1 row", "row 2"]);
}

#[test]
fn sounds_and_their_windows_are_found_again_and_heard_again() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::new();
    bench.run(&["init"]).succeeds();
    let captions: Vec<&str> = include_str!("../../corpora/machines.txt").lines().step_by(20).take(60).collect();
    let file = bench.write("c.txt", captions.join("\n"));
    bench.run(&["ingest", &file, "--domain", "machines"]).succeeds();
    bench.run(&["train", "--name", "mine", "--epochs", "1"]).succeeds();
    std::fs::create_dir_all(bench.path("in/deep")).unwrap();
    wav_at(&bench.path("in/deep/long.wav"), &sound(25.0, 16_000), 16_000);
    wav_at(&bench.path("in/short.wav"), &sound(2.0, 16_000), 16_000);
    let folder = bench.path("in").display().to_string();
    let whole = bench.run_json(&["caption", &folder, "--log"]);
    assert_eq!(logged(&whole), [1, 2]);
    let windows = logged(&bench.run_json(&["caption", &folder, "--windows", "--log"]));
    assert!(windows.len() > 2, "{windows:?}");
    let bytes = std::fs::read(bench.path("in/short.wav")).unwrap();
    let piped = bench.run_given(&["--json", "caption", "-", "--log"], &bytes);
    let piped = logged(&piped)[0].to_string();

    let first = history(&bench, &["show", "1"]).succeeds().json();
    assert_eq!((&first["path"], &first["root"]), (&"deep/long.wav".into(), &folder.as_str().into()));
    assert_eq!((&first["subject"], &first["strategy"]), (&"sound".into(), &"projection".into()));
    let long = file::Fingerprint::of_file(bench.path("in/deep/long.wav")).unwrap();
    assert_eq!(first["input"], serde_json::to_value(long).unwrap());
    let last = history(&bench, &["show", &windows.last().unwrap().to_string()]).succeeds().json();
    assert!(last["subject"] == "window" && last["end"].as_f64() > last["start"].as_f64(), "{last}");

    bench.run(&["audit", "history", "replay", &piped]).fails(1, &["standard input", "--audio"]);
    let short = bench.path("in/short.wav").display().to_string();
    assert_eq!(history(&bench, &["replay", &piped, "--audio", &short]).succeeds().json()["identical"], true);
    bench.run(&["audit", "history", "replay", "1", "--audio", &short]).fails(1, &["another outcome"]);
    let all = history(&bench, &["replay", "--all"]);
    let lines = all.fails(1, &["standard input"]).lines();
    let (failed, replayed): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["error"].is_string());
    assert_eq!((failed.len(), replayed.len()), (1, 2 + windows.len()));
    assert!(replayed.iter().all(|line| line["identical"] == true), "{replayed:?}");
    std::fs::rename(bench.path("in"), bench.path("out")).unwrap();
    bench.run(&["audit", "history", "replay", "1"]).fails(1, &["long.wav", "--audio FILE|DIR"]);
    let out = bench.path("out").display().to_string();
    assert_eq!(history(&bench, &["replay", "1", "--audio", &out]).succeeds().json()["identical"], true);
}

#[test]
fn what_was_said_to_be_logged_outlives_kills() {
    let (bench, _) = curated();
    let query = bench.npy("many.npy", 2_000, DIM);
    let arguments = ["--json", "caption", "--embedding", &query, "--strategy", "text", "--log"];
    let (mut said, mut found) = (0, 0);
    for kill in 0..25u64 {
        let mut child = bench.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = |line: String| serde_json::from_str::<Value>(&line).ok()?["logged"].as_u64();
        // At work, and then at any moment.
        said = lines.by_ref().find_map(number).expect("a caption");
        std::thread::sleep(Duration::from_micros(kill * 7_919 % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        said = lines.filter_map(number).last().unwrap_or(said);
        let listed = numbers(&history(&bench, &["--limit", "1"]));
        assert!(listed[0] >= said, "kill {kill}: {said} was logged, the last is {listed:?}");
        found = listed[0];
    }
    assert!(said >= 25);
    let all = numbers(&history(&bench, &["export", "-"]));
    assert_eq!(all, (1..=found).collect::<Vec<_>>(), "each whole, none missing");
    let logged = History::of(&Store::open(bench.store()).unwrap()).len().unwrap();
    assert_eq!(logged, found);
    println!("25 kills, {found} entries");
}

#[test]
fn two_processes_log_at_once_while_a_writer_is_at_work() {
    let (bench, _) = curated();
    let query = bench.npy("some.npy", 30, DIM);
    let arguments = ["--json", "caption", "--embedding", &query, "--strategy", "text", "--log"];
    let _writer = stores::writing(&bench.store());
    let begin = || bench.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children = [begin(), begin()];
    let runs = children.map(|child| finished(child.wait_with_output().unwrap()));
    let mut all: Vec<u64> = runs.iter().flat_map(logged).collect();
    assert!(runs.iter().all(|run| logged(run).is_sorted()));
    all.sort_unstable();
    assert_eq!(all, (1..=60).collect::<Vec<_>>());
    assert_eq!(history(&bench, &["list"]).succeeds().lines().len(), 60);
}

/// Captions with `--log` where that cannot be: the captions are there, and the error is told once.
fn unlogged(bench: &Bench, store: &Path, query: &str, words: &[&str]) {
    let run = bench.run_json_at(store, &["caption", "--embedding", query, "--log"]);
    run.fails(1, words);
    let (failed, captioned): (Vec<_>, Vec<_>) = run.lines().into_iter().partition(|line| line["error"].is_string());
    assert_eq!((failed.len(), captioned.len()), (1, 3), "{run:?}");
    assert!(captioned.iter().all(|line| line["caption"].is_string() && line.get("logged").is_none()));
    bench.run_json_at(store, &["caption", "--embedding", query]).succeeds();
}

#[test]
fn a_damaged_log_stands_in_nobodys_way_and_can_be_cleared() {
    let (bench, query) = curated();
    logged(&bench.run_json(&["caption", "--embedding", &query, "--log"]));
    let log = bench.store().join("history.log");
    let sound = std::fs::read(&log).unwrap();

    // One entry is not what it was: the others are listed, and more can be logged.
    let damaged = |place: usize| {
        let mut bytes = sound.clone();
        bytes[place] ^= 1;
        std::fs::write(&log, bytes).unwrap();
    };
    damaged(sound.len() / 2);
    let listed = history(&bench, &[]);
    let lines = listed.fails(1, &["entry 2", "damaged", "audit history clear"]).lines();
    assert_eq!(numbers_of(&lines), [3, 1]);
    bench.run(&["audit", "history", "show", "2"]).fails(1, &["entry 2", "damaged"]);
    let out = bench.path("rest.jsonl");
    history(&bench, &["export", out.to_str().unwrap()]).fails(1, &["entry 2"]);
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().count(), 2);
    let again = bench.run_json(&["caption", "--embedding", &query, "--log"]);
    assert_eq!(logged(&again), [4, 5, 6]);
    assert!(again.stderr.contains("1 entry of the log is damaged or missing"), "{again:?}");
    let cleared = bench.run(&["audit", "history", "clear"]);
    assert!(cleared.succeeds().stdout.contains("removed 6 entries, of which 1 could not be read"), "{cleared:?}");

    // What a process that was killed wrote of an entry, and nobody was told of, is no damage.
    std::fs::write(&log, [&sound[..], &sound[HEADER..HEADER + 100]].concat()).unwrap();
    assert_eq!(numbers(&history(&bench, &[])), [3, 2, 1]);
    let again = bench.run_json(&["caption", "--embedding", &query, "--log"]);
    assert_eq!(logged(&again), [4, 5, 6]);
    assert!(!again.stderr.contains("missing"), "{again:?}");
    assert_eq!(numbers(&history(&bench, &[])), [6, 5, 4, 3, 2, 1]);

    // It is no log at all.
    damaged(0);
    bench.run(&["audit", "history"]).fails(1, &["history.log is damaged", "hint: "]);
    unlogged(&bench, &bench.store(), &query, &["history.log is damaged", "hint: "]);
    bench.run(&["check"]).succeeds();
    history(&bench, &["clear"]).succeeds();
    assert_eq!(logged(&bench.run_json(&["caption", "--embedding", &query, "--log"])), [1, 2, 3]);
}

/// schema/history.md: an entry ends with the length of its JSON, which stands between 28 bytes and these 4.
fn without_the_last(log: &[u8]) -> usize {
    let json = u32::from_le_bytes(*log.last_chunk().unwrap()) as usize;
    log.len() - 28 - json - 4
}

#[test]
fn what_was_cut_off_a_log_is_missed_and_its_numbers_are_not_given_again() {
    let (bench, query) = curated();
    logged(&bench.run_json(&["caption", "--embedding", &query, "--log"]));
    let log = bench.store().join("history.log");
    let whole = std::fs::read(&log).unwrap();
    let border = without_the_last(&whole);
    for kept in [border, border + 50, without_the_last(&whole[..border]), HEADER] {
        std::fs::write(&log, &whole[..kept]).unwrap();
        history(&bench, &[]).fails(1, &["entry 3", "audit history clear"]);
        bench.run(&["audit", "history", "show", "3"]).fails(1, &["entry 3"]);
        let again = bench.run_json(&["caption", "--embedding", &query, "--log"]);
        assert_eq!(logged(&again), [4, 5, 6], "{kept} bytes");
        assert!(again.stderr.contains("of the log") && again.stderr.contains("missing"), "{again:?}");
        assert!(numbers_of(&history(&bench, &[]).lines()).starts_with(&[6, 5, 4]));
    }
    std::fs::write(&log, &whole[..border]).unwrap();
    let cleared = history(&bench, &["clear", "--before", "2222-01-01"]).succeeds().json();
    assert_eq!(cleared, json!({ "removed": 3, "unreadable": 1, "left": 0 }));
    assert_eq!(logged(&bench.run_json(&["caption", "--embedding", &query, "--log"])), [1, 2, 3]);

    // Where the header does not say any more how many there were, the others are read, and the next that is logged says it again.
    let mut bytes = whole.clone();
    bytes[16] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let listed = history(&bench, &[]);
    assert_eq!(numbers(&listed), [3, 2, 1]);
    assert!(listed.stderr.contains("go unnoticed"), "{listed:?}");
    assert_eq!(logged(&bench.run_json(&["caption", "--embedding", &query, "--log"])), [4, 5, 6]);
    assert!(!history(&bench, &[]).stderr.contains("unnoticed"));
}

#[test]
fn a_log_of_a_newer_version_is_left_as_it_is() {
    let (bench, query) = curated();
    logged(&bench.run_json(&["caption", "--embedding", &query, "--log"]));
    let log = bench.store().join("history.log");
    let mut bytes = std::fs::read(&log).unwrap();
    // schema/history.md: the version is a u32 at 8, the checksum one at 12.
    bytes[8] = 2;
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&log, &bytes).unwrap();
    bench
        .run(&["audit", "history", "show", "3"])
        .fails(1, &["version 2, expected version 1", "newer version of echoic"]);
    unlogged(&bench, &bench.store(), &query, &["version 2", "newer version of echoic"]);
    assert!(std::fs::read(&log).unwrap() == bytes);
}

#[test]
fn a_log_that_is_full_or_busy_says_what_to_do() {
    let (bench, query) = curated();
    logged(&bench.run_json(&["caption", "--embedding", &query, "--log"]));
    let store = Store::open(bench.store()).unwrap();
    let small = small_history(&store, 4, Duration::ZERO);
    let entry = small.entry(1).unwrap();
    assert_eq!(small.add(entry.kind, std::slice::from_ref(&entry.record)).unwrap(), [4]);
    let error = small.add(entry.kind, &[entry.record]).unwrap_err();
    assert!(error.to_string().contains("a log that is full: it holds 4 entries, expected 4 at most"), "{error}");
    assert!(common::hint(&error).contains("clear"), "{error}");
    assert_eq!(small.len().unwrap(), 4);

    let held = std::fs::File::options().write(true).open(bench.store().join("history.lock")).unwrap();
    held.lock().unwrap();
    let error = small.clear(None).unwrap_err();
    assert!(error.to_string().contains("a log that another adds to"), "{error}");
    assert_eq!(numbers(&history(&bench, &[])), [4, 3, 2, 1], "readers do not wait");
    drop(held);
    assert_eq!(small.clear(None).unwrap().removed, Some(4));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_or_sealed_disk_sounds_are_captioned_and_it_is_said_that_they_are_not_logged() {
    use crate::common::process::Mounted;

    let (bench, query) = curated();
    let disk = bench.path("disk");
    let Some(mounted) = Mounted::new(disk.clone(), "16m") else { return };
    let store = disk.join("store");
    common::copy_tree(&bench.store(), &store);
    assert_eq!(logged(&bench.run_json_at(&store, &["caption", "--embedding", &query, "--log"])), [1, 2, 3]);

    // A full disk: what was logged stays, and half an entry is none.
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![0; 16 << 20]).unwrap_err();
    let run = bench.run_json_at(&store, &["caption", "--embedding", &query, "--log"]);
    run.fails(1, &["history.log", "free some space"]);
    assert_eq!(run.lines().iter().filter(|line| line["caption"].is_string()).count(), 3);
    let last = run.lines().iter().filter_map(|line| line["logged"].as_u64()).max().unwrap_or(3);
    let listed = || numbers(&bench.run_json_at(&store, &["audit", "history"]));
    assert_eq!(listed(), (1..=last).rev().collect::<Vec<_>>());
    std::fs::remove_file(filler).unwrap();
    logged(&bench.run_json_at(&store, &["caption", "--embedding", &query, "--log"]));
    bench.run_json_at(&store, &["audit", "history", "clear"]).succeeds();
    assert_eq!(logged(&bench.run_json_at(&store, &["caption", "--embedding", &query, "--log"])), [1, 2, 3]);

    mounted.seal();
    unlogged(&bench, &store, &query, &["history.lock", "hint: "]);
    assert_eq!(listed(), [3, 2, 1], "it can be read");
    bench.run_json_at(&store, &["audit", "history", "replay", "--all"]).succeeds();
}

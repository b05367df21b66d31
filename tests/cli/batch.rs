//! Story: a librarian captions a folder of sounds overnight. Names are those below the folder, the table can be scored, text files stand beside
//! the sounds, and a night that was cut short goes on where it ended.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::bench::{Bench, finished};
use crate::common::clap_models::variation;
use crate::common::needs::starter_is_installed;
use crate::common::sounds::wav_at;

const RATE: u32 = 16_000;

/// A store of a few captions, without a decoder: the nearest text is the caption.
pub fn listening() -> Option<Bench> {
    if !starter_is_installed() {
        return None;
    }
    let bench = Bench::new();
    bench.run(&["init"]).succeeds();
    let captions: Vec<&str> = include_str!("../../corpora/machines.txt").lines().step_by(10).take(120).collect();
    let file = bench.write("c.txt", captions.join("\n"));
    bench.run(&["ingest", &file, "--domain", "machines"]).succeeds();
    Some(bench)
}

/// Writes a short sound of its own for each name.
pub fn sounds(bench: &Bench, names: &[&str]) {
    for (index, name) in names.iter().enumerate() {
        let path = bench.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        wav_at(&path, &variation(7 * index + 1, RATE as usize), RATE);
    }
}

/// A folder of many.
pub fn folder(bench: &Bench, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|index| format!("night/{index:03}.wav")).collect();
    sounds(bench, &names.iter().map(String::as_str).collect::<Vec<_>>());
    names
}

fn text(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap()
}

/// Path and caption of each line of JSON.
fn captions(lines: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines.iter().map(|line| (text(&line["path"]), text(&line["caption"]))).collect()
}

pub fn lines(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A file of captions without what no two runs have in common.
fn without_timings(file: &str) -> Vec<Value> {
    let mut lines = lines(file);
    lines.iter_mut().for_each(|line| _ = line.as_object_mut().unwrap().remove("timings"));
    lines
}

#[test]
fn files_are_named_by_what_lies_below_the_folder() {
    let Some(bench) = listening() else { return };
    sounds(&bench, &["a/1.wav", "a/in/2.wav", "b/1.wav", "c/3.wav", "d.wav"]);
    let ask = |named: &[&str]| -> Vec<(String, Option<String>)> {
        let run = bench.run_json(&[&["caption"], named].concat());
        let place = |line: &Value| {
            let root = line.get("root").map(|root| root.as_str().unwrap().to_owned());
            (line["path"].as_str().unwrap().to_owned(), root)
        };
        run.succeeds().lines().iter().map(place).collect()
    };
    let below = |root: &str, name: &str| (name.to_owned(), Some(root.to_owned()));
    let plain = |name: &str| (name.to_owned(), None);
    assert_eq!(ask(&["a"]), [below("a", "1.wav"), below("a", "in/2.wav")]);
    assert_eq!(ask(&["a/", "c"]), [below("a/", "1.wav"), below("a/", "in/2.wav"), below("c", "3.wav")]);
    assert_eq!(
        ask(&["a", "b", "c", "d.wav"]),
        [plain("a/1.wav"), plain("a/in/2.wav"), plain("b/1.wav"), below("c", "3.wav"), plain("d.wav")],
        "folders with a name in common keep theirs"
    );
    bench.write("a/bad.wav", "These are words.");
    let found = bench.run_json(&["search", "--audio", "a", "-k", "1"]);
    let found: Vec<_> = found.fails(1, &["bad.wav"]).lines();
    assert_eq!(found.iter().map(|f| f["path"].as_str().unwrap()).collect::<Vec<_>>(), ["1.wav", "bad.wav", "in/2.wav"]);
    assert!(found.iter().all(|f| f["root"] == "a" && f["error"].is_string() != f["neighbours"].is_array()));
    std::fs::remove_file(bench.path("a/bad.wav")).unwrap();
    let shown = bench.run(&["caption", "a"]);
    assert!(shown.succeeds().stdout.contains("\nin/2.wav\n  "), "{shown:?}");
    let quiet = bench.run(&["-q", "caption", "a"]);
    assert_eq!((quiet.succeeds().stdout.lines().count(), quiet.stderr.as_str()), (2, ""), "captions alone");
}

#[test]
fn a_table_has_the_columns_that_scorers_read() {
    let Some(bench) = listening() else { return };
    bench.write("quotes.txt", "A man says \"no, thanks\", and a door slams.");
    bench.run(&["ingest", "quotes.txt", "--domain", "said"]).succeeds();
    sounds(&bench, &["in/a,b.wav", "in/deep/c.wav"]);
    let json = captions(&bench.run_json(&["caption", "in", "--domain", "said"]).succeeds().lines());
    let expected = "file_name,caption_predicted\n\
        \"a,b.wav\",\"A man says \"\"no, thanks\"\", and a door slams.\"\n\
        deep/c.wav,\"A man says \"\"no, thanks\"\", and a door slams.\"\n";
    let run = bench.run(&["caption", "in", "--domain", "said", "--csv", "out.csv"]);
    assert!(run.succeeds().stdout.contains("deep/c.wav\n"), "captions are shown, too: {run:?}");
    assert_eq!(text(&bench, "out.csv"), expected);
    assert_eq!(bench.run(&["caption", "in", "--domain", "said", "--csv", "-"]).succeeds().stdout, expected);
    assert_eq!(json.len(), 2);
    let windows =
        bench.run(&["caption", "in", "--domain", "said", "--csv", "-", "--windows"]).succeeds().stdout.clone();
    let header = windows.lines().next().unwrap();
    assert_eq!((header, windows.lines().count()), ("file_name,caption_predicted,start,end", 3), "{windows}");
    bench.run_json(&["caption", "in", "--csv", "-"]).fails(1, &["--csv -", "--json", "stdout"]);
    bench.run(&["caption", "in", "--csv", "nowhere/out.csv"]).fails(1, &["nowhere/out.csv"]);
}

#[test]
fn text_files_stand_beside_the_sounds_and_nothing_of_others_is_overwritten() {
    let Some(bench) = listening() else { return };
    sounds(&bench, &["in/rain.wav", "in/rain.wave", "in/deep/wind.wav", "in/notes.wav"]);
    bench.write("in/notes.txt", "recorded in May");
    let run = bench.run_json(&["caption", "in", "--sidecar"]);
    run.fails(1, &["in/notes.txt: found a file that says something else", "--overwrite", "--sidecar=DIR"]);
    let (failed, captioned): (Vec<_>, Vec<_>) = run.lines().into_iter().partition(|line| line["error"].is_string());
    assert_eq!((failed.len(), &failed[0]["path"], &failed[0]["root"]), (1, &"notes.wav".into(), &"in".into()));
    let of = |name: &str| captions(&captioned).into_iter().find(|(path, _)| path == name).unwrap().1 + "\n";
    assert_eq!(text(&bench, "in/rain.wav.txt"), of("rain.wav"));
    assert_eq!(text(&bench, "in/rain.wave.txt"), of("rain.wave"));
    assert_eq!(text(&bench, "in/deep/wind.txt"), of("deep/wind.wav"));
    assert_eq!(text(&bench, "in/notes.txt"), "recorded in May");
    // Again: what says the same is left alone.
    bench.run_json(&["caption", "in/deep", "--sidecar"]).succeeds();
    bench.run_json(&["caption", "in", "--sidecar", "--overwrite"]).succeeds();
    assert_eq!(text(&bench, "in/notes.txt"), of("notes.wav"));
    // In a folder of their own; where one cannot be made, that is told sound by sound.
    bench.run_json(&["caption", "in", "--sidecar=out"]).succeeds();
    assert_eq!(text(&bench, "out/deep/wind.txt"), of("deep/wind.wav"));
    bench.write("full", "no folder");
    let run = bench.run_json(&["caption", "in", "--sidecar=full"]);
    assert_eq!(run.fails(1, &["full"]).lines().len(), 8, "each is captioned, and each sidecar failed");
    let windows = bench.run(&["caption", "in/deep", "--windows", "--sidecar=tracks"]);
    windows.succeeds();
    let track = text(&bench, "tracks/wind.txt");
    assert!(track.starts_with("0.000\t") && track.matches('\t').count() == 2, "a label track: {track}");
}

/// Waits until the file has some lines.
fn wait_for(bench: &Bench, name: &str, least: usize, child: &mut Child) {
    let begun = Instant::now();
    while std::fs::read_to_string(bench.path(name)).map_or(0, |text| text.lines().count()) < least {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn a_night_that_was_cut_short_goes_on_where_it_ended() {
    let Some(bench) = listening() else { return };
    let names = folder(&bench, 120);
    let outputs = |to: &str| ["--resume".into(), format!("{to}.jsonl"), "--csv".into(), format!("{to}.csv")];
    let arguments =
        |to: &str| [&["caption".to_owned(), "night".into(), "--sidecar=texts".into()][..], &outputs(to)].concat();
    let run = |to: &str| bench.run(&arguments(to).iter().map(String::as_str).collect::<Vec<_>>());
    run("whole").succeeds();
    std::fs::remove_dir_all(bench.path("texts")).unwrap();
    // Killed, then stopped, then left to end.
    for (signal, code, least) in [("-KILL", -1, 10), ("-INT", 130, 30)] {
        let arguments = arguments("cut");
        let mut command = bench.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // What stdout has no room for would hold it up.
        let mut stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        wait_for(&bench, "cut.jsonl", least, &mut child);
        assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ended = finished(child.wait_with_output().unwrap());
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(signal == "-KILL" || ended.stderr.contains("; stopped with "), "{ended:?}");
        let held = text(&bench, "cut.jsonl").lines().count();
        assert!((least..names.len()).contains(&held), "{held} lines");
    }
    // As if the kill had come within a line.
    let cut = text(&bench, "cut.jsonl");
    let held = cut.lines().count();
    std::fs::write(bench.path("cut.jsonl"), &cut[..cut.len() - 100]).unwrap();
    let last = run("cut");
    assert!(last.succeeds().stderr.contains(&format!("; {} sounds stood in cut.jsonl", held - 1)), "{}", last.stderr);
    assert_eq!(without_timings(&text(&bench, "cut.jsonl")), without_timings(&text(&bench, "whole.jsonl")));
    assert_eq!(text(&bench, "cut.csv"), text(&bench, "whole.csv"));
    for (name, caption) in captions(&lines(&text(&bench, "whole.jsonl"))) {
        assert_eq!(text(&bench, &format!("texts/{}", name.replace("wav", "txt"))), caption + "\n");
    }
    // There is nothing left to do, and sidecars that are asked for later come from the lines.
    let before = text(&bench, "cut.jsonl");
    std::fs::remove_dir_all(bench.path("texts")).unwrap();
    let none = run("cut");
    assert_eq!((none.succeeds().stdout.as_str(), text(&bench, "cut.jsonl")), ("", before));
    assert!(bench.path("texts/119.txt").is_file());
}

#[test]
fn captions_that_were_made_otherwise_are_not_mixed_and_other_files_are_left_alone() {
    let Some(bench) = listening() else { return };
    sounds(&bench, &["in/a.wav", "in/b.wav", "other/a.wav"]);
    let caption = |more: &[&str]| bench.run(&[&["caption", "--resume", "out.jsonl"], more].concat());
    caption(&["in/a.wav"]).succeeds();
    std::fs::remove_file(bench.path("out.jsonl")).unwrap();
    bench.write("in/bad.wav", "These are words, and no sound at all.");
    let run = caption(&["in"]);
    run.fails(1, &["captioned 2 sounds", "1 failed:\n  bad.wav: ", "bad.wav"]);
    let kept = text(&bench, "out.jsonl");
    assert_eq!(kept.lines().count(), 2, "failures are no captions");
    for (more, told) in [
        (&["in", "-k", "7"][..], &["out.jsonl, line 1", "k null", "k 7", "another file to --resume"][..]),
        (&["in", "--domain", "machines"], &["domains null", "domains [\"machines\"]"]),
        (&["in", "--windows"], &["whole sounds", "--windows"]),
        (&["in", "--windows", "--merge"], &["whole sounds", "merged"]),
        (&["other"], &["a caption of in/a.wav", "other/a.wav"]),
    ] {
        caption(more).fails(1, told);
        assert_eq!(text(&bench, "out.jsonl"), kept, "{more:?}");
    }
    // A sound that failed is tried again; a store that has grown is told.
    sounds(&bench, &["in/bad.wav"]);
    bench.write("more.txt", "A bell rings.");
    bench.run(&["ingest", "more.txt", "--domain", "more"]).succeeds();
    let run = caption(&["in"]);
    assert!(run.succeeds().stderr.contains("commit 1 of the store; the others are made with commit 2"), "{run:?}");
    assert_eq!(text(&bench, "out.jsonl").lines().count(), 3);
    // A folder that was moved is still the same.
    std::fs::rename(bench.path("in"), bench.path("moved")).unwrap();
    assert!(caption(&["moved"]).succeeds().stderr.contains("3 sounds stood in out.jsonl"));

    for (name, content) in [
        ("list.txt", "one\ntwo\n"),
        ("note", "a note without an end of line"),
        ("search.jsonl", "{\"path\":\"a.wav\",\"neighbours\":[]}\n"),
        ("array.json", "[]\n"),
    ] {
        bench.write(name, content);
        bench.run(&["caption", "moved", "--resume", name]).fails(1, &[name, "line 1", "left as it is"]);
        assert_eq!(text(&bench, name), content);
    }
    bench.run(&["caption", "moved", "--resume", "-"]).fails(1, &["--resume", "file"]);
    bench.run(&["caption", "moved", "--resume", "moved"]).fails(1, &["no regular file"]);
    // What `--json` printed serves as well, with its failures.
    bench.write("moved/bad.wav", "No sound again.");
    let printed = bench.run_json(&["caption", "moved"]);
    bench.write("printed.jsonl", &printed.fails(1, &["bad.wav"]).stdout);
    let run = bench.run_json(&["caption", "moved", "--resume", "printed.jsonl"]);
    assert!(run.fails(1, &["bad.wav"]).stderr.contains("2 sounds stood in printed.jsonl"), "{run:?}");
    // Another run writes it: this process holds it.
    let file = std::fs::File::open(bench.path("out.jsonl")).unwrap();
    file.lock().unwrap();
    caption(&["moved"]).fails(1, &["another run that writes it"]);
}

#[test]
fn captions_are_the_same_however_many_are_made_at_once() {
    let Some(bench) = listening() else { return };
    folder(&bench, 24);
    bench.run(&["train", "--epochs", "1"]).succeeds();
    let ask = |jobs: &str| without_timings(&bench.run_json(&["caption", "night", "--jobs", jobs]).succeeds().stdout);
    let one = ask("1");
    assert_eq!(one.len(), 24);
    for jobs in ["2", "5", "100"] {
        assert_eq!(ask(jobs), one, "{jobs} jobs");
    }
    bench.run(&["caption", "night", "--jobs", "0"]).fails(1, &["--jobs", "at least 1"]);
    let shown = bench.run(&["caption", "night"]);
    assert!(shown.succeeds().stderr.contains("captioned 24 sounds of "), "{shown:?}");
}

#[test]
fn a_sound_comes_through_a_pipe() {
    let Some(bench) = listening() else { return };
    sounds(&bench, &["a.wav", "in/b.wav"]);
    let bytes = std::fs::read(bench.path("a.wav")).unwrap();
    let from_file = bench.run_json(&["caption", "a.wav"]).succeeds().json();
    let run = bench.run_given(&["--json", "caption", "-"], &bytes);
    let through_pipe = run.succeeds().json();
    assert_eq!((&through_pipe["path"], &through_pipe["caption"]), (&"-".into(), &from_file["caption"]));
    assert_eq!(through_pipe["neighbours"], from_file["neighbours"]);
    let both = bench.run_given(&["--json", "caption", "in", "-"], &bytes);
    assert_eq!(captions(&both.succeeds().lines()).iter().map(|c| c.0.as_str()).collect::<Vec<_>>(), ["b.wav", "-"]);
    assert_eq!(
        bench.run_given(&["-q", "caption", "-"], &bytes).stdout.trim_end(),
        from_file["caption"].as_str().unwrap()
    );
    let found = bench.run_given(&["--json", "search", "--audio", "-"], &bytes).succeeds().json();
    let by_file = bench.run_json(&["search", "--audio", "a.wav"]).succeeds().json();
    assert_eq!((&found["path"], &found["neighbours"]), (&"-".into(), &by_file["neighbours"]));
    bench.run_given(&["caption", "-"], b"").fails(1, &["standard input: found nothing", "pipe"]);
    bench.run_given(&["caption", "-"], b"words").fails(1, &["standard input"]);
    bench.run_given(&["caption", "-", "-"], &bytes).fails(1, &["standard input", "named twice"]);
    bench.run_given(&["caption", "-", "--sidecar"], &bytes).fails(1, &["standard input", "--sidecar"]);
    bench.run_given(&["caption", "-", "--resume", "x.jsonl"], &bytes).fails(1, &["standard input", "--resume"]);
    assert!(!bench.path("x.jsonl").exists());
}

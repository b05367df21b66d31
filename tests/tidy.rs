//! The house rules that a program can check: file lengths, no leftovers, a map that names every room.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    folders
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(root().join(folder)).into_iter().map(Result::unwrap))
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "rs"))
        .map(|entry| (entry.path().to_path_buf(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    for (path, text) in sources(&["src", "tests", "benches", "examples", "migrations", "fuzz/src"]) {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_half_done() {
    let leftovers = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("];
    for (path, text) in sources(&["src", "benches", "examples", "fuzz/src"]) {
        for word in leftovers {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
    }
}

#[test]
fn only_the_command_line_prints() {
    for (path, text) in sources(&["src"]) {
        let in_cli = path.starts_with(root().join("src/cli")) || path.ends_with("src/main.rs");
        // Lines of documentation and tests may print.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for call in ["println!(", "eprintln!(", "print!("] {
            assert!(in_cli || !code.contains(call), "{call} in {}", path.display());
        }
    }
}

#[test]
fn a_phase_of_progress_cannot_be_left_open() {
    for (path, text) in sources(&["src"]).iter().filter(|(path, _)| !path.ends_with("src/progress.rs")) {
        for call in ["progress.begin(", "progress.end(", "bars.begin(", "bars.end("] {
            assert!(!text.contains(call), "{call} in {}: progress::Phase ends on every way out", path.display());
        }
    }
}

#[test]
fn unsafe_stands_in_named_places_each_with_its_reason() {
    for (path, text) in sources(&["src"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if line.contains("unsafe {") || line.contains("unsafe impl") {
                let above = &lines[number.saturating_sub(6)..number];
                let explained = above.iter().any(|l| l.contains("SAFETY"));
                assert!(explained, "{}:{}: unsafe without SAFETY", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_map_names_every_room() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for entry in std::fs::read_dir(root().join("src")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name == "lib.rs" || name == "main.rs" {
            continue;
        }
        let room = if entry.path().is_dir() { format!("src/{name}/") } else { format!("src/{name}") };
        assert!(map.contains(&room), "ARCHITECTURE.md does not name {room}");
    }
}

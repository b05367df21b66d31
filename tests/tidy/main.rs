//! The house rules that a program can check: the map and its arrows, file lengths, no leftovers, unsafe in its places.
#![allow(clippy::unwrap_used, missing_docs)]

mod arrows;
mod map;

use std::path::{Path, PathBuf};

use arrows::Arrows;

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
fn unsafe_stands_where_the_map_says() {
    let map = read_map();
    let invariant =
        map.split("**Architecture Invariant:**").find(|text| text.trim_start().starts_with("`unsafe`")).unwrap();
    for (path, text) in sources(&["src"]) {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let has_unsafe =
            ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code"].iter().any(|form| text.contains(form));
        assert_eq!(
            has_unsafe,
            invariant.contains(&format!("`{name}`")),
            "{name}: unsafe, or its place in ARCHITECTURE.md"
        );
    }
}

fn read_map() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

#[test]
fn every_file_is_in_a_room_of_the_map() {
    let (rooms, arrows) = (map::rooms(&read_map()), Arrows::of(&root().join("src")));
    assert!(rooms.len() > 20, "{} rooms", rooms.len());
    for (module, file) in arrows.files.iter().filter(|(module, _)| !module.is_empty()) {
        // A room of rooms, such as `memory`, lists its steps in `mod.rs`.
        assert!(map::room_of(&rooms, module).is_some(), "{} is in no room of ARCHITECTURE.md", file.display());
    }
    for room in &rooms {
        for module in &room.modules {
            let place = root().join("src").join(module.iter().collect::<PathBuf>());
            let there = place.is_dir() || place.with_extension("rs").is_file();
            assert!(there, "ARCHITECTURE.md names {}, which does not exist", place.display());
        }
    }
}

#[test]
fn every_arrow_is_on_the_map() {
    let (rooms, arrows) = (map::rooms(&read_map()), Arrows::of(&root().join("src")));
    assert!(arrows.uses.len() > 1000, "{} uses", arrows.uses.len());
    let mut strange = Vec::new();
    for used in &arrows.uses {
        // lib.rs names all rooms, and what names the crate's root names what that exports.
        let (Some(from), Some(to)) = (map::room_of(&rooms, &used.from), map::room_of(&rooms, &used.to)) else {
            continue;
        };
        let is_same = std::ptr::eq(from, to);
        let is_inside = used.to.starts_with(&used.from) || is_listing(&arrows, &used.from);
        if !is_same && !is_inside && !from.may_use(to) {
            strange.push(format!("{} uses {} ({})", used.from.join("/"), used.to.join("/"), used.path));
        }
    }
    assert!(strange.is_empty(), "not on the map:\n{}", strange.join("\n"));
}

/// A `mod.rs` that exports what its steps hold.
fn is_listing(arrows: &Arrows, module: &arrows::Module) -> bool {
    arrows.files[module].ends_with("mod.rs")
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = Arrows::of(&root().join("src")).circles();
    let names: Vec<String> =
        circles.iter().map(|circle| circle.iter().map(|m| m.join("/")).collect::<Vec<_>>().join(", ")).collect();
    assert!(names.is_empty(), "circles:\n{}", names.join("\n"));
}

#[test]
fn the_library_names_no_option_of_the_command_line() {
    for (path, text) in sources(&["src"]).iter().filter(|(path, _)| !path.starts_with(root().join("src/cli"))) {
        let code: Vec<&str> = text.split("#[cfg(test)]").next().unwrap_or_default().lines().collect();
        for line in code.iter().filter(|line| !line.trim_start().starts_with("//")) {
            let strings = line.split('"').skip(1).step_by(2);
            for text in strings.filter(|text| !text.starts_with("--")) {
                // pip has options of its own.
                let names_one = text.contains(" --") && !text.contains("pip download")
                    || text.contains("echoic init")
                    || text.contains("echoic ingest");
                assert!(!names_one, "{}: {text:?}: a hint is worded in src/cli/advice.rs", path.display());
            }
        }
    }
}

//! The catalogue is derived: lost, cut or flipped, it is built again, and nothing is stored twice or missed.

use std::path::{Path, PathBuf};

use echoic::memory::CatalogueState;
use tempfile::TempDir;

use crate::common::log::logged;
use crate::common::stores::*;
use crate::common::{copy_tree, files, stores};

fn store() -> (TempDir, PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for chunk in 0..3 {
        ingest(&mut writer, "a", &numbered(&format!("chunk {chunk}"), 30)).expect("a commit");
        ingest(&mut writer, "b", &[row("repeated", Some(&chunk.to_string()), 0)]).expect("a commit");
    }
    (guard, dir)
}

/// Whatever the state of the catalogue, the same rows are duplicates and new ones are new.
fn check(dir: &Path, place: &str) {
    let mut writer = try_writing(dir).unwrap_or_else(|error| panic!("{place}: {error}"));
    for chunk in 0..3 {
        let appended = ingest(&mut writer, "a", &numbered(&format!("chunk {chunk}"), 30)).expect("an append");
        assert_eq!((appended.duplicates, appended.new), (30, 0), "{place}");
        let appended = ingest(&mut writer, "b", &[row("repeated", Some(&chunk.to_string()), 0)]).expect("an append");
        assert_eq!(appended.duplicates, 1, "{place}");
    }
    assert_eq!(writer.plan("b", &[row("repeated", Some("new"), 0)]).expect("a plan").texts(), [""; 0], "{place}");
    assert_eq!(writer.plan("a", &[row("repeated", None, 0)]).expect("a plan").texts(), ["repeated"], "{place}");
}

#[test]
fn a_lost_catalogue_is_built_again() {
    let (_guard, dir) = store();
    lose_catalogue(&dir);
    check(&dir, "removed");
    assert!(!logged(|| check(&dir, "sound")).1.contains("WARN"));
}

#[test]
fn what_an_interrupted_writer_left_is_believed() {
    let (_guard, dir) = store();
    let writer = writing(&dir);
    let copy = dir.with_extension("copy");
    copy_tree(&dir, &copy); // as kill -9 would leave it
    drop(writer);
    let (_, log) = logged(|| check(&copy, "interrupted"));
    // The lock's former owner is named; of the catalogue there is nothing to say.
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert!(matches!(warnings[..], [one] if one.contains("took over")), "{log}");
}

#[test]
fn what_a_killed_writer_had_in_memory_only_is_made_again() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let chunk = |number: usize| {
        let repeated = row("repeated", Some(&number.to_string()), 0);
        [&numbered(&format!("chunk {number}"), 520)[..], &[repeated]].concat()
    };
    // One more than are merged: a large segment, whose pages are written at once, and a small one, whose pages are not.
    (0..65).for_each(|number| _ = ingest(&mut writer, "a", &chunk(number)).unwrap());
    assert_eq!(writer.snapshot().unwrap().stats().segments, 2);
    let copy = dir.with_extension("copy");
    copy_tree(&dir, &copy); // as kill -9 would leave it
    drop(writer);
    for dir in [dir, copy] {
        let mut writer = writing(&dir);
        for number in [0, 40, 63, 64] {
            assert_eq!(ingest(&mut writer, "a", &chunk(number)).unwrap().duplicates, 521, "{number}");
        }
        drop(writer);
        let report = stores::check(&dir).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.catalogue, CatalogueState::Agrees);
    }
}

#[test]
fn a_page_that_is_lost_or_damaged_is_built_again() {
    let (_guard, dir) = store();
    for damage in ["removed", "flipped", "swapped"] {
        let database = opened_catalogue(&dir);
        let pages: Vec<_> = database.scan_prefix("p").map(Result::unwrap).collect();
        let (key, value) = &pages[0];
        let mut bad = value.to_vec();
        bad[3] ^= 4;
        match damage {
            "removed" => database.remove(key).unwrap(),
            "flipped" => database.insert(key, bad).unwrap(),
            _ => database.insert(key, &pages[1].1).unwrap(),
        };
        database.flush().unwrap();
        drop(database);
        let (_, log) = logged(|| check(&dir, damage));
        assert!(log.contains("WARN") && log.contains("segment 1 are built again"), "{damage}: {log}");
        assert!(!logged(|| check(&dir, "mended")).1.contains("WARN"), "{damage}");
    }
}

#[test]
fn a_catalogue_that_is_ahead_or_of_another_store_is_not_believed() {
    let (_guard, dir) = store();
    let old = dir.with_extension("old");
    copy_tree(&dir, &old);
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("later", 5)).unwrap();
    writer.record("audit", serde_json::json!(1)).unwrap();
    drop(writer);
    // The store goes back to a backup and takes another way from there; the catalogue does not.
    ingest(&mut writing(&old), "a", &numbered("instead", 5)).unwrap();
    lose_catalogue(&old);
    copy_tree(&dir.join("catalogue"), &old.join("catalogue"));
    let mut writer = writing(&old);
    assert_eq!(ingest(&mut writer, "a", &numbered("instead", 5)).unwrap().duplicates, 5);
    assert_eq!(ingest(&mut writer, "a", &numbered("later", 5)).unwrap().new, 5);
    assert_eq!(writer.history().unwrap().len(), 1, "history is taken along");
    drop(writer);
    assert_eq!(stores::check(&old).unwrap().catalogue, CatalogueState::Agrees);
    let (_guard, other) = empty_store();
    copy_tree(&dir.join("catalogue"), &other.join("catalogue"));
    let (_, log) = logged(|| {
        let mut writer = writing(&other);
        assert_eq!(ingest(&mut writer, "a", &numbered("later", 5)).unwrap().new, 5);
    });
    assert!(log.contains("another store"), "{log}");
}

#[test]
fn the_catalogue_of_an_older_layout_is_built_again_and_its_history_kept() {
    let (_guard, dir) = store();
    let mut writer = writing(&dir);
    writer.record("audit", serde_json::json!(1)).unwrap();
    drop(writer);
    let database = opened_catalogue(&dir);
    let store = database.get("state").unwrap().unwrap()[..16].to_vec();
    // As layout 2 had it: commit, closed properly, layout.
    database.insert("state", [&store[..], &6u64.to_le_bytes(), &[1, 2]].concat()).unwrap();
    database.flush().unwrap();
    drop(database);
    let (_, log) = logged(|| {
        check(&dir, "older");
        assert_eq!(writing(&dir).history().unwrap().len(), 1);
    });
    assert!(log.contains("another layout"), "{log}");
}

#[test]
fn a_catalogue_that_is_behind_catches_up() {
    let (_guard, dir) = store();
    let old = dir.with_extension("old");
    copy_tree(&dir.join("catalogue"), &old);
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("later", 5)).unwrap();
    ingest(&mut writer, "a", &[row("later 1", Some("again"), 0)]).unwrap();
    drop(writer);
    lose_catalogue(&dir);
    copy_tree(&old, &dir.join("catalogue"));
    let (_, log) = logged(|| {
        let mut writer = writing(&dir);
        assert_eq!(ingest(&mut writer, "a", &numbered("later", 5)).unwrap().duplicates, 5);
        assert_eq!(ingest(&mut writer, "a", &[row("later 1", Some("again"), 0)]).unwrap().duplicates, 1);
    });
    assert!(!log.contains("WARN"), "{log}");
    check(&dir, "behind");
}

#[test]
fn a_damaged_catalogue_never_changes_an_answer() {
    let (_guard, dir) = store();
    let sound = dir.with_extension("sound");
    copy_tree(&dir, &sound);
    let expected = contents(&open(&dir));
    for (path, content) in files(&dir.join("catalogue")) {
        // Sled's small files nearly whole, and places all over the large one.
        let step = (content.len() / 41).max(1);
        let cuts = [0, 1, content.len() / 2, content.len().saturating_sub(1)];
        let flips = (0..content.len()).step_by(step).chain(0..content.len().min(24)).map(|offset| {
            let mut bad = content.clone();
            bad[offset] ^= 0xff;
            (format!("{} flipped at {offset}", path.display()), bad)
        });
        let cut = cuts.iter().map(|len| (format!("{} cut at {len}", path.display()), content[..*len].to_vec()));
        for (place, bad) in flips.chain(cut) {
            std::fs::remove_dir_all(&dir).unwrap();
            copy_tree(&sound, &dir);
            std::fs::write(&path, bad).unwrap();
            // Readers do not even look.
            assert_eq!(contents(&open(&dir)), expected, "{place}");
            check(&dir, &place);
            assert_eq!(contents(&open(&dir)), expected, "{place}");
        }
    }
}

#[test]
fn without_a_place_for_sled_the_catalogue_is_kept_in_memory() {
    let (_guard, dir) = store();
    lose_catalogue(&dir);
    std::fs::write(dir.join("catalogue"), "in the way").unwrap();
    let (_, log) = logged(|| check(&dir, "no sled"));
    assert!(log.contains("in memory"), "{log}");
}

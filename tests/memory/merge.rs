//! Merging takes records over as they lie: whatever the order of the ids, nothing is lost, moved or doubled, and no damage is passed on.

use std::path::{Path, PathBuf};

use echoic::Writer;
use echoic::memory::CatalogueState;
use echoic::progress::Control;
use tempfile::TempDir;

use crate::common::stores::*;
use crate::common::{copy_tree, files};

/// Segments of one and of ten captions in turn, so that merging the small ones makes segments whose ids lie between those of others;
/// every caption is repeated, in its own segment or a later one, and some are removed.
fn interleaved() -> (TempDir, PathBuf, Writer) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for turn in 0..9 {
        let one = numbered(&format!("small {turn}"), 1);
        ingest(&mut writer, "a", &[&one[..], &again(&one)].concat()).unwrap();
        ingest(&mut writer, "a", &numbered(&format!("large {turn}"), 10)).unwrap();
    }
    (0..9).for_each(|turn| _ = ingest(&mut writer, "a", &again(&numbered(&format!("large {turn}"), 10))).unwrap());
    writer.remove_captions(&[1, 3, 12, 14, 99]).unwrap();
    (guard, dir, writer)
}

/// The same texts in another clip.
fn again(rows: &[echoic::memory::RowKey]) -> Vec<echoic::memory::RowKey> {
    rows.iter().map(|key| row(&key.text, Some(&format!("again {}", key.clip.as_deref().unwrap())), 0)).collect()
}

fn segments(writer: &Writer) -> u64 {
    writer.snapshot().unwrap().stats().segments
}

#[test]
fn captions_whose_ids_interleave_are_merged_in_order() {
    let (_guard, dir, mut writer) = interleaved();
    let before = contents(&writer.snapshot().unwrap());
    assert_eq!(before.len(), 99 - 5);
    assert!(before.iter().all(|caption| caption.3 == 2 && caption.4.len() == 2));
    let many = segments(&writer);
    writer.merge(&Control::default()).unwrap();
    assert!(segments(&writer) < many);
    assert_eq!(contents(&writer.snapshot().unwrap()), before);
    writer.compact(&Control::default()).unwrap();
    assert_eq!(segments(&writer), 1);
    assert_eq!(contents(&writer.snapshot().unwrap()), before);
    // What is stored is known, under the ids that it had, and what was removed is not.
    let planned = |rows: &[_]| writer.plan("a", rows).unwrap();
    assert!(planned(&again(&numbered("large 5", 10))).is_empty());
    assert_eq!(planned(&numbered("large 0", 10)).texts().len(), 1);
    drop(writer);
    let report = check(&dir).unwrap();
    assert!(report.is_sound() && report.leftovers.is_empty(), "{report:?}");
    assert_eq!(report.catalogue, CatalogueState::Agrees, "its pages were made of those of the merged segments");
    assert_eq!(contents(&open(&dir)), before);
}

/// The captions and vectors of segments, with their contents.
fn segment_files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(&dir.join("segments")).into_iter().filter(|(path, _)| path.extension().unwrap() != "tombstones").collect()
}

#[test]
fn no_damage_is_passed_on() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for turn in 0..2 {
        let rows = numbered(&format!("turn {turn}"), 2);
        ingest(&mut writer, "a", &[&rows[..], &again(&rows)].concat()).unwrap();
    }
    drop(writer);
    let copy = dir.with_extension("copy");
    for (path, sound) in segment_files(&dir) {
        for at in (0..sound.len()).step_by(7) {
            copy_tree(&dir, &copy);
            let damaged = copy.join(path.strip_prefix(&dir).unwrap());
            let mut bad = sound.clone();
            bad[at] ^= 0x10;
            std::fs::write(&damaged, &bad).unwrap();
            let place = || format!("byte {at} of {}", damaged.display());
            let merged = try_writing(&copy).and_then(|mut writer| writer.compact(&Control::default()));
            let message = merged.map(|_| place()).expect_err("merging what is damaged").to_string();
            assert!(message.contains(damaged.file_name().unwrap().to_str().unwrap()), "{}: {message}", place());
            std::fs::remove_dir_all(&copy).unwrap();
        }
    }
}

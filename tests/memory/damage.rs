//! Damage: every byte of every file flipped, files cut short, lost or swapped. Never a panic, never a wrong caption.

use std::path::{Path, PathBuf};

use echoic::memory::{Scope, SearchOptions};
use echoic::{Error, Store};
use tempfile::TempDir;

use crate::common::files;
use crate::common::stores::*;

/// A small store with captions, repeats in their own and in another segment, clips, a removed caption, a decoder and an adapter.
fn small_store() -> (TempDir, PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let rows = [row("a dog barks", Some("1.wav"), 0), row("rain", None, 0), row("a dog barks", Some("2.wav"), 0)];
    ingest(&mut writer, "a", &rows).expect("a commit");
    let rows = [row("rain", Some("3.wav"), 0), row("a bell", None, 0), row("a mistake", None, 0)];
    ingest(&mut writer, "a", &rows).expect("a commit");
    writer.remove_captions(&[4]).expect("a removal");
    let decoder = guard.path().join("decoder");
    std::fs::write(&decoder, b"weights").expect("a file");
    writer.publish_decoder("small", &decoder, serde_json::json!({"loss": 1.5})).expect("a decoder");
    writer.keep_model(&parts("tiny", &[("adapter", b"from sounds to texts")])).expect("a model");
    (guard, dir)
}

/// What can be read of a store that may be damaged. An error is an answer; a wrong caption is not.
fn read(dir: &Path) -> Result<Vec<Seen>, Error> {
    let memory = Store::open(dir)?.snapshot()?;
    let mut seen = Vec::new();
    for stored in memory.captions(&Scope::all())? {
        let (caption, _) = stored?;
        let mut clips = memory.clips(caption.id)?;
        clips.sort();
        seen.push((caption.id, caption.domain, caption.text, caption.multiplicity, clips));
    }
    for text in ["a dog barks", "rain", "a bell"] {
        for neighbour in memory.search(&embed(text, DIM), &SearchOptions::default())? {
            let known = seen.iter().any(|caption| caption.0 == neighbour.id && caption.2 == neighbour.caption);
            assert!(known, "search and reading disagree on {neighbour:?}");
        }
    }
    Ok(seen)
}

/// Every file that cannot be built again.
fn truth(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let manifest = dir.join("manifest");
    let mut truth = ["segments", "decoders", "model"].map(|folder| files(&dir.join(folder))).concat();
    truth.push((manifest.clone(), std::fs::read(&manifest).expect("the manifest")));
    truth
}

/// Where the part of a file begins that `check` names for damage at `offset`: `schema/v1.md` tells what each checksum stands for.
fn region(path: &Path, content: &[u8], offset: usize, bad: &[u8]) -> Option<u64> {
    let number = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or("manifest");
    let start = match kind {
        // These have one checksum for all of them.
        "safetensors" => return None,
        "manifest" if offset >= 32 => 32,
        "tombstones" if offset >= 64 => 64,
        "vectors" if offset >= 64 => {
            // A vector that has lost its length is named itself.
            let start = 64 + (offset - 64) / (4 * DIM) * (4 * DIM);
            let numbers = bad[start..start + 4 * DIM].chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap()));
            let length = numbers.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            if (length - 1.0).abs() <= 1e-3 { 64 } else { start }
        }
        "captions" if offset >= content.len() - 64 => content.len() - 64,
        "captions" if offset >= 32 => {
            let tables = number(content.len() - 64 + 40);
            let records = std::iter::successors(Some(32), |at| Some(at + 8 + number(*at)));
            records.take_while(|at| *at <= tables.min(offset)).last().unwrap()
        }
        _ => 0,
    };
    Some(start as u64)
}

#[test]
fn every_flipped_byte_of_the_truth_is_detected() {
    let (_guard, dir) = small_store();
    let sound = read(&dir).unwrap();
    assert_eq!(sound.iter().map(|caption| caption.0).collect::<Vec<_>>(), [1, 2, 3]);
    let truth = truth(&dir);
    assert_eq!(truth.len(), 8);
    for (path, content) in truth {
        for offset in 0..content.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bad = content.clone();
                bad[offset] ^= mask;
                std::fs::write(&path, &bad).unwrap();
                let place = || format!("byte {offset} of {} xor {mask:#x}", path.display());
                match read(&dir) {
                    Ok(seen) => assert_eq!(seen, sound, "{}", place()),
                    Err(Error::Damaged { path: named, offset: at, .. }) => {
                        assert_eq!(named, path, "{}", place());
                        assert!(at.unwrap_or(0) <= content.len() as u64, "{}", place());
                    }
                    Err(other) => panic!("{}: {other}", place()),
                }
                // What reading did not notice, such as a number in a vector, checking does, and names the file alone.
                let report = check(&dir).unwrap_or_else(|error| panic!("{}: {error}", place()));
                assert_eq!(report.damage.len(), 1, "{}: {report:?}", place());
                let damage = &report.damage[0];
                assert!(damage.file == path && !damage.derived, "{}: {report:?}", place());
                assert_eq!(damage.offset, region(&path, &content, offset, &bad), "{}: {report:?}", place());
            }
        }
        std::fs::write(&path, &content).unwrap();
    }
    assert_eq!(read(&dir).unwrap(), sound);
}

#[test]
fn every_length_of_a_truncated_file_is_detected() {
    let (_guard, dir) = small_store();
    for (path, content) in truth(&dir) {
        // A decoder, or an adapter.
        let is_for_others = path.extension().is_some_and(|kind| kind == "safetensors");
        for len in 0..content.len() {
            std::fs::write(&path, &content[..len]).unwrap();
            let report = check(&dir).unwrap();
            assert!(report.damage.len() == 1 && report.damage[0].file == path, "{len}: {report:?}");
            if is_for_others {
                continue; // read by whoever uses it
            }
            let error = read(&dir).expect_err("a truncated file");
            assert!(matches!(&error, Error::Damaged { path: named, .. } if *named == path), "{len}: {error}");
        }
        let longer = [&content[..], b"tail"].concat();
        std::fs::write(&path, longer).unwrap();
        assert!(is_for_others || matches!(read(&dir), Err(Error::Damaged { .. })));
        assert!(!check(&dir).unwrap().is_sound());
        std::fs::remove_file(&path).unwrap();
        match check(&dir) {
            Ok(report) => assert!(report.damage.iter().any(|damage| damage.file == path && damage.found == "no file")),
            Err(error) => assert!(matches!(error, Error::NoStore { .. }) && path.ends_with("manifest"), "{error}"),
        }
        std::fs::write(&path, &content).unwrap();
    }
}

#[test]
fn a_file_of_another_segment_is_not_taken_for_the_right_one() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    // Two segments whose files have the same lengths.
    ingest(&mut writer, "a", &[row("one", None, 0)]).unwrap();
    ingest(&mut writer, "a", &[row("two", None, 0)]).unwrap();
    for kind in ["captions", "vectors"] {
        let [first, second] = [1, 2].map(|id| dir.join(format!("segments/{id:08}.{kind}")));
        let keep = std::fs::read(&first).unwrap();
        std::fs::copy(&second, &first).unwrap();
        assert!(matches!(try_open(&dir), Err(Error::Damaged { .. })), "{kind}");
        std::fs::write(&first, keep).unwrap();
    }
    assert_eq!(open(&dir).len(), 2);
}

#[test]
fn another_format_version_is_named_and_left_untouched() {
    let (_guard, dir) = small_store();
    let path = dir.join("manifest");
    let mut manifest = std::fs::read(&path).unwrap();
    manifest[8..12].copy_from_slice(&7u32.to_le_bytes());
    let crc = crc32fast::hash(&manifest[..28]);
    manifest[28..32].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &manifest).unwrap();
    let before = files(&dir);
    for error in [try_open(&dir).err(), try_writing(&dir).err()] {
        let error = error.expect("a version from the future");
        assert!(matches!(error, Error::Version { found: 7, supported: 2, .. }), "{error}");
        assert!(error.hint().is_some());
    }
    assert_eq!(files(&dir), before);
}

#[test]
fn a_writer_refuses_to_build_on_damage() {
    let (_guard, dir) = small_store();
    let path = dir.join("segments/00000001.captions");
    let mut content = std::fs::read(&path).unwrap();
    content[45] ^= 1; // inside the first record
    std::fs::write(&path, content).unwrap();
    lose_catalogue(&dir);
    let error = try_writing(&dir).expect_err("the catalogue cannot be built");
    assert!(matches!(&error, Error::Damaged { path: named, .. } if *named == path), "{error}");
}

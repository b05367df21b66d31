//! A backup is a store of its own; an export is ingested as it was.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use echoic::corpus::{self, Options};
use echoic::error::Missing;
use echoic::export::{Export, Exported, Format};
use echoic::formats::npy::NpyRows;
use echoic::formats::tables::TableRows;
use echoic::ingest::{Ingest, Source};
use echoic::internals::index_above;
use echoic::memory::{BackupMode, Caption, DomainStats, Scope};
use echoic::progress::{Control, Stop};
use echoic::{Error, Snapshot, Store};

use crate::common::files;
use crate::common::stores::*;

/// Two domains, repeats, rows without a clip, removed captions, a graph, a decoder and an adapter.
fn store() -> (tempfile::TempDir, std::path::PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let dog = |clip, ordinal| row("a dog", clip, ordinal);
    let rows =
        [dog(Some("2"), 0), dog(Some("1"), 0), dog(Some("2"), 1), dog(None, 0), dog(None, 1), row("rain", None, 0)];
    ingest(&mut writer, "a", &rows).expect("a commit");
    ingest(&mut writer, "a", &[dog(Some("3"), 0), row("„Regen“ \\ \"rain\"", Some("ä ö/1"), 0)]).expect("a commit");
    ingest(&mut writer, "b", &numbered("x", 60)).expect("a commit");
    index_above(&mut writer, 50, &Control::default()).expect("a graph");
    writer.remove_captions(&[5, 9]).expect("a removal");
    let decoder = guard.path().join("decoder");
    std::fs::write(&decoder, b"weights").expect("a file");
    writer.publish_decoder("small", &decoder, serde_json::json!({"loss": 1.5})).expect("a decoder");
    writer.keep_model(&parts("tiny", &[("adapter", b"from sounds to texts")])).expect("a model");
    (guard, dir)
}

#[test]
fn a_backup_is_a_store_of_its_own() {
    let (guard, dir) = store();
    let expected = whole(&open(&dir));
    for mode in [BackupMode::Link, BackupMode::Copy] {
        let target = guard.path().join(format!("Sicherung – {mode:?}"));
        let taken = backup(&dir, &target, mode).unwrap();
        assert_eq!((taken.commit, taken.linked + taken.copied), (6, 10), "{taken:?}");
        assert_eq!(if mode == BackupMode::Copy { taken.linked } else { taken.copied }, 0, "{taken:?}");
        let report = check(&target).unwrap();
        assert!(report.is_sound() && report.leftovers.is_empty() && report.walked == 58, "{report:?}");
        assert_eq!(whole(&open(&target)), expected);
        assert_eq!(std::fs::read(open(&target).decoder_path("small").unwrap()).unwrap(), b"weights");
        // What becomes of one does not touch the other.
        let mut writer = writing(&target);
        writer.remove_domain("b").unwrap();
        writer.keep_model(&parts("another", &[("adapter", b"another")])).unwrap();
        writer.compact(&Control::default()).unwrap();
        ingest(&mut writer, "c", &numbered("y", 5)).unwrap();
        drop(writer);
        assert_eq!(whole(&open(&dir)), expected);
        assert!(check(&dir).unwrap().is_sound());
        let again = backup(&dir, &target, mode);
        assert!(matches!(again, Err(Error::Input { .. })), "an occupied target: {again:?}");
    }
    let occupied = guard.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    std::fs::write(occupied.join("thesis.tex"), "precious").unwrap();
    assert!(matches!(backup(&dir, &occupied, BackupMode::Link), Err(Error::Input { .. })));
    assert_eq!(files(&occupied).len(), 1);
    let nowhere = backup(&guard.path().join("nowhere"), &guard.path().join("new"), BackupMode::Link);
    assert!(matches!(nowhere, Err(Error::NoStore { .. })) && !guard.path().join("new").exists(), "{nowhere:?}");
}

#[test]
fn an_interrupted_backup_is_no_store_and_can_be_started_again() {
    let (guard, dir) = store();
    let (target, stop) = (guard.path().join("target"), Stop::new());
    stop.request();
    let stopped = Store::open(&dir).unwrap().backup(&target, BackupMode::Link, &Control::default().with_stop(&stop));
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert!(matches!(try_open(&target), Err(Error::NoStore { .. })));
    // As if it had been killed in the middle.
    std::fs::create_dir_all(target.join("segments")).unwrap();
    std::fs::write(target.join("segments/00000001.captions"), "half a fi").unwrap();
    std::fs::write(target.join("segments/00000077.vectors"), "of an older commit").unwrap();
    backup(&dir, &target, BackupMode::Link).unwrap();
    let report = check(&target).unwrap();
    assert!(report.is_sound() && report.leftovers.is_empty(), "{report:?}");
}

#[test]
fn a_backup_beside_a_working_writer_shows_one_commit() {
    let (guard, dir) = empty_store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = writing(&dir);
            for round in 0..12 {
                // Ten rows a commit, all merged, then all removed.
                for chunk in 0..9 {
                    ingest(&mut writer, "a", &numbered(&format!("{round} {chunk}"), 10)).unwrap();
                }
                writer.compact(&Control::default()).unwrap();
                writer.remove_domain("a").unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut number = 0;
        while !done.load(Ordering::Relaxed) || number == 0 {
            let target = guard.path().join(format!("backup {number}"));
            backup(&dir, &target, BackupMode::Link).unwrap();
            let memory = open(&target);
            assert_eq!((memory.len() % 10, memory.verify(&Control::default()).unwrap()), (0, vec![]));
            number += 1;
        }
        assert!(number >= 2, "{number}");
    });
}

/// Text, multiplicity, clips, first clip and vector of a caption: everything but the id, which is given anew.
type Content = (String, u32, Vec<String>, Option<String>, Vec<f32>);

fn without_ids(dir: &Path, domain: &str) -> Vec<Content> {
    let memory = open(dir);
    let content = |stored: echoic::Result<(Caption, &[f32])>| {
        let (caption, vector) = stored.unwrap();
        let mut clips = memory.clips(caption.id).unwrap();
        clips.sort();
        (caption.text, caption.multiplicity, clips, caption.clip, vector.to_vec())
    };
    memory.captions(&Scope::domains([domain])).unwrap().map(content).collect()
}

/// Writes one domain of a store, all of it, and says what the domain holds.
fn exported(memory: &Snapshot, domain: &str, format: Format, path: &Path) -> (Exported, DomainStats) {
    let only = Export::new(memory).scope(Scope::domains([domain]));
    let exported = only.format(format).write(path).unwrap();
    let stats = memory.domains().into_iter().find(|stats| stats.name == domain).unwrap();
    assert_eq!((exported.captions, exported.rows), (stats.captions, stats.occurrences));
    (exported, stats)
}

#[test]
fn an_export_is_ingested_as_it_was() {
    let (guard, dir) = store();
    let memory = open(&dir);
    let other = guard.path().join("other");
    Store::create(&other, memory.space().clone()).unwrap();
    let mut writer = writing(&other);
    for domain in ["a", "b"] {
        let path = guard.path().join(format!("{domain}.npy"));
        let (exported, stats) = exported(&memory, domain, Format::Npy, &path);
        let lines = path.with_extension("jsonl");
        assert_eq!(exported.files, [path.clone(), lines.clone()]);
        let rows = NpyRows::open(&path).unwrap();
        assert_eq!((rows.rows(), rows.dim()), (stats.occurrences, DIM));
        let read = || corpus::open(&lines, &Options::default()).unwrap();
        let report = Ingest::new(&mut writer, domain).index(false).run(read(), Source::rows(rows)).unwrap();
        assert_eq!((report.new, report.rejected, report.duplicate), (stats.captions, 0, 0));
        assert_eq!(without_ids(&other, domain), without_ids(&dir, domain));
        // Where it came from, each row is known.
        let rows = NpyRows::open(&path).unwrap();
        let mut origin = writing(&dir);
        let report = Ingest::new(&mut origin, domain).index(false).run(read(), Source::rows(rows)).unwrap();
        assert_eq!((report.new, report.repeats, report.duplicate), (0, 0, stats.occurrences));
    }
    assert!(check(&other).unwrap().is_sound());
}

#[test]
fn a_parquet_file_carries_all_of_it() {
    let (guard, dir) = store();
    let memory = open(&dir);
    let other = guard.path().join("other");
    Store::create(&other, memory.space().clone()).unwrap();
    let mut writer = writing(&other);
    for domain in ["a", "b"] {
        let path = guard.path().join(format!("{domain}.parquet"));
        let (exported, stats) = exported(&memory, domain, Format::Parquet, &path);
        assert_eq!(exported.files, std::slice::from_ref(&path));
        let rows = TableRows::carried(&path).unwrap().expect("embeddings");
        assert_eq!((rows.rows(), rows.dim(), rows.space().as_ref()), (stats.occurrences, DIM, Some(memory.space())));
        let corpus = corpus::open(&path, &Options::default()).unwrap();
        assert_eq!(corpus.format(), corpus::Format::Parquet);
        let report = Ingest::new(&mut writer, domain).index(false).run(corpus, Source::rows(rows)).unwrap();
        assert_eq!((report.new, report.rejected, report.duplicate), (stats.captions, 0, 0));
        assert_eq!(without_ids(&other, domain), without_ids(&dir, domain));
        let mut embeddings = TableRows::carried(&path).unwrap().unwrap();
        let all = embeddings.next_rows(1_000_000).unwrap();
        assert_eq!(all.len() as u64, stats.occurrences);
    }
    assert!(check(&other).unwrap().is_sound());
}

/// Whatever is done to a file: an error that names it, or rows, and no panic. A row of captions that is given has its embedding.
#[test]
fn a_damaged_parquet_file_is_refused_or_read() {
    let (guard, dir) = store();
    let path = guard.path().join("all.parquet");
    Export::new(&open(&dir)).format(Format::Parquet).write(&path).unwrap();
    let content = std::fs::read(&path).unwrap();
    let bad = guard.path().join("bad.parquet");
    let mut cut = 0;
    let mut read = |bytes: &[u8]| {
        std::fs::write(&bad, bytes).unwrap();
        let rows = corpus::open(&bad, &Options::default()).map(|corpus| corpus.collect::<Vec<_>>());
        let numbers =
            TableRows::carried(&bad).and_then(|rows| rows.map_or(Ok(0), |mut rows| Ok(rows.next_rows(1000)?.len())));
        for error in [rows.as_ref().err(), numbers.as_ref().err()].into_iter().flatten() {
            assert!(error.to_string().contains("bad.parquet"), "{error}");
        }
        if let (Ok(rows), Ok(numbers)) = (&rows, &numbers) {
            let is_cut = matches!(rows.last(), Some(Err(rejected)) if rejected.reason.contains("from here on"));
            assert!(is_cut && rows.len() <= numbers + 1 || rows.len() == *numbers, "{} and {numbers} rows", rows.len());
            cut += usize::from(is_cut);
        }
        (rows.ok().map(|rows| rows.len()), numbers.ok())
    };
    assert_eq!(read(&content), (Some(66), Some(66)));
    for cut in (0..content.len()).step_by(97) {
        let (_, numbers) = read(&content[..cut]);
        assert_eq!(numbers, None, "cut at {cut}");
    }
    for offset in (4..content.len()).step_by(23) {
        let mut flipped = content.clone();
        flipped[offset] ^= 0x11;
        read(&flipped);
    }
    assert!(cut > 0, "no flip was noticed behind the description");
}

#[test]
fn lines_name_what_they_hold() {
    let (guard, dir) = store();
    let memory = open(&dir);
    let path = guard.path().join("all.jsonl");
    let exported = Export::new(&memory).write(&path).unwrap();
    assert_eq!((exported.captions, exported.rows, exported.files.len()), (61, 66, 1));
    let text = std::fs::read_to_string(&path).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let expected = serde_json::json!(
        {"caption_id": 1, "domain": "a", "caption": "a dog", "multiplicity": 6, "clip": "2"}
    );
    assert_eq!((first, text.lines().count()), (expected, 66));
    let unknown = Export::new(&memory).scope(Scope::domains(["z"])).write(&path);
    assert!(matches!(unknown, Err(Error::NotFound { kind: Missing::Domain, .. })));
    let confusing = Export::new(&memory).format(Format::Npy).write(&path);
    assert!(matches!(confusing, Err(Error::Input { .. })), "vectors would overwrite lines");
}

#[test]
fn damage_is_not_carried_into_a_backup() {
    let (guard, dir) = store();
    for name in ["segments", "decoders", "model"] {
        let (path, content) =
            files(&dir.join(name)).into_iter().find(|(path, _)| path.extension() != Some("graph".as_ref())).unwrap();
        let mut bad = content.clone();
        *bad.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bad).unwrap();
        for mode in [BackupMode::Link, BackupMode::Copy] {
            let target = guard.path().join("backup");
            let error = backup(&dir, &target, mode).unwrap_err();
            assert!(matches!(&error, Error::Damaged { path: named, .. } if *named == path), "{name}: {error}");
            assert!(!target.exists(), "{name}: half a backup is left");
        }
        std::fs::write(&path, &content).unwrap();
    }
    assert!(check(&dir).unwrap().is_sound());
}

#[test]
fn a_backup_that_fails_leaves_an_empty_folder_as_it_was() {
    let (guard, dir) = store();
    let target = guard.path().join("empty");
    std::fs::create_dir(&target).unwrap();
    std::fs::remove_file(dir.join("segments/00000002.captions")).unwrap();
    assert!(matches!(backup(&dir, &target, BackupMode::Link), Err(Error::Damaged { offset: None, .. })));
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
}

#[test]
fn a_backup_lies_outside_its_store() {
    let (guard, dir) = store();
    let before = files(&dir);
    for inside in [dir.join("backup"), dir.join("segments/deep/er"), guard.path().join("elsewhere/..").join(&dir)] {
        std::fs::create_dir_all(guard.path().join("elsewhere")).unwrap();
        let error = backup(&dir, &inside, BackupMode::Link).unwrap_err().to_string();
        assert!(error.contains("inside the store"), "{error}");
    }
    assert_eq!(files(&dir), before);
}

//! The medium fails: at each I/O operation in turn, with an error, a full disk or a short write. The store is as it was, or as it
//! was to become, and says which.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use echoic::internals::storage::{Disk, Storage, StorageFile};
use echoic::internals::{create_on, writer_on};
use echoic::progress::Control;
use echoic::{Error, Store, Writer};

use crate::common::process::Mounted;
use crate::common::stores::*;
use crate::common::{copy_tree, files};

/// The file system, until the countdown ends; from then on every operation fails.
struct Failing {
    left: Arc<AtomicI64>,
    kind: io::ErrorKind,
}

impl Failing {
    fn after(operations: i64, kind: io::ErrorKind) -> Arc<Self> {
        Arc::new(Self { left: Arc::new(AtomicI64::new(operations)), kind })
    }

    fn tick(&self) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(self.kind.into()) }
    }
}

impl Storage for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.tick()?;
        let file = Disk.create(path)?;
        Ok(Box::new(FailingFile { file, storage: Self { left: Arc::clone(&self.left), kind: self.kind } }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.tick().and_then(|()| Disk.rename(from, to))
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.tick().and_then(|()| Disk.sync_folder(path))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        // A full disk still lets files go; a broken one does not.
        if self.kind == io::ErrorKind::StorageFull {
            Disk.remove(path)
        } else {
            self.tick().and_then(|()| Disk.remove(path))
        }
    }
}

struct FailingFile {
    file: Box<dyn StorageFile>,
    storage: Failing,
}

impl Write for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.storage.tick() {
            Ok(()) => self.file.write(bytes),
            Err(error) => {
                // What fits on the disk is written all the same.
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                Err(error)
            }
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl StorageFile for FailingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.storage.tick().and_then(|()| self.file.sync())
    }
}

/// What becomes of a writer whose work failed.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// It refuses all further work.
    Refuses,
    /// It goes on where nothing had been committed yet.
    MayGoOn,
}

/// Does `work` on copies of the store at `dir`, failing at the first, second, … operation, until it succeeds.
fn fail_everywhere(dir: &Path, then: Then, work: impl Fn(&mut Writer) -> echoic::Result<()>) {
    let memory = open(dir);
    let (before, commit) = (whole(&memory), memory.commit());
    let copy = |name: &str| {
        let copy = dir.with_file_name(name);
        let _ = std::fs::remove_dir_all(&copy);
        copy_tree(dir, &copy);
        copy
    };
    let done = copy("done");
    work(&mut writing(&done)).expect("success without faults");
    let after = whole(&open(&done));
    assert!(before != after || commit != open(&done).commit());

    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let mut outcomes = [0, 0];
        for operations in 0.. {
            let place = format!("{kind:?} at operation {operations}");
            let dir = copy("faulty");
            let mut writer = writer_on(&Store::open(&dir).unwrap(), Failing::after(operations, kind))
                .expect("opening writes nothing that matters");
            let result = work(&mut writer);
            if result.is_err() {
                assert!(matches!(result, Err(Error::Io { .. })), "{place}: {result:?}");
                match writer.snapshot() {
                    Ok(shown) if then == Then::MayGoOn => assert_eq!(whole(&shown), before, "{place}"),
                    outcome => {
                        assert!(matches!(outcome, Err(Error::Poisoned)), "{place}: {outcome:?}");
                        assert!(matches!(writer.remove_domain("a"), Err(Error::Poisoned)), "{place}");
                    }
                }
            }
            drop(writer);
            let memory = try_open(&dir).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(memory.verify(&Control::default()).expect("readable"), [], "{place}");
            let found = whole(&memory);
            assert!(found == before || found == after, "{place}: neither before nor after");
            outcomes[usize::from(memory.commit() != commit)] += 1;
            if result.is_ok() {
                assert_eq!(found, after, "{place}: acknowledged and lost");
                break;
            }
            if kind == io::ErrorKind::StorageFull && memory.commit() == commit {
                assert_eq!(
                    names(&dir.join("segments")),
                    names(&copy("compare").join("segments")),
                    "{place}: partial files"
                );
            }
            // The next writer removes what was left, and the work can be done again.
            let mut writer = writing(&dir);
            let named = writer.snapshot().expect("a snapshot").stats().segments as usize;
            let truth = |name: &&PathBuf| name.extension().is_some_and(|kind| kind == "captions" || kind == "vectors");
            assert_eq!(names(&dir.join("segments")).iter().filter(truth).count(), 2 * named, "{place}: leftovers");
            let report = check(&dir).expect("a report");
            assert!(report.is_sound() && report.leftovers.is_empty(), "{place}: {report:?}");
            if found == before {
                work(&mut writer).unwrap_or_else(|error| panic!("{place}, again: {error}"));
            }
            drop(writer);
            assert_eq!(whole(&open(&dir)), after, "{place}, again");
        }
        assert!(outcomes[0] >= 4, "{kind:?}: the faults hit nothing: {outcomes:?}");
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().map(|(path, _)| path.file_name().expect("a name").into()).collect()
}

#[test]
fn an_append_that_fails_leaves_the_store_as_it_was() {
    let (_guard, dir) = empty_store();
    ingest(&mut writing(&dir), "a", &numbered("old", 20)).unwrap();
    fail_everywhere(&dir, Then::Refuses, |writer| {
        let mut rows = numbered("new", 20);
        rows.push(row("old 3", Some("again"), 0));
        ingest(writer, "a", &rows).map(|_| ())
    });
}

#[test]
fn a_removal_that_fails_leaves_the_store_as_it_was_or_done() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 5)).unwrap();
    ingest(&mut writer, "b", &numbered("y", 5)).unwrap();
    drop(writer);
    fail_everywhere(&dir, Then::Refuses, |writer| match writer.remove_domain("a") {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    });
}

#[test]
fn a_merge_that_fails_changes_no_answer() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for chunk in 0..9 {
        let rows = [row("everywhere", Some(&chunk.to_string()), 0), row(&format!("only {chunk}"), None, 0)];
        ingest(&mut writer, "a", &rows).unwrap();
    }
    drop(writer);
    fail_everywhere(&dir, Then::Refuses, |writer| writer.merge(&Control::default()).map(|_| ()));
}

/// Two segments with captions, repeats in both, and captions that are removed already.
fn store_with_tombstones() -> (tempfile::TempDir, PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let mut rows = numbered("x", 12);
    rows.push(row("dog", Some("1"), 0));
    ingest(&mut writer, "a", &rows).expect("a commit");
    ingest(&mut writer, "a", &[row("dog", Some("2"), 0), row("cat", Some("2"), 0)]).expect("a commit");
    writer.remove_captions(&[2, 3]).expect("a removal");
    (guard, dir)
}

#[test]
fn a_removal_of_captions_that_fails_leaves_them_all_or_none() {
    let (_guard, dir) = store_with_tombstones();
    fail_everywhere(&dir, Then::Refuses, |writer| match writer.remove_captions(&[5, 13, 14]) {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    });
}

#[test]
fn a_replacement_that_fails_changes_nothing() {
    let (_guard, dir) = store_with_tombstones();
    fail_everywhere(&dir, Then::Refuses, |writer| {
        writer.retain("a", |text, clip| clip != Some("2") || text == "new").map(|_| ())
    });
}

#[test]
fn a_compaction_that_fails_changes_no_answer() {
    let (_guard, dir) = store_with_tombstones();
    fail_everywhere(&dir, Then::Refuses, |writer| writer.compact(&Control::default()).map(|_| ()));
}

#[test]
fn a_decoder_that_cannot_be_published_leaves_the_one_before() {
    let (guard, dir) = store_with_tombstones();
    let [old, new] = ["old", "new"].map(|name| guard.path().join(name));
    std::fs::write(&old, b"weights").unwrap();
    std::fs::write(&new, [7; 100_000]).unwrap();
    writing(&dir).publish_decoder("small", &old, serde_json::Value::Null).unwrap();
    let publish = |from: &Path| {
        let from = from.to_path_buf();
        move |writer: &mut Writer| writer.publish_decoder("small", &from, serde_json::json!(1)).map(drop)
    };
    fail_everywhere(&dir, Then::MayGoOn, publish(&new));
    // The same file once more, under new details: it is not written again, nor lost.
    fail_everywhere(&dir, Then::MayGoOn, publish(&old));
}

#[test]
fn parts_of_a_model_that_cannot_be_kept_leave_those_before() {
    let (_guard, dir) = store_with_tombstones();
    let big = vec![3; 50_000];
    let first = parts("first", &[("adapter", b"weights"), ("tokenizer", &big)]);
    fail_everywhere(&dir, Then::MayGoOn, |writer| writer.keep_model(&first));
    writing(&dir).keep_model(&first).unwrap();
    let others = [
        parts("other files", &[("adapter", b"other weights")]),
        parts("one file the same", &[("adapter", b"weights"), ("tokenizer", b"another")]),
        parts("other details", &[("adapter", b"weights"), ("tokenizer", &big)]),
        parts("no file", &[]),
    ];
    for other in others {
        fail_everywhere(&dir, Then::MayGoOn, |writer| writer.keep_model(&other));
    }
}

#[test]
fn a_store_that_cannot_be_created_can_be_created_again() {
    let guard = tempfile::tempdir().unwrap();
    let model = parts("tiny", &[("adapter", &[5; 20_000]), ("tokenizer", b"{}")]);
    for (kind, model) in
        [io::ErrorKind::StorageFull, io::ErrorKind::Other].iter().flat_map(|kind| [(kind, None), (kind, Some(&model))])
    {
        let expected = model.map(|model| model.details.clone());
        for operations in 0.. {
            let place =
                format!("{kind:?} at operation {operations}, {}", if model.is_some() { "model" } else { "none" });
            let dir = guard.path().join("store");
            let _ = std::fs::remove_dir_all(&dir);
            let created = create_on(&dir, space(DIM), model, &*Failing::after(operations, *kind));
            if created.is_ok() {
                assert_eq!(open(&dir).model().map(|model| model.details), expected, "{place}");
                assert!(operations > 3, "the faults hit nothing");
                break;
            }
            assert!(matches!(created, Err(Error::Io { .. })), "{place}: {created:?}");
            // What the rename or the fsync behind it made of it is not known; else there is no store, and one can be made.
            match try_open(&dir) {
                Ok(there) => assert_eq!(there.model().map(|model| model.details), expected, "{place}"),
                Err(Error::NoStore { .. }) => {
                    let again = parts("again", &[("adapter", b"other")]);
                    Store::create_with_model(&dir, space(DIM), &again).unwrap();
                }
                Err(error) => panic!("{place}: {error}"),
            }
            drop(writing(&dir));
            let report = check(&dir).unwrap();
            assert!(report.is_sound() && report.leftovers.is_empty(), "{place}: {report:?}");
        }
    }
}

/// A medium that takes a few bytes at a time, which is its right.
struct Stuttering;

impl Storage for Stuttering {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(StutteringFile(Disk.create(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Disk.sync_folder(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
}

struct StutteringFile(Box<dyn StorageFile>);

impl Write for StutteringFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(7)])
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl StorageFile for StutteringFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }
}

#[test]
fn short_writes_are_gone_on_with() {
    let (guard, dir) = store_with_tombstones();
    let plain = guard.path().join("plain");
    copy_tree(&dir, &plain);
    let work = |writer: &mut Writer| {
        ingest(writer, "b", &numbered("y", 50)).expect("a commit");
        writer.remove_captions(&[20, 21]).expect("a removal");
        writer.compact(&Control::default()).expect("compacting");
        writer.remove_captions(&[22]).expect("a removal");
        writer.keep_model(&parts("tiny", &[("adapter", b"more than a few bytes")])).expect("a model");
    };
    work(&mut writer_on(&Store::open(&dir).unwrap(), Arc::new(Stuttering)).unwrap());
    work(&mut writing(&plain));
    let segments = |dir: &Path| files(&dir.join("segments")).into_iter().map(|file| file.1).collect::<Vec<_>>();
    assert_eq!(segments(&dir), segments(&plain));
    assert_eq!(whole(&open(&dir)), whole(&open(&plain)));
    assert!(check(&dir).unwrap().is_sound());
}

#[test]
fn what_a_crashed_writer_left_is_removed_and_nothing_else() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 5)).unwrap();
    drop(writer);
    let sound = contents(&open(&dir));
    let left = [
        "segments/00000002.captions",
        "segments/00000002.vectors",
        "segments/00000001.graph.new",
        "segments/00000001.1.tombstones",
        "manifest.new",
    ];
    let leftover_files = [
        "decoders/small-0123456789ab.safetensors",
        "model/adapter-0123456789ab.safetensors",
        "model/adapter-fedcba987654.safetensors.new",
    ];
    std::fs::create_dir_all(dir.join("model")).unwrap();
    let foreign = [
        "segments/notes.txt",
        "segments/00000001.x.tombstones",
        "decoders/training.jsonl",
        "decoders/checkpoint.safetensors",
        "model/adapter.safetensors",
        "README",
    ];
    for name in left.iter().chain(&foreign).chain(&leftover_files) {
        std::fs::write(dir.join(name), b"half a fi").unwrap();
    }
    assert_eq!(contents(&open(&dir)), sound);
    let mut writer = writing(&dir);
    for name in left.iter().chain(&leftover_files) {
        assert!(!dir.join(name).exists(), "{name}");
    }
    for name in foreign {
        assert!(dir.join(name).exists(), "{name}");
    }
    ingest(&mut writer, "a", &numbered("y", 5)).unwrap();
    assert_eq!(open(&dir).len(), 10);
}

#[test]
fn an_interrupted_create_can_be_done_again() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    std::fs::create_dir_all(dir.join("segments")).unwrap();
    std::fs::write(dir.join("manifest.new"), b"ECHO").unwrap();
    std::fs::write(dir.join("lock"), b"").unwrap();
    assert!(matches!(try_open(&dir), Err(Error::NoStore { .. })));
    Store::create(&dir, space(DIM)).unwrap();
    assert!(open(&dir).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let Some(_mounted) = Mounted::new(disk.clone(), "2m") else { return };
    let dir = disk.join("store");
    Store::create(&dir, space(64)).unwrap();
    let mut writer = writing(&dir);
    let mut acknowledged = 0;
    let error = loop {
        assert!(acknowledged < 100_000, "the disk never fills");
        match ingest(&mut writer, "a", &numbered(&format!("chunk {acknowledged}"), 300)) {
            Ok(appended) => acknowledged += appended.new,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull), "{error}");
    assert!(error.hint().is_some());
    drop(writer);
    let memory = open(&dir);
    assert_eq!((memory.len(), memory.verify(&Control::default()).unwrap()), (acknowledged, vec![]));
    assert_eq!(names(&dir.join("segments")).len() as u64, 2 * memory.stats().segments, "partial files");
    // Even the catalogue has no room now; knowing what is stored needs none.
    let mut writer = writing(&dir);
    assert_eq!(ingest(&mut writer, "a", &numbered("chunk 0", 300)).unwrap().duplicates, 300);
}

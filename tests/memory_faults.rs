//! The medium fails: at each I/O operation in turn, with an error, a full disk or a short write. The store is as it was, or as it
//! was to become, and says which.
#![allow(clippy::unwrap_used)]

mod memory_support;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use echoic::Error;
use echoic::memory::storage::{Disk, Storage, StorageFile};
use echoic::memory::{Snapshot, Writer, check};
use echoic::progress::Stop;
use memory_support::*;

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

/// Does `work` on copies of the store at `dir`, failing at the first, second, … operation, until it succeeds.
fn fail_everywhere(dir: &Path, work: impl Fn(&mut Writer) -> echoic::Result<()>) {
    let memory = Store::open(dir).expect("a sound store").snapshot().expect("a sound store");
    let (before, commit) = (contents(&memory), memory.commit());
    let copy = |name: &str| {
        let copy = dir.with_file_name(name);
        let _ = std::fs::remove_dir_all(&copy);
        copy_tree(dir, &copy);
        copy
    };
    let done = copy("done");
    work(&mut Store::open(&done).expect("a writer").writer().expect("a writer")).expect("success without faults");
    let after = contents(&Store::open(&done).expect("a sound store").snapshot().expect("a sound store"));

    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let mut outcomes = [0, 0];
        for operations in 0.. {
            let place = format!("{kind:?} at operation {operations}");
            let dir = copy("faulty");
            let mut writer =
                Writer::open(&dir, Failing::after(operations, kind)).expect("opening writes nothing that matters");
            let result = work(&mut writer);
            if result.is_err() {
                assert!(matches!(result, Err(Error::Io { .. })), "{place}: {result:?}");
                assert!(matches!(writer.snapshot(), Err(Error::Poisoned)), "{place}");
                assert!(matches!(writer.remove_domain("a"), Err(Error::Poisoned)), "{place}");
            }
            drop(writer);
            let memory =
                Store::open(&dir).and_then(|store| store.snapshot()).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(memory.verify(&()).expect("readable"), [], "{place}");
            let found = contents(&memory);
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
            let mut writer = Store::open(&dir).expect("a writer").writer().expect("a writer");
            let named = writer.snapshot().expect("a snapshot").stats().segments as usize;
            let whole = |name: &&PathBuf| name.extension().is_some_and(|kind| kind == "captions" || kind == "vectors");
            assert_eq!(names(&dir.join("segments")).iter().filter(whole).count(), 2 * named, "{place}: leftovers");
            let report = check(&dir, &Control::default()).expect("a report");
            assert!(report.is_sound() && report.leftovers.is_empty(), "{place}: {report:?}");
            if found == before {
                work(&mut writer).unwrap_or_else(|error| panic!("{place}, again: {error}"));
            }
            drop(writer);
            assert_eq!(
                contents(&Store::open(&dir).expect("a sound store").snapshot().expect("a sound store")),
                after,
                "{place}, again"
            );
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
    ingest(&mut Store::open(&dir).unwrap().writer().unwrap(), "a", &numbered("old", 20)).unwrap();
    fail_everywhere(&dir, |writer| {
        let mut rows = numbered("new", 20);
        rows.push(row("old 3", Some("again"), 0));
        ingest(writer, "a", &rows).map(|_| ())
    });
}

#[test]
fn a_removal_that_fails_leaves_the_store_as_it_was_or_done() {
    let (_guard, dir) = empty_store();
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    ingest(&mut writer, "a", &numbered("x", 5)).unwrap();
    ingest(&mut writer, "b", &numbered("y", 5)).unwrap();
    drop(writer);
    fail_everywhere(&dir, |writer| match writer.remove_domain("a") {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    });
}

#[test]
fn a_merge_that_fails_changes_no_answer() {
    let (_guard, dir) = empty_store();
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    for chunk in 0..9 {
        let rows = [row("everywhere", Some(&chunk.to_string()), 0), row(&format!("only {chunk}"), None, 0)];
        ingest(&mut writer, "a", &rows).unwrap();
    }
    drop(writer);
    fail_everywhere(&dir, |writer| writer.merge(&Control::default()).map(|_| ()));
}

/// Two segments with captions, repeats in both, and captions that are removed already.
fn store_with_tombstones() -> (tempfile::TempDir, PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = Store::open(&dir).expect("a writer").writer().expect("a writer");
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
    fail_everywhere(&dir, |writer| match writer.remove_captions(&[5, 13, 14]) {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    });
}

#[test]
fn a_replacement_that_fails_changes_nothing() {
    let (_guard, dir) = store_with_tombstones();
    fail_everywhere(&dir, |writer| writer.retain("a", |text, clip| clip != Some("2") || text == "new").map(|_| ()));
}

#[test]
fn a_compaction_that_fails_changes_no_answer() {
    let (_guard, dir) = store_with_tombstones();
    fail_everywhere(&dir, |writer| writer.compact(&Control::default()).map(|_| ()));
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
    };
    work(&mut Writer::open(&dir, Arc::new(Stuttering)).unwrap());
    work(&mut Store::open(&plain).unwrap().writer().unwrap());
    let segments = |dir: &Path| files(&dir.join("segments")).into_iter().map(|file| file.1).collect::<Vec<_>>();
    assert_eq!(segments(&dir), segments(&plain));
    assert!(check(&dir, &Control::default()).unwrap().is_sound());
}

#[test]
fn what_a_crashed_writer_left_is_removed_and_nothing_else() {
    let (_guard, dir) = empty_store();
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    ingest(&mut writer, "a", &numbered("x", 5)).unwrap();
    drop(writer);
    let sound = contents(&Store::open(&dir).unwrap().snapshot().unwrap());
    let left = [
        "segments/00000002.captions",
        "segments/00000002.vectors",
        "segments/00000001.graph.new",
        "segments/00000001.1.tombstones",
        "manifest.new",
    ];
    let leftover_decoder = "decoders/small-0123456789ab.safetensors";
    let foreign = [
        "segments/notes.txt",
        "segments/00000001.x.tombstones",
        "decoders/training.jsonl",
        "decoders/checkpoint.safetensors",
        "README",
    ];
    for name in left.iter().chain(&foreign).chain([&leftover_decoder]) {
        std::fs::write(dir.join(name), b"half a fi").unwrap();
    }
    assert_eq!(contents(&Store::open(&dir).unwrap().snapshot().unwrap()), sound);
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    for name in left.iter().chain([&leftover_decoder]) {
        assert!(!dir.join(name).exists(), "{name}");
    }
    for name in foreign {
        assert!(dir.join(name).exists(), "{name}");
    }
    ingest(&mut writer, "a", &numbered("y", 5)).unwrap();
    assert_eq!(Store::open(&dir).unwrap().snapshot().unwrap().len(), 10);
}

#[test]
fn an_interrupted_create_can_be_done_again() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    std::fs::create_dir_all(dir.join("segments")).unwrap();
    std::fs::write(dir.join("manifest.new"), b"ECHO").unwrap();
    std::fs::write(dir.join("lock"), b"").unwrap();
    assert!(matches!(Store::open(&dir).and_then(|store| store.snapshot()), Err(Error::NoStore { .. })));
    Store::create(&dir, space(DIM)).unwrap();
    assert!(Store::open(&dir).unwrap().snapshot().unwrap().is_empty());
}

/// A file system of two megabytes, for as long as it lives.
#[cfg(target_os = "linux")]
struct TinyDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl TinyDisk {
    /// `None` where this process may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_keeps_what_was_acknowledged() {
    let Some(disk) = TinyDisk::mount() else {
        println!("skipped: this user may not mount a small disk");
        return;
    };
    let dir = disk.0.path().join("store");
    Store::create(&dir, space(64)).unwrap();
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
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
    let memory = Store::open(&dir).unwrap().snapshot().unwrap();
    assert_eq!((memory.len(), memory.verify(&()).unwrap()), (acknowledged, vec![]));
    assert_eq!(names(&dir.join("segments")).len() as u64, 2 * memory.stats().segments, "partial files");
    // Even the catalogue has no room now; knowing what is stored needs none.
    let mut writer = Store::open(&dir).unwrap().writer().unwrap();
    assert_eq!(ingest(&mut writer, "a", &numbered("chunk 0", 300)).unwrap().duplicates, 300);
}

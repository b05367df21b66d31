//! The power fails after each operation of a history. What was not fsynced is lost, or kept, or torn, in any mixture; what was
//! acknowledged is there all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use echoic::internals::storage::{Disk, Storage, StorageFile};
use echoic::internals::{create_on, index_above, writer_on};
use echoic::progress::Control;
use echoic::{Error, Store, Writer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::files;
use crate::common::stores::*;

/// What the store asked of the medium. Files are numbered in the order of their creation.
#[derive(Debug, Clone)]
enum Operation {
    Create(usize, PathBuf),
    Write(usize, Vec<u8>),
    Sync(usize),
    Rename(PathBuf, PathBuf),
    /// The folder, and the folders in it.
    SyncFolder(PathBuf, Vec<PathBuf>),
    Remove(PathBuf),
}

/// The file system, which notes all that is asked of it.
#[derive(Default, Clone)]
struct Recorder(Arc<Mutex<Vec<Operation>>>);

impl Recorder {
    fn note(&self, operation: Operation) {
        self.0.lock().expect("no panic").push(operation);
    }
    fn len(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

impl Storage for Recorder {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let number = self.len();
        self.note(Operation::Create(number, path.to_path_buf()));
        Ok(Box::new(Recorded { file: Disk.create(path)?, number, recorder: self.clone() }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Operation::Rename(from.to_path_buf(), to.to_path_buf()));
        Disk.rename(from, to)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let inner = std::fs::read_dir(path)?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        self.note(Operation::SyncFolder(path.to_path_buf(), inner.collect()));
        Disk.sync_folder(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)?;
        self.note(Operation::Remove(path.to_path_buf()));
        Ok(())
    }
}

struct Recorded {
    file: Box<dyn StorageFile>,
    number: usize,
    recorder: Recorder,
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.recorder.note(Operation::Write(self.number, bytes[..written].to_vec()));
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl StorageFile for Recorded {
    fn sync(&mut self) -> io::Result<()> {
        self.recorder.note(Operation::Sync(self.number));
        self.file.sync()
    }
}

#[derive(Default, Clone)]
struct Content {
    /// What fsync has promised.
    safe: usize,
    bytes: Vec<u8>,
}

type Names = BTreeMap<PathBuf, usize>;

/// A medium: what it shows, and what it would still show after the power has failed.
#[derive(Default, Clone)]
struct Medium {
    contents: BTreeMap<usize, Content>,
    safe: Names,
    /// The names after each change since the last fsync of its folder, by folder.
    pending: BTreeMap<PathBuf, Vec<Names>>,
    /// The store's folder, and the folders in it whose own names are safe.
    root: Option<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Medium {
    fn names(&self, folder: &Path) -> Names {
        let of_folder = |names: &Names| -> Names {
            names.iter().filter(|(path, _)| path.parent() == Some(folder)).map(|(p, n)| (p.clone(), *n)).collect()
        };
        self.pending.get(folder).and_then(|changes| changes.last().cloned()).unwrap_or_else(|| of_folder(&self.safe))
    }

    fn change(&mut self, folder: &Path, change: impl FnOnce(&mut Names)) {
        let mut names = self.names(folder);
        change(&mut names);
        self.pending.entry(folder.to_path_buf()).or_default().push(names);
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(number, path) => {
                self.contents.insert(*number, Content::default());
                self.change(path.parent().expect("a folder"), |names| _ = names.insert(path.clone(), *number));
            }
            Operation::Write(number, bytes) => {
                self.contents.get_mut(number).expect("created").bytes.extend_from_slice(bytes);
            }
            Operation::Sync(number) => {
                let content = self.contents.get_mut(number).expect("created");
                content.safe = content.bytes.len();
            }
            Operation::Rename(from, to) => self.change(from.parent().expect("a folder"), |names| {
                let number = names.remove(from).expect("the renamed file");
                names.insert(to.clone(), number);
            }),
            Operation::Remove(path) => {
                self.change(path.parent().expect("a folder"), |names| {
                    _ = names.remove(path).expect("the removed file")
                });
            }
            Operation::SyncFolder(folder, inner) => {
                self.folders.extend(inner.iter().cloned());
                let names = self.names(folder);
                self.safe.retain(|path, _| path.parent() != Some(folder));
                self.safe.extend(names);
                self.pending.remove(folder);
            }
        }
    }

    /// What is found when the power is back.
    fn fail(&self, how: How, rng: &mut ChaCha8Rng) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut names = self.safe.clone();
        for (folder, changes) in &self.pending {
            let kept = match how {
                How::Lost => 0,
                How::NamesKept | How::Torn => changes.len(),
                How::Mixed => rng.random_range(0..=changes.len()),
            };
            if let Some(change) = kept.checked_sub(1).and_then(|index| changes.get(index)) {
                names.retain(|path, _| path.parent() != Some(folder));
                names.extend(change.clone());
            }
        }
        // A folder whose name was lost takes along what is in it, fsynced or not.
        let inner: BTreeSet<&Path> = names.keys().filter_map(|path| path.parent()).collect();
        let may_go =
            inner.into_iter().filter(|folder| Some(*folder) != self.root.as_deref() && !self.folders.contains(*folder));
        let is_lost = |_: &&Path| match how {
            How::Lost => true,
            How::NamesKept | How::Torn => false,
            How::Mixed => rng.random_bool(0.5),
        };
        let lost: BTreeSet<PathBuf> = may_go.filter(is_lost).map(Path::to_path_buf).collect();
        names.retain(|path, _| path.parent().is_none_or(|folder| !lost.contains(folder)));
        let mut content = |number: &usize| {
            let Content { safe, bytes } = &self.contents[number];
            let unsafe_bytes = bytes.len() - safe;
            let kept = match how {
                How::Lost | How::NamesKept => 0,
                How::Torn => unsafe_bytes / 2,
                How::Mixed => rng.random_range(0..=unsafe_bytes),
            };
            let mut found = bytes[..safe + kept].to_vec();
            if matches!(how, How::Mixed) && kept > 0 && rng.random_bool(0.3) {
                // Blocks that were allocated and never written.
                let from = safe + rng.random_range(0..kept);
                found[from..].fill(0);
            }
            found
        };
        names.iter().map(|(path, number)| (path.clone(), content(number))).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum How {
    /// Nothing that was not fsynced is there.
    Lost,
    /// New names are there, without their content.
    NamesKept,
    /// New names are there, with half of their content.
    Torn,
    /// Some of each, and zeros where nothing was written.
    Mixed,
}

type Moments = Vec<(usize, (Vec<Seen>, Beside))>;

/// Works on a store and notes, after each acknowledged step, how many operations it took and what a reader sees.
fn history(dir: &Path, recorder: &Recorder) -> Moments {
    let mut writer = writer_on(&Store::open(dir).expect("a store"), Arc::new(recorder.clone())).expect("a writer");
    let mut moments = vec![(0, whole(&writer.snapshot().expect("a snapshot")))];
    let mut step = |work: &mut dyn FnMut(&mut Writer)| {
        work(&mut writer);
        moments.push((recorder.len(), whole(&writer.snapshot().expect("a snapshot"))));
    };
    let dog = |clip: &str| row("dog", Some(clip), 0);
    step(&mut |writer| _ = ingest(writer, "a", &[numbered("x", 9), vec![dog("1")]].concat()).expect("a commit"));
    step(&mut |writer| _ = ingest(writer, "b", &numbered("y", 5)).expect("a commit"));
    step(&mut |writer| _ = ingest(writer, "a", &[dog("2"), dog("3"), row("cat", None, 0)]).expect("a commit"));
    step(&mut |writer| _ = writer.remove_captions(&[1, 4]).expect("a removal"));
    step(&mut |writer| _ = writer.remove_captions(&[2, 16]).expect("a removal"));
    step(&mut |writer| _ = writer.retain("a", |_, clip| clip != Some("2")).expect("a replacement"));
    step(&mut |writer| _ = index_above(writer, 1, &Control::default()).expect("graphs"));
    step(&mut |writer| _ = writer.compact(&Control::default()).expect("compacting"));
    for chunk in 0..8 {
        step(&mut |writer| _ = ingest(writer, "c", &[row("bell", Some(&format!("{chunk}")), 0)]).expect("a commit"));
    }
    step(&mut |writer| _ = writer.merge(&Control::default()).expect("a merge"));
    let decoder = dir.with_extension("decoder");
    std::fs::write(&decoder, b"weights").expect("a file");
    step(&mut |writer| {
        writer.publish_decoder("small", &decoder, serde_json::json!({"loss": 1.5})).expect("a decoder");
    });
    step(&mut |writer| writer.keep_model(&parts("tiny", &[("adapter", b"from sounds to texts")])).expect("a model"));
    step(&mut |writer| writer.keep_model(&parts("tiny", &[("adapter", b"another"), ("list", b"x")])).expect("a model"));
    step(&mut |writer| writer.keep_model(&parts("the same", &[("adapter", b"another")])).expect("a model"));
    step(&mut |writer| _ = writer.remove_domain("b").expect("a removal"));
    step(&mut |writer| writer.remove_decoder("small").expect("a removal"));
    step(&mut |writer| _ = ingest(writer, "b", &numbered("y", 5)).expect("a commit"));
    moments
}

#[test]
fn whatever_the_medium_loses_acknowledged_steps_are_there() {
    let (guard, dir) = empty_store();
    let mut medium = Medium::default();
    for (number, (path, bytes)) in files(&dir).into_iter().enumerate() {
        // Numbers of their own, beside those of the files that the history creates.
        medium.contents.insert(usize::MAX - number, Content { safe: bytes.len(), bytes });
        medium.safe.insert(path, usize::MAX - number);
    }
    medium.root = Some(dir.clone());
    medium.folders.extend(["segments", "decoders"].map(|name| dir.join(name)));
    let recorder = Recorder::default();
    let moments = history(&dir, &recorder);
    let operations = recorder.0.lock().unwrap().clone();
    assert!(operations.len() > 200 && moments.windows(2).filter(|pair| pair[0].1 != pair[1].1).count() >= 15);

    let failed = guard.path().join("failed");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut before, mut after) = (0, 0);
    for at in 0..=operations.len() {
        if let Some(last) = at.checked_sub(1) {
            medium.apply(&operations[last]);
        }
        let acknowledged = moments.iter().rposition(|(operations, _)| *operations <= at).unwrap();
        for how in [How::Lost, How::NamesKept, How::Torn, How::Mixed, How::Mixed, How::Mixed] {
            let place = || format!("{how:?} after operation {at}, {:?}", operations.get(at.wrapping_sub(1)));
            let _ = std::fs::remove_dir_all(&failed);
            ["segments", "decoders"].iter().for_each(|name| std::fs::create_dir_all(failed.join(name)).unwrap());
            for (path, bytes) in medium.fail(how, &mut rng) {
                let path = failed.join(path.strip_prefix(&dir).unwrap());
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
            let report = check(&failed).unwrap_or_else(|error| panic!("{}: {error}", place()));
            assert!(report.is_sound(), "{}: {report:?}", place());
            let found = whole(&try_open(&failed).unwrap_or_else(|error| panic!("{}: {error}", place())));
            let under_way = moments.get(acknowledged + 1);
            if found == moments[acknowledged].1 {
                before += 1;
            } else {
                assert!(under_way.is_some_and(|(_, seen)| *seen == found), "{}: neither before nor after", place());
                after += 1;
            }
            // The next writer clears up, and goes on. Its catalogue takes the time, so not each time.
            if rng.random_bool(0.05) {
                let mut writer = try_writing(&failed).unwrap_or_else(|error| panic!("{}: {error}", place()));
                assert_eq!(whole(&writer.snapshot().unwrap()), found, "{}", place());
                ingest(&mut writer, "d", &[row("after the storm", None, 0)]).unwrap();
                drop(writer);
                assert_eq!(check(&failed).unwrap().leftovers, Vec::<PathBuf>::new(), "{}", place());
                assert_eq!(open(&failed).len(), found.0.len() as u64 + 1, "{}", place());
            }
        }
    }
    assert!(before > 500 && after > 50, "{before} {after}");
}

/// A store that is created while the power fails is there with its model, or not at all.
#[test]
fn a_store_that_was_created_is_there_with_what_belongs_to_its_model() {
    let guard = tempfile::tempdir().unwrap();
    let [dir, failed] = ["store", "failed"].map(|name| guard.path().join(name));
    let recorder = Recorder::default();
    let model = parts("tiny", &[("adapter", b"from sounds to texts"), ("list", &[1; 5000])]);
    create_on(&dir, space(DIM), Some(&model), &recorder).unwrap();
    let expected = whole(&open(&dir));
    let operations = recorder.0.lock().unwrap().clone();
    let (mut medium, mut rng) = (Medium::default(), ChaCha8Rng::seed_from_u64(9));
    medium.root = Some(dir.clone());
    let (mut absent, mut there) = (0, 0);
    for at in 0..=operations.len() {
        if let Some(last) = at.checked_sub(1) {
            medium.apply(&operations[last]);
        }
        for how in [How::Lost, How::NamesKept, How::Torn, How::Mixed, How::Mixed, How::Mixed, How::Mixed, How::Mixed] {
            let _ = std::fs::remove_dir_all(&failed);
            std::fs::create_dir_all(failed.join("segments")).unwrap();
            for (path, bytes) in medium.fail(how, &mut rng) {
                let path = failed.join(path.strip_prefix(&dir).unwrap());
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
            let place = format!("{how:?} after operation {at}");
            match try_open(&failed) {
                Ok(snapshot) => {
                    assert_eq!(whole(&snapshot), expected, "{place}");
                    assert!(check(&failed).unwrap().is_sound(), "{place}");
                    there += 1;
                }
                Err(Error::NoStore { .. }) => {
                    assert!(at < operations.len(), "{place}: acknowledged and lost");
                    Store::create(&failed, space(DIM)).unwrap_or_else(|error| panic!("{place}: {error}"));
                    absent += 1;
                }
                Err(error) => panic!("{place}: {error}"),
            }
        }
    }
    assert!(absent > 50 && there > 8, "{absent} {there}");
}

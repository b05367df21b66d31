//! Story: whatever becomes of long work, done, stopped, failed or panicked, each phase that it began is ended, so that no bar is left
//! standing.

use std::path::Path;
use std::sync::Mutex;

use echoic::decoder::{TrainOptions, train};
use echoic::export::{Export, Format};
use echoic::internals::index_above;
use echoic::memory::BackupMode;
use echoic::progress::{Control, Progress, Stop};
use echoic::{Error, Result, Store};

use crate::common::stores::*;
use crate::common::texts;

/// Writes down which phases are open, and how many there were.
#[derive(Default)]
struct Recorder<'a> {
    open: Mutex<Vec<String>>,
    begun: Mutex<usize>,
    /// Asked to stop as soon as a phase begins.
    stop: Option<&'a Stop>,
}

impl Progress for Recorder<'_> {
    fn begin(&self, what: &str, _total: Option<u64>) {
        self.open.lock().unwrap().push(what.to_owned());
        *self.begun.lock().unwrap() += 1;
        if let Some(stop) = self.stop {
            stop.request();
        }
    }

    fn advance(&self, _units: u64) {
        assert!(!self.open.lock().unwrap().is_empty(), "progress outside a phase");
    }

    fn note(&self, _text: &str) {}

    fn end(&self) {
        assert!(self.open.lock().unwrap().pop().is_some(), "an end without a beginning");
    }
}

impl Recorder<'_> {
    fn assert_all_ended(&self, work: &str) {
        assert!(*self.begun.lock().unwrap() > 0, "{work} began nothing");
        let open = self.open.lock().unwrap();
        assert!(open.is_empty(), "{work} left open: {open:?}");
    }
}

/// A store with one removed caption, and its folder.
fn store() -> (tempfile::TempDir, std::path::PathBuf) {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "street", &numbered("x", 300)).unwrap();
    writer.remove_captions(&[7]).unwrap();
    (guard, dir)
}

/// Work on the store in the folder.
type Work<'a> = &'a dyn Fn(&Path, &Control<'_>) -> Result<()>;

const WORKS: [(&str, Work<'static>); 6] = [
    ("check", &|dir, control| Store::open(dir)?.check(control).map(drop)),
    ("backup", &|dir, control| {
        Store::open(dir)?.backup(dir.with_extension("copy"), BackupMode::Link, control).map(drop)
    }),
    ("export as lines", &|dir, control| {
        Export::new(&try_open(dir)?).control(*control).write(dir.with_extension("jsonl")).map(drop)
    }),
    ("export as Parquet", &|dir, control| {
        let export = |memory| Export::new(memory).format(Format::Parquet).control(*control);
        export(&try_open(dir)?).write(dir.with_extension("parquet")).map(drop)
    }),
    ("index", &|dir, control| index_above(&mut try_writing(dir)?, 1, control).map(drop)),
    ("compact", &|dir, control| try_writing(dir)?.compact(control).map(drop)),
];

#[test]
fn work_that_is_done_has_ended_what_it_began() {
    for (name, work) in WORKS {
        let (_guard, dir) = store();
        let recorder = Recorder::default();
        work(&dir, &Control::default().with_progress(&recorder)).unwrap();
        recorder.assert_all_ended(name);
    }
}

#[test]
fn work_that_is_stopped_ends_what_it_began() {
    for (name, work) in WORKS {
        let (_guard, dir) = store();
        let stop = Stop::new();
        let recorder = Recorder { stop: Some(&stop), ..Recorder::default() };
        assert!(matches!(work(&dir, &Control::new(&recorder, &stop)), Err(Error::Interrupted)), "{name}");
        recorder.assert_all_ended(name);
    }
}

#[test]
fn work_that_fails_ends_what_it_began() {
    // A record is read, and found damaged, when its turn comes.
    for (name, work) in WORKS.iter().filter(|(name, _)| name.starts_with("export") || *name == "compact") {
        let (_guard, dir) = store();
        let path = dir.join("segments/00000001.captions");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let recorder = Recorder::default();
        assert!(
            matches!(work(&dir, &Control::default().with_progress(&recorder)), Err(Error::Damaged { .. })),
            "{name}"
        );
        recorder.assert_all_ended(name);
    }
    // The log cannot be written where a folder has its name.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("log.jsonl")).unwrap();
    let (set, tokenizer, recorder) = (texts::set(), texts::tokenizer(), Recorder::default());
    let options = TrainOptions::default().epochs(1);
    assert!(train(&set, &tokenizer, &options, folder.path(), &Control::default().with_progress(&recorder)).is_err());
    recorder.assert_all_ended("training");
}

#[test]
fn a_phase_ends_where_its_work_panics() {
    let recorder = Recorder::default();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let control = Control::default().with_progress(&recorder);
        let _outer = control.begin("outer", None);
        let _inner = control.begin("inner", Some(3));
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    recorder.assert_all_ended("a panic");
}

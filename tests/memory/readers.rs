//! Readers and the one writer: snapshots, locks, read-only stores, and files that do not change.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use echoic::internals::index_above;
use echoic::memory::SearchOptions;
use echoic::progress::Control;
use echoic::{Error, Store};

use crate::common::files;
use crate::common::needs::skip;
use crate::common::process::child;
use crate::common::stores::*;

/// Set for the child processes of these tests: the store that they work on.
const STORE: &str = "ECHOIC_TEST_STORE";

/// Runs one test of this file in a process of its own.
fn child_at(test: &str, dir: &Path) -> Command {
    let mut command = child(module_path!(), test);
    command.env(STORE, dir).stdout(Stdio::piped());
    command
}

fn wait_for(child: &mut Child, word: &str) {
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains(word)), "the child ended without saying {word}");
}

#[test]
#[ignore = "run by the tests below, in another process"]
fn child_holds_the_lock() {
    let Some(dir) = std::env::var_os(STORE) else { return };
    let mut writer = Store::open(Path::new(&dir)).unwrap().writer().unwrap();
    ingest(&mut writer, "child", &numbered("x", 3)).unwrap();
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
#[ignore = "run by the tests below, in another process"]
fn child_reads() {
    let Some(dir) = std::env::var_os(STORE) else { return };
    let memory = Store::open(Path::new(&dir)).unwrap().snapshot().unwrap();
    assert_eq!(memory.search(&embed("x 2", DIM), &SearchOptions::default()).unwrap()[0].caption, "x 2");
    assert_eq!(memory.verify(&Control::default()).unwrap(), []);
    assert!(
        matches!(Store::open(Path::new(&dir)).and_then(|store| store.writer()), Err(Error::Io { .. })),
        "no writing here"
    );
    println!("read it all");
}

#[test]
#[ignore = "run by the tests below, in another process"]
fn child_keeps_its_snapshot() {
    let Some(dir) = std::env::var_os(STORE) else { return };
    let memory = Store::open(Path::new(&dir)).unwrap().snapshot().unwrap();
    let before = contents(&memory);
    println!("opened");
    while !Path::new(&dir).with_file_name("go").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(contents(&memory), before, "files that were unlinked are mapped still");
    let all = SearchOptions::default().k(1000);
    assert_eq!(memory.search(&embed("x 2", DIM), &all).unwrap().len(), before.len());
    assert!(
        contents(&Store::open(Path::new(&dir)).unwrap().snapshot().unwrap()).len() < before.len(),
        "who opens now sees less"
    );
    println!("kept");
}

#[cfg(unix)]
#[test]
fn a_reader_in_another_process_keeps_its_snapshot_through_removal_and_compaction() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for chunk in 0..5 {
        ingest(&mut writer, "a", &numbered(&format!("{chunk} x"), 40)).unwrap();
    }
    let old: Vec<_> = files(&dir.join("segments")).into_iter().map(|(path, _)| path).collect();
    let mut reader = child_at("child_keeps_its_snapshot", &dir).spawn().unwrap();
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("opened")));
    writer.remove_captions(&[1, 77, 200]).unwrap();
    ingest(&mut writer, "a", &numbered("more", 40)).unwrap();
    writer.compact(&Control::default()).unwrap();
    writer.remove_captions(&(2..76).collect::<Vec<u64>>()).unwrap();
    assert!(old.iter().all(|path| !path.exists()), "nothing of what the reader has open is there");
    std::fs::write(dir.with_file_name("go"), "").unwrap();
    assert!(lines.any(|line| line.contains("kept")), "the reader lost its snapshot");
    assert!(reader.wait().unwrap().success());
}

#[test]
fn there_is_one_writer_and_a_killed_one_is_no_obstacle() {
    let (_guard, dir) = empty_store();
    let mut other = child_at("child_holds_the_lock", &dir).spawn().unwrap();
    wait_for(&mut other, "ready");
    let error = try_writing(&dir).expect_err("two writers");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", other.id())), "{error}");
    assert_eq!(open(&dir).len(), 3, "readers are not affected");
    other.kill().unwrap();
    other.wait().unwrap();
    let mut writer = writing(&dir);
    assert_eq!(ingest(&mut writer, "child", &numbered("x", 4)).unwrap().duplicates, 3);
    assert!(matches!(try_writing(&dir), Err(Error::Locked { .. })), "nor two in one process");
    drop(writer);
    assert!(try_writing(&dir).is_ok());
}

#[cfg(unix)]
#[test]
fn a_store_without_write_permission_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let (guard, dir) = empty_store();
    ingest(&mut writing(&dir), "a", &numbered("x", 5)).unwrap();
    let before = files(&dir);
    let permit = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    permit(guard.path(), 0o755);
    let folders = ["", "segments", "decoders", "catalogue"].map(|name| dir.join(name));
    before.iter().for_each(|(path, _)| permit(path, 0o444));
    folders.iter().for_each(|folder| permit(folder, 0o555));
    // The superuser may write anywhere, so another user must try.
    let superuser = std::fs::write(dir.join("probe"), b"").is_ok();
    let mut command = child_at("child_reads", &dir);
    if superuser {
        std::fs::remove_file(dir.join("probe")).unwrap();
        command.uid(65_534);
    }
    match command.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => skip("root", format!("another user cannot run this test: {error}")),
    }
    folders.iter().for_each(|folder| permit(folder, 0o755));
    assert_eq!(files(&dir), before, "reading changes nothing");
}

#[test]
fn adding_a_domain_touches_no_file_of_another() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for chunk in 0..5 {
        ingest(&mut writer, "a", &numbered(&format!("chunk {chunk}"), 40)).unwrap();
    }
    index_above(&mut writer, 1, &Control::default()).unwrap();
    let before = files(&dir.join("segments"));
    assert_eq!(before.len(), 15);
    for chunk in 0..20 {
        ingest(&mut writer, "b", &numbered(&format!("chunk {chunk}"), 10)).unwrap();
    }
    writer.merge(&Control::default()).unwrap();
    writer.remove_domain("b").unwrap();
    ingest(&mut writer, "c", &numbered("chunk 1", 40)).unwrap();
    let after = files(&dir.join("segments"));
    for file in &before {
        assert!(after.contains(file), "{} changed", file.0.display());
    }
}

#[test]
fn readers_see_whole_commits_while_a_writer_works() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "stable", &numbered("s", 3)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut opened = 0;
                while !done.load(Ordering::Relaxed) || opened == 0 {
                    let memory = open(&dir);
                    opened += 1;
                    // Each commit brings ten rows of `moving` or takes ten away.
                    let all = contents(&memory);
                    let moving = all.iter().filter(|caption| caption.1 == "moving").count();
                    assert_eq!((all.len() - moving, moving % 10), (3, 0));
                    let found = memory.search(&embed("s 1", DIM), &SearchOptions::default()).unwrap();
                    assert_eq!(found[0].caption, "s 1");
                }
            });
        }
        // Each of these takes away files that a reader may be about to open: it begins anew with the newer commit.
        for round in 0..6 {
            for chunk in 0..12 {
                ingest(&mut writer, "moving", &numbered(&format!("{round} {chunk}"), 10)).unwrap();
            }
            writer.merge(&Control::default()).unwrap();
            let moving: Vec<u64> = contents(&writer.snapshot().unwrap()).iter().skip(3).map(|seen| seen.0).collect();
            moving.chunks(10).take(3).for_each(|ten| _ = writer.remove_captions(ten).unwrap());
            writer.compact(&Control::default()).unwrap();
            writer.remove_domain("moving").unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

//! The lock of a writer that crashed: the next one takes over at once and says so, and a living writer is never robbed.

#![cfg(unix)]

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use echoic::{Error, Store, Writer};

use crate::common::log::logged;
use crate::common::process::{child, until_ready};
use crate::common::stores::*;

const STORE: &str = "ECHOIC_TEST_STORE";

/// Opens a writer; returns what was said meanwhile, too.
fn take(dir: &Path) -> (echoic::Result<Writer>, String) {
    logged(|| try_writing(dir))
}

#[test]
#[ignore = "run by the tests below, in another process"]
fn child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(STORE) else { return };
    let mut writer = Store::open(Path::new(&dir)).unwrap().writer().unwrap();
    ingest(&mut writer, "child", &numbered("x", 3)).unwrap();
    println!("\nready");
    std::thread::sleep(Duration::from_secs(600));
}

/// A process that holds the lock and has committed three captions.
fn living_writer(dir: &Path) -> Child {
    until_ready(child(module_path!(), "child_writes_until_it_is_killed").env(STORE, dir))
}

#[test]
fn a_killed_writer_is_succeeded_at_once_and_named() {
    let (_guard, dir) = empty_store();
    let mut child = living_writer(&dir);
    let owner = format!("process {}", child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = Instant::now();
    let (writer, said) = take(&dir);
    let mut writer = writer.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "no timeout is waited for");
    assert!(said.contains("took over") && said.contains(&owner), "{said:?}");
    assert_eq!(ingest(&mut writer, "child", &numbered("x", 4)).unwrap().duplicates, 3, "what it acknowledged is there");
    drop(writer);
    let (writer, said) = take(&dir);
    assert!(
        writer.is_ok() && !said.contains("took over"),
        "a writer that closed the store needs no successor: {said:?}"
    );
}

#[test]
fn a_living_writer_is_never_robbed_whatever_the_file_says() {
    let (_guard, dir) = empty_store();
    let mut child = living_writer(&dir);
    let refused = || match try_writing(&dir) {
        Err(Error::Locked { owner, .. }) => owner,
        other => panic!("{other:?}"),
    };
    assert!(refused().contains(&format!("process {}", child.id())));
    // The file is for people: emptied or overwritten, it frees nothing.
    for (content, named) in [
        (&b""[..], "has not named itself"),
        (b"process 999999999 on nowhere: gone, since 1970-01-01 00:00:00 UTC", "process 999999999"),
        (b"\xff\x00\x1b[31m\n", "\u{fffd}"),
    ] {
        std::fs::write(dir.join("lock"), content).unwrap();
        let owner = refused();
        assert!(owner.contains(named) && !owner.contains(char::is_control), "{owner:?}");
    }
    assert_eq!(open(&dir).len(), 3, "readers are not affected");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(try_writing(&dir).is_ok());
}

/// A process id may have been given to another process since, and a folder may have come from another machine.
#[test]
fn a_name_that_nobody_answers_to_keeps_nobody_out() {
    let (_guard, dir) = empty_store();
    let alive = format!("process {} on this machine: echoic ingest, since 2026-01-01 00:00:00 UTC", std::process::id());
    let long = "x".repeat(100_000);
    for content in
        [alive.as_bytes(), b"process 1 on another.host: echoic train", b"\xff\xfe\x00 garbage \x07", long.as_bytes()]
    {
        std::fs::write(dir.join("lock"), content).unwrap();
        let (writer, said) = take(&dir);
        assert!(writer.is_ok());
        assert!(said.contains("took over") && said.len() < 5_000, "{said:?}");
        assert!(!said.contains('\u{7}') && !said.contains('\0'), "no control character reaches a terminal: {said:?}");
        assert!(matches!(try_writing(&dir), Err(Error::Locked { .. })), "held as well as by any other");
    }
    std::fs::write(dir.join("lock"), " \n").unwrap();
    let (writer, said) = take(&dir);
    assert!(writer.is_ok() && said.is_empty(), "{said:?}");
}

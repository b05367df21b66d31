//! A writer is killed with SIGKILL at random moments, again and again. What it acknowledged is there, what it was doing is there
//! whole or not at all, and nothing else is.
//!
//! The suite kills 200 times; `ECHOIC_KILLS=10000 cargo test --release --test memory survives_kill` does it as often as you like. A failure
//! names its seed, and `ECHOIC_KILL_SEED` begins with it.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use echoic::Store;
use echoic::memory::CatalogueState;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::files;
use crate::common::model::{DOMAINS, Model, Step};
use crate::common::process::child;
use crate::common::stores::*;

/// Set for the child: the store, and the seed and number of its first step.
const STORE: &str = "ECHOIC_TEST_STORE";
const STEPS: &str = "ECHOIC_TEST_STEPS";
/// Kills that one store outlives before a fresh one takes its place.
const KILLS_A_STORE: u64 = 50;

/// Step `number` of the history that grows from `seed`.
fn step(seed: u64, number: u64) -> Step {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let domain = rng.random_range(0..DOMAINS.len());
    match rng.random_range(0..25) {
        0..12 => {
            let rows = (0..rng.random_range(1..40))
                .map(|_| (rng.random_range(0..200), rng.random_range(0..9), rng.random_range(0..2)));
            Step::Append { domain, rows: rows.collect() }
        }
        12..16 => Step::RemoveCaptions((0..rng.random_range(1..5)).map(|_| rng.random_range(0..300)).collect()),
        16..18 => Step::Retain { domain, clip: rng.random_range(0..9), text: rng.random_range(0..200) },
        18 => Step::RemoveDomain(domain),
        19 | 20 => Step::Merge,
        21 | 22 => Step::Compact,
        23 => Step::RenameDomain { from: domain, to: rng.random_range(0..DOMAINS.len()) },
        _ => Step::Index,
    }
}

#[test]
#[ignore = "run by the test below, in another process"]
fn child_works_until_it_is_killed() {
    let (Some(dir), Ok(steps)) = (std::env::var_os(STORE), std::env::var(STEPS)) else { return };
    let (seed, first) = steps.split_once(' ').unwrap();
    let (seed, first): (u64, u64) = (seed.parse().unwrap(), first.parse().unwrap());
    let mut model = Model::default();
    (0..first).for_each(|number| _ = step(seed, number).apply(&mut model));
    let mut writer = Store::open(Path::new(&dir)).unwrap().writer().unwrap();
    // On a line of its own, whatever the test harness has begun to say.
    println!("\nopen");
    for number in first.. {
        let step = step(seed, number);
        let outcome = step.perform(&mut writer, &model).unwrap();
        assert_eq!(outcome, step.apply(&mut model), "step {number} of seed {seed}: {step:?}");
        println!("\ndone {number}");
    }
}

/// Lets a child work from step `first` on, kills it, and returns the number of steps that are acknowledged then.
fn work_and_die(dir: &Path, seed: u64, first: u64, rng: &mut ChaCha8Rng) -> u64 {
    let mut child = child(module_path!(), "child_works_until_it_is_killed")
        .env(STORE, dir)
        .env(STEPS, format!("{seed} {first}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = |line: String| line.strip_prefix("done ")?.parse::<u64>().ok();
    let mut last = None;
    // Most at work, some while the child takes over the store, which it opens after the one that was killed before.
    if rng.random_bool(0.8) {
        lines.by_ref().find(|line| line == "open").expect("the child cannot open the store");
        // A few steps on, however busy the machine is, and then at any moment of the next.
        for _ in 0..rng.random_range(0..3) {
            last = lines.by_ref().find_map(acknowledged).or(last);
        }
    }
    std::thread::sleep(Duration::from_micros(rng.random_range(0..40_000)));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "seed {seed}: the child ended by itself: {status}");
    lines.filter_map(acknowledged).last().or(last).map_or(first, |last| last + 1)
}

/// Every file in `segments/` belongs to a segment of the store, and each segment has its two.
fn nothing_leaks(dir: &Path) {
    let segments = open(dir).stats().segments as usize;
    let names = files(&dir.join("segments")).into_iter().map(|(path, _)| path.file_name().unwrap().to_owned());
    let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    let of = |kind: &str| names.iter().filter(|name| name.ends_with(kind)).count();
    assert_eq!((of(".captions"), of(".vectors"), of(".new")), (segments, segments, 0), "{names:?}");
    for name in &names {
        let home = format!("{}.captions", &name[..name.find('.').unwrap()]);
        assert!(names.contains(&home), "{name} belongs to nothing");
    }
    let all: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let known = ["catalogue", "decoders", "lock", "manifest", "segments"];
    assert!(all.iter().all(|name| known.iter().any(|known| name == known)), "{all:?}");
}

#[test]
fn what_was_acknowledged_survives_and_nothing_else_does() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("ECHOIC_KILLS").unwrap_or(200);
    let first_seed = number("ECHOIC_KILL_SEED").unwrap_or(1);
    let (mut killed, mut steps, mut in_flight) = (0, 0, 0);
    for seed in first_seed.. {
        let (_guard, dir) = empty_store();
        let mut rng = ChaCha8Rng::seed_from_u64(!seed);
        let (mut model, mut done) = (Model::default(), 0);
        for kill in 0..KILLS_A_STORE.min(kills - killed) {
            let acknowledged = work_and_die(&dir, seed, done, &mut rng);
            (done..acknowledged).for_each(|number| _ = step(seed, number).apply(&mut model));
            done = acknowledged;
            let place = format!("seed {seed}, kill {kill}, after step {done}");

            let report = check(&dir).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert!(report.is_sound(), "{place}: {report:?}");
            let found = contents(&try_open(&dir).unwrap_or_else(|error| panic!("{place}: {error}")));
            if found != model.contents() {
                // The step that was under way is done, too, or else something is wrong.
                step(seed, done).apply(&mut model);
                done += 1;
                in_flight += 1;
                assert!(found == model.contents(), "{place}: neither before nor after {:?}", step(seed, done - 1));
            }
            // Now and then the store is opened in peace, so that the next child finds it closed properly.
            if rng.random_bool(0.25) {
                drop(try_writing(&dir).unwrap_or_else(|error| panic!("{place}: {error}")));
                nothing_leaks(&dir);
                let report = check(&dir).unwrap();
                assert!(report.is_sound() && report.leftovers.is_empty(), "{place}: {report:?}");
                assert_eq!(report.catalogue, CatalogueState::Agrees, "{place}");
            }
            killed += 1;
        }
        model.check(&open(&dir));
        steps += done;
        if killed >= kills {
            break;
        }
    }
    println!(
        "{killed} kills, {steps} steps acknowledged or found done, {in_flight} of them killed before they could say so"
    );
    assert!(killed >= kills && steps > killed / 2, "{killed} kills, {steps} steps");
}

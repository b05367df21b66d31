//! Removing captions: gone at once for new snapshots, there for old ones, free for good after compacting.

use echoic::error::Missing;
use echoic::internals::index_above;
use echoic::memory::{Effort, Removed, SearchOptions};
use echoic::progress::Control;
use echoic::{Error, Store};

use crate::common::files;
use crate::common::stores::*;

#[test]
fn a_removed_caption_is_nowhere_and_can_be_ingested_again() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 10)).unwrap();
    // The caption has a repeat in its own segment, and two in another.
    ingest(&mut writer, "a", &[row("dog", Some("1"), 0), row("dog", Some("2"), 0), row("cat", None, 0)]).unwrap();
    ingest(&mut writer, "a", &[row("dog", Some("3"), 0), row("dog", Some("4"), 0)]).unwrap();
    let before = open(&dir);
    let shown = contents(&before);

    assert_eq!(removed(writer.remove_captions(&[11])), (1, 4));
    let after = open(&dir);
    assert_eq!((after.len(), after.stats().occurrences, after.stats().removed), (11, 11, 1));
    assert!(
        after.caption(11).unwrap().is_none() && after.embedding(11).is_none() && after.clips(11).unwrap().is_empty()
    );
    let found = after.search(&embed("dog", DIM), &SearchOptions::default().k(100)).unwrap();
    assert_eq!(found.len(), 11);
    assert!(found.iter().all(|neighbour| neighbour.id != 11));
    assert!(contents(&after).iter().all(|caption| caption.0 != 11));
    assert_eq!(after.verify(&Control::default()).unwrap(), []);
    // Who looked before looks on.
    assert_eq!(contents(&before), shown);
    assert_eq!(before.search(&embed("dog", DIM), &SearchOptions::default()).unwrap()[0].id, 11);

    let again = ingest(&mut writer, "a", &[row("dog", Some("2"), 0), row("dog", Some("3"), 0)]).unwrap();
    assert_eq!((again.new, again.repeats, again.duplicates), (1, 1, 0), "no occurrence of it is remembered");
    drop(writer);
    lose_catalogue(&dir);
    let mut writer = writing(&dir);
    let again = ingest(&mut writer, "a", &[row("dog", Some("2"), 0), row("dog", Some("4"), 0)]).unwrap();
    assert_eq!((again.new, again.repeats, again.duplicates), (0, 1, 1), "nor by a catalogue that is built again");
    assert_eq!(contents(&before), shown);
}

#[test]
fn an_unknown_id_removes_nothing() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 3)).unwrap();
    let error = writer.remove_captions(&[1, 7]).unwrap_err();
    assert_eq!(error.to_string(), "no caption named '7'");
    assert_eq!((writer.snapshot().unwrap().len(), writer.snapshot().unwrap().commit()), (3, 1));
    assert_eq!(writer.remove_captions(&[]).unwrap(), Removed::default());
    assert_eq!(removed(writer.remove_captions(&[2, 2])), (1, 1));
    assert!(matches!(writer.remove_captions(&[2]), Err(Error::NotFound { kind: Missing::Caption, .. })));
}

#[test]
fn a_plan_from_before_a_removal_is_refused() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 3)).unwrap();
    let plan = writer.plan("a", &numbered("x", 3)).unwrap();
    assert!(plan.is_empty());
    writer.remove_captions(&[2]).unwrap();
    let error = writer.append("a", plan, &echoic::Embeddings::new(DIM)).expect_err("a duplicate of what is gone");
    assert!(matches!(error, Error::Input { .. }), "{error}");
    assert_eq!(ingest(&mut writer, "a", &numbered("x", 3)).unwrap().new, 1);
}

#[test]
fn a_walk_passes_over_removed_rows_and_finds_those_behind_them() {
    const DIM: usize = 16;
    const ROWS: usize = 4000;
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("store");
    Store::create(&dir, space(DIM)).unwrap();
    let mut writer = writing(&dir);
    let vectors = clustered(ROWS, DIM, 5);
    let plan = writer.plan("a", &numbered("row", ROWS)).unwrap();
    writer.append("a", plan, &echoic::Embeddings::from_vec(DIM, vectors.clone()).unwrap()).unwrap();
    index_above(&mut writer, 1, &Control::default()).unwrap();
    let query = &vectors[..DIM];
    let exact = SearchOptions::default().effort(Effort::EXACT);
    let walks = [SearchOptions::default().effort(Effort::ef(60)), SearchOptions::default().effort(Effort::recall(0.9))];
    // All that is near the query goes, several times over.
    for round in 0..4 {
        let near = exact.clone().k(200);
        let near: Vec<u64> =
            writer.snapshot().unwrap().search(query, &near).unwrap().iter().map(|neighbour| neighbour.id).collect();
        writer.remove_captions(&near).unwrap();
        let memory = open(&dir);
        assert_eq!(memory.stats().indexed, ROWS as u64 - 200 * (round + 1), "the graph stays in use");
        let ids = |options: &SearchOptions| -> Vec<u64> {
            memory.search(query, options).unwrap().iter().map(|neighbour| neighbour.id).collect()
        };
        assert!(ids(&exact).iter().all(|id| !near.contains(id)));
        for walk in &walks {
            let shared = ids(walk).iter().filter(|id| ids(&exact).contains(id)).count();
            assert_eq!((ids(walk).len(), ids(&exact).len()), (10, 10));
            assert!(shared >= 9, "round {round}: {shared} of 10");
        }
    }
    let rest: Vec<u64> = contents(&writer.snapshot().unwrap()).iter().skip(3).map(|caption| caption.0).collect();
    writer.remove_captions(&rest).unwrap();
    let memory = writer.snapshot().unwrap();
    for walk in &walks {
        assert_eq!(memory.search(query, walk).unwrap().len(), 3, "fewer than asked for, where there are no more");
        assert_eq!(memory.search(query, &exact).unwrap(), memory.search(query, walk).unwrap());
    }
}

#[test]
fn compacting_frees_what_was_removed() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for chunk in 0..12 {
        let mut rows = numbered(&format!("{chunk}"), 20);
        rows.push(row("everywhere", Some(&chunk.to_string()), 0));
        ingest(&mut writer, if chunk % 3 == 0 { "b" } else { "a" }, &rows).unwrap();
    }
    assert_eq!(writer.compact(&Control::default()).unwrap().segments_after, 2, "one segment a domain");
    assert_eq!(
        writer.compact(&Control::default()).unwrap().bytes_after,
        open(&dir).stats().bytes.captions + open(&dir).stats().bytes.vectors
    );
    let memory = writer.snapshot().unwrap();
    assert_eq!(memory.compaction_advice(), None);
    let commit = memory.commit();
    let reader = open(&dir);
    let shown = contents(&reader);
    let gone: Vec<u64> = shown.iter().filter(|caption| caption.1 == "a" && caption.0 % 2 == 0).map(|c| c.0).collect();
    writer.remove_captions(&gone).unwrap();
    let memory = writer.snapshot().unwrap();
    assert!(memory.compaction_advice().unwrap().contains("50 %"), "{:?}", memory.compaction_advice());
    let kept = contents(&memory);
    let done = writer.compact(&Control::default()).unwrap();
    assert_eq!((done.captions, done.segments_before, done.segments_after), (gone.len() as u64, 2, 2));
    assert!(done.bytes_after < done.bytes_before * 3 / 4, "{done:?}");
    let memory = open(&dir);
    assert_eq!((contents(&memory), memory.verify(&Control::default()).unwrap()), (kept, vec![]));
    assert_eq!((memory.commit(), memory.stats().removed), (commit + 2, 0), "the whole domain was left alone");
    assert_eq!(contents(&reader), shown, "its files are unlinked, and mapped still");
    assert_eq!(files(&dir.join("segments")).len(), 4);
    // A domain of which nothing is left keeps its name and no file.
    let rest: Vec<u64> = contents(&memory).iter().map(|caption| caption.0).collect();
    writer.remove_captions(&rest).unwrap();
    assert_eq!(writer.compact(&Control::default()).unwrap().segments_after, 0);
    assert_eq!((files(&dir.join("segments")).len(), open(&dir).domains().len()), (0, 2));
    assert_eq!(ingest(&mut writer, "a", &numbered("1", 20)).unwrap().new, 20);
}

#[test]
fn a_merge_keeps_a_removed_caption_while_others_repeat_it() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &[row("dog", Some("0"), 0), row("cat", None, 0)]).unwrap();
    // A large segment, which the merge of the small ones leaves out, repeats it.
    let mut rows = numbered("big", 600);
    rows.push(row("dog", Some("big"), 0));
    ingest(&mut writer, "a", &rows).unwrap();
    for chunk in 0..8 {
        ingest(&mut writer, "a", &[row("dog", Some(&format!("c{chunk}")), 0)]).unwrap();
    }
    assert_eq!(removed(writer.remove_captions(&[1])), (1, 10));
    let kept = contents(&writer.snapshot().unwrap());
    assert_eq!(writer.merge(&Control::default()).unwrap(), 1);
    let memory = open(&dir);
    assert_eq!((memory.stats().removed, memory.stats().occurrences, memory.stats().segments), (1, 601, 2));
    assert_eq!((contents(&memory), memory.verify(&Control::default()).unwrap()), (kept.clone(), vec![]));
    writer.compact(&Control::default()).unwrap();
    let memory = open(&dir);
    assert_eq!((memory.stats().removed, memory.stats().segments), (0, 1));
    assert_eq!((contents(&memory), memory.verify(&Control::default()).unwrap()), (kept, vec![]));
}

#[test]
fn every_flipped_byte_of_a_tombstone_file_is_detected() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 13)).unwrap();
    writer.remove_captions(&[2, 13]).unwrap();
    writer.remove_captions(&[5]).unwrap();
    let path = dir.join("segments/00000001.2.tombstones");
    let content = std::fs::read(&path).unwrap();
    assert_eq!((content.len(), files(&dir.join("segments")).len()), (66, 3), "the first generation is gone");
    for offset in 0..content.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut bad = content.clone();
            bad[offset] ^= mask;
            std::fs::write(&path, &bad).unwrap();
            let error = try_open(&dir).expect_err("a flipped byte");
            assert!(matches!(&error, Error::Damaged { path: named, .. } if *named == path), "{offset}: {error}");
        }
    }
    for len in 0..content.len() {
        std::fs::write(&path, &content[..len]).unwrap();
        assert!(matches!(try_open(&dir), Err(Error::Damaged { .. })), "cut at {len}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(try_open(&dir), Err(Error::Damaged { .. })));
    std::fs::write(&path, content).unwrap();
    assert_eq!(open(&dir).len(), 10);
}

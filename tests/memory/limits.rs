//! The limits that `schema/v1.md` states: up to each everything works, past it nothing is stored and the error says why.

use echoic::internals::index_above;
use echoic::memory::{BackupMode, CAPTION_BYTES, CLIP_BYTES, DIMENSIONS, DOMAIN_BYTES, SearchOptions};
use echoic::progress::Control;
use echoic::{Embeddings, Error, Store};

use crate::common::stores::*;

/// Words of `bytes` bytes, some of them of more than one byte a letter.
fn words(bytes: usize) -> String {
    let text: String = "Regen fällt 雨 "
        .chars()
        .cycle()
        .scan(0, |len, c| {
            *len += c.len_utf8();
            (*len <= bytes).then_some(c)
        })
        .collect();
    let text = text.trim_end().to_owned();
    format!("{text}{}", "x".repeat(bytes - text.len()))
}

#[test]
fn the_longest_caption_and_clip_come_back_whole() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let (text, clip) = (words(CAPTION_BYTES), words(CLIP_BYTES));
    let rows = [row(&text, Some(&clip), 0), row(&text, Some("other"), 0), row("x", Some("c"), 0)];
    assert_eq!(ingest(&mut writer, "a", &rows).unwrap().new, 2);
    for (text, clip) in [(words(CAPTION_BYTES + 1), "c".to_owned()), ("x".into(), words(CLIP_BYTES + 1))] {
        let error = writer.plan("a", &[row("fine", None, 0), row(&text, Some(&clip), 0)]).expect_err("too long");
        let message = error.to_string();
        assert!(message.contains("bytes") && message.len() < 300, "{message}");
    }
    for bad in ["", "  ", "two\nlines", "nul\0"] {
        assert!(matches!(writer.plan("a", &[row(bad, None, 0)]), Err(Error::Input { .. })), "{bad:?}");
    }
    let memory = open(&dir);
    let caption = memory.caption(1).unwrap().unwrap();
    assert_eq!((caption.text, memory.clips(1).unwrap()), (text, vec![clip, "other".to_owned()]));
    assert_eq!(memory.len(), 2);
}

#[test]
fn domain_names_are_short_and_plain() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let longest = "x".repeat(DOMAIN_BYTES);
    for good in ["a", "Clotho-v2.1", "_", &longest] {
        assert_eq!(ingest(&mut writer, good, &numbered("x", 2)).unwrap().new, 2, "{good}");
    }
    let too_long = "x".repeat(DOMAIN_BYTES + 1);
    for bad in ["", ".", "..", "-rf", "a/b", "a\\b", "a b", "ä", "a\0", &too_long] {
        assert!(matches!(writer.plan(bad, &numbered("x", 2)), Err(Error::Input { .. })), "{bad:?}");
    }
    assert_eq!(open(&dir).domains().len(), 4);
}

#[test]
fn one_dimension_and_the_most_dimensions_work_alike() {
    for dim in [1, 2, 7, DIMENSIONS] {
        let guard = tempfile::tempdir().unwrap();
        let dir = guard.path().join("store");
        Store::create(&dir, space(dim)).unwrap();
        let mut writer = writing(&dir);
        ingest(&mut writer, "a", &numbered("x", 20)).unwrap();
        index_above(&mut writer, 1, &Control::default()).unwrap();
        writer.remove_captions(&[3]).unwrap();
        let memory = open(&dir);
        let options = SearchOptions::default().k(30);
        assert_eq!(memory.search(&embed("x 7", dim), &options).unwrap().len(), 19, "{dim}");
        assert!(check(&dir).unwrap().is_sound(), "{dim}");
    }
    let guard = tempfile::tempdir().unwrap();
    for dim in [0, DIMENSIONS + 1, usize::MAX] {
        let dir = guard.path().join("store");
        assert!(matches!(Store::create(&dir, space(dim)), Err(Error::Input { .. })), "{dim}");
        assert!(!dir.exists());
    }
}

#[test]
fn a_folder_may_have_any_name() {
    let guard = tempfile::tempdir().unwrap();
    for name in ["with spaces  twice", "Geräusche – 音の記憶 🔊", "'quoted' \"twice\" $HOME %s \\", &"x".repeat(200)]
    {
        let dir = guard.path().join(name).join("deeper");
        Store::create(&dir, space(DIM)).unwrap();
        let mut writer = writing(&dir);
        for chunk in 0..3 {
            ingest(&mut writer, "a", &numbered(&chunk.to_string(), 5)).unwrap();
        }
        writer.remove_captions(&[2]).unwrap();
        writer.compact(&Control::default()).unwrap();
        drop(writer);
        assert!(check(&dir).unwrap().is_sound(), "{name}");
        let target = guard.path().join(format!("{name} 2"));
        backup(&dir, &target, BackupMode::Link).unwrap();
        assert_eq!(contents(&open(&target)), contents(&open(&dir)), "{name}");
    }
}

#[test]
fn many_domains_segments_and_copies_of_one_text_are_counted_right() {
    const DOMAINS: usize = 300;
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for domain in 0..DOMAINS {
        ingest(&mut writer, &format!("d{domain}"), &[row("rain", Some(&domain.to_string()), 0)]).unwrap();
    }
    // A hundred thousand rows of one text are one caption.
    let rows: Vec<_> = (0..100_000).map(|ordinal| row("rain", None, ordinal)).collect();
    let plan = writer.plan("d7", &rows).unwrap();
    let appended = writer.append("d7", plan, &Embeddings::new(DIM)).unwrap();
    assert_eq!((appended.new, appended.repeats), (0, 100_000));
    let memory = open(&dir);
    assert_eq!((memory.len(), memory.domains().len(), memory.domains()[7].occurrences), (300, 300, 100_001));
    assert_eq!(memory.caption(8).unwrap().unwrap().multiplicity, 100_001);
    let found = memory.search(&embed("rain", DIM), &SearchOptions::default().k(400)).unwrap();
    assert_eq!(found.len(), 300);
    writer.remove_captions(&[8]).unwrap();
    assert_eq!(writer.snapshot().unwrap().stats().occurrences, 299);
    assert_eq!(writer.compact(&Control::default()).unwrap().segments_after, 299);
}

//! The life of a store: create, ingest, search, remove, and what each answers.

use echoic::error::Missing;
use echoic::memory::{Decision, Scope, SearchOptions};
use echoic::progress::Control;
use echoic::{Embeddings, Error, Store};

use crate::common::files;
use crate::common::stores::*;

#[test]
fn a_store_answers_what_was_put_into_it() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let appended = ingest(&mut writer, "street", &numbered("tram", 20)).unwrap();
    assert_eq!((appended.new, appended.repeats, appended.duplicates), (20, 0, 0));
    ingest(&mut writer, "home", &numbered("kettle", 10)).unwrap();

    let memory = open(&dir);
    assert_eq!((memory.len(), memory.commit(), memory.space().dim), (30, 2, DIM));
    for text in ["tram 7", "kettle 3"] {
        let found = memory.search(&embed(text, DIM), &SearchOptions::default().k(3)).unwrap();
        assert_eq!((found.len(), found[0].caption.as_str()), (3, text));
        assert!((found[0].similarity - 1.0).abs() < 1e-6);
        assert_eq!(found[0].clip, Some(format!("{}.wav", text.replace(' ', "-"))));
        assert!(found.is_sorted_by(|a, b| a.similarity >= b.similarity));
        let caption = memory.caption(found[0].id).unwrap().unwrap();
        assert_eq!((caption.text, caption.multiplicity), (text.to_owned(), 1));
    }
    let only = SearchOptions::default().k(100).scope(Scope::domains(["home"]));
    let found = memory.search(&embed("tram 7", DIM), &only).unwrap();
    assert_eq!(found.len(), 10);
    assert!(found.iter().all(|neighbour| neighbour.domain == "home"));

    let batch = Embeddings::from_vec(DIM, [embed("tram 1", DIM), embed("kettle 1", DIM)].concat()).unwrap();
    let answers = memory.search_batch(&batch, &SearchOptions::default()).unwrap();
    assert_eq!(answers[0], memory.search(&embed("tram 1", DIM), &SearchOptions::default()).unwrap());
    assert_eq!(answers[1][0].caption, "kettle 1");
}

#[test]
fn equal_texts_are_stored_once_and_counted() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let rows =
        [row("a dog", Some("1"), 0), row("a dog", Some("2"), 0), row("a dog", Some("1"), 1), row("a cat", None, 0)];
    let plan = writer.plan("pets", &rows).unwrap();
    let decisions: Vec<_> = plan.decisions().collect();
    assert_eq!(decisions, [Decision::New(0), Decision::RepeatOfNew(0), Decision::RepeatOfNew(0), Decision::New(1)]);
    ingest(&mut writer, "pets", &rows).unwrap();
    let again = ingest(&mut writer, "pets", &rows).unwrap();
    assert_eq!((again.new, again.repeats, again.duplicates), (0, 0, 4));
    assert_eq!(writer.snapshot().unwrap().commit(), 1, "nothing new is no commit");
    // A repeat of a caption in an older segment, and the same text in another domain.
    let more = ingest(&mut writer, "pets", &[row("a dog", Some("3"), 0)]).unwrap();
    assert_eq!((more.new, more.repeats, more.duplicates), (0, 1, 0));
    ingest(&mut writer, "wild", &[row("a dog", Some("9"), 0)]).unwrap();

    let memory = open(&dir);
    let clips = |list: &[&str]| list.iter().map(|clip| (*clip).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        contents(&memory),
        [
            (1, "pets".into(), "a dog".into(), 4, clips(&["1", "1", "2", "3"])),
            (2, "pets".into(), "a cat".into(), 1, clips(&[])),
            (3, "wild".into(), "a dog".into(), 1, clips(&["9"])),
        ]
    );
    let stats = memory.domains();
    assert_eq!((stats[0].captions, stats[0].occurrences, stats[0].segments), (2, 5, 2));
    assert_eq!((stats[1].captions, stats[1].occurrences, stats[1].segments), (1, 1, 1));
    assert_eq!(memory.stats().occurrences, 6);
    // Equal similarities come in the order of ids.
    let found = memory.search(&embed("a dog", DIM), &SearchOptions::default()).unwrap();
    assert_eq!(found.iter().map(|n| n.id).take(2).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(found[0].multiplicity, 4);
}

#[test]
fn merging_changes_no_answer() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    for chunk in 0..20 {
        let mut rows = numbered(&format!("chunk {}", chunk / 2), 5);
        rows.push(row("everywhere", Some(&chunk.to_string()), 0));
        for row in &mut rows {
            row.clip = row.clip.as_ref().map(|clip| format!("{chunk}/{clip}"));
        }
        ingest(&mut writer, if chunk % 2 == 0 { "a" } else { "b" }, &rows).unwrap();
    }
    let before = open(&dir);
    assert_eq!(before.stats().segments, 20);
    let expected = contents(&before);
    assert_eq!(writer.merge(&Control::default()).unwrap(), 2);
    let after = open(&dir);
    assert!(after.stats().segments < 8, "{}", after.stats().segments);
    assert_eq!(contents(&after), expected);
    assert_eq!(contents(&before), expected, "a reader keeps what it opened");
    assert_eq!(after.verify(&Control::default()).unwrap(), []);
    // What was merged is still known.
    let again = [row("everywhere", Some("0/0"), 0), row("everywhere", Some("new"), 0)];
    let appended = ingest(&mut writer, "a", &again).unwrap();
    assert_eq!((appended.duplicates, appended.repeats, appended.new), (1, 1, 0));
}

#[test]
fn a_removed_domain_is_gone_and_can_be_ingested_anew() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 5)).unwrap();
    ingest(&mut writer, "b", &numbered("x", 7)).unwrap();
    let before = open(&dir);
    assert_eq!(writer.remove_domain("a").unwrap(), 5);
    assert!(matches!(writer.remove_domain("a"), Err(Error::NotFound { kind: Missing::Domain, .. })));
    let after = open(&dir);
    assert_eq!((before.len(), after.len()), (12, 7));
    assert_eq!(contents(&before).len(), 12);
    assert_eq!(files(&dir.join("segments")).len(), 2);
    assert_eq!(ingest(&mut writer, "a", &numbered("x", 5)).unwrap().new, 5);
}

#[test]
fn wrong_questions_have_clear_answers() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("x", 5)).unwrap();
    let memory = writer.snapshot().unwrap();
    let options = SearchOptions::default();
    for query in [vec![0.0; DIM], vec![f32::NAN; DIM], vec![f32::INFINITY; DIM]] {
        assert!(matches!(memory.search(&query, &options), Err(Error::Input { .. })), "{query:?}");
    }
    for query in [vec![1.0; DIM + 1], vec![]] {
        let error = memory.search(&query, &options).unwrap_err();
        assert!(matches!(error, Error::Dimension { found, expected: DIM, .. } if found == query.len()), "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
    }
    let query = embed("x 1", DIM);
    assert!(matches!(memory.search(&query, &options.clone().k(0)), Err(Error::Input { .. })));
    let unknown = options.scope(Scope::domains(["z"]));
    let error = memory.search(&query, &unknown).unwrap_err();
    assert_eq!(error.to_string(), "no domain named 'z' (there are: a)");
    assert!(memory.caption(99).unwrap().is_none());
    assert!(memory.embedding(0).is_none());
    assert!(matches!(memory.decoder_path("none"), Err(Error::NotFound { kind: Missing::Decoder, .. })));

    assert!(matches!(writer.plan("no/slash", &[]), Err(Error::Input { .. })));
    assert!(matches!(writer.plan("a", &[row("", None, 0)]), Err(Error::Input { .. })));
    let plan = writer.plan("a", &[row("new", None, 0)]).unwrap();
    for bad in [Embeddings::new(DIM), Embeddings::from_vec(DIM, vec![0.0; DIM]).unwrap()] {
        assert!(matches!(writer.append("a", plan.clone(), &bad), Err(Error::Input { .. })));
    }
    let narrow = writer.append("a", plan.clone(), &Embeddings::from_vec(2, vec![1.0; 2]).unwrap());
    assert!(matches!(narrow, Err(Error::Dimension { found: 2, expected: DIM, .. })), "{narrow:?}");
    assert_eq!(open(&dir).commit(), 1);
    assert!(
        writer.append("a", plan, &Embeddings::from_vec(DIM, vec![5.0; DIM]).unwrap()).is_ok(),
        "bad input poisons nothing"
    );
}

#[test]
fn create_refuses_what_is_occupied_and_open_what_is_no_store() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("ein Ordner – 音");
    assert!(matches!(try_open(&dir), Err(Error::NoStore { .. })));
    assert!(matches!(try_writing(&dir), Err(Error::NoStore { .. })));
    assert!(!dir.exists());
    Store::create(&dir, space(4)).unwrap();
    assert!(matches!(Store::create(&dir, space(4)), Err(Error::Input { .. })));
    assert!(open(&dir).is_empty());
    assert!(open(&dir).search(&[1.0; 4], &SearchOptions::default()).unwrap().is_empty());
    let other = guard.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.txt"), "precious").unwrap();
    assert!(matches!(Store::create(&other, space(4)), Err(Error::Input { .. })));
    for dim in [0, 8193] {
        assert!(matches!(Store::create(guard.path().join("dim"), space(dim)), Err(Error::Input { .. })));
    }
}

#[test]
fn a_plan_outlives_a_commit_that_came_between() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let rows = [row("a", Some("1"), 0), row("b", Some("1"), 0), row("a", Some("2"), 0)];
    let plan = writer.plan("d", &rows).unwrap();
    ingest(&mut writer, "d", &[row("a", Some("1"), 0)]).unwrap();
    let embeddings = Embeddings::from_vec(DIM, [embed("a", DIM), embed("b", DIM)].concat()).unwrap();
    let appended = writer.append("d", plan, &embeddings).unwrap();
    assert_eq!((appended.new, appended.repeats, appended.duplicates), (1, 1, 1));
    let memory = writer.snapshot().unwrap();
    assert_eq!(memory.search(&embed("b", DIM), &SearchOptions::default()).unwrap()[0].caption, "b");

    let late = writer.plan("d", &[row("a", Some("3"), 0)]).unwrap();
    writer.remove_domain("d").unwrap();
    assert!(matches!(writer.append("d", late, &Embeddings::new(DIM)), Err(Error::Input { .. })));
}

#[test]
fn decoders_are_published_replaced_and_removed() {
    let (guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let source = guard.path().join("checkpoint.safetensors");
    std::fs::write(&source, b"weights 1").unwrap();
    let first = writer.publish_decoder("small", &source, serde_json::json!({"epochs": 3})).unwrap();
    assert_eq!(first.file, format!("small-{}.safetensors", &first.sha256[..12]));
    let memory = open(&dir);
    assert_eq!(std::fs::read(memory.decoder_path("small").unwrap()).unwrap(), b"weights 1");
    assert_eq!(memory.decoders()[0].details["epochs"], 3);
    std::fs::write(&source, b"weights 2").unwrap();
    writer.publish_decoder("small", &source, serde_json::Value::Null).unwrap();
    writer.publish_decoder("small", &source, serde_json::Value::Null).unwrap();
    let memory = open(&dir);
    assert_eq!(memory.decoders().len(), 1);
    assert_eq!(files(&dir.join("decoders")).len(), 1);
    assert_eq!(memory.verify(&Control::default()).unwrap(), []);
    std::fs::write(memory.decoder_path("small").unwrap(), b"weights 3").unwrap();
    assert_eq!(memory.verify(&Control::default()).unwrap().len(), 1);
    writer.remove_decoder("small").unwrap();
    assert!(matches!(writer.remove_decoder("small"), Err(Error::NotFound { .. })));
    assert!(files(&dir.join("decoders")).is_empty());
}

#[test]
fn history_lasts_from_writer_to_writer() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    writer.record("audit", serde_json::json!({"query": 1})).unwrap();
    writer.record("decoder", serde_json::json!({"name": "small"})).unwrap();
    drop(writer);
    let writer = writing(&dir);
    let kinds: Vec<String> = writer.history().unwrap().into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, ["audit", "decoder"]);
}

#[test]
fn a_domain_that_is_renamed_is_the_same_to_new_readers_and_untouched_to_old_ones() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    ingest(&mut writer, "a", &numbered("sound", 5)).unwrap();
    ingest(&mut writer, "b", &numbered("noise", 2)).unwrap();
    writer.remove_captions(&[2]).unwrap();
    let old = writer.snapshot().unwrap();
    let before = contents(&old);
    let plan = writer.plan("a", &numbered("late", 1)).unwrap();
    writer.rename_domain("a", "c").unwrap();

    assert_eq!(contents(&old), before);
    let renamed: Vec<_> = before
        .iter()
        .cloned()
        .map(|mut seen| {
            if seen.1 == "a" {
                seen.1 = "c".into();
            }
            seen
        })
        .collect();
    assert_eq!(contents(&writer.snapshot().unwrap()), renamed);
    assert_eq!(contents(&open(&dir)), renamed);
    // A plan from before would make the old name again.
    let late = Embeddings::from_vec(DIM, embed("late 0", DIM)).unwrap();
    assert!(writer.append("a", plan, &late).unwrap_err().to_string().contains("renaming"));
    for (from, to, words) in [("c", "b", "has it"), ("a", "d", "no domain named 'a'"), ("c", "", "domain")] {
        let refused = writer.rename_domain(from, to).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert_eq!(contents(&writer.snapshot().unwrap()), renamed, "a refusal commits nothing");
    assert_eq!(ingest(&mut writer, "c", &numbered("sound", 5)).unwrap().new, 1, "the one that was removed");
}

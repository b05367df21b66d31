//! A program can tell errors apart: by their kind, not by their words. And the words name no program.

use std::path::Path;
use std::str::FromStr;

use echoic::decoder::Preset;
use echoic::error::{Missing, Topic};
use echoic::export::{Export, Format};
use echoic::gap::estimate_noise;
use echoic::ingest::{Ingest, Mode, Source};
use echoic::memory::{BackupMode, Effort, RowKey, Scope, SearchOptions};
use echoic::retrieval::{RetrievalOptions, nearest, retrieve};
use echoic::training::Training;
use echoic::{Clap, Embeddings, Error, Result, Snapshot, Store, corpus, decoders};

use crate::common::stores::*;
use crate::common::{clap_models, is_for_the_user, texts};

/// A store with two captions in the domain `a`.
fn filled() -> (tempfile::TempDir, std::path::PathBuf) {
    let (guard, dir) = empty_store();
    ingest(&mut writing(&dir), "a", &numbered("x", 2)).unwrap();
    (guard, dir)
}

#[track_caller]
fn failed<T>(result: Result<T>) -> Error {
    let Err(error) = result else { panic!("it worked") };
    assert!(is_for_the_user(&error), "{error:?}");
    let said = format!("{error}; {}", crate::common::hint(&error));
    for command in ["--", "echoic ", "`"] {
        assert!(!said.contains(command), "'{command}' is for the command line to say: {said}");
    }
    error
}

#[test]
fn a_vector_of_another_length_is_a_dimension() {
    let (_guard, dir) = filled();
    let snapshot = open(&dir);
    let (wide, options) = (vec![1.0; DIM + 1], SearchOptions::default());
    let batch = Embeddings::from_vec(DIM + 1, wide.clone()).unwrap();
    let retrieval = RetrievalOptions::default();
    let mut writer = writing(&dir);
    let plan = writer.plan("a", &[RowKey::new("new")]).unwrap();
    let captions = || corpus::Corpus::of(["Rain falls.", "Wind."]);
    let errors = [
        failed(snapshot.search(&wide, &options)),
        failed(snapshot.search_batch(&batch, &options)),
        failed(snapshot.nearest(&batch, &options)),
        failed(snapshot.widening(&wide, &options)),
        failed(retrieve(&snapshot, &wide, &retrieval)),
        failed(retrieve(&snapshot, &wide, &retrieval.clone().effort(Effort::EXACT))),
        failed(nearest(&snapshot, &wide, &retrieval)),
        failed(writer.append("a", plan, &batch)),
        failed(Ingest::new(&mut writer, "b").run(captions(), Source::rows(batch.clone()))),
        failed(Embeddings::new(DIM).push(&wide)),
    ];
    for error in errors {
        assert!(matches!(error, Error::Dimension { found: 9, expected: DIM, .. }), "{error:?}");
        assert!(error.to_string().ends_with("found 9 components, expected 8") && error.hint().is_some(), "{error}");
    }
    assert_eq!(open(&dir).commit(), 1, "nothing was stored");
}

#[test]
fn what_is_not_there_says_what_kind_of_thing_it_is_and_what_there_is() {
    let (_guard, dir) = filled();
    let (snapshot, z) = (open(&dir), Scope::domains(["a", "z"]));
    let query = embed("x 1", DIM);
    let mut writer = writing(&dir);
    let store = Store::open(&dir).unwrap();
    let options = SearchOptions::default().scope(z.clone());
    let of_domains = [
        failed(snapshot.search(&query, &options)),
        failed(snapshot.widening(&query, &options)),
        failed(retrieve(&snapshot, &query, &RetrievalOptions::default().scope(z.clone()))),
        failed(snapshot.captions(&z)),
        failed(snapshot.blocks(&z)),
        failed(Export::new(&snapshot).scope(z.clone()).write(dir.with_extension("jsonl"))),
        failed(Training::new(&snapshot, "d").scope(z.clone()).run(&texts::tokenizer())),
        failed(estimate_noise(&snapshot, &z)),
        failed(writer.remove_domain("z")),
        failed(writer.retain("z", |_, _| true)),
    ];
    for error in of_domains {
        let Error::NotFound { kind, name, known } = &error else { panic!("{error:?}") };
        assert_eq!((kind, name.as_str(), known.as_slice()), (&Missing::Domain, "z", &["a".to_owned()][..]));
    }
    assert!(!dir.with_extension("jsonl").exists());
    let of_captions = failed(writer.remove_captions(&[1, 99]));
    drop(writer);
    let others: [(Error, Missing); 8] = [
        (of_captions, Missing::Caption),
        (failed(snapshot.decoder_path("none")), Missing::Decoder),
        (failed(decoders::load(&snapshot, Some("none"))), Missing::Decoder),
        (failed(decoders::remove(&store, "none")), Missing::Decoder),
        (failed(Clap::load("none")), Missing::Model),
        (failed(Format::from_str("xml")), Missing::ExportFormat),
        (failed(corpus::Format::from_str("xml")), Missing::CorpusFormat),
        (failed(Preset::from_str("huge")), Missing::Preset),
    ];
    for (error, expected) in others {
        assert!(matches!(&error, Error::NotFound { kind, .. } if *kind == expected), "{expected}: {error:?}");
        assert!(error.to_string().contains(&format!("no {expected} named ")), "{error}");
    }
    assert_eq!(open(&dir).len(), 2, "nothing was removed");
}

#[test]
fn where_no_store_is_every_way_in_says_so() {
    let guard = tempfile::tempdir().unwrap();
    let file = guard.path().join("file");
    std::fs::write(&file, "no store").unwrap();
    std::fs::create_dir(guard.path().join("empty")).unwrap();
    for dir in [guard.path().join("absent"), guard.path().join("empty"), file.clone(), file.join("below")] {
        let error = failed(Store::open(&dir));
        assert!(matches!(&error, Error::NoStore { path } if *path == dir), "{error:?}");
        let topic = if dir == file { Topic::StoreFolder } else { Topic::CreateStore };
        assert_eq!(error.hint().unwrap().topic(), Some(&topic));
        assert!(matches!(echoic::Captioner::open(&dir, None), Err(Error::NoStore { .. })));
        assert!(matches!(backup(&dir, &guard.path().join("target"), BackupMode::Link), Err(Error::NoStore { .. })));
    }
    // One that went away since it was opened.
    let (_guard, dir) = filled();
    let store = Store::open(&dir).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let gone = |result: Result<()>| assert!(matches!(failed(result), Error::NoStore { .. }));
    gone(store.snapshot().map(drop));
    gone(store.writer().map(drop));
    gone(store.check(&Default::default()).map(drop));
    gone(store.repair(&Default::default()).map(drop));
    gone(store.backup(guard.path().join("target"), BackupMode::Copy, &Default::default()).map(drop));
    assert!(!dir.exists() && !guard.path().join("target").exists(), "asking made something");
}

#[test]
fn embeddings_of_another_space_are_refused_with_both_named() {
    let (_guard, dir) = empty_store();
    let clap = Clap::load(clap_models::folder("wavcaps-cnn14").to_str().unwrap()).unwrap();
    let mut writer = writing(&dir);
    let ingested = Ingest::new(&mut writer, "a").run(corpus::Corpus::of(["Rain falls."]), &clap);
    for error in [failed(ingested), failed(echoic::binding::keep_model(&mut writer, &clap).map(drop))] {
        let Error::SpaceMismatch { store, given } = &error else { panic!("{error:?}") };
        assert!(store.contains("external") && given.contains("wavcaps-cnn14"), "{error}");
        assert_eq!(error.hint().unwrap().topic(), Some(&Topic::CreateStoreForModel));
    }
    assert!(open(&dir).is_empty() && open(&dir).model().is_none());
}

/// Files of one's own with too few rows, or with rows that have no direction.
#[test]
fn given_embeddings_that_do_not_fit_the_captions_are_counted() {
    let (_guard, dir) = empty_store();
    let mut writer = writing(&dir);
    let captions =
        |count: usize| corpus::Corpus::of((0..count).map(|i| format!("Sound {i} rings.")).collect::<Vec<_>>());
    let rows = |count: usize| Embeddings::from_vec(DIM, clustered(count, DIM, 1)).unwrap();
    let few = failed(Ingest::new(&mut writer, "a").run(captions(5), Source::rows(rows(3))));
    assert!(few.to_string().contains("found 3 rows"), "{few}");
    assert!(matches!(few, Error::Input { .. }), "{few:?}");
    // Enough for a chunk, and too few for the next: what was committed before stays, and all of them are counted.
    let chunk = 8 * echoic::ingest::CHUNK_ROWS;
    let few = failed(Ingest::new(&mut writer, "b").run(captions(chunk + 9), Source::rows(rows(chunk + 4))));
    assert!(few.to_string().contains(&format!("found {} rows", chunk + 4)), "{few}");
    assert_eq!(open(&dir).len(), chunk as u64);
    let mut bad = rows(3).into_vec();
    bad[..DIM].fill(0.0);
    bad[DIM] = f32::INFINITY;
    let given = Embeddings::from_vec(DIM, bad).unwrap();
    let report = Ingest::new(&mut writer, "c").mode(Mode::ReplaceClips).run(captions(3), Source::rows(given)).unwrap();
    assert_eq!((report.read, report.new, report.rejected, report.replaced), (3, 1, 2, 0));
}

#[test]
fn a_decoder_where_there_is_none_is_asked_for_in_words_of_its_own() {
    let (_guard, dir) = filled();
    let snapshot: Snapshot = open(&dir);
    let error = failed(decoders::load(&snapshot, None));
    assert_eq!(error.hint().unwrap().topic(), Some(&Topic::Train));
    let name = failed(Training::new(&snapshot, "../up").run(&texts::tokenizer()));
    assert!(matches!(name, Error::Input { .. }), "{name:?}");
    assert!(!Path::new(&dir).join("up").exists());
}

//! Story: a store is one folder. What it needs of its model lies in it or is found again by what lies in it, wherever the folder goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use echoic::error::Topic;
use echoic::memory::{BackupMode, CheckReport};
use echoic::towers::adapter::{Activation, AdapterFacts, AdapterLayer, AdapterParameters, Storage};
use echoic::{Clap, Error, Store};
use serde_json::Value;

use crate::common::bench::{Bench, Run, finished};
use crate::common::clap_models::{DIM, folder, strings, texts, variation};
use crate::common::process::child;
use crate::common::{copy_tree, files, hint, needs, scattered, sounds, stores};

const RATE: u32 = 48_000;

/// An adapter on a CLAP's own embedding, of random weights.
fn adapter(path: &Path, seed: usize) {
    let random = scattered(DIM + 1 + seed, DIM);
    let facts = AdapterFacts {
        version: 1,
        features: "embedding".into(),
        inputs: DIM,
        outputs: DIM,
        activation: Activation::Gelu,
        layers: 1,
        training: BTreeMap::new(),
    };
    let layer = AdapterLayer { weight: random[..DIM * DIM].to_vec(), bias: random[DIM * (1 + seed)..][..DIM].to_vec() };
    let parameters = AdapterParameters { facts, mean: vec![0.0; DIM], scale: vec![4.0; DIM], layers: vec![layer] };
    parameters.write(path, Storage::F32).unwrap();
}

/// A folder with the model `laion`, a cache that has it as `tiny`, an adapter, captions and a sound.
fn bench() -> Bench {
    let bench = Bench::with_own_cache();
    copy_tree(&folder("laion"), &bench.path("a model"));
    bench.run(&["models", "pull", "a model", "--as", "tiny"]).succeeds();
    adapter(&bench.path("own.safetensors"), 0);
    let captions = strings(&texts()["captions"]);
    bench.write("captions.txt", captions[..40].join("\n"));
    bench.write("more.txt", captions[40..60].join("\n"));
    sounds::wav_at(&bench.path("sound.wav"), &variation(3, RATE as usize), RATE);
    bench
}

fn ingest(bench: &Bench, file: &str) -> u64 {
    bench.run_json(&["ingest", file, "--domain", "all"]).succeeds().json()["new"].as_u64().unwrap()
}

/// What the store at `store` answers to the sound, but for how long it took.
fn answer(bench: &Bench, store: &Path) -> Value {
    let mut found = bench.run_json_at(store, &["search", "--audio", "sound.wav", "-k", "5"]).succeeds().json();
    found.as_object_mut().unwrap().remove("timings");
    found
}

fn search(bench: &Bench) -> Run {
    bench.run(&["search", "--audio", "sound.wav"])
}

fn version(store: &Path) -> u8 {
    std::fs::read(store.join("manifest")).unwrap()[8]
}

/// The one file in the store's folder `model`.
fn kept_adapter(store: &Path) -> PathBuf {
    let [(path, _)] = &files(&store.join("model"))[..] else { panic!("{:?}", files(&store.join("model"))) };
    path.clone()
}

/// Another cache takes the place of the one that the store was made with: it has the model, and nothing else.
fn with_another_cache(mut bench: Bench) -> Bench {
    let [old, new] = ["cache", "another cache"].map(|name| bench.path(name));
    std::fs::remove_dir_all(&old).unwrap();
    bench.cache = Some(new);
    bench.run(&["models", "pull", "a model", "--as", "tiny"]).succeeds();
    bench
}

const FOLDER: &str = "ECHOIC_TEST_FOLDER";

#[test]
#[ignore = "run by the test below, in another process"]
fn child_creates_a_store_for_a_model_with_an_adapter() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let clap = Clap::load_with_adapter("tiny", folder.join("own.safetensors")).unwrap();
    let store = Store::create_for(folder.join("a store"), &clap).unwrap();
    let model = store.snapshot().unwrap().model().unwrap();
    assert_eq!((&model.details["model"], &model.details["family"]), (&"tiny".into(), &"laion".into()));
    assert_eq!((&model.details["dim"], &model.details["source"]["kind"]), (&DIM.into(), &"local".into()));
    assert_eq!(model.file("adapter").unwrap().sha256, clap.adapter().unwrap().sha256());
    println!("\ncreated");
}

/// Stores made by the program, and by the library where only its environment names the cache.
fn with_adapters() -> [Bench; 2] {
    let [program, library] = [bench(), bench()];
    program.run(&["init", "--model", "tiny", "--adapter", "own.safetensors"]).succeeds();
    let output = child(module_path!(), "child_creates_a_store_for_a_model_with_an_adapter")
        .env("ECHOIC_CACHE", library.cache.as_ref().unwrap())
        .env(FOLDER, library.dir.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\ncreated"), "{output:?}");
    [program, library]
}

#[test]
fn a_store_with_an_adapter_of_its_own_needs_neither_the_file_nor_the_cache_it_came_from() {
    for bench in with_adapters() {
        assert_eq!((ingest(&bench, "captions.txt"), version(&bench.store())), (40, 2));
        let expected = answer(&bench, &bench.store());
        assert_eq!(expected["neighbours"].as_array().unwrap().len(), 5);
        std::fs::remove_file(bench.path("own.safetensors")).unwrap();
        let bench = with_another_cache(bench);
        assert_eq!(answer(&bench, &bench.store()), expected);
        assert_eq!(ingest(&bench, "captions.txt"), 0);
        assert!(!bench.path("another cache").join("adapters").exists(), "adapters are not kept there any more");

        // As a copy, as backups of both kinds, and where it was moved to.
        let [copy, linked, copied, moved] = ["copy", "linked", "copied", "moved"].map(|name| bench.path(name));
        copy_tree(&bench.store(), &copy);
        for (target, arguments) in [(&linked, &["backup"][..]), (&copied, &["backup", "--copy"])] {
            bench.run(&[arguments, &[target.to_str().unwrap()]].concat()).succeeds();
        }
        std::fs::rename(bench.store(), &moved).unwrap();
        for place in [&copy, &linked, &copied, &moved] {
            assert_eq!(answer(&bench, place), expected, "{}", place.display());
            let report = bench.run_json_at(place, &["check"]).succeeds().json();
            assert_eq!(report["damage"], serde_json::json!([]), "{}", place.display());
        }
        // A backup of a backup, by the library.
        let last = bench.path("last");
        stores::backup(&copied, &last, BackupMode::Link).unwrap();
        assert_eq!(answer(&bench, &last), expected);
        // Another adapter would be another space.
        let other = bench.path("other.safetensors");
        adapter(&other, 1);
        let clap = Clap::load_with_adapter(bench.path("a model").to_str().unwrap(), &other).unwrap();
        let refused = echoic::binding::keep_model(&mut stores::writing(&last), &clap).unwrap_err();
        assert!(matches!(refused, Error::SpaceMismatch { .. }), "{refused:?}");
    }
}

/// An adapter can be taken out of a store, and another store be made with it.
#[test]
fn an_adapter_can_be_exported_and_is_the_one_that_was_brought() {
    let [bench, _] = with_adapters();
    ingest(&bench, "captions.txt");
    let brought = std::fs::read(bench.path("own.safetensors")).unwrap();
    bench.run(&["export", "out.safetensors", "--format", "model"]).succeeds();
    assert!(std::fs::read(bench.path("out.safetensors")).unwrap() == brought);
    let details: Value = serde_json::from_slice(&std::fs::read(bench.path("out.json")).unwrap()).unwrap();
    assert_eq!(details, stores::open(&bench.store()).model().unwrap().details);
    let other = bench.path("other");
    let space = |store: &Path| stores::open(store).space().clone();
    bench.run_json_at(&other, &["init", "--model", "tiny", "--adapter", "out.safetensors"]).succeeds();
    assert_eq!(space(&other), space(&bench.store()));

    let path = kept_adapter(&bench.store());
    let mut bad = std::fs::read(&path).unwrap();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bad).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    bench.run(&["export", "out.safetensors", "--format", "model"]).fails(1, &[name, "is damaged"]);
    assert!(std::fs::read(bench.path("out.safetensors")).unwrap() == brought, "the one before was lost");
    bench.run(&["export", "x.json", "--format", "model"]).fails(1, &["the ending .json"]);
    let external = Bench::external(4);
    external.run(&["export", "x.safetensors", "--format", "model"]).fails(1, &["nothing kept of its model"]);
}

#[test]
fn damage_of_the_adapter_is_named_and_never_searched_with() {
    let [bench, _] = with_adapters();
    ingest(&bench, "captions.txt");
    let expected = answer(&bench, &bench.store());
    let path = kept_adapter(&bench.store());
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("adapter-") && name.ends_with(".safetensors"), "{name}");
    let sound = std::fs::read(&path).unwrap();
    let found = |report: &CheckReport| report.damage.iter().map(|damage| damage.file.clone()).collect::<Vec<_>>();
    // The length of the header, the header, the first numbers and the last.
    for at in [0, 7, 8, 40, sound.len() / 2, sound.len() - 1] {
        let mut bad = sound.clone();
        bad[at] ^= 0x20;
        std::fs::write(&path, bad).unwrap();
        bench.run(&["check"]).fails(1, &[name, "is damaged"]);
        search(&bench).fails(1, &[name, "is damaged", "from a backup"]);
        bench.run(&["check", "--repair"]).fails(1, &[name, "is damaged"]);
        assert_eq!(found(&stores::check(&bench.store()).unwrap()), std::slice::from_ref(&path), "byte {at}");
    }
    for bad in [&sound[..sound.len() - 4], &sound[..100], b""] {
        std::fs::write(&path, bad).unwrap();
        search(&bench).fails(1, &[name, "is damaged"]);
        bench.run(&["check"]).fails(1, &[name, "is damaged"]);
    }
    std::fs::remove_file(&path).unwrap();
    search(&bench).fails(1, &[name, "is damaged", "no file"]);
    bench.run(&["check"]).fails(1, &[name, "no file"]);
    // What needs no tower goes on.
    assert_eq!(bench.run_json(&["stats"]).succeeds().json()["captions"], 40);
    std::fs::write(&path, sound).unwrap();
    bench.run(&["check"]).succeeds();
    assert_eq!(answer(&bench, &bench.store()), expected);
}

#[test]
fn a_model_that_moved_is_found_again_by_its_weights() {
    let bench = bench();
    bench.run(&["models", "remove", "tiny"]).succeeds();
    bench.run(&["init", "--model", "a model"]).succeeds();
    ingest(&bench, "captions.txt");
    let expected = answer(&bench, &bench.store());
    let [origin, elsewhere] = ["a model", "elsewhere"].map(|name| bench.path(name));
    let origin_named = std::fs::canonicalize(&origin).unwrap().display().to_string();
    std::fs::rename(&origin, &elsewhere).unwrap();

    let advice = "echoic models pull FOLDER --as a-model";
    for run in [search(&bench), bench.run(&["search", "--text", "rain"]), bench.run(&["train"])] {
        run.fails(
            1,
            &["is not installed", "SHA-256", "made with the model from", &origin_named, "put it back", advice],
        );
    }
    bench.run(&["ingest", "more.txt", "--domain", "all"]).fails(1, &["is not installed", &origin_named]);
    let error = Clap::for_store(&stores::open(&bench.store())).unwrap_err();
    assert!(matches!(&error, Error::ModelMissing { model, .. } if *model == origin_named), "{error:?}");
    assert!(hint(&error).contains(&origin_named), "{error:?}");
    let topic = Topic::Pull { from: "FOLDER".into(), keep_as: Some("a-model".into()) };
    assert_eq!(error.hint().unwrap().topic(), Some(&topic));

    // Another model is not taken for it, whatever its name; the same weights are, whatever theirs.
    let other = folder("laion-original");
    bench.run(&["models", "pull", other.to_str().unwrap(), "--as", "decoy"]).succeeds();
    search(&bench).fails(1, &["is not installed"]);
    bench.run(&["models", "pull", "elsewhere", "--as", "found"]).succeeds();
    assert_eq!(answer(&bench, &bench.store()), expected);
    assert_eq!(ingest(&bench, "more.txt"), 20);
    bench.run(&["models", "remove", "found"]).succeeds();
    search(&bench).fails(1, &["is not installed"]);
    std::fs::rename(&elsewhere, &origin).unwrap();
    search(&bench).succeeds();
}

#[test]
fn a_model_that_was_removed_is_got_again_as_the_advice_says() {
    let bench = bench();
    bench.run(&["init", "--model", "tiny"]).succeeds();
    ingest(&bench, "captions.txt");
    let expected = answer(&bench, &bench.store());
    bench.run(&["models", "remove", "tiny"]).succeeds();
    let run = search(&bench);
    run.fails(1, &["the model 'tiny' is not installed", "get it again: echoic models pull "]);
    // As a shell would take it.
    let advice = run.stderr.lines().find_map(|line| line.split("get it again: echoic ").nth(1)).unwrap();
    let program = env!("CARGO_BIN_EXE_echoic");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("'{program}' {advice}")]).env("ECHOIC_CACHE", bench.cache.as_ref().unwrap());
    finished(shell.output().unwrap()).succeeds();
    assert_eq!(answer(&bench, &bench.store()), expected);
    // The same weights under another name do as well.
    bench.run(&["models", "remove", "tiny"]).succeeds();
    bench.run(&["models", "pull", "a model", "--as", "another-name"]).succeeds();
    assert_eq!(answer(&bench, &bench.store()), expected);
}

/// A store as builds before 0.2 made it: the adapter is in the cache alone, named by its hash.
fn of_the_former_layout(bench: &Bench) {
    let file = bench.path("own.safetensors");
    let clap = Clap::load_with_adapter(bench.path("a model").to_str().unwrap(), &file).unwrap();
    Store::create(bench.store(), clap.space().clone()).unwrap();
    let adapters = bench.path("cache/adapters");
    std::fs::create_dir(&adapters).unwrap();
    let name = format!("{}.safetensors", clap.adapter().unwrap().sha256());
    std::fs::rename(file, adapters.join(name)).unwrap();
}

#[test]
fn a_store_of_the_former_layout_is_opened_and_keeps_its_adapter_from_the_next_ingest_on() {
    let bench = bench();
    of_the_former_layout(&bench);
    let texts = bench.run(&["search", "--text", "rain"]);
    texts.fails(1, &["no caption"]);
    let manifest = std::fs::read(bench.store().join("manifest")).unwrap();
    assert_eq!((version(&bench.store()), bench.store().join("model").exists()), (1, false));
    assert_eq!(std::fs::read(bench.store().join("manifest")).unwrap(), manifest, "who reads changes nothing");

    assert_eq!((ingest(&bench, "captions.txt"), version(&bench.store())), (40, 2));
    let expected = answer(&bench, &bench.store());
    assert!(kept_adapter(&bench.store()).exists());
    std::fs::remove_dir_all(bench.path("cache/adapters")).unwrap();
    assert_eq!(answer(&bench, &bench.store()), expected);
    assert_eq!(ingest(&bench, "more.txt"), 20);
    bench.run(&["check"]).succeeds();

    // Without its adapter, anywhere, such a store says so, and is not searched with another.
    let lost = self::bench();
    of_the_former_layout(&lost);
    std::fs::remove_dir_all(lost.path("cache/adapters")).unwrap();
    lost.run(&["search", "--text", "rain"]).fails(1, &["bound to the embedding space"]);
    lost.run(&["ingest", "captions.txt", "--domain", "all"]).fails(1, &["bound to the embedding space"]);
    assert_eq!(version(&lost.store()), 1);
}

#[test]
fn a_store_of_the_former_layout_without_an_adapter_notes_its_model_too() {
    let bench = bench();
    let clap = Clap::load(bench.path("a model").to_str().unwrap()).unwrap();
    Store::create(bench.store(), clap.space().clone()).unwrap();
    assert_eq!((version(&bench.store()), ingest(&bench, "captions.txt"), version(&bench.store())), (1, 40, 2));
    assert!(!bench.store().join("model").exists(), "there is no file to keep");
    let expected = answer(&bench, &bench.store());
    std::fs::rename(bench.path("a model"), bench.path("elsewhere")).unwrap();
    assert_eq!(answer(&bench, &bench.store()), expected, "the cache has the same weights as 'tiny'");
}

#[test]
fn stores_that_need_nothing_of_version_2_stay_readable_for_builds_before() {
    let external = Bench::external(4);
    let npy = external.npy("e.npy", 2, 4);
    let file = external.write("c.txt", "Rain.\nWind.\n");
    external.run(&["ingest", &file, "--domain", "d", "--embeddings", &npy]).succeeds();
    assert_eq!((version(&external.store()), external.store().join("model").exists()), (1, false));
    if !needs::starter_is_installed() {
        return;
    }
    let starter = Bench::new();
    starter.run(&["init"]).succeeds();
    let file = starter.write("c.txt", "Rain.\nWind.\n");
    starter.run(&["ingest", &file, "--domain", "d"]).succeeds();
    assert_eq!((version(&starter.store()), starter.store().join("model").exists()), (1, false));
}

/// The starter with an adapter of one's own: its features are not embeddings but maps.
#[test]
fn an_own_adapter_of_the_starter_lies_in_the_store_too() {
    if !needs::starter_is_installed() {
        return;
    }
    let mut bench = Bench::with_own_cache();
    let caches = ["cache", "another cache"].map(|name| bench.path(name));
    for cache in &caches {
        std::fs::create_dir(cache).unwrap();
        std::os::unix::fs::symlink(echoic::models::path("starter").unwrap(), cache.join("starter")).unwrap();
    }
    let shipped = Clap::load("starter").unwrap();
    let facts = shipped.adapter().unwrap().facts();
    let (inputs, outputs) = (facts.inputs, facts.outputs);
    let layer = AdapterLayer { weight: scattered(outputs, inputs), bias: scattered(1, outputs) };
    let facts = AdapterFacts { layers: 1, training: BTreeMap::new(), ..facts.clone() };
    let parameters =
        AdapterParameters { facts, mean: vec![0.1; inputs], scale: vec![1.0; inputs], layers: vec![layer] };
    parameters.write(&bench.path("own.safetensors"), Storage::F16).unwrap();
    bench.run(&["init", "--adapter", "own.safetensors"]).succeeds();
    assert_eq!(version(&bench.store()), 2);
    bench.write("captions.txt", "Rain falls.\nA dog barks.\nAn engine idles.");
    assert_eq!(ingest(&bench, "captions.txt"), 3);
    sounds::wav_at(&bench.path("sound.wav"), &variation(5, 44_100), 44_100);
    let expected = answer(&bench, &bench.store());
    std::fs::remove_file(bench.path("own.safetensors")).unwrap();
    let [old, new] = caches;
    std::fs::remove_dir_all(old).unwrap();
    bench.cache = Some(new);
    assert_eq!(answer(&bench, &bench.store()), expected);
    // It is its adapter that it is searched with, and not the one that ships.
    let mut plain = Bench::with_own_cache();
    plain.cache.clone_from(&bench.cache);
    plain.run(&["init"]).succeeds();
    plain.write("captions.txt", "Rain falls.\nA dog barks.\nAn engine idles.");
    ingest(&plain, "captions.txt");
    std::fs::copy(bench.path("sound.wav"), plain.path("sound.wav")).unwrap();
    assert_ne!(answer(&plain, &plain.store()), expected);
}

#[test]
fn doctor_tells_of_a_store_whose_model_or_adapter_is_gone() {
    let bench = bench();
    bench.run(&["doctor"]).succeeds();
    bench.run(&["init", "--model", "tiny", "--adapter", "own.safetensors"]).succeeds();
    assert!(bench.run(&["doctor"]).succeeds().stdout.contains("the store's model: tiny"));
    let adapter = kept_adapter(&bench.store());
    let content = std::fs::read(&adapter).unwrap();
    std::fs::write(&adapter, "no adapter").unwrap();
    let report = bench.run_json(&["doctor"]);
    report.fails(1, &["trouble with the store's model"]);
    let report = report.json();
    let finding = report["findings"].as_array().unwrap().iter().find(|f| f["broken"] == true).unwrap();
    assert!(finding["found"].as_str().unwrap().contains("is damaged: found SHA-256"), "{finding}");
    std::fs::write(&adapter, content).unwrap();
    bench.run(&["models", "remove", "tiny"]).succeeds();
    bench.run(&["doctor"]).fails(1, &["trouble with the store's model"]);
}

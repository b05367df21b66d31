//! A CLAP model from a folder behind the whole program: a store, its captions, search by words and sounds, an adapter, a decoder.
#![allow(clippy::unwrap_used)]

mod clap_models;
mod clap_sounds;
mod common;

use clap_models::{MODELS, folder, golden, strings, texts, variation};
use common::{Bench, Run};
use echoic::embedding::dot;

/// Runs with a cache of its own, so that adapters and hashes of this story stay apart from the user's.
fn run(bench: &Bench, arguments: &[&str]) -> Run {
    let command = &mut bench.command(&[&["--json"], arguments].concat());
    common::finished(command.env("ECHOIC_CACHE", bench.path("cache")).output().unwrap())
}

/// A store of the 200 captions under `model`, and the captions.
fn store(model: &str) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let made = run(&bench, &["init", "--model", folder(model).to_str().unwrap()]);
    let space = &made.succeeds().json()["space"];
    assert_eq!((space["dim"].as_u64(), space["sha256"].as_str().unwrap().len()), (Some(32), 64));
    let captions = strings(&texts()["captions"]);
    bench.write("captions.txt", captions.join("\n"));
    let report = run(&bench, &["ingest", "captions.txt", "--domain", "all"]);
    assert_eq!(report.succeeds().json()["new"], 200);
    (bench, captions)
}

fn nearest(captions: &[String], reference: &[Vec<f32>], query: &[f32]) -> String {
    let best = (0..captions.len()).max_by(|a, b| dot(&reference[*a], query).total_cmp(&dot(&reference[*b], query)));
    captions[best.unwrap()].clone()
}

#[test]
fn a_store_of_each_family_answers_as_the_reference_would() {
    for (model, rate) in MODELS {
        let (bench, captions) = store(model);
        let reference = golden(model, "captions");
        let found = run(&bench, &["search", "--text", &captions[17], "-k", "2"]);
        let first = &found.succeeds().json()["neighbours"][0];
        assert_eq!(first["caption"].as_str(), Some(captions[17].as_str()), "{model}");
        assert!(first["similarity"].as_f64().unwrap() > 0.999_99);
        for (index, sound) in golden(model, "sounds").iter().enumerate().step_by(50) {
            let path = clap_sounds::wav(bench.dir.path(), &variation(index, rate as usize), rate);
            let found = run(&bench, &["search", "--audio", path.to_str().unwrap(), "-k", "1"]);
            let caption = found.succeeds().json()["neighbours"][0]["caption"].as_str().unwrap().to_owned();
            assert_eq!(caption, nearest(&captions, &reference, sound), "{model}, sound {index}");
        }
        let long = clap_sounds::wav(bench.dir.path(), &clap_sounds::sound(25.0, rate), rate);
        let answers = run(&bench, &["search", "--audio", long.to_str().unwrap(), "--windows", "-k", "1"]);
        let wanted = golden(model, "long.windows");
        let lines = answers.succeeds().lines();
        assert_eq!(lines.len(), wanted.len(), "{model}");
        for (line, wanted) in lines.iter().zip(&wanted) {
            assert_eq!(line["neighbours"][0]["caption"], nearest(&captions, &reference, wanted), "{model}: {line}");
            assert!(line["end"].as_f64() > line["start"].as_f64() && line["end"].as_f64() <= Some(25.0), "{line}");
        }
        let whole = run(&bench, &["search", "--audio", long.to_str().unwrap(), "-k", "1"]);
        assert!(whole.succeeds().json().get("start").is_none());
        run(&bench, &["search", "--text", "rain", "--windows"]).fails(1, &["--windows"]);
    }
}

#[test]
fn a_decoder_learns_from_every_kind_of_tokenizer_and_captions_windows() {
    let tens = vec![(0.0, 10.0), (10.0, 20.0), (15.0, 25.0)];
    let sevens = vec![(0.0, 7.0), (7.0, 14.0), (14.0, 21.0), (18.0, 25.0)];
    for (model, rate, wanted) in
        [("laion-original", 48_000, &tens), ("wavcaps-htsat", 32_000, &tens), ("msclap", 44_100, &sevens)]
    {
        let (bench, _) = store(model);
        run(&bench, &["train", "--epochs", "1", "--name", "tiny"]).succeeds();
        let long = clap_sounds::wav(bench.dir.path(), &clap_sounds::sound(25.0, rate), rate);
        let whole = run(&bench, &["caption", long.to_str().unwrap()]);
        assert!(whole.succeeds().json()["caption"].is_string());
        let lines = run(&bench, &["caption", long.to_str().unwrap(), "--windows"]).succeeds().lines();
        let spans: Vec<(f64, f64)> =
            lines.iter().map(|l| (l["start"].as_f64().unwrap(), l["end"].as_f64().unwrap())).collect();
        assert_eq!(spans, *wanted, "{model}");
        assert!(lines.iter().all(|line| line["caption"].is_string() && !line["neighbours"][0].is_null()));
    }
}

#[test]
fn an_adapter_is_learned_on_top_of_a_models_own_audio_embedding() {
    for (model, rate) in [("laion", 48_000), ("msclap", 44_100)] {
        adapted(model, rate);
    }
}

fn adapted(model: &str, rate: u32) {
    let bench = Bench::new();
    let model = folder(model);
    let model = model.to_str().unwrap();
    let captions = strings(&texts()["captions"]);
    let mut rows = vec!["audio,caption,split".to_owned()];
    for (index, caption) in captions.iter().enumerate().take(6) {
        let path = clap_sounds::wav(bench.dir.path(), &variation(index * 11, rate as usize), rate);
        let split = if index == 3 { "val" } else { "train" };
        rows.push(format!("{},{caption},{split}", path.display()));
    }
    bench.write("pairs.csv", rows.join("\n"));
    let quick = ["--epochs", "300", "--hidden", "16", "--batch", "4"];
    let report =
        run(&bench, &[&["align", "pairs.csv", "--out", "own.safetensors", "--model", model], &quick[..]].concat());
    let report = report.succeeds().json();
    assert_eq!((&report["features"], &report["training_clips"]), (&"embedding".into(), &5.into()));
    run(&bench, &["init", "--model", model, "--adapter", "own.safetensors"]).succeeds();
    bench.write("captions.txt", captions[..6].join("\n"));
    run(&bench, &["ingest", "captions.txt", "--domain", "all"]).succeeds();
    let sound = rows[1].split(',').next().unwrap();
    let found = run(&bench, &["search", "--audio", sound, "-k", "1"]);
    assert_eq!(found.succeeds().json()["neighbours"][0]["caption"], captions[0].as_str());
    let other = Bench::new();
    let adapter = bench.path("own.safetensors");
    let wavcaps = folder("wavcaps-cnn14");
    run(&other, &["init", "--model", wavcaps.to_str().unwrap(), "--adapter", adapter.to_str().unwrap()]).succeeds();
    if common::starter_is_installed() {
        let refused = Bench::new().run(&["init", "--adapter", adapter.to_str().unwrap()]);
        refused.fails(1, &["the adapter", "embedding", "bands-mean-max"]);
    }
}

#[test]
fn a_model_that_is_kept_under_a_name_has_the_space_of_its_folder() {
    for model in ["laion", "laion-original", "wavcaps-cnn14", "msclap"] {
        let bench = Bench::new();
        let place = folder(model);
        run(&bench, &["models", "pull", place.to_str().unwrap(), "--as", "tiny"]).succeeds();
        let named = run(&bench, &["init", "--model", "tiny"]).succeeds().json()["space"].clone();
        let by_place = Bench::new();
        let given = run(&by_place, &["init", "--model", place.to_str().unwrap()]).succeeds().json()["space"].clone();
        assert_eq!((&named["model"], &named["sha256"]), (&"tiny".into(), &given["sha256"]), "{model}");
        bench.write("captions.txt", "Rain falls.");
        run(&bench, &["ingest", "captions.txt", "--domain", "all"]).succeeds();
        let found = run(&bench, &["search", "--text", "rain falls.", "-k", "1"]);
        assert_eq!(found.succeeds().json()["neighbours"][0]["caption"], "Rain falls.", "{model}");
    }
}

#[test]
fn a_model_that_went_away_or_changed_is_told_and_not_taken_for_another() {
    let bench = Bench::new();
    let copy = |name: &str, to: &str| std::fs::copy(folder(name), bench.path("model").join(to)).unwrap();
    std::fs::create_dir(bench.path("model")).unwrap();
    copy("wavcaps-cnn14/vocab.txt", "vocab.txt");
    copy("wavcaps-cnn14/cnn14-bert.pt", "model.pt");
    run(&bench, &["init", "--model", "model"]).succeeds();
    bench.write("captions.txt", "Rain falls.");
    run(&bench, &["ingest", "captions.txt", "--domain", "all"]).succeeds();
    copy("wavcaps-htsat/htsat-bert.pt", "model.pt");
    run(&bench, &["search", "--text", "rain"]).fails(1, &["bound to the embedding space"]);
    std::fs::rename(bench.path("model"), bench.path("elsewhere")).unwrap();
    run(&bench, &["search", "--text", "rain"]).fails(1, &["no such file or folder", "put the model where it was"]);
    run(&bench, &["init", "--model", "nothing"]).fails(1, &["no model named 'nothing'"]);
}

//! A CLAP model from a folder behind the whole program: a store, its captions, search by words and sounds, an adapter, a decoder.

use echoic::embedding::dot;

use crate::common::bench::Bench;
use crate::common::clap_models::{MODELS, folder, golden, strings, texts, variation};
use crate::common::needs::starter_is_installed;
use crate::common::sounds;

/// A store of the 200 captions under `model`, and the captions.
fn store(model: &str) -> (Bench, Vec<String>) {
    let bench = Bench::with_own_cache();
    let made = bench.run_json(&["init", "--model", folder(model).to_str().unwrap()]);
    let space = &made.succeeds().json()["space"];
    assert_eq!((space["dim"].as_u64(), space["sha256"].as_str().unwrap().len()), (Some(32), 64));
    let captions = strings(&texts()["captions"]);
    bench.write("captions.txt", captions.join("\n"));
    let report = bench.run_json(&["ingest", "captions.txt", "--domain", "all"]);
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
        let found = bench.run_json(&["search", "--text", &captions[17], "-k", "2"]);
        let first = &found.succeeds().json()["neighbours"][0];
        assert_eq!(first["caption"].as_str(), Some(captions[17].as_str()), "{model}");
        assert!(first["similarity"].as_f64().unwrap() > 0.999_99);
        for (index, sound) in golden(model, "sounds").iter().enumerate().step_by(50) {
            let path = sounds::wav(bench.dir.path(), &variation(index, rate as usize), rate);
            let found = bench.run_json(&["search", "--audio", path.to_str().unwrap(), "-k", "1"]);
            let caption = found.succeeds().json()["neighbours"][0]["caption"].as_str().unwrap().to_owned();
            assert_eq!(caption, nearest(&captions, &reference, sound), "{model}, sound {index}");
        }
        let long = sounds::wav(bench.dir.path(), &sounds::sound(25.0, rate), rate);
        let answers = bench.run_json(&["search", "--audio", long.to_str().unwrap(), "--windows", "-k", "1"]);
        let wanted = golden(model, "long.windows");
        let lines = answers.succeeds().lines();
        assert_eq!(lines.len(), wanted.len(), "{model}");
        for (line, wanted) in lines.iter().zip(&wanted) {
            assert_eq!(line["neighbours"][0]["caption"], nearest(&captions, &reference, wanted), "{model}: {line}");
            assert!(line["end"].as_f64() > line["start"].as_f64() && line["end"].as_f64() <= Some(25.0), "{line}");
        }
        let whole = bench.run_json(&["search", "--audio", long.to_str().unwrap(), "-k", "1"]);
        assert!(whole.succeeds().json().get("start").is_none());
        bench.run_json(&["search", "--text", "rain", "--windows"]).fails(1, &["--windows"]);
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
        bench.run_json(&["train", "--epochs", "1", "--name", "tiny"]).succeeds();
        let long = sounds::wav(bench.dir.path(), &sounds::sound(25.0, rate), rate);
        let whole = bench.run_json(&["caption", long.to_str().unwrap()]);
        assert!(whole.succeeds().json()["caption"].is_string());
        let lines = bench.run_json(&["caption", long.to_str().unwrap(), "--windows"]).succeeds().lines();
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
    let bench = Bench::with_own_cache();
    let model = folder(model);
    let model = model.to_str().unwrap();
    let captions = strings(&texts()["captions"]);
    let mut rows = vec!["audio,caption,split".to_owned()];
    for (index, caption) in captions.iter().enumerate().take(6) {
        let path = sounds::wav(bench.dir.path(), &variation(index * 11, rate as usize), rate);
        let split = if index == 3 { "val" } else { "train" };
        rows.push(format!("{},{caption},{split}", path.display()));
    }
    bench.write("pairs.csv", rows.join("\n"));
    let quick = ["--epochs", "300", "--hidden", "16", "--batch", "4"];
    let report =
        bench.run_json(&[&["align", "pairs.csv", "--out", "own.safetensors", "--model", model], &quick[..]].concat());
    let report = report.succeeds().json();
    assert_eq!((&report["features"], &report["training_clips"]), (&"embedding".into(), &5.into()));
    bench.run_json(&["init", "--model", model, "--adapter", "own.safetensors"]).succeeds();
    bench.write("captions.txt", captions[..6].join("\n"));
    bench.run_json(&["ingest", "captions.txt", "--domain", "all"]).succeeds();
    let sound = rows[1].split(',').next().unwrap();
    let found = bench.run_json(&["search", "--audio", sound, "-k", "1"]);
    assert_eq!(found.succeeds().json()["neighbours"][0]["caption"], captions[0].as_str());
    let other = Bench::with_own_cache();
    let adapter = bench.path("own.safetensors");
    let wavcaps = folder("wavcaps-cnn14");
    other.run_json(&["init", "--model", wavcaps.to_str().unwrap(), "--adapter", adapter.to_str().unwrap()]).succeeds();
    if starter_is_installed() {
        let refused = Bench::new().run(&["init", "--adapter", adapter.to_str().unwrap()]);
        refused.fails(1, &["the adapter", "embedding", "bands-mean-max"]);
    }
}

#[test]
fn a_model_that_is_kept_under_a_name_has_the_space_of_its_folder() {
    for model in ["laion", "laion-original", "wavcaps-cnn14", "msclap"] {
        let bench = Bench::with_own_cache();
        let place = folder(model);
        bench.run_json(&["models", "pull", place.to_str().unwrap(), "--as", "tiny"]).succeeds();
        let named = bench.run_json(&["init", "--model", "tiny"]).succeeds().json()["space"].clone();
        let by_place = Bench::with_own_cache();
        let given = by_place.run_json(&["init", "--model", place.to_str().unwrap()]).succeeds().json()["space"].clone();
        assert_eq!((&named["model"], &named["sha256"]), (&"tiny".into(), &given["sha256"]), "{model}");
        bench.write("captions.txt", "Rain falls.");
        bench.run_json(&["ingest", "captions.txt", "--domain", "all"]).succeeds();
        let found = bench.run_json(&["search", "--text", "rain falls.", "-k", "1"]);
        assert_eq!(found.succeeds().json()["neighbours"][0]["caption"], "Rain falls.", "{model}");
    }
}

#[test]
fn a_model_that_went_away_or_changed_is_told_and_not_taken_for_another() {
    let bench = Bench::with_own_cache();
    let copy = |name: &str, to: &str| std::fs::copy(folder(name), bench.path("model").join(to)).unwrap();
    std::fs::create_dir(bench.path("model")).unwrap();
    copy("wavcaps-cnn14/vocab.txt", "vocab.txt");
    copy("wavcaps-cnn14/cnn14-bert.pt", "model.pt");
    bench.run_json(&["init", "--model", "model"]).succeeds();
    bench.write("captions.txt", "Rain falls.");
    bench.run_json(&["ingest", "captions.txt", "--domain", "all"]).succeeds();
    copy("wavcaps-htsat/htsat-bert.pt", "model.pt");
    bench.run_json(&["search", "--text", "rain"]).fails(1, &["bound to the embedding space"]);
    std::fs::rename(bench.path("model"), bench.path("elsewhere")).unwrap();
    bench.run_json(&["search", "--text", "rain"]).fails(1, &["it is not here under its name", "put it back"]);
    bench.run_json(&["init", "--model", "nothing"]).fails(1, &["no model named 'nothing'"]);
}

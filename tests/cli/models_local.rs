//! `echoic models` at the command line: checkpoints of this machine, models of a hub, and everything that is done with either.

use std::fs;
use std::path::Path;

use crate::common::bench::{Bench, Run, finished};
use crate::common::checkpoints::{LAYOUTS, layout, safetensors, write};
use crate::common::hub::{Loopback, sha256};

/// Runs `echoic models …` with a cache of its own, and nothing of this machine's environment.
fn models(bench: &Bench, hub: Option<&Loopback>, arguments: &[&str]) -> Run {
    let mut command = bench.command(&[&["models"], arguments].concat());
    for name in ["HF_TOKEN", "HF_HUB_OFFLINE", "ECHOIC_OFFLINE", "ECHOIC_WHEELS"] {
        command.env_remove(name);
    }
    command.env("HF_HOME", bench.path("hf"));
    match hub {
        Some(hub) => command.env("HF_ENDPOINT", format!("{}/", hub.endpoint())),
        None => command.env("ECHOIC_OFFLINE", "1"),
    };
    finished(command.output().unwrap())
}

#[test]
fn a_checkpoint_of_every_family_is_kept_listed_verified_and_removed() {
    let bench = Bench::with_own_cache();
    for (family, dim, _) in LAYOUTS {
        let file = bench.path("some model.safetensors");
        write(&file, family);
        let name = format!("my-{family}");
        let pulled = models(&bench, None, &["pull", file.to_str().unwrap(), "--as", &name, "--json"]);
        let folder = pulled.succeeds().json()["path"].as_str().unwrap().to_owned();
        assert_eq!(models(&bench, None, &["path", &name]).succeeds().stdout.trim(), folder);
        let listed = models(&bench, None, &["list", "--json"]).succeeds().json();
        let one = listed.as_array().unwrap().iter().find(|one| one["name"] == name.as_str()).unwrap().clone();
        assert_eq!((&one["family"], &one["dim"]), (&family.into(), &dim.into()), "{one}");
        assert_eq!((&one["installed"], &one["source"]["kind"]), (&true.into(), &"local".into()), "{one}");
        models(&bench, None, &["verify", &name]).succeeds();
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(Path::new(&folder).join("model.json")).unwrap()).unwrap();
        let kept = record["files"].as_array().unwrap();
        let weights = kept.iter().find(|kept| kept["name"] == "some model.safetensors").unwrap();
        assert_eq!(weights["sha256"], sha256(&fs::read(&file).unwrap()).as_str());
        // The cache has a copy: what becomes of the user's file is of no concern to it.
        fs::write(&file, "overwritten in place").unwrap();
        models(&bench, None, &["verify", &name]).succeeds();
    }
    models(&bench, None, &["remove", "my-laion"]).succeeds();
    models(&bench, None, &["path", "my-laion"])
        .fails(1, &["no model named 'my-laion'", "there are: starter", "my-laion-fused"]);
}

#[test]
fn a_folder_comes_with_its_configuration_and_tokenizer_and_nothing_else() {
    let bench = Bench::with_own_cache();
    let folder = bench.path("clap");
    fs::create_dir(&folder).unwrap();
    write(&folder.join("model.safetensors"), "laion");
    for (name, content) in [
        ("config.json", r#"{"model_type": "clap"}"#),
        ("preprocessor_config.json", "{}"),
        ("vocab.json", "{}"),
        ("merges.txt", ""),
        ("pytorch_model.bin", "another format"),
        ("training.log", "private"),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    let path = models(&bench, None, &["pull", folder.to_str().unwrap(), "--as", "mine"]).succeeds().stdout.clone();
    let mut kept: Vec<_> =
        fs::read_dir(path.trim()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    let expected =
        ["config.json", "merges.txt", "model.json", "model.safetensors", "preprocessor_config.json", "vocab.json"];
    assert_eq!(kept, expected);
    // Pulled again, it is replaced by what is there now.
    write(&folder.join("model.safetensors"), "laion-fused");
    fs::remove_file(folder.join("config.json")).unwrap();
    models(&bench, None, &["pull", folder.to_str().unwrap(), "--as", "mine"]).succeeds();
    let listed = models(&bench, None, &["list"]).succeeds().stdout.clone();
    assert!(listed.contains("mine") && listed.contains("laion-fused"), "{listed}");
}

#[test]
fn what_is_no_model_is_refused_before_anything_is_kept() {
    let bench = Bench::with_own_cache();
    let other = bench.path("other.safetensors");
    fs::write(&other, safetensors(&[("lm_head.weight", &[2, 2])])).unwrap();
    let text = bench.write("model.pt", "not a checkpoint");
    let cut = bench.path("cut.safetensors");
    write(&cut, "laion");
    let whole = fs::read(&cut).unwrap();
    fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    for (path, words) in [
        (other.to_str().unwrap(), ["other.safetensors", "lm_head.weight"]),
        (text.as_str(), ["model.pt", "another kind of file"]),
        (cut.to_str().unwrap(), ["cut.safetensors", "damaged"]),
    ] {
        models(&bench, None, &["pull", path, "--as", "mine"]).fails(1, &words);
    }
    assert!(!bench.path("cache").join("models").exists());
    models(&bench, None, &["pull", &text]).fails(1, &["model.pt", "--as NAME"]);
    write(&other, "laion");
    for name in ["starter", "external", "../out", ".hidden", "a--b", "a/b/c", ""] {
        models(&bench, None, &["pull", other.to_str().unwrap(), "--as", name])
            .fails(1, &["the model's name", "expected a name"]);
    }
    models(&bench, None, &["pull", "nowhere.pt", "--as", "mine"]).fails(1, &["nowhere.pt", "no file of this name"]);
    models(&bench, None, &["pull", "starter", "--as", "mine"]).fails(1, &["--as", "a listed model"]);
}

#[test]
fn a_changed_or_missing_file_is_noticed() {
    let bench = Bench::with_own_cache();
    let file = bench.path("model.safetensors");
    write(&file, "laion");
    let pull = ["pull", file.to_str().unwrap(), "--as", "mine"];
    let folder = models(&bench, None, &pull).succeeds().stdout.trim().to_owned();
    let kept = Path::new(&folder).join("model.safetensors");
    let mut bytes = fs::read(&kept).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&kept, &bytes).unwrap();
    models(&bench, None, &["verify", "mine"]).fails(1, &["model.safetensors", "as recorded", "--as mine"]);
    fs::write(&kept, &bytes[1..]).unwrap();
    models(&bench, None, &["path", "mine"]).fails(1, &["model.safetensors", "echoic models pull", "--as mine"]);
    models(&bench, None, &pull).succeeds();
    models(&bench, None, &["verify", "mine"]).succeeds();
    fs::write(Path::new(&folder).join("model.json"), "{").unwrap();
    models(&bench, None, &["path", "mine"]).fails(1, &["model.json", "the record of a model"]);
    models(&bench, None, &["list"]).succeeds();
    models(&bench, None, &["remove", "mine"]).succeeds();
}

#[test]
fn a_model_of_a_hub_is_pulled_by_name_and_the_environment_is_heeded() {
    let bench = Bench::with_own_cache();
    let files = vec![
        ("config.json", br#"{"model_type": "clap"}"#.to_vec()),
        ("tokenizer.json", b"{}".to_vec()),
        ("model.safetensors", safetensors(layout("laion").2)),
    ];
    let hub = Loopback::start("someone/tiny-clap", files);
    hub.state().token = Some("hf_from_file".into());
    models(&bench, Some(&hub), &["pull", "someone/tiny-clap"]).fails(1, &["401", "set HF_TOKEN", "hint:"]);
    fs::create_dir(bench.path("hf")).unwrap();
    fs::write(bench.path("hf").join("token"), "hf_from_file\n").unwrap();
    let pulled = models(&bench, Some(&hub), &["pull", "someone/tiny-clap", "--revision", "main", "--json"]);
    assert_eq!(pulled.succeeds().json()["model"], "someone/tiny-clap");
    models(&bench, None, &["verify", "someone/tiny-clap"]).succeeds();
    models(&bench, None, &["pull", "someone/tiny-clap"]).succeeds();
    models(&bench, None, &["pull", "someone/other"])
        .fails(1, &["someone/other", "offline by option", "ECHOIC_OFFLINE", "--as someone/other"]);
    let removed = models(&bench, None, &["remove", "someone/tiny-clap", "--json"]).succeeds().json();
    assert_eq!(removed["removed"], true);

    let mut doctor = bench.command(&["doctor", "--json"]);
    doctor.env("HF_ENDPOINT", hub.endpoint()).env("HF_TOKEN", "hf_secret");
    let said = finished(doctor.output().unwrap());
    assert!(said.stdout.contains(&hub.endpoint()) && !said.stdout.contains("hf_secret"), "{said:?}");
}

/// The starter is two models under one name: a copy under another would hold half of it.
#[test]
fn the_starters_own_folder_is_refused_as_a_checkpoint() {
    let bench = Bench::with_own_cache();
    for file in ["starter/minilm/model.safetensors", "starter/sfx/checkpoint.pth"] {
        fs::create_dir_all(bench.path(file).parent().unwrap()).unwrap();
        fs::write(bench.path(file), "weights").unwrap();
    }
    let folder = bench.path("starter");
    models(&bench, None, &["pull", folder.to_str().unwrap(), "--as", "mine"])
        .fails(1, &["the starter's own folder", "echoic models pull starter"]);
    models(&bench, None, &["path", "mine"]).fails(1, &["no model named 'mine'"]);
}

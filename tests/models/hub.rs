//! Models from a hub: what is fetched, what is kept, and what happens when the network or somebody else interferes.

use std::fs;
use std::path::PathBuf;

use echoic::error::Topic;
use echoic::models::{Fetch, Hub, ModelCache, PullOptions, Reference, Source};
use echoic::progress::{Control, Stop};
use echoic::towers::Family;
use echoic::{Error, Result};
use tempfile::TempDir;

use crate::common::checkpoints::{layout, safetensors};
use crate::common::hub::{COMMIT, Loopback, git_hash, sha256};
use crate::common::{hint, is_for_the_user};

const NAME: &str = "someone/tiny-clap";
const CONFIG: &str = r#"{"model_type": "clap", "audio_config": {}}"#;

struct Place {
    folder: TempDir,
    server: Loopback,
    weights: Vec<u8>,
}

impl Place {
    /// A hub with a repository that holds more than a model needs, and an empty cache.
    fn new() -> Self {
        let filler: (&str, &[usize]) = ("audio_model.audio_encoder.filler", &[50_000]);
        let weights = safetensors(&[layout("laion").2, &[filler]].concat());
        let files = vec![
            ("README.md", b"about".to_vec()),
            ("config.json", CONFIG.into()),
            ("preprocessor_config.json", b"{}".to_vec()),
            ("tokenizer.json", b"{\"tokens\": []}".to_vec()),
            ("vocab.json", b"{}".to_vec()),
            ("merges.txt", b"".to_vec()),
            ("model.safetensors", weights.clone()),
            ("pytorch_model.bin", b"the same in another format".to_vec()),
        ];
        Self { folder: tempfile::tempdir().unwrap(), server: Loopback::start(NAME, files), weights }
    }

    fn cache(&self) -> ModelCache {
        self.cache_with(self.server.hub())
    }

    fn cache_with(&self, hub: Hub) -> ModelCache {
        let fetch = Fetch::from_env().python("/nonexistent/python3".into()).wheels(None).offline(false);
        ModelCache::new(self.folder.path().join("cache"), Vec::new()).with_fetch(fetch).with_hub(hub)
    }

    fn pull(&self) -> Result<PathBuf> {
        pull(&self.cache(), NAME)
    }

    /// Nothing is installed, and the error says what was the matter and what to do.
    fn refused(&self, words: &[&str]) -> Error {
        let error = self.pull().unwrap_err();
        assert!(is_for_the_user(&error), "{error:?}");
        let text = format!("{error}\nhint: {}", hint(&error));
        for word in words {
            assert!(text.contains(word), "'{word}' is not in {text}");
        }
        assert_eq!(self.cache().list().unwrap(), []);
        assert!(self.cache().path(NAME).is_err());
        error
    }
}

fn pull(cache: &ModelCache, model: &str) -> Result<PathBuf> {
    cache.pull_from_hub(&Reference::parse(model).unwrap(), &PullOptions::default(), &Control::default())
}

#[test]
fn only_what_a_model_needs_is_fetched_checked_and_recorded() {
    let place = Place::new();
    let (cache, folder) = (place.cache(), place.pull().unwrap());
    let kept = ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"];
    let mut fetched = place.server.fetched();
    fetched.retain(|name| name != "main");
    fetched.sort();
    assert_eq!(fetched, kept);
    let mut there: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, ["config.json", "model.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"]);

    let record = cache.record(NAME).unwrap().unwrap();
    assert_eq!((record.family, record.dim, record.licence.as_str()), (Family::Laion, 5, "cc-by-4.0"));
    assert_eq!(record.weights_sha256(), Some(sha256(&place.weights).as_str()));
    let Source::Hub { endpoint, repository, revision, commit } = record.source else { panic!("{record:?}") };
    assert_eq!((endpoint, repository.as_str(), revision.as_str()), (place.server.endpoint(), NAME, "main"));
    assert_eq!(commit, COMMIT);

    let info = cache.verify(NAME).unwrap();
    assert!(info.installed && info.path == folder && info.bytes > place.weights.len() as u64);
    assert_eq!(cache.list().unwrap(), [info]);
    let requests = place.server.state().served.len();
    assert_eq!(pull(&cache, &format!("{NAME}@{COMMIT}")).unwrap(), folder);
    assert_eq!(place.server.state().served.len(), requests, "an installed model asks nobody");
    assert!(cache.remove(NAME).unwrap());
    assert!(cache.path(NAME).is_err() && cache.list().unwrap().is_empty());
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke_off() {
    let place = Place::new();
    place.server.state().cuts.extend([50_000, 60_000]);
    place.pull().unwrap();
    assert_eq!(place.server.large_bytes(), place.weights.len(), "nothing is fetched twice");
    let ranges: Vec<_> = place.server.state().served.iter().filter_map(|served| served.range.clone()).collect();
    assert_eq!(ranges, ["bytes=50000-", "bytes=50000-", "bytes=110000-", "bytes=110000-"]);
    place.cache().verify(NAME).unwrap();
}

#[test]
fn a_pull_that_gave_up_leaves_no_model_and_the_next_goes_on() {
    let place = Place::new();
    place.server.state().cuts.extend([80_000, 0, 0, 0, 0]);
    place.refused(&["after 80000 of", "(4 tries)", "what has arrived is kept"]);
    assert_eq!(place.server.large_bytes(), 80_000);
    place.server.state().cuts.clear();
    place.pull().unwrap();
    assert_eq!(place.server.large_bytes(), place.weights.len());
    place.cache().verify(NAME).unwrap();
}

#[test]
fn stopping_leaves_no_model_either() {
    let place = Place::new();
    let stop = Stop::new();
    stop.request();
    let reference = Reference::parse(NAME).unwrap();
    let error = place
        .cache()
        .pull_from_hub(&reference, &PullOptions::default(), &Control::default().with_stop(&stop))
        .unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error:?}");
    assert!(place.cache().list().unwrap().is_empty());
}

#[test]
fn a_server_without_ranges_gives_the_whole_file_again() {
    let place = Place::new();
    place.server.state().without_ranges = true;
    place.server.state().cuts.push_back(50_000);
    place.pull().unwrap();
    assert_eq!(place.server.large_bytes(), 50_000 + place.weights.len());
    place.cache().verify(NAME).unwrap();
}

#[test]
fn wrong_bytes_are_deleted_and_named() {
    let place = Place::new();
    place.server.state().wrong = true;
    place.refused(&["model.safetensors has SHA-256", &sha256(&place.weights), "it was deleted", "HF_ENDPOINT"]);
    place.server.state().wrong = false;
    place.pull().unwrap();
    place.cache().verify(NAME).unwrap();
}

#[test]
fn what_an_earlier_try_left_damaged_is_fetched_anew() {
    let place = Place::new();
    place.server.state().wrong = true;
    place.server.state().cuts.extend([place.weights.len() - 1, 0, 0, 0]);
    place.refused(&["what has arrived is kept"]);
    let downloads = place.folder.path().join("cache/models/.someone--tiny-clap.downloads");
    let part = fs::read_dir(&downloads).unwrap().map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| path.extension().is_some_and(|end| end == "part")).unwrap();
    let mut bytes = fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    fs::write(&part, bytes).unwrap();
    place.server.state().wrong = false;
    place.server.state().cuts.clear();
    place.pull().unwrap();
    place.cache().verify(NAME).unwrap();
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let place = Place::new();
    place.server.state().token = Some("hf_secret".into());
    place.refused(&["status 401", "restricted", "accept its licence at", NAME, "set HF_TOKEN"]);
    let wrong = place.server.hub().token("hf_wrong".to_owned());
    let error = pull(&place.cache_with(wrong), NAME).unwrap_err();
    assert!(hint(&error).contains("HF_TOKEN was refused"), "{error:?}");
    let hub = place.server.hub().token("hf_secret".to_owned());
    assert!(!format!("{hub:?}").contains("secret"), "a token does not belong into logs");
    pull(&place.cache_with(hub), NAME).unwrap();
    let served = place.server.state().served.clone();
    assert!(served.iter().any(|served| served.elsewhere));
    for request in served.iter().filter(|served| served.elsewhere) {
        assert_eq!(request.authorization, None, "{request:?}");
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_so() {
    let place = Place::new();
    place.server.state().refusals.extend([("/api/", 503, None), ("config.json", 429, Some(1)), ("/blobs/", 502, None)]);
    let begun = std::time::Instant::now();
    place.pull().unwrap();
    assert!(begun.elapsed().as_millis() >= 1000, "Retry-After: 1 was not heeded");

    let place = Place::new();
    place.server.state().refusals.push_back(("/api/", 429, Some(3600)));
    place.refused(&["status 429", "come back in 3600 s", "later"]);
}

#[test]
fn what_does_not_exist_is_not_asked_for_again() {
    let place = Place::new();
    let cache = place.cache();
    for (model, said) in [("someone/else", "404"), ("someone/tiny-clap@gone", "Invalid rev id")] {
        let error = pull(&cache, model).unwrap_err();
        assert!(error.to_string().contains(said) && hint(&error).contains("revision"), "{error}");
    }
    assert_eq!(place.server.state().served.len(), 2);
    place.server.state().looping = true;
    place.refused(&["redirected more than 10 times"]);
    for odd in ["one", "a/b/c", "../x", "a/..", "a/b@", "a--b/c", "a/b@x/../y", "a b/c", "/b", "a/"] {
        assert_eq!(Reference::parse(odd), None, "{odd}");
    }
}

#[test]
fn an_unreachable_hub_is_named() {
    let place = Place::new();
    let nobody = place.server.hub().endpoint("http://127.0.0.1:9");
    let error = pull(&place.cache_with(nobody), NAME).unwrap_err();
    assert!(error.to_string().contains("http://127.0.0.1:9/api/models/someone/tiny-clap"), "{error}");
    assert!(hint(&error).contains("network"), "{error:?}");
}

#[test]
fn another_kind_of_model_shows_before_its_weights_are_fetched() {
    let place = Place::new();
    place.server.state().files.insert("config.json".into(), br#"{"model_type": "bert"}"#.to_vec());
    place.refused(&["someone/tiny-clap/config.json", "'bert'"]);
    assert_eq!(place.server.large_bytes(), 0);

    let place = Place::new();
    let other = safetensors(&[("lm_head.weight", &[2, 2])]);
    place.server.state().files.insert("model.safetensors".into(), other);
    place.refused(&["lm_head.weight", "wavcaps-cnn14"]);
    let left = walkdir::WalkDir::new(place.folder.path()).into_iter().flatten().filter(|e| e.file_type().is_file());
    let left: Vec<_> = left.filter(|entry| !entry.file_name().to_string_lossy().ends_with(".lock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn one_of_several_checkpoints_is_chosen_and_its_tokenizer_comes_from_elsewhere() {
    let place = Place::new();
    let files = vec![
        ("630k-best.safetensors", safetensors(layout("laion-original").2)),
        ("630k-fusion-best.safetensors", b"not wanted".to_vec()),
    ];
    place.server.state().files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    place.refused(&["2 checkpoints", "choose one of 630k-best.safetensors, 630k-fusion-best.safetensors"]);
    let tokenizer = place.folder.path().join("tokenizer.json");
    fs::write(&tokenizer, "{}").unwrap();
    let options = PullOptions::default()
        .name("laion-630k".to_owned())
        .file("630k-best.safetensors".to_owned())
        .tokenizer(tokenizer.display().to_string());
    let reference = Reference::parse(NAME).unwrap();
    let folder = place.cache().pull_from_hub(&reference, &options, &Control::default()).unwrap();
    assert!(folder.ends_with("laion-630k") && folder.join("tokenizer.json").is_file());
    let record = place.cache().record("laion-630k").unwrap().unwrap();
    assert_eq!((record.family, record.weights.as_str()), (Family::LaionOriginal, "630k-best.safetensors"));
    let unknown = options.file("none.pt".to_owned());
    let error = place.cache().pull_from_hub(&reference, &unknown, &Control::default()).unwrap_err();
    assert!(error.to_string().contains("there are: 630k-best.safetensors"), "{error}");
}

#[test]
fn pulls_of_the_same_model_at_once_fetch_it_once() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| place.pull().unwrap());
        }
    });
    assert_eq!(place.server.large_bytes(), place.weights.len());
    place.cache().verify(NAME).unwrap();
}

#[test]
fn what_another_program_has_pulled_is_taken_and_suffices_without_a_network() {
    let place = Place::new();
    let shared = place.folder.path().join("hf/hub");
    let repository = shared.join("models--someone--tiny-clap");
    let snapshot = repository.join("snapshots").join(COMMIT);
    for folder in ["blobs", "refs"] {
        fs::create_dir_all(repository.join(folder)).unwrap();
    }
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    for (name, bytes) in &place.server.state().files {
        let tag = if name == "model.safetensors" { sha256(bytes) } else { git_hash(bytes) };
        fs::write(repository.join("blobs").join(&tag), bytes).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{tag}"), snapshot.join(name)).unwrap();
    }
    let online = place.server.hub().shared(shared.clone());
    pull(&place.cache_with(online.clone()), NAME).unwrap();
    assert_eq!(place.server.large_bytes(), 0);
    place.cache().remove(NAME).unwrap();

    let requests = place.server.state().served.len();
    let offline = place.cache_with(online).offline(true);
    pull(&offline, NAME).unwrap();
    offline.verify(NAME).unwrap();
    assert_eq!(place.server.state().served.len(), requests);
    offline.remove(NAME).unwrap();

    fs::write(repository.join("blobs").join(sha256(&place.weights)), "damaged").unwrap();
    let error = pull(&offline, NAME).unwrap_err();
    assert!(error.to_string().contains("found SHA-256"), "{error}");
    let nothing = place.cache().offline(true);
    let error = pull(&nothing, NAME).unwrap_err();
    assert!(error.to_string().contains("offline by option") && hint(&error).contains("pull their folder"), "{error}");
    let hint = error.hint().unwrap();
    let keep_as = Some(NAME.to_owned());
    assert!(matches!(hint.topic(), Some(Topic::Pull { keep_as: name, .. }) if *name == keep_as), "{hint:?}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let place = Place::new();
    fs::write(place.folder.path().join("cache"), "a file in the place of a folder").unwrap();
    let error = place.pull().unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("cache"), "{error}");
}

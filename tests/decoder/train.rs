//! Training on a few texts: it learns them, repeats itself, resumes exactly, and stops when asked.

use std::path::Path;

use echoic::decoder::{GenerateOptions, LogEntry, Preset, TrainOptions, TrainingBridge, TrainingSet, train};
use echoic::progress::{Control, Progress, Stop};
use echoic::{Decoder, Error};

use crate::common::is_for_the_user;
use crate::common::texts::{set, tokenizer};

fn options() -> TrainOptions {
    TrainOptions::default().epochs(4).batch(16).validation(0.1).seed(5)
}

fn bytes(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join("best.safetensors")).unwrap()
}

fn log(dir: &Path) -> Vec<LogEntry> {
    let text = std::fs::read_to_string(dir.join("log.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Requests a stop after so many steps.
struct StopAfter<'a>(std::sync::atomic::AtomicU64, &'a Stop);

impl Progress for StopAfter<'_> {
    fn begin(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, units: u64) {
        use std::sync::atomic::Ordering::SeqCst;
        if units > 0 && self.0.fetch_sub(1, SeqCst) == 1 {
            self.1.request();
        }
    }
    fn note(&self, _text: &str) {}
    fn end(&self) {}
}

#[test]
fn learns_to_say_its_texts_again() {
    let dir = tempfile::tempdir().unwrap();
    let set = set();
    let options = options().epochs(60).validation(0.0);
    let report = train(&set, &tokenizer(), &options, dir.path(), &Control::default()).unwrap();
    assert_eq!((report.epochs, report.best_epoch, report.interrupted), (60, 60, false));
    assert!(report.validation_loss.is_none());
    let decoder = Decoder::load(&report.best).unwrap();
    assert_eq!(decoder.info().space, set.space);
    let captions = decoder.generate_batch(&set.embeddings, &GenerateOptions::default()).unwrap();
    let right = captions.iter().zip(&set.texts).filter(|(c, t)| c.text == t.text).count();
    assert!(right * 10 >= captions.len() * 9, "{right} of {}: {captions:?}", captions.len());
    assert!(captions.iter().all(|c| c.log_prob <= 0.0 && c.tokens > 0));
}

#[test]
fn the_same_seed_gives_the_same_file_and_resuming_changes_nothing() {
    let (set, tokenizer) = (set(), tokenizer());
    let options =
        options().bridge(TrainingBridge::default().noise_variance(0.01).shift(vec![0.1; set.embeddings.dim()]));
    let whole = tempfile::tempdir().unwrap();
    let report = train(&set, &tokenizer, &options, whole.path(), &Control::default()).unwrap();
    assert_eq!((report.epochs, report.interrupted), (4, false));
    assert_eq!(log(whole.path()).len(), 4);
    assert!(log(whole.path()).iter().all(|e| e.validation_loss.is_some() && e.tokens_per_second > 0.0));

    // Stopped in the middle of an epoch, at its end, and before the first step.
    let parts = tempfile::tempdir().unwrap();
    for steps in [3, 2, 3, 0] {
        let stop = Stop::new();
        let progress = StopAfter(steps.into(), &stop);
        if steps == 0 {
            stop.request();
        }
        // The first `advance` of a resumed training tells the steps done before.
        let resumed = options.clone().resume(true);
        let report = train(&set, &tokenizer, &resumed, parts.path(), &Control::new(&progress, &stop)).unwrap();
        assert!(report.interrupted);
        assert!(Decoder::load(&report.best).is_ok());
    }
    let resumed = options.clone().resume(true);
    let report = train(&set, &tokenizer, &resumed, parts.path(), &Control::default()).unwrap();
    assert!(!report.interrupted);
    assert!(bytes(whole.path()) == bytes(parts.path()), "the resumed training ended elsewhere");
    let losses = |dir: &Path| log(dir).into_iter().map(|e| (e.epoch, e.step, e.validation_loss)).collect::<Vec<_>>();
    assert_eq!(losses(whole.path()), losses(parts.path()));

    // A finished training has nothing to resume; other texts are refused.
    let again = train(&set, &tokenizer, &resumed, parts.path(), &Control::default()).unwrap();
    assert_eq!(again.epochs, 4);
    let other = resumed.seed(6);
    let error = train(&set, &tokenizer, &other, parts.path(), &Control::default()).unwrap_err();
    assert!(is_for_the_user(&error) && error.hint().is_some(), "{error}");
}

#[test]
fn bad_options_and_texts_are_errors_of_the_user() {
    let (set, tokenizer) = (set(), tokenizer());
    let dir = tempfile::tempdir().unwrap();
    let run =
        |set: &TrainingSet, options: &TrainOptions| train(set, &tokenizer, options, dir.path(), &Control::default());
    let bridge = |noise_variance, shift| TrainingBridge::default().noise_variance(noise_variance).shift(shift);
    for options in [
        options().epochs(0),
        options().batch(0),
        options().learning_rate(f64::NAN),
        options().validation(1.0),
        options().validation(-0.1),
        options().bridge(bridge(Some(-1.0), None)),
        options().bridge(bridge(None, Some(vec![0.0; 3]))),
    ] {
        assert!(matches!(run(&set, &options), Err(Error::Input { .. })), "{options:?}");
    }
    let mut empty = set.clone();
    empty.texts.iter_mut().for_each(|t| t.multiplicity = 0);
    assert!(matches!(run(&empty, &options()), Err(Error::Input { .. })));
    empty.texts.iter_mut().for_each(|t| t.text = " . ".into());
    assert!(matches!(run(&empty, &options()), Err(Error::Input { .. })));
}

#[test]
fn presets_have_the_papers_numbers() {
    let (config, recipe) = (Preset::Paper.config(1024, 5000), Preset::Paper.recipe(50_000));
    assert_eq!((config.layers, config.heads, config.width, config.max_tokens), (4, 4, 768, 22));
    assert_eq!((recipe.epochs, recipe.batch), (30, 64));
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(near(recipe.rate_at(2.5), 1e-5) && near(recipe.rate_at(5.0), 2e-5) && near(recipe.rate_at(9.9), 2e-5));
    assert!(near(recipe.rate_at(10.0), 4e-6) && near(recipe.rate_at(25.0), 8e-7));
    for preset in [Preset::Small, Preset::Paper] {
        assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
    }
    assert!("huge".parse::<Preset>().is_err());
}

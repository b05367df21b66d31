//! Training on a few texts: it learns them, repeats itself, resumes exactly, and stops when asked.

use std::path::Path;

use echoic::decoder::{
    Beginning, GenerateOptions, LogEntry, Preset, RecipeChanges, ScheduleKind, ShapeChanges, TrainOptions,
    TrainingBridge, TrainingSet, train,
};
use echoic::progress::{Control, Progress, Stop};
use echoic::{Decoder, Embeddings, Error};

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
    let losses = |dir: &Path| {
        log(dir).into_iter().map(|e| (e.epoch, e.step, e.train_loss, e.validation_loss)).collect::<Vec<_>>()
    };
    assert_eq!(losses(whole.path()), losses(parts.path()));

    // A finished training has nothing to resume; other texts are refused.
    let again = train(&set, &tokenizer, &resumed, parts.path(), &Control::default()).unwrap();
    assert_eq!(again.epochs, 4);
    let other = resumed.seed(6);
    let error = train(&set, &tokenizer, &other, parts.path(), &Control::default()).unwrap_err();
    assert!(is_for_the_user(&error) && error.hint().is_some(), "{error}");
}

/// A small model, so that many trainings take no time.
fn tiny() -> ShapeChanges {
    ShapeChanges { layers: Some(1), width: Some(32), heads: Some(2), ..ShapeChanges::default() }
}

/// Both schedules, and what else has numbers of its own to keep: untied weights, no clipping, drawn and informed starts.
fn kinds() -> Vec<TrainOptions> {
    let steps = RecipeChanges {
        schedule: Some(ScheduleKind::Steps),
        warm_up: Some(1.5),
        every: Some(2.0),
        factor: Some(0.5),
        clip: Some(0.0),
        ..RecipeChanges::default()
    };
    let untied = ShapeChanges { tied: Some(false), prefix_tokens: Some(2), ..tiny() };
    let noisy = TrainingBridge::default().noise_variance(0.01);
    let small = options().batch(8).bridge(noisy).shape(tiny());
    let paper = small.clone().preset(Preset::Paper).learning_rate(1e-3);
    vec![small.clone(), small.clone().shape(untied), small.recipe(steps), paper]
}

#[test]
fn whatever_the_recipe_a_training_goes_on_as_if_it_had_never_been_stopped() {
    let (set, tokenizer) = (set(), tokenizer());
    // All but how long it took.
    let curve = |dir: &Path| {
        let told = |e: LogEntry| {
            (e.epoch, e.step, e.train_loss.to_bits(), e.validation_loss.map(f64::to_bits), e.learning_rate.to_bits())
        };
        log(dir).into_iter().map(told).collect::<Vec<_>>()
    };
    for options in kinds() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        train(&set, &tokenizer, &options, whole.path(), &Control::default()).unwrap();
        let resumed = options.clone().resume(true);
        // 32 texts are four steps an epoch: it is stopped within each of them. The steps done before are told in one.
        for steps in [2, 4, 5, 3] {
            let stop = Stop::new();
            let progress = StopAfter(steps.into(), &stop);
            train(&set, &tokenizer, &resumed, parts.path(), &Control::new(&progress, &stop)).unwrap();
        }
        let report = train(&set, &tokenizer, &resumed, parts.path(), &Control::default()).unwrap();
        assert!(!report.interrupted);
        assert_eq!(curve(whole.path()), curve(parts.path()), "{options:?}");
        assert!(bytes(whole.path()) == bytes(parts.path()), "other weights: {options:?}");
        assert_eq!(report.recipe.epochs, 4);
    }
}

#[test]
fn what_was_asked_for_is_what_is_trained_and_recorded() {
    let (set, tokenizer) = (set(), tokenizer());
    let dir = tempfile::tempdir().unwrap();
    let shape = ShapeChanges { max_tokens: Some(6), prefix_tokens: Some(3), tied: Some(false), ..tiny() };
    let recipe =
        RecipeChanges { dropout: Some(0.2), beta2: Some(0.9), least_count: Some(7), ..RecipeChanges::default() };
    let options = options().epochs(1).shape(shape).recipe(recipe);
    let report = train(&set, &tokenizer, &options, dir.path(), &Control::default()).unwrap();
    let decoder = Decoder::load(&report.best).unwrap();
    let config = &decoder.info().config;
    assert_eq!((config.layers, config.width, config.heads), (1, 32, 2));
    assert_eq!((config.max_tokens, config.prefix_tokens, config.tied), (6, 3, false));
    assert_eq!(*config, report.shape);
    // A word of six texts is unknown, and each stands for one token.
    assert!(report.unknown > 0.3 && report.unknown < 1.0, "{}", report.unknown);
    let noted = decoder.info().training.recipe.clone().unwrap();
    assert_eq!((noted.dropout, noted.beta2, noted.least_count), (0.2, 0.9, 7));
    assert_eq!(noted, report.recipe);
    let captions = decoder.generate_batch(&set.embeddings, &GenerateOptions::default()).unwrap();
    assert!(captions.iter().all(|caption| caption.tokens <= 5));
}

#[test]
fn a_decoder_is_trained_further_and_learns_the_words_that_it_lacks() {
    let (whole, tokenizer) = (set(), tokenizer());
    let first = 24;
    let part = TrainingSet {
        texts: whole.texts[..first].to_vec(),
        embeddings: Embeddings::from_vec(24, whole.embeddings.as_slice()[..first * 24].to_vec()).unwrap(),
        space: whole.space.clone(),
    };
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let untied = ShapeChanges { tied: Some(false), ..ShapeChanges::default() };
    let options = options().validation(0.0);
    let base = options.clone().epochs(40).shape(untied);
    let base = train(&part, &tokenizer, &base, dirs[0].path(), &Control::default()).unwrap();
    let from = Beginning { name: "base".into(), path: base.best.clone() };
    let further = options.clone().epochs(30).from(from).learning_rate(2e-3);
    let report = train(&whole, &tokenizer, &further, dirs[1].path(), &Control::default()).unwrap();
    assert_eq!(report.shape.vocabulary, base.vocabulary + report.added_tokens.unwrap());
    // an, old, clock, the, wind: what the base has not seen.
    assert_eq!((report.added_tokens, report.unknown), (Some(5), 0.0));
    assert!(!report.shape.tied);
    let decoder = Decoder::load(&report.best).unwrap();
    let origin = decoder.info().training.from.clone().unwrap();
    assert_eq!((origin.name.as_str(), origin.sha256), ("base", crate::common::hub::sha256(&bytes(dirs[0].path()))));
    let captions = decoder.generate_batch(&whole.embeddings, &GenerateOptions::default()).unwrap();
    let right = captions.iter().zip(&whole.texts).filter(|(c, t)| c.text == t.text).count();
    assert!(right * 10 >= captions.len() * 9, "{right} of {}: {captions:?}", captions.len());
    // One epoch on what it knows is better from there than from nothing.
    let one = further.clone().epochs(1).learning_rate(None);
    let on = |options: &TrainOptions, dir: &Path| train(&part, &tokenizer, options, dir, &Control::default()).unwrap();
    let (known, fresh) = (on(&one, dirs[2].path()), on(&options.clone().epochs(1), dirs[3].path()));
    assert!(known.train_loss.unwrap() < 0.5 * fresh.train_loss.unwrap(), "{known:?} {fresh:?}");
    assert_eq!((known.recipe.learning_rate, known.recipe.informed_start), (2e-3, false));
    // It is resumed as any other.
    let (again, stop) = (tempfile::tempdir().unwrap(), Stop::new());
    let resumed = further.clone().epochs(2).resume(true);
    let stopping = StopAfter(1.into(), &stop);
    assert!(train(&whole, &tokenizer, &resumed, again.path(), &Control::new(&stopping, &stop)).unwrap().interrupted);
    train(&whole, &tokenizer, &resumed, again.path(), &Control::default()).unwrap();
    let straight = tempfile::tempdir().unwrap();
    train(&whole, &tokenizer, &further.clone().epochs(2), straight.path(), &Control::default()).unwrap();
    assert!(bytes(straight.path()) == bytes(again.path()));
    // What cannot be is refused.
    let refused = |set: &TrainingSet, options: &TrainOptions| {
        let dir = tempfile::tempdir().unwrap();
        train(set, &tokenizer, options, dir.path(), &Control::default()).unwrap_err()
    };
    assert!(matches!(refused(&whole, &further.clone().shape(tiny())), Error::Input { .. }));
    let informed = RecipeChanges { informed_start: Some(true), ..RecipeChanges::default() };
    assert!(matches!(refused(&whole, &further.clone().recipe(informed)), Error::Input { .. }));
    let mut other = whole.clone();
    other.space.model = "another".into();
    assert!(matches!(refused(&other, &further), Error::SpaceMismatch { .. }));
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
        options().shape(ShapeChanges { width: Some(10), heads: Some(4), ..ShapeChanges::default() }),
        options().shape(ShapeChanges { layers: Some(0), ..ShapeChanges::default() }),
        options().recipe(RecipeChanges { dropout: Some(1.5), ..RecipeChanges::default() }),
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

//! Story: 500 pairs of captions score as the COCO caption tools score them (`tests/fixtures/make_metrics.py`), and real captions are cut into
//! the same words.

use echoic::metrics::{Clip, Metric, Report, Scorer, Tokenized};
use echoic::progress::Control;
use serde::Deserialize;

use crate::common::needs;

/// How far a score may be off.
const TOLERANCE: f64 = 1e-6;
const METEOR_TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Fixture {
    one: Set,
    five: Set,
}

#[derive(Deserialize)]
pub struct Set {
    pairs: Vec<Pair>,
    tokenized: Vec<Pair>,
    scores: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Pair {
    predicted: String,
    references: Vec<String>,
}

impl Set {
    pub fn clips(&self) -> Vec<Clip> {
        let clip = |(i, pair): (usize, &Pair)| Clip::new(i.to_string(), &pair.predicted, &pair.references);
        self.pairs.iter().enumerate().map(clip).collect()
    }

    /// Of all clips, and of each.
    fn expected(&self, metric: Metric) -> (f64, Vec<f64>) {
        let score = &self.scores[metric.name()];
        let clips = score["clips"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
        (score["corpus"].as_f64().unwrap(), clips)
    }
}

pub fn sets() -> [(&'static str, Set); 2] {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/metrics/pairs.json");
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(fixture.one.pairs.len() + fixture.five.pairs.len(), 500);
    [("one reference", fixture.one), ("five references", fixture.five)]
}

/// Compares a metric, of all and of each, and prints the largest difference.
fn agrees(name: &str, set: &Set, report: &Report, metric: Metric, tolerance: f64) {
    let (ours, (expected, clips)) = (report.score(metric).unwrap(), set.expected(metric));
    assert_eq!(ours.clips.len(), clips.len());
    let corpus = (ours.corpus - expected).abs();
    let each = ours.clips.iter().zip(&clips).map(|(a, b)| (a - b).abs());
    let (clip, worst) = each.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
    println!("{name}, {metric}: {:.6}, off by {corpus:.1e}, a clip by at most {worst:.1e}", ours.corpus);
    assert!(corpus <= tolerance, "{name}, {metric}: {} instead of {}", ours.corpus, expected);
    assert!(worst <= tolerance, "{name}, {metric}: {:?} off by {worst}", set.pairs[clip].predicted);
}

#[test]
fn captions_are_cut_into_the_same_words() {
    for (name, set) in sets() {
        let tokenized = Tokenized::of(&set.clips());
        for ((ours, expected), pair) in tokenized.clips.iter().zip(&set.tokenized).zip(&set.pairs) {
            assert_eq!(ours.predicted, expected.predicted, "{name}: {:?}", pair.predicted);
            assert_eq!(ours.references, expected.references, "{name}: {:?}", pair.references);
        }
    }
}

#[test]
fn bleu_rouge_and_cider_are_those_of_the_coco_tools() {
    let metrics = [Metric::Bleu1, Metric::Bleu2, Metric::Bleu3, Metric::Bleu4, Metric::RougeL, Metric::CiderD];
    for (name, set) in sets() {
        let report = Scorer::default().score(&set.clips(), &Control::default()).unwrap();
        metrics.iter().for_each(|metric| agrees(name, &set, &report, *metric, TOLERANCE));
    }
}

#[test]
fn meteor_is_that_of_the_coco_tools() {
    let Some(folder) = needs::meteor() else { return };
    let scorer = Scorer::default().only(vec![Metric::Meteor]).meteor(folder);
    for (name, set) in sets() {
        let report = scorer.score(&set.clips(), &Control::default()).unwrap();
        agrees(name, &set, &report, Metric::Meteor, METEOR_TOLERANCE);
    }
}

#[test]
fn a_metric_does_not_depend_on_threads() {
    let [_, (_, five)] = sets();
    let score = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Scorer::default().score(&five.clips(), &Control::default()).unwrap())
    };
    assert_eq!(score(1), score(5));
}

//! Story: networks that judge captions find what aac-metrics finds with them (`tests/fixtures/make_judges.py`), and say what is wrong with others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use echoic::judges::{FluencyDetector, SentenceBert};
use echoic::metrics::{Absence, Clip, ErrorDetector, Metric, Rules, Scorer};
use echoic::progress::Control;
use serde_json::Value;

use crate::common::is_for_the_user;
use crate::parity::sets;

/// How far a cosine or a probability may be off: both tools compute in 32 bits, in other orders.
const TOLERANCE: f64 = 1e-5;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/judges").join(name)
}

fn sentences() -> SentenceBert {
    SentenceBert::open(fixture("sentences")).unwrap()
}

fn fluency() -> FluencyDetector {
    FluencyDetector::open(fixture("fluency/echecker.ckpt")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn captions_are_judged_as_aac_metrics_judges_them() {
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture("scores.json")).unwrap()).unwrap();
    let scorer = Scorer::default()
        .only(vec![Metric::SbertSim, Metric::Fer, Metric::Fense])
        .sentences(Some(Arc::new(sentences())))
        .fluency(Some(Arc::new(fluency())));
    for (name, set) in sets() {
        let name = name.split(' ').next().unwrap();
        for (rules, kind) in [(Rules::Coco, "pairs"), (Rules::AacMetrics, "tokenized")] {
            let expected = &expected[format!("{name} {kind}")];
            let report = scorer.clone().rules(rules).score(&set.clips(), &Control::default()).unwrap();
            for metric in [Metric::SbertSim, Metric::Fer, Metric::Fense] {
                let ours = report.score(metric).unwrap();
                let off = (ours.corpus - expected["corpus"][metric.name()].as_f64().unwrap()).abs();
                let clips = numbers(&expected["clips"][metric.name()]);
                let worst = ours.clips.iter().zip(&clips).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                println!("{name} {kind}, {metric}: off by {off:.1e}, a clip by {worst:.1e}");
                assert_eq!(ours.clips.len(), clips.len());
                assert!(off < TOLERANCE && worst < TOLERANCE, "{name} {kind} {metric}: {off} {worst}");
            }
        }
        let clips = set.clips();
        let predicted: Vec<&str> = clips.iter().map(|clip| clip.predicted.as_str()).collect();
        let found = fluency().probabilities(&predicted).unwrap();
        let expected = numbers(&expected[format!("{name} pairs")]["probability"]);
        let worst = found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        // The random layer over the first token is steep.
        assert!(worst < 10.0 * TOLERANCE, "{name}: a probability off by {worst}");
    }
}

#[test]
fn what_a_missing_network_leaves_out_is_said() {
    let clips = [Clip::new("a.wav", "A dog barks", ["A dog is barking."])];
    let score = |scorer: Scorer| scorer.score(&clips, &Control::default()).unwrap();
    let neither = score(Scorer::default());
    assert_eq!(neither.absence(Metric::Fense), Some(Absence::SentenceEncoder));
    assert_eq!(neither.absence(Metric::Fer), Some(Absence::ErrorDetector));
    assert_eq!(neither.absence(Metric::SpiderFl), Some(Absence::Without(Metric::Spider)));
    let one = score(Scorer::default().sentences(Some(Arc::new(sentences()))));
    assert!(one.score(Metric::SbertSim).is_some());
    assert_eq!(one.absence(Metric::Fense), Some(Absence::ErrorDetector));
    let other = score(Scorer::default().fluency(Some(Arc::new(fluency()))));
    assert!(other.score(Metric::Fer).is_some());
    assert_eq!(other.absence(Metric::Fense), Some(Absence::SentenceEncoder));
}

#[test]
fn other_networks_are_refused_by_name() {
    let refused = |outcome: echoic::Result<()>, words: &[&str]| {
        let error = outcome.unwrap_err();
        assert!(is_for_the_user(&error), "{error:?}");
        let said = error.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said} lacks one of {words:?}");
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| assert!(std::fs::copy(fixture("sentences").join(name), folder.path().join(name)).is_ok());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let open = || SentenceBert::open(folder.path()).map(drop);
    refused(open(), &["no checkpoint", "model.safetensors"]);
    ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"].into_iter().for_each(copy);
    open().unwrap();
    write("modules.json", r#"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#);
    refused(open(), &["sentence_transformers.models.Dense", "the mean of its states"]);
    write("modules.json", r#"[{"type": "sentence_transformers.models.Pooling", "path": "."}]"#);
    refused(open(), &["another pooling"]);
    std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    write("1_Pooling/config.json", r#"{"word_embedding_dimension": 32, "pooling_mode_mean_tokens": true}"#);
    write("modules.json", r#"[{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]"#);
    open().unwrap();
    write("modules.json", "[");
    refused(open(), &["modules.json"]);
    std::fs::remove_file(folder.path().join("modules.json")).unwrap();
    let config = std::fs::read_to_string(fixture("sentences/config.json")).unwrap();
    for (change, to, word) in [("\"bert\"", "\"mpnet\"", "mpnet"), ("\"gelu\"", "\"relu\"", "relu")] {
        write("config.json", &config.replace(change, to));
        refused(open(), &["config.json", word]);
    }
    let whole = folder.path().join("model.safetensors");
    refused(FluencyDetector::open(&whole).map(drop), &["model.safetensors, tensor encoder.embeddings"]);
    refused(SentenceBert::open(fixture("fluency")).map(drop), &["echecker.ckpt, tensor embeddings"]);
    refused(FluencyDetector::open(folder.path().join("absent.ckpt")).map(drop), &["absent.ckpt"]);
}

//! Story: a captions file is scored against what people wrote, in whatever layout both come, and no clip is passed over in silence.

use serde_json::Value;

use crate::common::bench::Bench;
use crate::common::needs;
use crate::common::sounds::{sound, wav_at};

const PREDICTIONS: &str =
    "file_name,caption_predicted\na.wav,A dog barks loudly\nb.wav,Rain falls on a roof\nc.wav,A bell\n";
const REFERENCES: &str = "file_name,caption_1,caption_2\na.wav,A dog is barking.,Dogs bark loudly.\n\
    b.wav,Heavy rain falls on a roof.,Rain drums on tin.\nc.wav,A bell rings.,A church bell tolls twice.\n";
/// The metrics that need nothing beside the captions.
const COMPUTED: [&str; 12] = [
    "bleu_1",
    "bleu_2",
    "bleu_3",
    "bleu_4",
    "rouge_l",
    "cider_d",
    "cider",
    "vocabulary",
    "mean_length",
    "distinct",
    "distinct_2",
    "repetition",
];

/// A bench whose cache is empty, with the two files.
fn bench() -> (Bench, String, String) {
    let bench = Bench::with_own_cache();
    let (predictions, references) = (bench.write("p.csv", PREDICTIONS), bench.write("r.csv", REFERENCES));
    (bench, predictions, references)
}

fn numbers(report: &Value) -> Vec<f64> {
    COMPUTED.iter().map(|name| report[*name].as_f64().unwrap_or_else(|| panic!("{name} in {report}"))).collect()
}

#[test]
fn every_metric_is_a_number_or_says_why_it_is_none() {
    let (bench, predictions, references) = bench();
    let report = bench.run_json(&["score", &predictions, &references]).succeeds().json();
    assert_eq!(numbers(&report).len(), COMPUTED.len());
    assert_eq!((&report["clips"], &report["reference_captions"]), (&3.into(), &6.into()));
    assert_eq!(report["vocabulary"], 9);
    for (name, why) in [
        ("meteor", "models pull meteor"),
        ("spice", "--spice JAR"),
        ("spider", "made from spice"),
        ("spider_fl", "made from spider"),
        ("fer", "--fluency FILE"),
        ("sbert_sim", "--sentence-bert DIR"),
        ("fense", "--sentence-bert DIR"),
        ("clap_similarity", "sounds were not given"),
    ] {
        assert!(report[name].is_null(), "{name}");
        let said = report["why_null"][name].as_str().unwrap();
        assert!(said.contains(why), "{name}: {said}");
    }
    let text = bench.run(&["score", &predictions, &references]).succeeds().stdout.clone();
    assert!(
        text.contains("3 clips, 6 references") && text.contains("cider_d") && text.contains("no meteor: "),
        "{text}"
    );
}

#[test]
fn the_layout_changes_no_number() {
    let (bench, predictions, references) = bench();
    let expected = numbers(&bench.run_json(&["score", &predictions, &references]).succeeds().json());
    let rows: Vec<(&str, [&str; 2])> = vec![
        ("a.wav", ["A dog is barking.", "Dogs bark loudly."]),
        ("b.wav", ["Heavy rain falls on a roof.", "Rain drums on tin."]),
        ("c.wav", ["A bell rings.", "A church bell tolls twice."]),
    ];
    let each = |line: &dyn Fn(usize, &str, &str) -> String| -> Vec<String> {
        rows.iter().enumerate().flat_map(|(i, (clip, texts))| texts.map(|text| line(i, clip, text))).collect()
    };
    let several_rows = each(&|_, clip, text| format!("{clip},{text}\n")).concat();
    let audiocaps = each(&|i, clip, text| format!("{i},{clip},0,{text}\n")).concat();
    let lines = each(&|_, clip, text| format!("{{\"audio_id\": \"{clip}\", \"caption\": \"{text}\"}}\n")).concat();
    let coco = each(&|i, _, text| format!("{{\"image_id\": {i}, \"caption\": \"{text}\"}}")).join(",");
    let images = rows.iter().enumerate().map(|(i, (clip, _))| format!("{{\"id\": {i}, \"file_name\": \"{clip}\"}}"));
    let images = images.collect::<Vec<_>>().join(",");
    let predicted = ["A dog barks loudly", "Rain falls on a roof", "A bell"];
    let results =
        predicted.iter().enumerate().map(|(i, text)| format!("{{\"image_id\": {i}, \"caption\": \"{text}\"}}"));
    let results = bench.write("results.json", format!("[{}]", results.collect::<Vec<_>>().join(",")));
    let files = [
        (predictions.clone(), bench.write("rows.csv", format!("file_name,caption\n{several_rows}"))),
        (predictions.clone(), bench.write("ac.csv", format!("audiocap_id,youtube_id,start_time,caption\n{audiocaps}"))),
        (predictions.clone(), bench.write("lines.jsonl", lines)),
        (results, bench.write("coco.json", format!("{{\"images\": [{images}], \"annotations\": [{coco}]}}"))),
        (
            bench.write(
                "in_folder.csv",
                PREDICTIONS.replace("\na", "\nclips/a").replace("\nb", "\nclips/b").replace("\nc", "\nclips/c"),
            ),
            references.clone(),
        ),
    ];
    for (predictions, references) in files {
        let report = bench.run_json(&["score", &predictions, &references]).succeeds().json();
        assert_eq!(numbers(&report), expected, "{predictions} {references}");
    }
}

#[test]
fn each_clip_gets_a_row_of_its_own() {
    let (bench, predictions, references) = bench();
    let out = bench.path("clips.csv");
    bench.run(&["score", &predictions, &references, "--per-clip", out.to_str().unwrap()]).succeeds();
    let table = std::fs::read_to_string(out).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("file_name,caption_predicted,bleu_1,") && lines[0].ends_with(",mean_length,repetition")
    );
    assert_eq!(lines.len(), 4);
    assert!(lines[2].starts_with("b.wav,Rain falls on a roof,"), "{table}");
}

#[test]
fn what_was_not_predicted_is_refused_left_out_or_counted_as_nothing() {
    let (bench, predictions, references) = bench();
    let short = bench.write("short.csv", PREDICTIONS.replace("c.wav,A bell\n", ""));
    bench.run(&["score", &short, &references]).fails(1, &["no prediction for 1 of 3: c.wav", "--unmatched skip|empty"]);
    let skipped = bench.run_json(&["score", &short, &references, "--unmatched", "skip"]).succeeds().json();
    assert_eq!((&skipped["clips"], &skipped["missing"][0]), (&2.into(), &"c.wav".into()));
    let run = bench.run_json(&["score", &short, &references, "--unmatched", "empty"]);
    assert!(run.stderr.contains("c.wav"), "{run:?}");
    let counted = run.succeeds().json();
    assert_eq!(counted["clips"], 3);
    let empty = bench.write("empty.csv", PREDICTIONS.replace("A bell", ""));
    let empty = bench.run_json(&["score", &empty, &references]).succeeds().json();
    assert_eq!(numbers(&empty), numbers(&counted));
    assert_eq!(empty["empty"][0], "c.wav");

    let fewer = bench.write("fewer.csv", REFERENCES.replace("c.wav,A bell rings.,A church bell tolls twice.\n", ""));
    bench.run(&["score", &predictions, &fewer]).fails(1, &["1 clip without a reference: c.wav"]);
    let left_out = bench.run_json(&["score", &predictions, &fewer, "--unmatched", "skip"]).succeeds().json();
    assert_eq!((numbers(&left_out), &left_out["extra"][0]), (numbers(&skipped), &"c.wav".into()));
    let bare = bench.write("bare.csv", REFERENCES.replace("A bell rings.,A church bell tolls twice.", ","));
    bench.run(&["score", &predictions, &bare]).fails(1, &["1 clip without a reference: c.wav"]);
}

#[test]
fn what_is_no_captions_file_says_what_it_is() {
    let (bench, predictions, references) = bench();
    let text = bench.write("captions.txt", "A dog barks\nRain falls\n");
    bench.run(&["score", &text, &references]).fails(1, &["captions.txt, line 1", "without a clip", "file_name"]);
    let table = bench.write("odd.csv", "what,ever\n1,2\n");
    bench.run(&["score", &table, &references]).fails(1, &["the columns what, ever"]);
    let latin = bench.write("latin.csv", b"file_name,caption\na.wav,A caf\xe9 hums\n");
    bench.run(&["score", &latin, &references]).fails(1, &["latin.csv, line 2", "invalid UTF-8", "UTF-8"]);
    bench.run(&["score", &references, &predictions]).fails(1, &["2 captions for a.wav", "one prediction"]);
    let strangers = bench.write("others.csv", PREDICTIONS.replace(".wav", ".mp3"));
    bench.run(&["score", &strangers, &references]).fails(1, &["a.mp3", "a.wav", "--clip-column"]);
    let absent = bench.path("absent.csv");
    bench.run(&["score", absent.to_str().unwrap(), &references]).fails(1, &["absent.csv"]);
}

#[test]
fn a_metric_that_was_asked_for_and_cannot_be_computed_is_an_error() {
    let (bench, predictions, references) = bench();
    let score = |metric: &str| bench.run(&["score", &predictions, &references, "--only", metric]);
    score("meteor").fails(1, &["'meteor' is not installed", "echoic models pull meteor"]);
    score("spice").fails(1, &["the metric spice", "--spice JAR"]);
    score("fense").fails(1, &["the metric fense", "a network that embeds sentences", "--sentence-bert DIR"]);
    score("spider_fl").fails(1, &["the metric spider_fl", "spice"]);
    assert_ne!(score("bleu").code, 0);
    let only = bench.run_json(&["score", &predictions, &references, "--only", "cider_d,rouge_l"]).succeeds().json();
    assert!(only["cider_d"].is_number() && only["rouge_l"].is_number() && only["bleu_1"].is_null());
}

#[test]
fn the_other_tools_rules_are_offered() {
    let (bench, predictions, references) = bench();
    let single = bench.write("single.csv", "file_name,caption_predicted\na.wav,A dog barks\n");
    let score = |rules: &str| {
        let run = bench.run_json(&["score", &single, &references, "--unmatched", "skip", "--rules", rules]);
        run.succeeds().json()
    };
    assert_eq!(score("pycocoevalcap")["cider_d"], 0.0);
    assert!(score("aac-metrics")["why_null"]["cider_d"].as_str().unwrap().contains("two clips"));
    let rules = bench.run(&["score", &predictions, &references, "--rules", "mine"]);
    assert!(rules.code != 0 && rules.stderr.contains("aac-metrics"), "{rules:?}");
}

#[test]
fn meteor_comes_once_its_data_are_there() {
    if needs::meteor().is_none() {
        return;
    }
    let bench = Bench::new();
    let (predictions, references) = (bench.write("p.csv", PREDICTIONS), bench.write("r.csv", REFERENCES));
    let report = bench.run_json(&["score", &predictions, &references]).succeeds().json();
    let meteor = report["meteor"].as_f64().unwrap();
    assert!(meteor > 0.2 && meteor < 0.8 && report["why_null"]["meteor"].is_null(), "{report}");
}

/// The networks of `tests/fixtures/judges`, named, and where other programs keep them.
#[test]
fn fense_comes_from_networks_that_are_named_or_lie_where_other_tools_keep_them() {
    let (bench, predictions, references) = bench();
    let fixture = |name: &str| format!("{}/tests/fixtures/judges/{name}", env!("CARGO_MANIFEST_DIR"));
    let (sentences, fluency) = (fixture("sentences"), fixture("fluency/echecker.ckpt"));
    let named = ["score", &predictions, &references, "--sentence-bert", &sentences, "--fluency", &fluency];
    let clips = bench.path("clips.csv");
    let report = bench.run_json(&[&named[..], &["--per-clip", clips.to_str().unwrap()]].concat()).succeeds().json();
    let [fense, alike, errors] = ["fense", "sbert_sim", "fer"].map(|name| report[name].as_f64().unwrap());
    assert!(alike > 0.3 && alike < 1.0 && (0.0..=1.0).contains(&errors) && fense <= alike, "{report}");
    let table = std::fs::read_to_string(clips).unwrap();
    let columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    for row in table.lines().skip(1) {
        let cell = |name: &str| row.split(',').nth(column(name)).unwrap().parse::<f64>().unwrap();
        let expected = cell("sbert_sim") * (1.0 - 0.9 * cell("fer"));
        assert!((cell("fense") - expected).abs() < 1e-12, "{table}");
    }

    let commit = "0123456789012345678901234567890123456789";
    let model = bench.path("hf/hub/models--sentence-transformers--paraphrase-TinyBERT-L6-v2");
    let (snapshot, refs) = (model.join("snapshots").join(commit), model.join("refs"));
    let data = bench.path("torch/hub/fense_data");
    for folder in [&snapshot, &refs, &data] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(refs.join("main"), commit).unwrap();
    for name in ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(fixture(&format!("sentences/{name}")), snapshot.join(name)).unwrap();
    }
    std::fs::copy(&fluency, data.join("echecker_clotho_audiocaps_base.ckpt")).unwrap();
    std::fs::copy(fixture("fluency/vocab.txt"), data.join("vocab.txt")).unwrap();
    let found = bench.run_json(&["score", &predictions, &references, "--only", "fense"]).succeeds().json();
    assert_eq!(found["fense"], report["fense"]);
    let damaged = bench.write("damaged.ckpt", "no checkpoint");
    bench.run(&["score", &predictions, &references, "--fluency", &damaged]).fails(1, &["damaged.ckpt", "a checkpoint"]);
}

/// A Java that answers as SPICE's program does; what it was asked must name every clip.
#[cfg(unix)]
#[test]
fn spice_comes_from_its_program_and_never_from_a_guess() {
    use std::os::unix::fs::PermissionsExt;
    let (bench, predictions, references) = bench();
    let jar = bench.write("spice-1.0.jar", "");
    let program = |name: &str, text: &str| {
        let path = bench.write(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let answer = |third: &str| {
        let one = |id: usize, f: &str| format!("{{\"image_id\": {id}, \"scores\": {{\"All\": {{\"f\": {f}}}}}}}");
        let all = [one(2, third), one(0, "0.5"), one(1, "0.1")].join(",");
        format!("grep -q 'a dog barks loudly' \"$4\" || exit 9\necho '[{all}]' > \"$6\"")
    };
    let score = |java: &str| bench.run_json(&["score", &predictions, &references, "--spice", &jar, "--java", java]);
    let report = score(&program("java", &answer("0.3"))).succeeds().json();
    let [spice, cider, spider] = ["spice", "cider_d", "spider"].map(|name| report[name].as_f64().unwrap());
    assert!((spice - 0.3).abs() < 1e-12 && (spider - (spice + cider) / 2.0).abs() < 1e-12, "{report}");
    let fluency = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/judges/fluency/echecker.ckpt");
    let (java, clips) = (program("java", &answer("0.3")), bench.path("clips.csv"));
    let only = ["--only", "spider_fl", "--per-clip", clips.to_str().unwrap()];
    let penalized = ["score", &predictions, &references, "--spice", &jar, "--java", &java, "--fluency", fluency];
    let penalized = bench.run_json(&[&penalized[..], &only].concat()).succeeds().json()["spider_fl"].as_f64().unwrap();
    assert!(penalized > 0.0 && penalized <= spider + 1e-12, "{penalized} of {spider}");
    score(&program("nan", &answer("NaN"))).fails(1, &["no score of clip 3"]);
    score(&program("failing", "echo 'no models' >&2; exit 1")).fails(1, &["no models", "folder lib"]);
    score("/no/such/java").fails(1, &["/no/such/java"]);
}

#[test]
fn a_model_tells_how_near_captions_come_to_their_sounds() {
    let bench = Bench::new();
    let (predictions, references) = (bench.write("p.csv", PREDICTIONS), bench.write("r.csv", REFERENCES));
    let folder = bench.path("sounds");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    let score = || {
        bench.run_json(&[
            "score",
            &predictions,
            &references,
            "--audio",
            folder,
            "--model",
            "starter",
            "--only",
            "clap_similarity",
        ])
    };
    if !needs::starter_is_installed() {
        return;
    }
    for (name, seconds) in [("a.wav", 1.0), ("b.wav", 2.0)] {
        wav_at(&bench.path("sounds").join(name), &sound(seconds, 16_000), 16_000);
    }
    score().fails(1, &["c.wav"]);
    wav_at(&bench.path("sounds/c.wav"), &sound(3.0, 16_000), 16_000);
    let report = score().succeeds().json();
    let near = report["clap_similarity"].as_f64().unwrap();
    assert!(near.abs() < 1.0 && report["bleu_1"].is_null(), "{report}");
    // Of one clip, the mean is its own.
    let one = bench.write("one.csv", "file_name,caption_predicted\na.wav,A dog barks loudly\n");
    let clips = bench.path("clips.csv");
    let run = [
        "score",
        &one,
        &references,
        "--unmatched",
        "skip",
        "--audio",
        folder,
        "--model",
        "starter",
        "--per-clip",
        clips.to_str().unwrap(),
    ];
    let report = bench.run_json(&run).succeeds().json();
    let table = std::fs::read_to_string(&clips).unwrap();
    let last: f64 = table.lines().nth(1).unwrap().rsplit(',').next().unwrap().parse().unwrap();
    assert!((report["clap_similarity"].as_f64().unwrap() - last).abs() < 1e-12, "{table}");
}

//! Story: a researcher ingests the validation splits of Clotho and AudioCaps as two domains, and captions a real sound
//! under every strategy from either. The full training splits go the same way; see docs/benchmarks.md for their figures.

use crate::common::bench::Bench;
use crate::common::files;
use crate::common::needs::{real_data, starter_is_installed};

#[test]
fn clotho_and_audiocaps_side_by_side() {
    let Some(data) = real_data("captions") else { return };
    if !starter_is_installed() {
        return;
    }
    let captions = |name: &str| data.join("captions").join(name).display().to_string();
    let sound = data.join("audio/esc50_16k");
    let sound = std::fs::read_dir(sound).unwrap().map(|e| e.unwrap().path()).min().unwrap().display().to_string();
    let bench = Bench::new();
    bench.run(&["init"]).succeeds();

    let report = bench.run_json(&["ingest", &captions("clotho-val.csv"), "--domain", "clotho"]).succeeds().json();
    assert_eq!((&report["format"], &report["read"], &report["rejected"]), (&"clotho".into(), &5_225.into(), &0.into()));
    let before = files(&bench.store().join("segments"));
    let report = bench.run_json(&["ingest", &captions("audiocaps-val.csv"), "--domain", "audiocaps"]).succeeds().json();
    assert_eq!((&report["format"], &report["read"]), (&"audiocaps".into(), &2_475.into()));
    assert!(report["repeats"].as_u64().unwrap() > 0, "AudioCaps repeats itself");
    let after = files(&bench.store().join("segments"));
    assert!(before.iter().all(|file| after.contains(file)), "a file of the first domain was touched");

    bench.run(&["train", "--epochs", "1", "--noise", "estimate"]).succeeds();
    for strategy in ["direct", "nearest", "projection"] {
        for domains in [&[][..], &["--domain", "clotho"], &["--domain", "audiocaps"]] {
            let arguments = [&["caption", sound.as_str(), "--strategy", strategy], domains].concat();
            let answer = bench.run_json(&arguments).succeeds().json();
            assert!(answer["caption"].as_str().unwrap().len() > 3);
            let neighbours = answer["neighbours"].as_array().unwrap();
            assert_eq!(neighbours.len(), 10);
            if let [_, domain] = domains {
                assert!(neighbours.iter().all(|n| n["domain"] == *domain));
            }
            assert!(neighbours.iter().all(|n| n["clip"].is_string()));
        }
    }
}

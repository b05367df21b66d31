//! Real recordings, where they are at hand: `../shared/data` beside the checkout, or `ECHOIC_DATA`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use echoic::audio::Clip;

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("ECHOIC_DATA").map_or(beside, PathBuf::from).join("audio");
    if folder.join("index.csv").is_file() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no recordings at {}", folder.display());
    None
}

#[test]
fn real_recordings_decode_to_their_announced_length() {
    let Some(folder) = data() else { return };
    let mut rows = csv::Reader::from_path(folder.join("index.csv")).unwrap();
    let headers = rows.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (path, seconds) = (column("path"), column("seconds"));
    let mut checked = 0;
    // Every fiftieth: all sources, in a second or two.
    for row in rows.records().map(Result::unwrap).step_by(50) {
        let announced: f64 = row[seconds].parse().unwrap();
        let clip = Clip::open(&folder.join(&row[path]), 44_100).unwrap_or_else(|e| panic!("{e}"));
        assert!(
            (clip.seconds() - announced).abs() < 0.02,
            "{}: {} s, announced {announced}",
            &row[path],
            clip.seconds()
        );
        assert!(clip.peak().is_finite() && !clip.is_empty());
        checked += 1;
    }
    assert!(checked > 100, "{checked} clips");
}

//! Real recordings, where they are at hand: `../shared/data` beside the checkout, or `ECHOIC_DATA`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use echoic::audio::Clip;
use echoic::corpus::{self, Options};

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
    // The column `path` is taken for the clip.
    let seconds = Options::default().column("seconds".into());
    let rows = corpus::open(&folder.join("index.csv"), &seconds).unwrap();
    let mut checked = 0;
    // Every fiftieth: all sources, in a second or two.
    for row in rows.map(Result::unwrap).step_by(50) {
        let (path, announced) = (row.clip.unwrap(), row.text.parse::<f64>().unwrap());
        let clip = Clip::open(&folder.join(&path), 44_100).unwrap_or_else(|e| panic!("{e}"));
        let found = clip.seconds();
        assert!((found - announced).abs() < 0.02, "{path}: {found} s, announced {announced}");
        assert!(clip.peak().is_finite() && !clip.is_empty());
        checked += 1;
    }
    assert!(checked > 100, "{checked} clips");
}

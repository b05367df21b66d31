//! Real recordings, where they are at hand: `../shared/data` beside the checkout, or `ECHOIC_DATA`.

use echoic::audio::Clip;
use echoic::corpus::{self, Options};

use crate::common::needs::real_data;

#[test]
fn real_recordings_decode_to_their_announced_length() {
    let Some(folder) = real_data("audio/index.csv").map(|data| data.join("audio")) else { return };
    // The column `path` is taken for the clip.
    let seconds = Options::default().column("seconds".to_owned());
    let rows = corpus::open(folder.join("index.csv"), &seconds).unwrap();
    let mut checked = 0;
    // Every fiftieth: all sources, in a second or two.
    for row in rows.map(Result::unwrap).step_by(50) {
        let (path, announced) = (row.clip.unwrap(), row.text.parse::<f64>().unwrap());
        let file = folder.join(&path);
        let clip = Clip::open(&file, 44_100).unwrap_or_else(|e| panic!("{e}"));
        let found = clip.seconds();
        assert!((found - announced).abs() < 0.02, "{path}: {found} s, announced {announced}");
        assert!(clip.peak().is_finite() && !clip.is_empty());
        checked += 1;
    }
    assert!(checked > 100, "{checked} clips");
}

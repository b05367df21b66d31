//! Story: a decoder is trained on many captions. Their embeddings stay where they lie, and what is kept of each caption is little more than
//! its text and its tokens.

use echoic::decoder::{TrainOptions, TrainingSet, TrainingText, train};
use echoic::progress::{Control, Stop};

use crate::common::process::{alone, peak_memory};
use crate::common::texts;

/// What a caption of twelve words may take at most, its text and the numbers of its clips included, in bytes. With the tokenizer's own records it was about 1,200.
const BYTES_PER_CAPTION: u64 = 800;

/// Captions of twelve words that differ, all with embeddings out of the same few.
fn captions(count: usize, rows: &[&'static [f32]]) -> TrainingSet<Vec<&'static [f32]>> {
    let words: Vec<&str> = "dog heavy rain small engine phone old clock wind hums rattles loudly".split(' ').collect();
    let mut state = 1u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        words[(state >> 33) as usize % words.len()]
    };
    let mut text = || (0..12).map(|_| word()).collect::<Vec<_>>().join(" ");
    let texts = (0..count).map(|_| TrainingText { text: text(), multiplicity: 1, clips: vec![] }).collect();
    let embeddings = (0..count).map(|i| rows[i % rows.len()]).collect();
    TrainingSet { texts, embeddings, space: texts::set().space }
}

#[test]
fn a_caption_takes_little_memory() {
    alone(module_path!(), "a_caption_takes_little_memory", measure);
}

fn measure() {
    let embeddings: &'static _ = Box::leak(Box::new(texts::set().embeddings));
    let rows: Vec<&'static [f32]> = embeddings.rows().collect();
    let (folder, stop) = (tempfile::tempdir().unwrap(), Stop::new());
    stop.request(); // all that is kept is there before the first step
    let (few, many) = (2_000, 80_000);
    let peaks = [few, many].map(|count| {
        let set = captions(count, &rows);
        let report = train(
            &set,
            &texts::tokenizer(),
            &TrainOptions::default().restart(true),
            folder.path(),
            &Control::default().with_stop(&stop),
        );
        assert!(report.unwrap().interrupted);
        peak_memory()
    });
    if let [Some(before), Some(after)] = peaks {
        let each = (after - before) / (many - few) as u64;
        println!("{each} bytes a caption");
        assert!((1..=BYTES_PER_CAPTION).contains(&each), "{each} bytes a caption");
    }
}

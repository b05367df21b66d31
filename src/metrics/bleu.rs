//! BLEU-1 to BLEU-4 (Papineni et al. 2002) as the COCO caption tools compute it.
//!
//! The length of the references is that of the one closest in length to the prediction, the shorter of two; counts are clipped by the most
//! that any reference has; a tiny constant stands in for a count of nothing.

use std::sync::Arc;

use super::Score;
use super::ngrams::{LONGEST, Runs};

/// Added to a count that may be 0.
const TINY: f64 = 1e-15;
/// Added to what is divided by.
const SMALL: f64 = 1e-9;

/// What BLEU needs to know of a clip, or of all together.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    words: usize,
    reference_words: usize,
    /// Runs of each length, and those of them that a reference has.
    runs: [usize; LONGEST],
    right: [usize; LONGEST],
}

impl Counts {
    fn of(predicted: &Runs, references: &[Runs]) -> Self {
        let words = predicted.words;
        let closest = references.iter().map(|reference| reference.words).min_by_key(|n| (n.abs_diff(words), *n));
        let right = |length: usize| -> u32 {
            let most = |run| references.iter().map(|reference| reference.count(length, run)).max().unwrap_or(0);
            predicted.of_length(length).iter().map(|(run, count)| (*count).min(most(run))).sum()
        };
        Self {
            words,
            reference_words: closest.unwrap_or(0),
            runs: std::array::from_fn(|index| words.saturating_sub(index)),
            right: std::array::from_fn(|index| right(index + 1) as usize),
        }
    }

    fn add(mut self, other: &Self) -> Self {
        self.words += other.words;
        self.reference_words += other.reference_words;
        for index in 0..LONGEST {
            self.runs[index] += other.runs[index];
            self.right[index] += other.right[index];
        }
        self
    }

    /// BLEU by the longest run that it counts.
    fn scores(&self) -> [f64; LONGEST] {
        let ratio = (self.words as f64 + TINY) / (self.reference_words as f64 + SMALL);
        let brevity = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|index| {
            product *= (self.right[index] as f64 + TINY) / (self.runs[index] as f64 + SMALL);
            product.powf(1.0 / (index + 1) as f64) * brevity
        })
    }
}

/// BLEU-1 to BLEU-4. That of all clips is no mean: their counts are added first.
pub(super) fn bleu(clips: &[(Runs, Vec<Runs>)]) -> [Score; LONGEST] {
    let counts: Arc<[Counts]> = clips.iter().map(|(predicted, references)| Counts::of(predicted, references)).collect();
    let total = counts.iter().fold(Counts::default(), Counts::add).scores();
    let each: Vec<[f64; LONGEST]> = counts.iter().map(Counts::scores).collect();
    std::array::from_fn(|index| {
        let counts = counts.clone();
        let of_clips = move |clips: &[u32]| {
            let chosen = clips.iter().filter_map(|clip| counts.get(*clip as usize));
            chosen.fold(Counts::default(), Counts::add).scores()[index]
        };
        Score::joint(total[index], each.iter().map(|scores| scores[index]).collect(), of_clips)
    })
}

//! What an alignment comes to, and the score that follows from it.

use super::align::Match;
use super::{EXACT, STEM, SYNONYM};

/// How much recall weighs against precision.
const ALPHA: f64 = 0.85;
/// The exponent of the penalty for chunks, and its weight.
const BETA: f64 = 0.2;
const GAMMA: f64 = 0.6;
/// How much content words weigh; function words weigh the rest.
const DELTA: f64 = 0.75;
/// How much a match of each stage counts.
const WEIGHTS: [f64; 4] = [1.0, 0.6, 0.8, 0.6];

/// One side of an alignment: how many words it has and how many match, content words and function words apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Side {
    content: u64,
    function: u64,
    matched_content: [u64; WEIGHTS.len()],
    matched_function: [u64; WEIGHTS.len()],
}

impl Side {
    fn of(functions: &[bool]) -> Self {
        let function = functions.iter().filter(|is| **is).count() as u64;
        Self { content: functions.len() as u64 - function, function, ..Self::default() }
    }

    fn count(&mut self, stage: usize, functions: &[bool]) {
        for is_function_word in functions {
            let matched = if *is_function_word { &mut self.matched_function } else { &mut self.matched_content };
            matched[stage] += 1;
        }
    }

    fn words(&self) -> u64 {
        self.content + self.function
    }

    fn matched(&self) -> u64 {
        self.matched_content.iter().chain(&self.matched_function).sum()
    }

    /// The share of the words that match, by their weights.
    fn share(&self) -> f64 {
        let weighed = |counts: &[u64]| -> f64 { counts.iter().zip(WEIGHTS).map(|(count, w)| *count as f64 * w).sum() };
        let matched = weighed(&self.matched_content) * DELTA + weighed(&self.matched_function) * (1.0 - DELTA);
        matched / (DELTA * self.content as f64 + (1.0 - DELTA) * self.function as f64)
    }

    fn add(&mut self, other: &Self) {
        self.content += other.content;
        self.function += other.function;
        for stage in [EXACT, STEM, SYNONYM, WEIGHTS.len() - 1] {
            self.matched_content[stage] += other.matched_content[stage];
            self.matched_function[stage] += other.matched_function[stage];
        }
    }
}

/// What METEOR adds up over clips.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Stats {
    predicted: Side,
    reference: Side,
    chunks: u64,
}

impl Stats {
    /// The figures of an alignment; the words are told by whether they are function words.
    pub(super) fn of(predicted: &[bool], reference: &[bool], alignment: &[Option<Match>]) -> Self {
        let mut stats = Self { predicted: Side::of(predicted), reference: Side::of(reference), chunks: 0 };
        let (mut at, mut open) = (0, None);
        while let Some(place) = alignment.get(at) {
            let Some(found) = place else {
                open = None;
                at += 1;
                continue;
            };
            let end = found.predicted_start + found.predicted_length;
            stats.predicted.count(found.stage, &predicted[found.predicted_start..end]);
            stats.reference.count(found.stage, &reference[found.start..found.start + found.length]);
            stats.chunks += u64::from(open != Some(found.predicted_start));
            open = Some(end);
            at = found.start + found.length;
        }
        stats
    }

    /// Whether every word matches, in one chunk.
    fn is_perfect(&self) -> bool {
        self.predicted.matched() == self.predicted.words()
            && self.reference.matched() == self.reference.words()
            && self.chunks == 1
    }

    /// The figures of both; a perfect one adds no chunk.
    pub(super) fn add(mut self, other: &Self) -> Self {
        self.predicted.add(&other.predicted);
        self.reference.add(&other.reference);
        self.chunks += if other.is_perfect() { 0 } else { other.chunks };
        self
    }

    /// METEOR.
    pub(super) fn score(&self) -> f64 {
        let mean = 1.0 / ((1.0 - ALPHA) / self.predicted.share() + ALPHA / self.reference.share());
        let matched = (self.predicted.matched() + self.reference.matched()) as f64 / 2.0;
        let fragmentation = if self.is_perfect() { 0.0 } else { self.chunks as f64 / matched };
        let score = mean * (1.0 - GAMMA * fragmentation.powf(BETA));
        if score.is_nan() { 0.0 } else { score.max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(start: usize, predicted_start: usize) -> Option<Match> {
        Some(Match { start, length: 1, predicted_start, predicted_length: 1, stage: EXACT })
    }

    #[test]
    fn a_perfect_caption_scores_one_and_an_empty_one_nothing() {
        let perfect = Stats::of(&[true, false], &[true, false], &[exact(0, 0), exact(1, 1)]);
        assert!((perfect.score() - 1.0).abs() < 1e-12);
        assert_eq!(Stats::of(&[], &[false], &[None]).score(), 0.0);
        assert_eq!(Stats::of(&[], &[], &[]).score(), 0.0);
    }

    #[test]
    fn words_in_another_order_are_chunks() {
        let swapped = Stats::of(&[false, false], &[false, false], &[exact(0, 1), exact(1, 0)]);
        assert_eq!(swapped.chunks, 2);
        assert!((swapped.score() - 0.4).abs() < 1e-12);
    }
}

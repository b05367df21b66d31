//! The alignment of a prediction's words with those of a reference: a search with a beam over what the matchers found.

use std::cmp::Reverse;

/// How many partial alignments are followed from word to word.
const BEAM: usize = 40;

/// A place where some words of the prediction stand for some of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// Where in the reference, and how many words.
    pub(super) start: usize,
    pub(super) length: usize,
    /// Where in the prediction, and how many words.
    pub(super) predicted_start: usize,
    pub(super) predicted_length: usize,
    /// By which matcher.
    pub(super) stage: usize,
}

impl Match {
    fn distance(&self) -> usize {
        self.start.abs_diff(self.predicted_start)
    }

    fn predicted_end(&self) -> usize {
        self.predicted_start + self.predicted_length
    }

    fn end(&self) -> usize {
        self.start + self.length
    }
}

/// Everything that matches: by the word of the reference where it begins.
#[derive(Debug)]
pub(super) struct Candidates {
    by_start: Vec<Vec<Match>>,
    /// How many matches cover each word.
    covered: Vec<u32>,
    predicted_covered: Vec<u32>,
}

impl Candidates {
    pub(super) fn new(predicted_words: usize, reference_words: usize) -> Self {
        Self {
            by_start: vec![Vec::new(); reference_words],
            covered: vec![0; reference_words],
            predicted_covered: vec![0; predicted_words],
        }
    }

    pub(super) fn push(&mut self, found: Match) {
        self.by_start[found.start].push(found);
        self.covered[found.start..found.end()].iter_mut().for_each(|count| *count += 1);
        self.predicted_covered[found.predicted_start..found.predicted_end()].iter_mut().for_each(|count| *count += 1);
    }

    /// A match whose words nothing else covers.
    fn certain(&self, start: usize) -> Option<Match> {
        let [only] = self.by_start[start][..] else { return None };
        let alone = self.covered[only.start..only.end()]
            .iter()
            .chain(&self.predicted_covered[only.predicted_start..only.predicted_end()])
            .all(|count| *count == 1);
        alone.then_some(only)
    }

    /// The best alignment: the match that begins at each word of the reference.
    pub(super) fn aligned(&self) -> Vec<Option<Match>> {
        let mut first = Path::new(self.predicted_covered.len(), self.covered.len());
        for found in (0..self.by_start.len()).filter_map(|start| self.certain(start)) {
            first.choose(found);
        }
        let mut paths = vec![first];
        for (at, found) in self.by_start.iter().enumerate() {
            // The order of equals is that in which they were made.
            paths.sort_by_key(Path::rank);
            paths.truncate(BEAM);
            let mut next = Vec::with_capacity(paths.len() * 2);
            let rest = paths.first().cloned();
            for path in paths {
                path.advance(at, found, &mut next);
            }
            if next.is_empty() {
                next.extend(rest);
            }
            paths = next;
        }
        paths.sort_by_key(Path::rank);
        paths.truncate(BEAM);
        paths.iter_mut().for_each(Path::close);
        paths.sort_by_key(Path::rank);
        paths.into_iter().next().map_or_else(Vec::new, |best| best.chosen)
    }
}

/// An alignment in the making, of the words up to one of the reference.
#[derive(Debug, Clone)]
struct Path {
    chosen: Vec<Option<Match>>,
    used: Vec<bool>,
    predicted_used: Vec<bool>,
    weight: i32,
    chunks: i32,
    distance: i32,
    /// The word of the reference behind what was chosen or passed over.
    next: usize,
    /// The word of the prediction behind the last match, while its chunk is open.
    open: Option<usize>,
}

/// How much a match by a stage weighs while alignments are searched: half a word where it is not exact.
fn weight(length: usize, stage: usize) -> i32 {
    // Weights are added to whole numbers and rounded down each time, so that a single inexact word weighs nothing.
    (if stage == 0 { length } else { length / 2 }) as i32
}

impl Path {
    fn new(predicted_words: usize, reference_words: usize) -> Self {
        Self {
            chosen: vec![None; reference_words],
            used: vec![false; reference_words],
            predicted_used: vec![false; predicted_words],
            weight: 0,
            chunks: 0,
            distance: 0,
            next: 0,
            open: None,
        }
    }

    /// The best path has the least: most words, then fewest chunks, then words moved least.
    fn rank(&self) -> (Reverse<i32>, i32, i32) {
        (Reverse(self.weight), self.chunks, self.distance)
    }

    fn choose(&mut self, found: Match) {
        self.chosen[found.start] = Some(found);
        self.used[found.start..found.end()].fill(true);
        self.predicted_used[found.predicted_start..found.predicted_end()].fill(true);
    }

    fn has_used(&self, found: &Match) -> bool {
        self.used[found.start..found.end()].contains(&true)
            || self.predicted_used[found.predicted_start..found.predicted_end()].contains(&true)
    }

    /// Counts a match that was chosen.
    fn count(&mut self, found: &Match) {
        self.weight += weight(found.predicted_length, found.stage) + weight(found.length, found.stage);
        if self.open.is_some_and(|end| end != found.predicted_start) {
            self.chunks += 1;
        }
        self.next = found.end();
        self.open = Some(found.predicted_end());
    }

    /// Ends the open chunk.
    fn close(&mut self) {
        if self.open.take().is_some() {
            self.chunks += 1;
        }
    }

    /// Adds what can become of the path at a word of the reference where `found` begin.
    fn advance(mut self, at: usize, found: &[Match], paths: &mut Vec<Self>) {
        if self.used[at] {
            if at < self.next {
                paths.push(self);
            } else if let Some(certain) = self.chosen[self.next] {
                self.count(&certain);
                self.distance += certain.distance() as i32;
                paths.push(self);
            }
            return;
        }
        for candidate in found {
            if self.has_used(candidate) {
                continue;
            }
            let mut taken = self.clone();
            taken.choose(*candidate);
            taken.count(candidate);
            paths.push(taken);
            // The way is charged to the path that does not go it, as METEOR has it.
            self.distance += candidate.distance() as i32;
        }
        self.close();
        self.next += 1;
        paths.push(self);
    }
}

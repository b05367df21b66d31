//! Captions as runs of words.

use foldhash::{HashMap, HashMapExt};

/// The longest run that any metric counts.
pub(super) const LONGEST: usize = 4;

/// A run of words by their numbers, which begin at 1; the rest is 0.
pub(super) type Run = [u32; LONGEST];

/// Numbers for words.
#[derive(Debug)]
pub(super) struct Words<'a> {
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Words<'a> {
    pub(super) fn new() -> Self {
        Self { numbers: HashMap::new() }
    }

    /// The words of a caption by their numbers. A space that does not break divides, too: Python's `split` has it so.
    pub(super) fn of(&mut self, caption: &'a str) -> Vec<u32> {
        caption.split_whitespace().map(|word| self.number(word)).collect()
    }

    /// The number of a word; it gets the next one where it is new.
    pub(super) fn number(&mut self, word: &'a str) -> u32 {
        let next = self.numbers.len() as u32 + 1;
        *self.numbers.entry(word).or_insert(next)
    }
}

/// The runs of each length in a caption, sorted, with how often they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    /// How many words the caption has.
    pub(super) words: usize,
    by_length: [Vec<(Run, u32)>; LONGEST],
}

impl Runs {
    pub(super) fn of(words: &[u32]) -> Self {
        let by_length = std::array::from_fn(|index| counted(words, index + 1));
        Self { words: words.len(), by_length }
    }

    /// The runs of `length` words.
    pub(super) fn of_length(&self, length: usize) -> &[(Run, u32)] {
        &self.by_length[length - 1]
    }

    /// How often a run of `length` words comes.
    pub(super) fn count(&self, length: usize, run: &Run) -> u32 {
        let runs = self.of_length(length);
        runs.binary_search_by_key(run, |(run, _)| *run).map_or(0, |at| runs[at].1)
    }
}

fn counted(words: &[u32], length: usize) -> Vec<(Run, u32)> {
    let run = |words: &[u32]| std::array::from_fn(|i| words.get(i).copied().unwrap_or(0));
    let mut runs: Vec<Run> = words.windows(length).map(run).collect();
    runs.sort_unstable();
    runs.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_by_their_length() {
        let mut words = Words::new();
        let runs = Runs::of(&words.of("a b a\u{A0}b"));
        assert_eq!(runs.words, 4);
        assert_eq!(runs.count(1, &[1, 0, 0, 0]), 2);
        assert_eq!(runs.count(2, &[1, 2, 0, 0]), 2);
        assert_eq!(runs.count(3, &[2, 1, 2, 0]), 1);
        assert_eq!(runs.of_length(4).len(), 1);
        assert!(Runs::of(&[]).of_length(1).is_empty());
    }
}

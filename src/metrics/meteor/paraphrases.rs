//! The paraphrases whose words the captions have, of millions that METEOR knows.

use foldhash::HashMap;
use rayon::prelude::*;

use super::packed::{Entries, Entry, Packed};

/// Stands for a word of the table that no caption has.
const UNKNOWN: u32 = u32::MAX;

/// Some words of [`Paraphrases::words`].
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// A phrase, and which of the replacements are its own. Its second word stands here, because a search looks at nothing else of most phrases.
#[derive(Debug)]
struct Phrase {
    /// One more than the number of the second word; 0 for a phrase of one word.
    second: u32,
    words: Span,
    replacements: Span,
}

/// What may stand for a phrase. Its first word stands here, because nearly always it tells that the rest need not be looked at.
#[derive(Debug)]
struct Replacement {
    first: u32,
    words: Span,
}

/// Phrases and what may stand for them, by the numbers of their words.
#[derive(Debug, Default)]
pub(super) struct Paraphrases {
    words: Vec<u32>,
    /// Sorted by their words.
    phrases: Vec<Phrase>,
    /// Those of a phrase in the order of the table.
    replacements: Vec<Replacement>,
    /// Where the phrases begin that begin with each word.
    starts: Vec<u32>,
}

impl Paraphrases {
    /// Keeps of the table what has only words with numbers.
    pub(super) fn of_words(packed: &Packed, numbers: &HashMap<String, u32>) -> Self {
        let by_word: HashMap<&[u8], u32> = numbers.iter().map(|(word, number)| (word.as_bytes(), *number)).collect();
        let known: Vec<u32> = packed.words().map(|word| by_word.get(word).copied().unwrap_or(UNKNOWN)).collect();
        let parts: Vec<(Self, Vec<(Span, Span)>)> =
            packed.parts().into_par_iter().map(|part| Self::of_part(part, &known)).collect();
        let (mut table, mut entries) = (Self::default(), Vec::new());
        for (part, own) in parts {
            let before = table.words.len() as u32;
            let moved = |Span { start, end }: Span| Span { start: start + before, end: end + before };
            entries.extend(own.into_iter().map(|(phrase, other)| (moved(phrase), moved(other))));
            table.words.extend(part.words);
        }
        table.arrange(entries, numbers.len());
        table
    }

    /// The words of some entries, and where they are.
    fn of_part(part: Entries<'_>, known: &[u32]) -> (Self, Vec<(Span, Span)>) {
        let (mut table, mut entries) = (Self::default(), Vec::new());
        for mut entry in part {
            let before = table.words.len();
            let mut take = || table.take(&mut entry, known);
            match take().and_then(|phrase| Some((phrase, take()?))) {
                Some(both) => entries.push(both),
                None => table.words.truncate(before),
            }
        }
        (table, entries)
    }

    /// The next phrase of an entry, if all of its words are known and there are any.
    fn take(&mut self, entry: &mut Entry<'_>, known: &[u32]) -> Option<Span> {
        let start = self.words.len() as u32;
        let is_known = entry.phrase(|word| {
            let number = known.get(word as usize).copied().unwrap_or(UNKNOWN);
            self.words.push(number);
            number != UNKNOWN
        });
        let end = self.words.len() as u32;
        (is_known && end > start).then_some(Span { start, end })
    }

    /// Puts the entries in order.
    fn arrange(&mut self, mut entries: Vec<(Span, Span)>, vocabulary: usize) {
        entries.par_sort_by(|(a, _), (b, _)| self.of_span(*a).cmp(self.of_span(*b)));
        let mut phrases: Vec<Phrase> = Vec::new();
        for (at, (phrase, other)) in entries.iter().enumerate() {
            let end = at as u32 + 1;
            match phrases.last_mut().filter(|last| self.of_span(last.words) == self.of_span(*phrase)) {
                Some(last) => last.replacements.end = end,
                None => {
                    let second = self.of_span(*phrase).get(1).map_or(0, |word| word + 1);
                    phrases.push(Phrase { second, words: *phrase, replacements: Span { start: at as u32, end } });
                }
            }
            self.replacements.push(Replacement { first: self.of_span(*other)[0], words: *other });
        }
        let first = |phrase: &Phrase| self.words[phrase.words.start as usize] as usize;
        let start = |word: usize| phrases.partition_point(|phrase| first(phrase) < word) as u32;
        self.starts = (0..=vocabulary).map(start).collect();
        self.phrases = phrases;
    }

    fn of_span(&self, span: Span) -> &[u32] {
        &self.words[span.start as usize..span.end as usize]
    }

    /// The phrases that may stand for words from the beginning of `words`, with how many words they replace: few words first. Those are left
    /// out whose first word `may_begin` denies.
    pub(super) fn of<'a>(&'a self, words: &[u32], may_begin: &[bool]) -> Vec<(usize, &'a [u32])> {
        let mut found = Vec::new();
        let Some(first) = words.first().map(|first| *first as usize) else {
            return found;
        };
        let mut phrases = &self.phrases[self.starts[first] as usize..self.starts[first + 1] as usize];
        if let Some(alone) = phrases.first().filter(|phrase| phrase.second == 0) {
            self.replace(alone, may_begin, &mut found);
        }
        let Some(second) = words.get(1).map(|word| word + 1) else { return found };
        phrases = &phrases[phrases.partition_point(|phrase| phrase.second < second)..];
        phrases = &phrases[..phrases.partition_point(|phrase| phrase.second == second)];
        for length in 2..=words.len() {
            let wanted = &words[..length];
            phrases = &phrases[phrases.partition_point(|phrase| self.of_span(phrase.words) < wanted)..];
            let Some(next) = phrases.first().filter(|next| self.of_span(next.words).starts_with(wanted)) else { break };
            if self.of_span(next.words).len() == length {
                self.replace(next, may_begin, &mut found);
            }
        }
        found
    }

    /// Adds what may stand for a phrase.
    fn replace<'a>(&'a self, phrase: &Phrase, may_begin: &[bool], found: &mut Vec<(usize, &'a [u32])>) {
        let Span { start, end } = phrase.replacements;
        let length = self.of_span(phrase.words).len();
        let all = self.replacements[start as usize..end as usize].iter();
        let some = all.filter(|replacement| may_begin[replacement.first as usize]);
        found.extend(some.map(|replacement| (length, self.of_span(replacement.words))));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::Result;
    use crate::progress::Control;

    fn table(text: &str) -> Result<Paraphrases> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.gz");
        let mut packed = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
        let numbers =
            ["dog", "a", "hound", "puppy"].into_iter().zip(0..).map(|(word, n)| (word.to_owned(), n)).collect();
        Packed::of(&path, &Control::default()).map(|packed| Paraphrases::of_words(&packed, &numbers))
    }

    #[test]
    fn only_entries_of_known_words_are_kept_in_their_order() {
        let table = table("0.1\ndog\npuppy\n0.5\ndog\na hound\n0.2\ndog\ncat\n0.3\na dog\nhound\n").unwrap();
        let found: Vec<(usize, Vec<u32>)> =
            table.of(&[0, 1], &[true; 4]).into_iter().map(|(n, words)| (n, words.to_vec())).collect();
        assert_eq!(found, [(1, vec![3]), (1, vec![1, 2])]);
        assert_eq!(table.of(&[1, 0], &[true; 4]), [(2, &[2][..])]);
        assert_eq!(table.of(&[0], &[false, true, true, false]), [(1, &[1, 2][..])]);
        assert!(table.of(&[], &[]).is_empty());
    }
}

//! Which words may mean the same: the synonym sets of WordNet 3, as METEOR brings them.

use foldhash::HashMap;

/// Endings of inflected nouns, verbs and adjectives, and what stands there in the base form: WordNet's rules of detachment, in their order.
const DETACHMENTS: [(&str, &str); 20] = [
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
];

/// Synonym sets by word, and base forms of irregular words.
#[derive(Debug, Default)]
pub(super) struct Synonyms {
    sets: HashMap<String, Vec<u32>>,
    bases: HashMap<String, Vec<String>>,
}

impl Synonyms {
    /// Reads the sets, a word and its sets by turns, and the exceptions, a base form and its irregular forms by turns.
    pub(super) fn parse(sets: &str, exceptions: &str) -> Self {
        let mut synonyms = Self::default();
        for (word, numbers) in pairs(sets) {
            let numbers = numbers.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
            synonyms.sets.insert(word.to_owned(), numbers);
        }
        for (base, forms) in pairs(exceptions) {
            for form in forms.split_ascii_whitespace() {
                synonyms.bases.entry(form.to_owned()).or_default().push(base.to_owned());
            }
        }
        synonyms
    }

    /// The sets of a word and of its base form, sorted.
    pub(super) fn of(&self, word: &str) -> Vec<u32> {
        let of = |word: &str| self.sets.get(word).map_or(&[][..], Vec::as_slice);
        let mut sets = of(word).to_vec();
        match self.bases.get(word) {
            Some(bases) => bases.iter().for_each(|base| sets.extend(of(base))),
            None => sets.extend(self.base(word).iter().flat_map(|base| of(base))),
        }
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    /// The first base form of a regular word that has sets.
    fn base(&self, word: &str) -> Option<String> {
        if word.ends_with("ss") || word.encode_utf16().count() <= 2 {
            return None;
        }
        DETACHMENTS.iter().find_map(|(ending, base)| {
            let form = word.strip_suffix(ending)?.to_owned() + base;
            self.sets.contains_key(&form).then_some(form)
        })
    }
}

/// Lines two by two.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut lines = text.lines();
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
}

/// Whether two sorted lists have something in common.
pub(super) fn share(one: &[u32], other: &[u32]) -> bool {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => one.next(),
            std::cmp::Ordering::Greater => other.next(),
            std::cmp::Ordering::Equal => return true,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflected_words_have_the_sets_of_their_base() {
        let synonyms = Synonyms::parse("bark\n7 3\ngo\n5\nyap\n3 9\n", "go\nwent gone\n");
        assert_eq!(synonyms.of("barks"), [3, 7]);
        assert_eq!(synonyms.of("barked"), [3, 7]);
        assert_eq!(synonyms.of("went"), [5]);
        assert!(synonyms.of("glass").is_empty());
        assert!(share(&synonyms.of("barking"), &synonyms.of("yaps")) && !share(&[1, 4], &[2, 5]));
    }
}

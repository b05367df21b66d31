//! Words that carry what an English caption says, and their stems: one list for what writes captions and what measures them.

use std::borrow::Cow;
use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};

/// English words that hold sentences together: articles, prepositions, pronouns, conjunctions, auxiliary verbs, and what the tokenizer cuts
/// off from these.
const FUNCTION_WORDS: &str = "a an the and or but nor so yet if then than as while when where after before during until since because \
    though although of in on at by for with without from to into onto over under above below between among through across against along \
    around behind beside beyond near next off out outside inside toward towards up down about again further once i you he she it we they \
    me him her us them my your his its our their mine yours hers ours theirs this that these those who whom whose which what there here \
    is are was were be been being am 's 're 've 'll 'd 'm s do does did doing done has have had having can could will would shall should \
    may might must not n't no too very some any each every all both few more most other another such only own same just also one two";

/// Tells content words from function words.
pub struct ContentWords {
    function_words: HashSet<&'static str>,
    stemmer: Stemmer,
}

impl ContentWords {
    /// Those of English, by Porter's second stemmer.
    pub fn english() -> Self {
        let function_words = FUNCTION_WORDS.split_ascii_whitespace().collect();
        Self { function_words, stemmer: Stemmer::create(Algorithm::English) }
    }

    /// The stem of a word in lower case: `cough` for `coughs`. `None` for function words, and for what has no letter or is a tokenizer's
    /// bracket (`-lrb-`).
    pub fn stem<'a>(&self, word: &'a str) -> Option<Cow<'a, str>> {
        let is_content =
            !self.function_words.contains(word) && word.chars().any(char::is_alphabetic) && !word.starts_with('-');
        is_content.then(|| self.stemmer.stem(word))
    }
}

impl std::fmt::Debug for ContentWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContentWords").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_words_have_stems_and_the_others_none() {
        let words = ContentWords::english();
        for (word, stem) in [("coughs", "cough"), ("barking", "bark"), ("rain", "rain"), ("high-pitched", "high-pitch")]
        {
            assert_eq!(words.stem(word).as_deref(), Some(stem), "{word}");
        }
        for word in ["the", "while", "'s", "n't", "-lrb-", ",", "1950", ""] {
            assert_eq!(words.stem(word), None, "{word}");
        }
    }
}

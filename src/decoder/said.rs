//! What a caption has said so far, word by word.

use super::vocabulary::Vocabulary;
use crate::content_words::ContentWords;

/// Words that a language is told by: the commonest hold the most of it.
const TELLING: usize = 300;

/// The tokens of a vocabulary as parts of words.
#[derive(Debug)]
pub(super) struct Words {
    /// Empty where the words are of another language than English, whose function words and stems are not known here.
    parts: Vec<Part>,
    content_words: ContentWords,
}

/// What a token is to the words of a caption.
#[derive(Debug)]
struct Part {
    letters: String,
    continues: bool,
    /// The stem of the content word that it is by itself.
    stem: Option<String>,
}

impl Words {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let content_words = ContentWords::english();
        let part = |token| {
            let (letters, continues) = vocabulary.word_part(token);
            let letters = letters.to_lowercase();
            let stem = content_words.stem(&letters).map(|stem| stem.into_owned());
            Part { letters, continues, stem }
        };
        let mut parts: Vec<Part> = (0..vocabulary.len() as u32).map(part).collect();
        if !is_english(&parts) {
            parts.clear();
        }
        Self { parts, content_words }
    }
}

/// Whether the words are those of English, as far as can be told: tokens are numbered by falling frequency, so the first tell most.
fn is_english(parts: &[Part]) -> bool {
    let whole = parts.iter().filter(|part| !part.continues && part.letters.chars().any(char::is_alphabetic));
    let words: Vec<&str> = whole.take(TELLING).map(|part| part.letters.as_str()).collect();
    let guess = whatlang::detect(&words.join(" "));
    guess.is_none_or(|guess| guess.lang() == whatlang::Lang::Eng || !guess.is_reliable())
}

/// The content words of a caption under way, by their stems.
#[derive(Debug, Clone)]
pub(super) struct Said<'a> {
    words: &'a Words,
    /// Those of the words before the last.
    stems: Vec<String>,
    /// The last word, which the next token may go on with, and its stem.
    last: String,
    last_stem: Option<String>,
}

impl<'a> Said<'a> {
    pub(super) fn nothing(words: &'a Words) -> Self {
        Self { words, stems: Vec::new(), last: String::new(), last_stem: None }
    }

    pub(super) fn read(&mut self, token: u32) {
        let Some(part) = self.words.parts.get(token as usize) else { return };
        if !part.continues {
            self.stems.extend(self.last_stem.take());
            self.last.clear();
        }
        self.last.push_str(&part.letters);
        self.last_stem = self.stem(&self.last);
    }

    /// Whether a content word stood there twice, in whatever form, were `token` the next.
    pub(super) fn would_repeat(&self, token: u32) -> bool {
        let Some(part) = self.words.parts.get(token as usize) else { return false };
        if part.continues {
            let stem = || self.stem(&format!("{}{}", self.last, part.letters));
            return !self.stems.is_empty() && stem().is_some_and(|stem| self.stems.contains(&stem));
        }
        part.stem.as_ref().is_some_and(|stem| self.last_stem.as_ref() == Some(stem) || self.stems.contains(stem))
    }

    fn stem(&self, word: &str) -> Option<String> {
        self.words.content_words.stem(word).map(|stem| stem.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary of these pieces, the first of which is token 3.
    fn vocabulary(joining: &str, pieces: &str) -> Vocabulary {
        let markers = ["[CLS]", "[SEP]", "[UNK]"].into_iter();
        let tokens: Vec<serde_json::Value> = markers
            .chain(pieces.split_whitespace())
            .map(|piece| serde_json::json!({ "piece": piece, "surface": piece }))
            .collect();
        let told = serde_json::json!({ "joining": joining, "full_stop": true, "capital": true, "tokens": tokens });
        serde_json::from_value(told).unwrap()
    }

    /// Whether the last of `pieces` repeats what those before it say.
    fn repeats(words: &Words, all: &str, pieces: &str) -> bool {
        let token = |piece: &str| 3 + all.split_whitespace().position(|known| known == piece).unwrap() as u32;
        let tokens: Vec<u32> = pieces.split_whitespace().map(token).collect();
        let (last, before) = tokens.split_last().unwrap();
        let mut said = Said::nothing(words);
        before.iter().for_each(|token| said.read(*token));
        said.would_repeat(*last)
    }

    #[test]
    fn a_word_repeats_in_every_form_and_in_pieces_and_function_words_never_do() {
        let pieces = "a the and , woman coughs cough ##ing ##s rat ##tle ##tling is while rattle";
        let words = Words::new(&vocabulary("wordpiece", pieces));
        for repeated in [
            "a woman coughs and cough",
            "cough ##ing woman coughs",
            "coughs coughs",
            "rat ##tling , rat ##tle",
            "rattle , rat ##tling",
            "rat ##tle and rattle",
        ] {
            assert!(repeats(&words, pieces, repeated), "{repeated}");
        }
        for new in ["a woman coughs and the", "a woman and a", "cough ##ing", "rat ##tle and rat", "woman is , is"] {
            assert!(!repeats(&words, pieces, new), "{new}");
        }
        let pieces = "A Ġdog Ġbark s ing Ġand , Ġbarks";
        let words = Words::new(&vocabulary("bytes", pieces));
        for (said, is_repeated) in [("Ġdog Ġbark ing Ġand Ġbarks", true), ("Ġdog Ġbark s", false)] {
            assert_eq!(repeats(&words, pieces, said), is_repeated, "{said}");
        }
    }

    #[test]
    fn words_of_another_language_are_not_minded() {
        let german = "ein der die und das im auf regen fällt dach hund bellt während menschen durch straße gehen wasser fließt über \
                      steine eine frau spricht laut zu kindern vogel zwitschert motor läuft leise jemand klopft tür";
        let words = Words::new(&vocabulary("wordpiece", german));
        assert!(!repeats(&words, german, "regen fällt und der hund bellt und der"));
        let english = "a is the in and of are by people water running birds bird chirping as while someone walking dog barking \
                       talking engine loud background rain falling wind blowing metal door opening car passing";
        let words = Words::new(&vocabulary("wordpiece", english));
        assert!(repeats(&words, english, "birds chirping and a bird"));
    }
}

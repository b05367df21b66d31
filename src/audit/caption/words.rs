//! From the pieces that a decoder writes to words.

use super::report::TokenAudit;
use crate::decoder::Explained;

/// What a decoder wrote, where it wrote a word in pieces the word as a whole.
pub(super) fn words(explained: Vec<Explained>) -> Vec<TokenAudit> {
    let mut words: Vec<TokenAudit> = Vec::with_capacity(explained.len());
    for piece in explained {
        match words.last_mut().filter(|word| continues(&word.text, &piece.text)) {
            Some(word) => {
                word.text += &piece.text;
                word.probability *= piece.log_prob.exp();
                word.habit *= piece.habit.exp();
                word.forced += piece.log_prob - piece.habit;
            }
            None => words.push(TokenAudit {
                text: piece.text,
                is_end: piece.is_end,
                probability: piece.log_prob.exp(),
                habit: piece.habit.exp(),
                forced: piece.log_prob - piece.habit,
                instead: piece.instead,
            }),
        }
    }
    words
}

/// Whether a piece goes on with the word before it. Letters without case are left apart: some scripts put no spaces between words.
fn continues(word: &str, piece: &str) -> bool {
    let is_of_word = |c: char| c.is_lowercase() || c.is_uppercase() || c.is_ascii_digit();
    word.ends_with(is_of_word) && piece.starts_with(is_of_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_to_words_and_nothing_else_is() {
        for (word, piece, joins) in [
            (" gur", "gling", true),
            ("A", "n", true),
            (" 3", "00", true),
            (" dog", " barks", false),
            (" dog", ",", false),
            (" -", "like", false),
            (" barks", "", false),
            ("狗", "叫", false),
        ] {
            assert_eq!(continues(word, piece), joins, "{word}{piece}");
        }
    }
}

//! Looking for captions by their words.

use std::borrow::Cow;

/// What a text is looked for by.
///
/// ```
/// use echoic::memory::TextPattern;
///
/// assert!(TextPattern::part("STRASSE").is_in("Regen fällt auf die Straße."));
/// assert!(TextPattern::whole("Rain falls.").is_in("Rain falls."));
/// assert!(!TextPattern::whole("Rain falls.").is_in("rain falls."));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Folded.
    Part(String),
    Whole(String),
}

impl TextPattern {
    /// Texts that hold these words or parts of words, in capitals or not.
    pub fn part(words: &str) -> Self {
        Self(Kind::Part(folded(words).into_owned()))
    }

    /// The text that is the same letter by letter. Runs of white space count as one space, as in texts that were ingested.
    pub fn whole(text: &str) -> Self {
        Self(Kind::Whole(text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// Whether a text is one of those.
    pub fn is_in(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Part(part) => folded(text).contains(part),
            Kind::Whole(whole) => text == whole,
        }
    }
}

/// The text in letters that are the same whether it was in capitals or not. To capitals and back, so that those fall together which have one capital:
/// the two small sigmas, or `ß` and `ss`.
fn folded(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true if text.bytes().any(|byte| byte.is_ascii_uppercase()) => text.to_ascii_lowercase().into(),
        true => text.into(),
        false => text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_make_no_difference_in_any_script() {
        for (part, text) in [
            ("rain", "RAIN falls."),
            ("BÄR", "Ein Bär brummt."),
            ("STRASSE", "Auf der Straße."),
            ("straße", "AUF DER STRASSE"),
            ("ΣΑΣ", "σας"),
            ("σασ", "ΣΑΣ"),
            ("дождь", "ДОЖДЬ"),
            ("\u{212a}elvin", "A kelvin."),
        ] {
            assert!(TextPattern::part(part).is_in(text), "{part} in {text}");
        }
        assert!(!TextPattern::part("rain.").is_in("Rain falls."));
    }

    #[test]
    fn a_whole_text_is_no_part() {
        let whole = TextPattern::whole("  Rain \t falls. ");
        assert!(whole.is_in("Rain falls."));
        assert!(!whole.is_in("Rain falls. Wind blows."));
        assert!(!whole.is_in("rain falls."));
    }
}

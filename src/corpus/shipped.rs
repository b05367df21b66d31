//! The corpora that come with Echoic, written for it: see `corpora/README.md`.

/// A corpus that is part of this crate: one caption a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// The domain under which the demo ingests it.
    pub domain: &'static str,
    /// The captions, one a line.
    pub text: &'static str,
}

macro_rules! corpus {
    ($domain:literal) => {
        Shipped { domain: $domain, text: include_str!(concat!("../../corpora/", $domain, ".txt")) }
    };
}

/// All shipped corpora, in alphabetical order.
pub fn shipped() -> &'static [Shipped] {
    &[corpus!("home"), corpus!("machines"), corpus!("music"), corpus!("nature"), corpus!("people"), corpus!("street")]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_shipped_caption_is_one_clean_sentence_and_none_comes_twice() {
        let mut seen = HashSet::new();
        for corpus in shipped() {
            for (number, line) in corpus.text.lines().enumerate() {
                let place = format!("{}.txt:{}: {line}", corpus.domain, number + 1);
                let words = line.split(' ').count();
                assert!((3..=25).contains(&words), "{words} words: {place}");
                assert!(
                    line.ends_with('.') && line.is_ascii() && line.starts_with(|c: char| c.is_uppercase()),
                    "{place}"
                );
                assert!(seen.insert(line.to_lowercase()), "twice: {place}");
            }
        }
        assert!(seen.len() >= 3_000, "{} captions", seen.len());
    }
}

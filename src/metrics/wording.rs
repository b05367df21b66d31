//! How predicted captions are worded, whatever the references say.

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};

use super::{Score, Tokenized};

/// English words that hold sentences together: articles, prepositions, pronouns, conjunctions, auxiliary verbs, and what the tokenizer cuts
/// off from these.
const FUNCTION_WORDS: &str = "a an the and or but nor so yet if then than as while when where after before during until since because \
    though although of in on at by for with without from to into onto over under above below between among through across against along \
    around behind beside beyond near next off out outside inside toward towards up down about again further once i you he she it we they \
    me him her us them my your his its our their mine yours hers ours theirs this that these those who whom whose which what there here \
    is are was were be been being am 's 're 've 'll 'd 'm s do does did doing done has have had having can could will would shall should \
    may might must not n't no too very some any each every all both few more most other another such only own same just also one two";

/// What is said of the captions themselves.
#[derive(Debug)]
pub(super) struct Wording {
    /// How many different words there are.
    pub(super) vocabulary: Score,
    /// How many words a caption has.
    pub(super) length: Score,
    /// Different words, and pairs of words, as shares of all.
    pub(super) distinct: [Score; 2],
    /// The share of captions in which a content word, in whatever form, stands twice.
    pub(super) repetition: Score,
}

impl Wording {
    pub(super) fn of(clips: &Tokenized) -> Self {
        let captions: Vec<Vec<&str>> =
            clips.clips.iter().map(|clip| clip.predicted.split_whitespace().collect()).collect();
        let words: HashSet<&str> = captions.iter().flatten().copied().collect();
        let function_words: HashSet<&str> = FUNCTION_WORDS.split_ascii_whitespace().collect();
        let stemmer = Stemmer::create(Algorithm::English);
        let repeats = |caption: &Vec<&str>| f64::from(repeats(caption, &function_words, &stemmer));
        Self {
            vocabulary: Score::apart(words.len() as f64),
            length: Score::mean(captions.iter().map(|caption| caption.len() as f64).collect()),
            distinct: [1, 2].map(|length| Score::apart(distinct(&captions, length))),
            repetition: Score::mean(captions.iter().map(repeats).collect()),
        }
    }
}

/// Different runs of words as a share of all.
fn distinct(captions: &[Vec<&str>], length: usize) -> f64 {
    let all = captions.iter().flat_map(|caption| caption.windows(length));
    let different: HashSet<&[&str]> = all.clone().collect();
    different.len() as f64 / all.count().max(1) as f64
}

/// Whether a content word stands twice.
fn repeats(caption: &[&str], function_words: &HashSet<&str>, stemmer: &Stemmer) -> bool {
    let is_content = |word: &&&str| {
        !function_words.contains(**word) && word.chars().any(char::is_alphabetic) && !word.starts_with('-')
    };
    let mut seen = HashSet::new();
    caption.iter().filter(is_content).any(|word| !seen.insert(stemmer.stem(word)))
}

#[cfg(test)]
mod tests {
    use super::super::TokenizedClip;
    use super::*;

    #[test]
    fn captions_are_told_by_their_words() {
        let clip = |predicted: &str| TokenizedClip { predicted: predicted.into(), references: Vec::new() };
        let captions = ["a woman coughs and cough", "a dog -lrb- a cat -rrb- -lrb- x -rrb-", "", "the the"];
        let wording = Wording::of(&Tokenized { clips: captions.map(clip).into() });
        assert_eq!(wording.repetition.clips, [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(wording.repetition.corpus, 0.25);
        assert_eq!(wording.length.clips, [5.0, 9.0, 0.0, 2.0]);
        assert_eq!(wording.vocabulary.corpus, 11.0);
        assert_eq!(wording.distinct[0].corpus, 11.0 / 16.0);
        assert_eq!(wording.distinct[1].corpus, 13.0 / 13.0);
    }
}

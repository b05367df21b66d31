//! How predicted captions are worded, whatever the references say.

use std::collections::HashSet;

use super::{Score, Tokenized};
use crate::content_words::ContentWords;

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
        let content_words = ContentWords::english();
        let repeats = |caption: &Vec<&str>| f64::from(repeats(caption, &content_words));
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
fn repeats(caption: &[&str], content_words: &ContentWords) -> bool {
    let mut seen = HashSet::new();
    caption.iter().filter_map(|word| content_words.stem(word)).any(|stem| !seen.insert(stem))
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

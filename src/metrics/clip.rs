//! Clips with what was predicted for them and what people wrote, as it was written and cut into words.

use super::ptb;

/// A clip: what was predicted for it, and what people wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clip {
    /// Its name.
    pub name: String,
    /// The caption to be scored; it may be empty.
    pub predicted: String,
    /// The captions to score it by.
    pub references: Vec<String>,
}

impl Clip {
    /// A clip with its captions.
    pub fn new<S: Into<String>>(
        name: impl Into<String>,
        predicted: impl Into<String>,
        references: impl IntoIterator<Item = S>,
    ) -> Self {
        let references = references.into_iter().map(Into::into).collect();
        Self { name: name.into(), predicted: predicted.into(), references }
    }
}

/// The captions of a clip in words that single spaces join; see [`ptb`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenizedClip {
    /// What was predicted.
    pub predicted: String,
    /// What people wrote.
    pub references: Vec<String>,
}

/// Clips whose captions were cut into words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokenized {
    /// In their order.
    pub clips: Vec<TokenizedClip>,
}

impl Tokenized {
    /// Cuts the captions: the predictions as one text, the references as another.
    pub fn of(clips: &[Clip]) -> Self {
        let predicted: Vec<&str> = clips.iter().map(|clip| clip.predicted.as_str()).collect();
        let references: Vec<&str> = clips.iter().flat_map(|clip| &clip.references).map(String::as_str).collect();
        let mut references = ptb::tokenize(&references).into_iter();
        let tokenized = clips.iter().zip(ptb::tokenize(&predicted)).map(|(clip, predicted)| TokenizedClip {
            predicted,
            references: references.by_ref().take(clip.references.len()).collect(),
        });
        Self { clips: tokenized.collect() }
    }
}

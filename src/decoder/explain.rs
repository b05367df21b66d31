//! Why a caption says what it says: each token's probability after the words before it, with the sound and without it.

use super::draft::Draft;
use super::generate::Decoder;
use super::generate_options::GenerateOptions;
use super::vocabulary::END;
use crate::{Error, Result};

/// A token of a caption, as likely as the decoder found it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explained {
    /// What it adds to the caption, with the space before it where there is one; empty for the end.
    pub text: String,
    /// True for the marker that ends the caption.
    pub is_end: bool,
    /// Its log probability after the tokens before it, in nats, at most 0.
    pub log_prob: f32,
    /// The same where the decoder is given the other embedding.
    pub habit: f32,
    /// What would be likeliest in its place under the other embedding; `None` where that is the token itself.
    pub instead: Option<String>,
}

impl Decoder {
    /// Writes a caption as [`Decoder::generate`] does, or another of the [candidates](Decoder::candidates) by its `place`, and tells of each of its tokens how likely it was, and how likely the decoder would
    /// have found it given `neutral` in place of `prefix`: what is likely under both is the decoder's habit, and the rest was called for.
    ///
    /// # Errors
    /// As [`Decoder::generate`], for both embeddings; [`Error::Input`] when there are no more candidates than `place`.
    pub fn explain(
        &self,
        prefix: &[f32],
        neutral: &[f32],
        options: &GenerateOptions,
        place: usize,
    ) -> Result<Vec<Explained>> {
        let drafts = self.drafts(&[prefix], options, 0)?;
        let count = drafts.iter().flatten().count();
        let drafted = drafts.into_iter().flatten().nth(place);
        let tokens =
            drafted.ok_or_else(|| Error::input("the caption's place", place, format!("less than {count}")))?.tokens;
        let limit = self.limit(options);
        let ended = tokens.len() < limit;
        let mut both = self.begin(&[prefix, neutral])?;
        let pieces = self.vocabulary().pieces(&tokens);
        let mut explained = Vec::with_capacity(tokens.len() + 1);
        for (place, token) in tokens.iter().copied().chain(ended.then_some(END)).enumerate() {
            self.read(&mut both);
            let [given, other] = both.as_mut_slice() else { return Err(Error::Internal("two embeddings".into())) };
            let instead = other.likeliest(1, options).first().copied().filter(|likeliest| *likeliest != token);
            explained.push(Explained {
                text: pieces.get(place).cloned().unwrap_or_default(),
                is_end: token == END,
                log_prob: log_prob(given, token)?,
                habit: log_prob(other, token)?,
                instead: instead.map(|instead| self.in_place(&tokens[..place], instead)),
            });
            given.take(token, limit);
            other.take(token, limit);
        }
        Ok(explained)
    }

    /// How `token` would stand behind the tokens `before` it.
    fn in_place(&self, before: &[u32], token: u32) -> String {
        if token == END {
            return String::new();
        }
        let tokens: Vec<u32> = before.iter().copied().chain([token]).collect();
        self.vocabulary().pieces(&tokens).pop().unwrap_or_default()
    }
}

fn log_prob(draft: &Draft<'_>, token: u32) -> Result<f32> {
    let found = draft.next.get(token as usize).copied();
    found.ok_or_else(|| Error::Internal(format!("token {token} beyond the vocabulary")))
}

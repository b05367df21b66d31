//! Texts of any length that a Transformer reads together.
//!
//! Texts are never padded: the tokens of a batch lie one after the other in one matrix for the linear layers, and attention runs over
//! each text by itself. So an embedding has the same bits whatever texts it is computed with, and no time goes into padding.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::functions::softmax;
use super::gemm::{Packed, multiply_inline};
use crate::{Error, Result};

/// Tokens that one thread takes through the layers together: enough for the matrix products, small enough for the caches.
const GROUP_TOKENS: usize = 256;

/// What tokens are before the first layer: a vector for each word, and one for each place in a text.
#[derive(Debug)]
pub(crate) struct InputEmbeddings {
    /// Components of a token's state.
    pub width: usize,
    /// `[vocabulary, width]`.
    pub words: Vec<f32>,
    /// `[places, width]`.
    pub places: Vec<f32>,
}

impl InputEmbeddings {
    /// The states `[tokens, width]` of texts, one after the other.
    pub fn of(&self, texts: &[&[u32]]) -> Vec<f32> {
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        let mut state = Vec::with_capacity(tokens * self.width);
        for ids in texts {
            for (id, place) in ids.iter().zip(self.places.chunks_exact(self.width)) {
                let word = &self.words[*id as usize * self.width..][..self.width];
                state.extend(word.iter().zip(place).map(|(w, p)| w + p));
            }
        }
        state
    }

    /// Reads texts of at most `limit` tokens group by group, each on a thread of its own, and puts what `read` makes of them together in order.
    ///
    /// # Errors
    /// [`Error::Internal`] when an id is outside the vocabulary or a text has no or too many tokens.
    pub fn in_groups(
        &self,
        texts: &[&[u32]],
        limit: usize,
        read: impl Fn(&[&[u32]]) -> Vec<f32> + Send + Sync,
    ) -> Result<Vec<f32>> {
        let vocabulary = self.words.len() / self.width;
        let bad = |ids: &&[u32]| ids.is_empty() || ids.len() > limit || ids.iter().any(|id| *id as usize >= vocabulary);
        if texts.iter().any(bad) {
            return Err(Error::Internal("token ids that do not fit the text tower".into()));
        }
        let groups = groups(texts, rayon::current_num_threads());
        let parts: Vec<Vec<f32>> = groups.into_par_iter().map(read).collect();
        Ok(parts.concat())
    }
}

/// Texts in runs of up to [`GROUP_TOKENS`] tokens, or fewer where all threads would not get their share otherwise.
fn groups<'a, 'b>(texts: &'a [&'b [u32]], threads: usize) -> Vec<&'a [&'b [u32]]> {
    let total: usize = texts.iter().map(|ids| ids.len()).sum();
    // As many groups as fill whole rounds of the threads.
    let rounds = total.div_ceil(GROUP_TOKENS * threads).max(1);
    let most = total.div_ceil(rounds * threads).max(1);
    let mut groups = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, ids) in texts.iter().enumerate() {
        if tokens + ids.len() > most && index > start {
            groups.push(&texts[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += ids.len();
    }
    groups.push(&texts[start..]);
    groups
}

/// Which tokens a token attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mask {
    /// All of its text.
    Full,
    /// Itself and those before it.
    Causal,
}

/// Self-attention of each text over its own tokens: queries, keys and values `mixed` `[tokens, 3·width]` to `[tokens, width]`; `lengths` says
/// how many rows each text has.
pub(crate) fn attend(mixed: &[f32], lengths: &[usize], width: usize, heads: usize, mask: Mask) -> Vec<f32> {
    let mut context = vec![0.0; mixed.len() / 3];
    Arch::new().dispatch(Attention { width, head: width / heads, mask, mixed, lengths, context: &mut context });
    context
}

/// [`attend`] as `pulp` dispatches it.
struct Attention<'a> {
    width: usize,
    /// Components of a head.
    head: usize,
    mask: Mask,
    mixed: &'a [f32],
    lengths: &'a [usize],
    context: &'a mut [f32],
}

impl NullaryFnOnce for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { width, head: size, mask, .. } = self;
        let scale = 1.0 / (size as f32).sqrt();
        let (mut mixed, mut context) = (self.mixed, self.context);
        for &length in self.lengths {
            let (rows, rest) = mixed.split_at(length * 3 * width);
            mixed = rest;
            let (out, rest) = context.split_at_mut(length * width);
            context = rest;
            let mut scores = vec![0.0; length * length];
            let mut result = vec![0.0; length * size];
            for head in 0..width / size {
                let part = |row: usize, which: usize| &rows[row * 3 * width + which * width + head * size..][..size];
                let keys = Packed::from_fn(size, length, |k, n| part(n, 1)[k]);
                let values = Packed::from_fn(length, size, |k, n| part(k, 2)[n]);
                let queries: Vec<f32> = (0..length).flat_map(|row| part(row, 0)).map(|x| x * scale).collect();
                multiply_inline(&queries, &keys, &mut scores);
                for (row, scores) in scores.chunks_exact_mut(length).enumerate() {
                    let seen = if mask == Mask::Full { length } else { row + 1 };
                    softmax(&mut scores[..seen]);
                    scores[seen..].fill(0.0);
                }
                multiply_inline(&scores, &values, &mut result);
                for (row, values) in result.chunks_exact(size).enumerate() {
                    out[row * width + head * size..][..size].copy_from_slice(values);
                }
            }
        }
    }
}

//! From texts to batches: the order of an epoch, and packed sequences without padding.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    config::DecoderConfig,
    vocabulary::{END, START, Tokens, UNKNOWN},
};

/// A text with this or a higher multiplicity counts this often in an epoch: what the corpora repeat weighs more, but no
/// stock phrase drowns the rest.
pub const MULTIPLICITY_CAP: u32 = 8;

/// A text to learn from or to validate with.
#[derive(Debug, Clone)]
pub(super) struct Example {
    /// Row of its embedding.
    pub row: usize,
    pub tokens: Tokens,
    /// False where the text was cut: then no end marker is learned.
    pub ended: bool,
    /// How often it counts in an epoch.
    pub repeats: u32,
}

/// A generator for one purpose of one epoch and step, so that a resumed training draws what an uninterrupted one draws.
pub(super) fn rng(seed: u64, purpose: u8, epoch: usize, step: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[16..24].copy_from_slice(&(step as u64).to_le_bytes());
    key[24] = purpose;
    ChaCha8Rng::from_seed(key)
}

/// The batches of an epoch: indices into the training examples, each as often as it repeats, shuffled.
pub(super) fn epoch_order(examples: &[Example], batch: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    shuffled(examples.iter().map(|e| e.repeats), batch, seed, epoch)
}

/// The same of examples that occur so often each.
pub(crate) fn shuffled(
    repeats: impl IntoIterator<Item = u32>,
    batch: usize,
    seed: u64,
    epoch: usize,
) -> Vec<Vec<usize>> {
    let each = |(index, repeats)| std::iter::repeat_n(index, repeats as usize);
    let mut order: Vec<usize> = repeats.into_iter().enumerate().flat_map(each).collect();
    order.shuffle(&mut rng(seed, 1, epoch, 0));
    order.chunks(batch.max(1)).map(<[usize]>::to_vec).collect()
}

/// A batch of sequences laid end to end: `prefix_tokens` rows of the mapping network, the start marker, the words.
#[derive(Debug)]
pub(super) struct Packed {
    /// Rows of the embeddings, one a sequence.
    pub embeddings: Vec<usize>,
    /// For each row its token, `None` for a prefix row.
    pub tokens: Vec<Option<u32>>,
    pub positions: Vec<u32>,
    /// Where each sequence begins, and the end of the last.
    pub offsets: Vec<usize>,
    /// Rows that predict a token, and what they should predict.
    pub scored: Vec<u32>,
    pub targets: Vec<u32>,
}

impl Packed {
    pub(super) fn new<'a>(examples: impl IntoIterator<Item = &'a Example>, config: &DecoderConfig) -> Self {
        let (mut embeddings, mut tokens, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut offsets, mut scored, mut targets) = (vec![0], Vec::new(), Vec::new());
        for example in examples {
            embeddings.push(example.row);
            tokens.extend(std::iter::repeat_n(None, config.prefix_tokens));
            let inputs = std::iter::once(START).chain(example.tokens.iter().copied());
            let outputs = example.tokens.iter().copied().map(Some).chain([example.ended.then_some(END)]);
            for (input, output) in inputs.zip(outputs) {
                let Some(output) = output else { continue };
                // What is unknown is read but not learned: it can never be written.
                if output != UNKNOWN {
                    scored.push(tokens.len() as u32);
                    targets.push(output);
                }
                tokens.push(Some(input));
            }
            let begin = offsets.last().copied().unwrap_or(0);
            positions.extend((0..tokens.len() - begin).map(|p| p as u32));
            offsets.push(tokens.len());
        }
        Self { embeddings, tokens, positions, offsets, scored, targets }
    }
}

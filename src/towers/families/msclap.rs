//! Microsoft's CLAP of 2023 (Elizalde et al., "Natural Language Supervision for General-Purpose Audio Representations"): HTSAT for audio, GPT-2
//! for texts, 1,024 components.
//!
//! `msclap/models/clap.py`: each side's features `x` become the layer norm of `l1(x) + l2(gelu(l1(x)))`. The reference leaves them at that and
//! compares by the cosine; here they are scaled to unit length, as a store needs them.

use crate::Result;
use crate::formats::checkpoint::{Checkpoint, lengths};
use crate::towers::encoders::gpt2::Gpt2;
use crate::towers::encoders::htsat::{Htsat, HtsatConfig, Layout};
use crate::towers::framing::Framing;
use crate::towers::pair::{AudioTower, Encoder};
use crate::towers::projection::Projection;
use crate::towers::text::{TextEncoder, TextTower};

/// The tensor with a row for each token that the text tower knows.
pub(crate) const WORDS: &str = "caption_encoder.base.wte.weight";

/// The epsilon of the projections' norms.
const EPSILON: f32 = 1e-5;

/// Tokens of a text that count: as many as GPT-2 has places for. The reference names a length of 77, to which shorter texts are padded, but cuts
/// no text (`CLAPWrapper.preprocess_text` asks the tokenizer for no truncation), so a longer one is read whole.
///
/// # Errors
/// [`crate::Error::Input`] when there is no such tensor.
pub(crate) fn limit(file: &Checkpoint) -> Result<usize> {
    let [places, _] = lengths(file, "caption_encoder.base.wpe.weight")?;
    Ok(places)
}

/// A text as the tokenizer is given it: the reference joins ` <|endoftext|>` to it, and the tokenizer, which adds that token by itself, makes a
/// token of the space where it follows a word.
pub(crate) fn worded(text: &str) -> String {
    format!("{text} ")
}

/// The token whose state stands for a text. The reference pads with `!`, which is token 0, and takes the token whose number is the count of all
/// others, less one. That is the last, `<|endoftext|>`, unless the text has exclamation marks: the model was trained with this, so it is kept.
fn read_at(ids: &[u32]) -> usize {
    ids.iter().filter(|id| **id != 0).count().saturating_sub(1)
}

/// GPT-2, read at its last token.
pub(crate) fn text(file: &Checkpoint) -> Result<TextTower> {
    let gpt2 = Gpt2::load(&file.part("caption_encoder.base."))?;
    let projection = Projection::residual(file, "caption_encoder.projection", gpt2.width(), EPSILON)?;
    Ok(TextTower { encoder: TextEncoder::Gpt2 { gpt2, read_at }, projection: Some(projection) })
}

/// HTSAT in the original's layout.
pub(crate) fn audio(file: &Checkpoint) -> Result<AudioTower> {
    const PREFIX: &str = "audio_encoder.base.htsat.";
    let tower = Htsat::load(file, PREFIX, Layout::Original, &HtsatConfig::of(file, PREFIX)?)?;
    let projection = Projection::residual(file, "audio_encoder.projection", tower.dim(), EPSILON)?;
    Ok(AudioTower { encoder: Encoder::Htsat(Box::new(tower)), framing: Framing::MSCLAP, projection })
}

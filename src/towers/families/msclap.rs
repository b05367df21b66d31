//! Microsoft's CLAP of 2023 (Elizalde et al., "Natural Language Supervision for General-Purpose Audio Representations"): HTSAT for audio, GPT-2
//! for texts, 1,024 components.
//!
//! `msclap/models/clap.py`: each side's features `x` become the layer norm of `l1(x) + l2(gelu(l1(x)))`. The reference leaves them at that and
//! compares by the cosine; here they are scaled to unit length, as a store needs them.

use std::borrow::Cow;

use super::spec::{Family, FamilySpec, Layout, Relative, Source};
use crate::Result;
use crate::nn::tensors::lengths;
use crate::towers::audio_tower::{AudioTower, Encoder};
use crate::towers::encoders::gpt2::Gpt2;
use crate::towers::encoders::htsat::{Htsat, HtsatConfig, Layout as Names};
use crate::towers::framing::Framing;
use crate::towers::projection::Projection;
use crate::towers::text::{TextEncoder, TextTower};
use crate::towers::tokens::Kind;

/// The one family of its makers.
pub(crate) const MSCLAP_2023: FamilySpec = FamilySpec {
    family: Family::Msclap2023,
    name: "msclap-2023",
    licence: "MS-PL (Microsoft)",
    tokenizer: "openai-community/gpt2",
    layout: Some(Layout {
        signature: [
            "audio_encoder.base.htsat.patch_embed.proj.weight",
            WORDS,
            "audio_encoder.projection.linear1.weight",
        ],
        dim: "caption_encoder.projection.linear2.weight",
        words: WORDS,
        configured: false,
        tokenizer: Kind::Gpt2,
        token_limit,
        prompt: |text| Cow::Owned(prompt(text)),
        load_text: text,
        load_audio: audio,
    }),
    relatives: &[
        Relative {
            tensor: "caption_encoder.base.embeddings.word_embeddings.weight",
            what: "Microsoft CLAP 2022",
            instead: "use its successor, CLAP_weights_2023.pth",
        },
        Relative {
            tensor: "clap.base.htsat.patch_embed.proj.weight",
            what: "Microsoft's captioner clapcap, which has no text tower",
            instead: "use CLAP_weights_2023.pth, whose audio tower it has",
        },
    ],
};

const WORDS: &str = "caption_encoder.base.wte.weight";

/// The epsilon of the projections' norms.
const EPSILON: f32 = 1e-5;

/// Tokens of a text that count: as many as GPT-2 has places for. The reference names a length of 77, to which shorter texts are padded, but cuts
/// no text (`CLAPWrapper.preprocess_text` asks the tokenizer for no truncation), so a longer one is read whole.
fn token_limit(source: &Source) -> Result<usize> {
    let [places, _] = lengths(&source.file, "caption_encoder.base.wpe.weight")?;
    Ok(places)
}

/// A text as the tokenizer is given it: the reference joins ` <|endoftext|>` to it, and the tokenizer, which adds that token by itself, makes a
/// token of the space where it follows a word.
fn prompt(text: &str) -> String {
    format!("{text} ")
}

/// The token whose state stands for a text. The reference pads with `!`, which is token 0, and takes the token whose number is the count of all
/// others, less one. That is the last, `<|endoftext|>`, unless the text has exclamation marks: the model was trained with this, so it is kept.
fn read_at(ids: &[u32]) -> usize {
    ids.iter().filter(|id| **id != 0).count().saturating_sub(1)
}

/// GPT-2, read at its last token.
fn text(source: &Source) -> Result<TextTower> {
    let file = &source.file;
    let gpt2 = Gpt2::load(&file.part("caption_encoder.base."))?;
    let projection = Projection::residual(file, "caption_encoder.projection", gpt2.width(), EPSILON)?;
    Ok(TextTower { encoder: TextEncoder::Gpt2 { gpt2, read_at }, projection: Some(projection) })
}

/// HTSAT in the original's layout.
fn audio(source: &Source) -> Result<AudioTower> {
    let file = &source.file;
    const PREFIX: &str = "audio_encoder.base.htsat.";
    let tower = Htsat::load(file, PREFIX, Names::Original, &HtsatConfig::of(file, PREFIX)?)?;
    let projection = Projection::residual(file, "audio_encoder.projection", tower.dim(), EPSILON)?;
    Ok(AudioTower { encoder: Encoder::Htsat(Box::new(tower)), framing: Framing::MSCLAP, projection })
}

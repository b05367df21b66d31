//! LAION's CLAP (Wu et al., 2023): HTSAT for audio, RoBERTa for texts, 512 components; in Hugging Face's form or in its own.

use std::path::Path;

use serde_json::Value;

use super::spec::{Family, FamilySpec, Layout, Relative, Source, as_it_is};
use crate::formats::checkpoint::Checkpoint;
use crate::nn::layers::Linear;
use crate::towers::audio_tower::{AudioTower, Encoder};
use crate::towers::encoders::bert::{Bert, BertConfig, Readout};
use crate::towers::encoders::htsat::{Htsat, HtsatConfig, Layout as Names};
use crate::towers::framing::Framing;
use crate::towers::projection::Projection;
use crate::towers::text::{TextEncoder, TextTower};
use crate::towers::tokens::Kind;
use crate::{Error, Result};

const TOKENIZER: &str = "FacebookAI/roberta-base";
const LICENCE: &str = "Apache-2.0 (LAION)";

/// Hugging Face's `ClapModel`.
pub(crate) const UNFUSED: FamilySpec = FamilySpec {
    family: Family::Laion,
    name: "laion",
    licence: LICENCE,
    tokenizer: TOKENIZER,
    layout: Some(HUGGING_FACE),
    relatives: &[],
};

/// The same with the fusion branch.
pub(crate) const FUSED: FamilySpec = FamilySpec {
    family: Family::LaionFused,
    name: "laion-fused",
    licence: LICENCE,
    tokenizer: TOKENIZER,
    layout: Some(Layout {
        signature: [
            "audio_model.audio_encoder.patch_embed.mel_conv2d.weight",
            "text_model.embeddings.word_embeddings.weight",
            "audio_projection.linear1.weight",
        ],
        load_audio: |source| audio(source, Framing::LAION_FUSED),
        ..HUGGING_FACE
    }),
    relatives: &[],
};

/// LAION's own code.
pub(crate) const ORIGINAL: FamilySpec = FamilySpec {
    family: Family::LaionOriginal,
    name: "laion-original",
    licence: "see its publisher; the code of LAION CLAP is CC0-1.0",
    tokenizer: TOKENIZER,
    layout: Some(Layout {
        signature: [
            "audio_branch.patch_embed.proj.weight",
            "text_branch.embeddings.word_embeddings.weight",
            "audio_projection.0.weight",
        ],
        dim: "text_projection.2.weight",
        words: "text_branch.embeddings.word_embeddings.weight",
        configured: false,
        load_text: original_text,
        load_audio: original_audio,
        ..HUGGING_FACE
    }),
    relatives: &[
        Relative {
            tensor: "audio_branch.patch_embed.mel_conv2d.weight",
            what: "LAION CLAP with the fusion branch, in the names of the original code",
            instead: "use a checkpoint without fusion, such as 630k-audioset-best.pt",
        },
        Relative {
            tensor: "audio_branch.conv_block1.conv1.weight",
            what: "LAION CLAP with the audio tower PANN",
            instead: "use a checkpoint with the audio tower HTSAT, such as 630k-audioset-best.pt",
        },
        Relative {
            tensor: "text_branch.token_embedding.weight",
            what: "LAION CLAP with a text tower of CLIP",
            instead: "use a checkpoint with the text tower RoBERTa, such as 630k-audioset-best.pt",
        },
    ],
};

/// The layout without fusion.
const HUGGING_FACE: Layout = Layout {
    signature: [
        "audio_model.audio_encoder.patch_embed.proj.weight",
        "text_model.embeddings.word_embeddings.weight",
        "audio_projection.linear1.weight",
    ],
    dim: "text_projection.linear2.weight",
    words: "text_model.embeddings.word_embeddings.weight",
    configured: true,
    tokenizer: Kind::Roberta,
    token_limit: |_| Ok(LIMIT),
    prompt: as_it_is,
    load_text: text,
    load_audio: |source| audio(source, Framing::LAION),
};

/// Tokens of a text that count: the model was trained with this `max_length`, and its own code cuts there (`laion_clap/hook.py`). Hugging Face's
/// tokenizer cuts at 512, where no training text has been.
const LIMIT: usize = 77;

/// The first row of the position embeddings that a token has: behind that of the padding, 1.
const FIRST_POSITION: usize = 2;

/// What `config.json` says and no tensor tells; what it leaves out is as in `transformers`.
#[derive(Debug)]
struct Config {
    heads: usize,
    epsilon: f32,
    audio: HtsatConfig,
}

impl Config {
    /// Reads the `config.json` beside a checkpoint.
    fn beside(source: &Source) -> Result<Self> {
        Self::read(&source.folder.join("config.json"))
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] when it is damaged or describes a model that does not compute as this one.
    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let all: Value = serde_json::from_slice(&bytes).map_err(|cause| {
            Error::input(path.display(), format!("a damaged file ({cause})"), "the configuration of a ClapModel")
        })?;
        let (text, audio) = (&all["text_config"], &all["audio_config"]);
        let wrong = |name: &str, found: &Value, expected: &str| {
            Error::input(format!("{}, {name}", path.display()), found, expected)
        };
        let only = [
            ("text_config.hidden_act", &text["hidden_act"], "gelu"),
            ("projection_hidden_act", &all["projection_hidden_act"], "relu"),
            ("text_config.projection_hidden_act", &text["projection_hidden_act"], "relu"),
            ("audio_config.projection_hidden_act", &audio["projection_hidden_act"], "relu"),
        ];
        if let Some((name, found, expected)) =
            only.into_iter().find(|(_, found, only)| !found.is_null() && found != only)
        {
            return Err(wrong(name, found, expected));
        }
        let heads = match &text["num_attention_heads"] {
            Value::Null => Some(12),
            value => value.as_u64().and_then(|heads| usize::try_from(heads).ok()).filter(|heads| *heads > 0),
        };
        let epsilon = match &text["layer_norm_eps"] {
            Value::Null => Some(1e-12),
            value => value.as_f64().filter(|epsilon| *epsilon > 0.0),
        };
        Ok(Self {
            heads: heads
                .ok_or_else(|| wrong("num_attention_heads", &text["num_attention_heads"], "a number of heads"))?,
            epsilon: epsilon.ok_or_else(|| wrong("layer_norm_eps", &text["layer_norm_eps"], "a number above 0"))?
                as f32,
            audio: HtsatConfig::from_hugging_face(audio, &path.display().to_string())?,
        })
    }
}

/// HTSAT, as Hugging Face names it.
fn audio(source: &Source, framing: Framing) -> Result<AudioTower> {
    let config = Config::beside(source)?;
    let tower = Htsat::load(&source.file, "audio_model.audio_encoder.", Names::HuggingFace, &config.audio)?;
    projected(&source.file, tower, ["audio_projection.linear1", "audio_projection.linear2"], framing)
}

/// The same as LAION's own code names it.
fn original_audio(source: &Source) -> Result<AudioTower> {
    let file = &source.file;
    let tower = Htsat::load(file, "audio_branch.", Names::Original, &HtsatConfig::of(file, "audio_branch.")?)?;
    projected(file, tower, ["audio_projection.0", "audio_projection.2"], Framing::LAION)
}

fn projected(file: &Checkpoint, tower: Htsat, projection: [&str; 2], framing: Framing) -> Result<AudioTower> {
    let projection = Projection::load(file, projection, tower.dim())?;
    Ok(AudioTower { encoder: Encoder::Htsat(Box::new(tower)), framing, projection })
}

/// RoBERTa with its pooler, as Hugging Face names it.
fn text(source: &Source) -> Result<TextTower> {
    let config = Config::beside(source)?;
    roberta(
        &source.file,
        "text_model.",
        ["text_projection.linear1", "text_projection.linear2"],
        config.heads,
        config.epsilon,
    )
}

/// The same as LAION's own code names it: roberta-base, whose sizes it does not say.
fn original_text(source: &Source) -> Result<TextTower> {
    roberta(&source.file, "text_branch.", ["text_projection.0", "text_projection.2"], 0, 1e-5)
}

/// Components of a head of every RoBERTa of its makers.
const HEAD: usize = 64;

/// `heads` may be 0: as many as there are in a RoBERTa of that width.
fn roberta(
    file: &Checkpoint,
    prefix: &'static str,
    projection: [&str; 2],
    heads: usize,
    epsilon: f32,
) -> Result<TextTower> {
    let part = file.part(prefix);
    let mut config =
        BertConfig { heads, first_position: FIRST_POSITION, epsilon, limit: LIMIT, ..BertConfig::of(&part)? };
    if heads == 0 {
        config.heads = (config.width / HEAD).max(1);
    }
    let projection = Projection::load(file, projection, config.width)?;
    let pooler = Linear::load(&part, "pooler.dense", config.width, config.width)?;
    let bert = Bert::load(&part, config)?;
    let encoder = TextEncoder::Bert { bert, readout: Readout::First, pooler: Some(pooler) };
    Ok(TextTower { encoder, projection: Some(projection) })
}

//! The families of CLAP models, told apart by the tensors of their checkpoints.
//!
//! A family is a layout: which towers a checkpoint holds, under which names, and how audio and texts are prepared for them. Sizes (widths, depths,
//! the dimension of the embeddings) are read from the shapes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::families::starter;
use crate::formats::checkpoint;
use crate::{Error, Result};

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// The starter: a CNN for sound effects and MiniLM, joined by an adapter.
    Starter,
    /// WavCaps CLAP with the audio tower CNN14 and BERT.
    WavcapsCnn14,
    /// WavCaps CLAP with the audio tower HTSAT and BERT.
    WavcapsHtsat,
    /// LAION CLAP as a `ClapModel` of Hugging Face: `laion/clap-htsat-unfused`, `laion/larger_clap_*`.
    Laion,
    /// The same with the fusion branch: `laion/clap-htsat-fused`.
    LaionFused,
    /// LAION CLAP in the names of the original code: `630k-audioset-best.pt`.
    LaionOriginal,
    /// Microsoft CLAP 2023.
    #[serde(rename = "msclap-2023")]
    Msclap2023,
}

/// The files that hold weights, by their usual names; the first that is there is taken.
pub const WEIGHTS: [&str; 6] =
    ["model.safetensors", "pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.bin"];

/// Which names tell a family: all of them must be there.
struct Signature {
    family: Family,
    /// Tensors of the audio tower, the text tower and the projections.
    tensors: [&'static str; 3],
    /// The tensor whose first dimension is that of the embeddings.
    dim: &'static str,
}

/// The fused layout comes before the plain one, whose names it has too.
const SIGNATURES: [Signature; 6] = [
    Signature {
        family: Family::WavcapsCnn14,
        tensors: [
            "audio_encoder.audio_enc.conv_block1.conv1.weight",
            "text_encoder.text_encoder.embeddings.word_embeddings.weight",
            "audio_proj.0.weight",
        ],
        dim: "text_proj.2.weight",
    },
    Signature {
        family: Family::WavcapsHtsat,
        tensors: [
            "audio_encoder.audio_enc.patch_embed.proj.weight",
            "text_encoder.text_encoder.embeddings.word_embeddings.weight",
            "audio_proj.0.weight",
        ],
        dim: "text_proj.2.weight",
    },
    Signature {
        family: Family::LaionFused,
        tensors: [
            "audio_model.audio_encoder.patch_embed.mel_conv2d.weight",
            "text_model.embeddings.word_embeddings.weight",
            "audio_projection.linear1.weight",
        ],
        dim: "text_projection.linear2.weight",
    },
    Signature {
        family: Family::Laion,
        tensors: [
            "audio_model.audio_encoder.patch_embed.proj.weight",
            "text_model.embeddings.word_embeddings.weight",
            "audio_projection.linear1.weight",
        ],
        dim: "text_projection.linear2.weight",
    },
    Signature {
        family: Family::LaionOriginal,
        tensors: [
            "audio_branch.patch_embed.proj.weight",
            "text_branch.embeddings.word_embeddings.weight",
            "audio_projection.0.weight",
        ],
        dim: "text_projection.2.weight",
    },
    Signature {
        family: Family::Msclap2023,
        tensors: [
            "audio_encoder.base.htsat.patch_embed.proj.weight",
            "caption_encoder.base.wte.weight",
            "audio_encoder.projection.linear1.weight",
        ],
        dim: "caption_encoder.projection.linear2.weight",
    },
];

/// Relatives that are recognised and refused by name: a tensor that only they have, what they are, and what to use.
const RELATIVES: [(&str, &str, &str); 5] = [
    (
        "audio_branch.patch_embed.mel_conv2d.weight",
        "LAION CLAP with the fusion branch, in the names of the original code",
        "use a checkpoint without fusion, such as 630k-audioset-best.pt",
    ),
    (
        "audio_branch.conv_block1.conv1.weight",
        "LAION CLAP with the audio tower PANN",
        "use a checkpoint with the audio tower HTSAT, such as 630k-audioset-best.pt",
    ),
    (
        "caption_encoder.base.embeddings.word_embeddings.weight",
        "Microsoft CLAP 2022",
        "use its successor, CLAP_weights_2023.pth",
    ),
    (
        "clap.base.htsat.patch_embed.proj.weight",
        "Microsoft's captioner clapcap, which has no text tower",
        "use CLAP_weights_2023.pth, whose audio tower it has",
    ),
    (
        "text_branch.token_embedding.weight",
        "LAION CLAP with a text tower of CLIP",
        "use a checkpoint with the text tower RoBERTa, such as 630k-audioset-best.pt",
    ),
];

impl Family {
    /// Every family that is known.
    pub const ALL: [Self; 7] = [
        Self::Starter,
        Self::WavcapsCnn14,
        Self::WavcapsHtsat,
        Self::Laion,
        Self::LaionFused,
        Self::LaionOriginal,
        Self::Msclap2023,
    ];

    /// Its name, as the registry and `--json` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::WavcapsCnn14 => "wavcaps-cnn14",
            Self::WavcapsHtsat => "wavcaps-htsat",
            Self::Laion => "laion",
            Self::LaionFused => "laion-fused",
            Self::LaionOriginal => "laion-original",
            Self::Msclap2023 => "msclap-2023",
        }
    }

    /// The licence under which its makers published it, in a few words. That of a checkpoint that someone trained is their own.
    pub fn licence(self) -> &'static str {
        match self {
            Self::Starter => "audio tower CC BY 4.0, text tower Apache-2.0",
            Self::WavcapsCnn14 | Self::WavcapsHtsat => "WavCaps: academic, non-commercial use only",
            Self::Laion | Self::LaionFused => "Apache-2.0 (LAION)",
            Self::LaionOriginal => "see its publisher; the code of LAION CLAP is CC0-1.0",
            Self::Msclap2023 => "MS-PL (Microsoft)",
        }
    }

    /// The tokenizer that its text tower was trained with, as the Hugging Face hub names its repository.
    pub fn tokenizer(self) -> &'static str {
        match self {
            Self::Starter | Self::WavcapsCnn14 | Self::WavcapsHtsat => "google-bert/bert-base-uncased",
            Self::Laion | Self::LaionFused | Self::LaionOriginal => "FacebookAI/roberta-base",
            Self::Msclap2023 => "openai-community/gpt2",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a checkpoint was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// Its family.
    pub family: Family,
    /// Components of its embeddings.
    pub dim: usize,
    /// The file that holds its weights; for the starter, those of its text tower.
    pub weights: PathBuf,
}

/// Tells the family of a checkpoint file, or of a folder that holds one.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Input`] that names the file, the tensors that it has and the families that are known.
pub fn detect(path: &Path) -> Result<Detected> {
    let starter = path.join("minilm/model.safetensors");
    if starter.is_file() && path.join("sfx/checkpoint.pth").is_file() {
        return Ok(Detected { family: Family::Starter, dim: starter::MINILM.width, weights: starter });
    }
    let weights = weights(path)?;
    let tensors = checkpoint::open(&weights)?.names();
    let (family, dim) = classify(&tensors, &weights)?;
    agree(family, &weights)?;
    Ok(Detected { family, dim, weights })
}

/// The file of weights at `path`: the file itself, or the first of [`WEIGHTS`] in the folder, or the only one that looks like a checkpoint.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read, [`Error::Input`] when it holds none, or several of unknown names.
pub fn weights(path: &Path) -> Result<PathBuf> {
    if !std::fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
        return Ok(path.to_path_buf());
    }
    if let Some(usual) = WEIGHTS.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(usual);
    }
    let mut others = BTreeSet::new();
    for entry in std::fs::read_dir(path).map_err(Error::io("read", path))? {
        let file = entry.map_err(Error::io("read", path))?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if file.is_file() && matches!(extension, Some("safetensors" | "bin" | "pt" | "pth" | "ckpt")) {
            others.insert(file);
        }
    }
    let names = others.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy());
    let found = match others.len() {
        0 => "no checkpoint".to_owned(),
        several => format!("{several} checkpoints ({})", names.collect::<Vec<_>>().join(", ")),
    };
    match others.pop_first() {
        Some(only) if others.is_empty() => Ok(only),
        _ => Err(Error::input(path.display(), found, format!("one of {}", WEIGHTS.join(", ")))
            .with_hint("name the file itself instead of its folder")),
    }
}

/// The family that has these tensors, and the dimension of its embeddings.
fn classify(tensors: &BTreeMap<String, Vec<usize>>, file: &Path) -> Result<(Family, usize)> {
    let known = Family::ALL.map(Family::name).join(", ");
    let refused = |found: String, hint: &str| {
        Error::input(file.display(), found, format!("a model of a known family: {known}")).with_hint(hint)
    };
    if let Some((_, what, hint)) = RELATIVES.iter().find(|(name, ..)| tensors.contains_key(*name)) {
        return Err(refused((*what).to_owned(), hint));
    }
    let missing = |signature: &Signature| -> Vec<&'static str> {
        signature.tensors.iter().chain([&signature.dim]).filter(|name| !tensors.contains_key(**name)).copied().collect()
    };
    if let Some(signature) = SIGNATURES.iter().find(|signature| missing(signature).is_empty()) {
        return match tensors.get(signature.dim).map(Vec::as_slice) {
            Some([dim, _]) if *dim > 0 => Ok((signature.family, *dim)),
            shape => Err(Error::input(
                format!("{}, tensor {}", file.display(), signature.dim),
                format!("shape {:?}", shape.unwrap_or_default()),
                "a matrix whose rows are the components of an embedding",
            )),
        };
    }
    // The nearest family is worth naming: half of a model, or one whose export dropped something. From behind, because what is neither plain
    // nor fused lacks the plain one's tensor.
    let nearest = SIGNATURES.iter().rev().min_by_key(|signature| missing(signature).len());
    if let Some((near, lacks)) = nearest.map(|near| (near, missing(near))).filter(|(_, lacks)| lacks.len() < 3) {
        let found = format!("{} without {}", near.family, lacks.join(" and "));
        return Err(refused(
            found,
            "the checkpoint is incomplete: use one that holds both towers and their projections",
        ));
    }
    let hint = "it is another kind of model; `--embeddings` brings the embeddings of any model";
    Err(refused(format!("{} tensors named {}", tensors.len(), prefixes(tensors)), hint))
}

/// A few prefixes that stand for all names.
fn prefixes(tensors: &BTreeMap<String, Vec<usize>>) -> String {
    const SHOWN: usize = 6;
    let two = |name: &String| name.split('.').take(2).collect::<Vec<_>>().join(".");
    let all: BTreeSet<String> = tensors.keys().map(two).collect();
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// The part of `config.json` that tells a family.
#[derive(Debug, Default, Deserialize)]
struct Config {
    model_type: Option<String>,
    #[serde(default)]
    audio_config: AudioConfig,
}

#[derive(Debug, Default, Deserialize)]
struct AudioConfig {
    #[serde(default)]
    enable_fusion: bool,
}

/// The family that a `config.json` of Hugging Face names.
///
/// # Errors
/// [`Error::Input`] when it is not the configuration of a CLAP model; `file` names it.
pub fn from_config(json: &[u8], file: &Path) -> Result<Family> {
    let config: Config = serde_json::from_slice(json)
        .map_err(|cause| Error::input(file.display(), format!("no configuration ({cause})"), "that of a model"))?;
    match config.model_type.as_deref() {
        Some("clap") if config.audio_config.enable_fusion => Ok(Family::LaionFused),
        Some("clap") => Ok(Family::Laion),
        other => Err(Error::input(
            file.display(),
            format!("a model of type {}", other.map_or("unknown".to_owned(), |other| format!("'{other}'"))),
            "a model of type 'clap'",
        )
        .with_hint("it is another kind of model; `--embeddings` brings the embeddings of any model")),
    }
}

/// A `config.json` beside the weights must tell the same: one that does not was put beside the wrong file.
fn agree(family: Family, weights: &Path) -> Result<()> {
    if !matches!(family, Family::Laion | Family::LaionFused) {
        return Ok(());
    }
    let config = weights.with_file_name("config.json");
    let Ok(json) = std::fs::read(&config) else { return Ok(()) };
    let named = from_config(&json, &config)?;
    if named == family {
        return Ok(());
    }
    Err(Error::input(config.display(), format!("the family {named}"), format!("{family}, as the tensors tell"))
        .with_hint("take configuration and weights from the same model"))
}

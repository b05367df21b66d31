//! Telling the family of a model by the tensors of its checkpoint.
//!
//! A family is a layout: which towers a checkpoint holds, under which names, and how audio and texts are prepared for them. Sizes (widths, depths,
//! the dimension of the embeddings) are read from the shapes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::families::spec::{Family, Layout};
use super::families::{list, starter};
use crate::error::{Hint, Topic};
use crate::formats::checkpoint;
use crate::{Error, Result};

/// The files that hold weights, by their usual names; the first that is there is taken.
pub const WEIGHTS: [&str; 6] =
    ["model.safetensors", "pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.bin"];

/// What a checkpoint was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
pub fn detect(path: impl AsRef<Path>) -> Result<Detected> {
    let path = path.as_ref();
    let starter = path.join(starter::TEXT);
    if starter.is_file() && path.join(starter::AUDIO).is_file() {
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
pub fn weights(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
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
    let known = Family::all().map(Family::name).collect::<Vec<_>>().join(", ");
    let refused = |found: String, hint: Hint| {
        Error::input(file.display(), found, format!("a model of a known family: {known}")).with_hint(hint)
    };
    if let Some(relative) = list::relatives().find(|relative| tensors.contains_key(relative.tensor)) {
        return Err(refused(relative.what.to_owned(), relative.instead.into()));
    }
    let missing = |layout: &Layout| -> Vec<&'static str> {
        layout.signature.iter().chain([&layout.dim]).filter(|name| !tensors.contains_key(**name)).copied().collect()
    };
    if let Some((family, layout)) = list::layouts().find(|(_, layout)| missing(layout).is_empty()) {
        return match tensors.get(layout.dim).map(Vec::as_slice) {
            Some([dim, _]) if *dim > 0 => Ok((family, *dim)),
            shape => Err(Error::input(
                format!("{}, tensor {}", file.display(), layout.dim),
                format!("shape {:?}", shape.unwrap_or_default()),
                "a matrix whose rows are the components of an embedding",
            )),
        };
    }
    // The nearest family is worth naming: half of a model, or one whose export dropped something. From behind, because what is neither plain
    // nor fused lacks the plain one's tensor.
    let nearest = list::layouts().rev().min_by_key(|(_, layout)| missing(layout).len());
    if let Some((near, lacks)) =
        nearest.map(|(near, layout)| (near, missing(layout))).filter(|(_, lacks)| lacks.len() < 3)
    {
        let found = format!("{near} without {}", lacks.join(" and "));
        return Err(refused(
            found,
            "the checkpoint is incomplete: use one that holds both towers and their projections".into(),
        ));
    }
    let hint = other_kind();
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
        .with_hint(other_kind())),
    }
}

/// A `config.json` beside the weights must tell the same: one that does not was put beside the wrong file.
fn agree(family: Family, weights: &Path) -> Result<()> {
    if !family.spec().layout.as_ref().is_some_and(|layout| layout.configured) {
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

/// What to do with a model of no family that is known.
pub(crate) fn other_kind() -> Hint {
    let words = "it is another kind of model; a store of external embeddings takes those of any model";
    Hint::about(Topic::Embeddings, words)
}

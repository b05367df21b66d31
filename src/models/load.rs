//! Loading a model that is installed, or that lies in a folder.

use std::path::{Path, PathBuf};

use super::adapters::kept_adapters;
use super::record::Record;
use super::registry::STARTER;
use super::usual::{list, path, record};
use super::weights::{starter_weights, weights_sha256};
use crate::error::{Hint, Topic};
use crate::tokenizer::Tokenizer;
use crate::towers::adapter::Adapter;
use crate::towers::families::starter::{self, Starter};
use crate::towers::model::Parts;
use crate::towers::pair::Pair;
use crate::towers::{Clap, detect, tokens};
use crate::{EmbeddingSpace, Error, Result};

impl Clap {
    /// Loads a model: one that [`list`](super::list) names, or a folder or file with a checkpoint of a known family. The starter comes with the
    /// adapter that it ships with; the families of CLAP need none.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is neither a model nor a folder, [`Error::ModelMissing`] when it is not installed, [`Error::Input`] that
    /// says what is wrong with a checkpoint.
    pub fn load(model: &str) -> Result<Self> {
        Self::join(parts(model)?, shipped_adapter(model)?)
    }

    /// Loads a model with an adapter of one's own, written by [`Alignment`](crate::align::Alignment).
    ///
    /// # Errors
    /// As [`Clap::load`], and [`Error::Io`] or [`Error::Input`] about the adapter file.
    pub fn load_with_adapter(model: &str, adapter: impl AsRef<Path>) -> Result<Self> {
        Self::join(parts(model)?, Some(Adapter::load(adapter)?))
    }

    /// Loads the model that makes embeddings of `space`. For the model of a store see [`Clap::for_store`].
    ///
    /// Adapters of the user's own that the cache holds are tried, too: stores from before 0.2 keep none themselves.
    ///
    /// # Errors
    /// As [`Clap::load`]; [`Error::SpaceMismatch`] when the installed model makes embeddings of another space.
    pub fn for_space(space: &EmbeddingSpace) -> Result<Self> {
        let clap = Self::load(&space.model)?;
        if clap.space() == space {
            return Ok(clap);
        }
        let shipped = clap.space().to_string();
        for file in kept_adapters()? {
            let adapter = Adapter::load(&file)?;
            if clap.makes(space, &adapter) {
                return clap.with_adapter(adapter);
            }
        }
        Err(Error::SpaceMismatch { store: space.to_string(), given: shipped })
    }

    /// The tokenizer for texts of a store: that of its model, or the starter's where the embeddings come from outside.
    ///
    /// # Errors
    /// As [`Clap::load`].
    pub fn tokenizer_for(space: &EmbeddingSpace) -> Result<Tokenizer> {
        if space.is_external() || space.model == STARTER {
            return tokens::from_json(&word_pieces()?, starter::MINILM.limit);
        }
        Pair::open(detect(&located(&space.model)?.0)?)?.tokenizer(&word_pieces)
    }
}

/// The adapter that a model comes with, if it needs one.
pub(crate) fn shipped_adapter(model: &str) -> Result<Option<Adapter>> {
    let shipped = model == STARTER && !starter::SHIPPED_ADAPTER.is_empty();
    shipped.then(|| Adapter::from_bytes(starter::SHIPPED_ADAPTER, "the shipped adapter")).transpose()
}

/// A model before an adapter is put to it; where it is not found, any that is installed and has the same `weights`, by their SHA-256.
pub(crate) fn parts_by_name_or_weights(model: &str, weights: &[String]) -> Result<Parts> {
    let missing = match parts(model) {
        Err(missing @ (Error::ModelMissing { .. } | Error::NotFound { .. })) => missing,
        outcome => return outcome,
    };
    for installed in list()?.into_iter().filter(|installed| installed.installed) {
        let record = record(&installed.name)?;
        let hash = record.as_ref().and_then(Record::weights_sha256);
        if hash.is_some_and(|hash| weights == [hash]) {
            return Ok(Parts { name: model.to_owned(), ..parts(&installed.name)? });
        }
    }
    Err(missing)
}

/// A model before an adapter is put to it.
fn parts(model: &str) -> Result<Parts> {
    if model == STARTER {
        let folder = path(STARTER)?;
        return Ok(Parts {
            name: STARTER.to_owned(),
            dim: starter::MINILM.width,
            // The files were checked against these hashes when they were unpacked; hashing 115 MB at every start would cost more than
            // embedding a text. `echoic models verify` checks them again.
            weights: starter_weights(),
            tokenizer: tokens::from_json(&folder.join(starter::TOKENIZER), starter::MINILM.limit)?,
            towers: Box::new(Starter::new(&folder)),
        });
    }
    let (place, name) = located(model)?;
    let found = detect(&place)?;
    let (dim, weights) = (found.dim, vec![weights_sha256(&found.weights)?]);
    let pair = Pair::open(found)?;
    let tokenizer = pair.tokenizer(&word_pieces)?;
    Ok(Parts { name, dim, weights, tokenizer, towers: Box::new(pair) })
}

/// Where a model lies, and the name that a store keeps of it: that of an installed one, or the whole path of a file or folder, so that it is found
/// again from wherever the store is opened.
fn located(model: &str) -> Result<(PathBuf, String)> {
    let given = Path::new(model);
    match path(model) {
        Ok(folder) => Ok((folder, model.to_owned())),
        Err(_) if given.exists() => Ok((given.to_path_buf(), absolute(given)?)),
        // No model's name begins like this: it is where a store found its model.
        Err(_) if given.is_absolute() => Err(Error::ModelMissing {
            model: model.to_owned(),
            reason: "there is no such file or folder".into(),
            hint: "put the model where it was when the store was made".into(),
        }),
        Err(Error::NotFound { .. }) if is_checkpoint(given) => Err(Error::ModelMissing {
            model: model.to_owned(),
            reason: "there is no such file".into(),
            hint: "check the path: it is taken from the folder that the command runs in".into(),
        }),
        // A model of a hub that nobody has pulled yet.
        Err(Error::NotFound { .. }) if model.split('/').count() == 2 => Err(Error::ModelMissing {
            model: model.to_owned(),
            reason: "it was not pulled".into(),
            hint: Hint::about(Topic::Pull { from: model.to_owned(), keep_as: None }, "pull it"),
        }),
        Err(error) => Err(error),
    }
}

/// Whether a path has the name of a checkpoint, whatever lies there.
pub fn is_checkpoint(path: &Path) -> bool {
    let known = ["pt", "pth", "ckpt", "bin", "safetensors"];
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| known.contains(&ending))
}

fn absolute(path: &Path) -> Result<String> {
    let whole = std::fs::canonicalize(path).map_err(Error::io("find", path))?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::input(path.display(), "a name that is not UTF-8", "a folder that a store can name"))
}

/// Where the tokenizer of bert-base-uncased lies: the starter brings it.
pub(crate) fn word_pieces() -> Result<PathBuf> {
    Ok(path(STARTER)?.join(starter::TOKENIZER))
}

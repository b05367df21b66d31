//! Binding a store to its model: what belongs to the model is kept in the store, and the model is found again from there.
//!
//! A store holds embeddings of one model. What identifies the model, where it came from, and an adapter of one's own lie in the store's
//! folder, so that a copy of the folder is whole. The weights themselves stay where models are kept: they are large, and shared.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Hint, Topic};
use crate::memory::{ADAPTER, ModelParts, Snapshot, Store, Writer};
use crate::models::{self, STARTER, parts_by_name_or_weights, shipped_adapter};
use crate::towers::adapter::Adapter;
use crate::towers::{Clap, detect};
use crate::{Error, Result, Tokenizer};

impl Store {
    /// Creates an empty store for the embeddings of a model, with what belongs to it.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_for(dir: impl AsRef<Path>, clap: &Clap) -> Result<Self> {
        match parts_of(clap)? {
            Some(parts) => Self::create_with_model(dir, clap.space().clone(), &parts),
            None => Self::create(dir, clap.space().clone()),
        }
    }
}

/// Keeps in a store what belongs to its model, where the store is from before that was done; true when something was kept.
///
/// # Errors
/// [`Error::SpaceMismatch`] for another model than the store's; as [`Writer::keep_model`].
pub fn keep_model(writer: &mut Writer, clap: &Clap) -> Result<bool> {
    if clap.space() != writer.space() {
        return Err(Error::SpaceMismatch { store: writer.space().to_string(), given: clap.space().to_string() });
    }
    // Where something is kept, the model may have been found by its weights and be no more where its name says.
    if writer.snapshot()?.model().is_some() {
        return Ok(false);
    }
    match parts_of(clap)? {
        Some(parts) => writer.keep_model(&parts).map(|()| true),
        None => Ok(false),
    }
}

impl Clap {
    /// Loads the model that a store is bound to, with the adapter that the store keeps. A model that is not found under its name is looked for
    /// among all that are installed, by its weights.
    ///
    /// # Errors
    /// As [`Clap::load`]; [`Error::ModelMissing`] that says where the model came from; [`Error::Damaged`] for a damaged adapter;
    /// [`Error::SpaceMismatch`] when the installed model makes embeddings of another space.
    pub fn for_store(snapshot: &Snapshot) -> Result<Self> {
        let space = snapshot.space();
        let Some(kept) = snapshot.model() else { return Self::for_space(space) };
        let parts = parts_by_name_or_weights(&space.model, &strings(&kept.details["weights"]))
            .map_err(|error| with_origin(error, &kept.details))?;
        let adapter = match kept.file(ADAPTER) {
            Some(file) => Some(Adapter::from_bytes(&file.read()?, &file.path.display().to_string())?),
            None => shipped_adapter(&space.model)?,
        };
        let clap = Self::join(parts, adapter)?;
        if clap.space() == space {
            return Ok(clap);
        }
        Err(Error::SpaceMismatch { store: space.to_string(), given: clap.space().to_string() })
    }

    /// The tokenizer for texts of a store: that of its model, or the starter's where the embeddings come from outside.
    ///
    /// # Errors
    /// As [`Clap::for_store`].
    pub fn tokenizer_for_store(snapshot: &Snapshot) -> Result<Tokenizer> {
        match snapshot.model() {
            Some(_) => Ok(Self::for_store(snapshot)?.tokenizer().clone()),
            None => Self::tokenizer_for(snapshot.space()),
        }
    }
}

/// What a store keeps of a model; nothing of the starter as it ships, which every build can get by its name.
fn parts_of(clap: &Clap) -> Result<Option<ModelParts>> {
    let name = &clap.space().model;
    let shipped = shipped_adapter(name)?;
    let own = clap.adapter().filter(|adapter| shipped.as_ref().is_none_or(|s| s.sha256() != adapter.sha256()));
    if name == STARTER && own.is_none() {
        return Ok(None);
    }
    let record = models::record(name).ok().flatten();
    let family = match &record {
        Some(record) => Some(record.family),
        None if name == STARTER => None,
        None => Some(detect(Path::new(name))?.family),
    };
    let source = match &record {
        Some(record) => json!(record.source),
        None if name == STARTER => Value::Null,
        None => json!({ "kind": "local", "path": name }),
    };
    let details = json!({
        "model": name,
        "family": family,
        "dim": clap.space().dim,
        "weights": clap.weights(),
        "source": source,
    });
    let files = own.map(|adapter| (ADAPTER.to_owned(), adapter.file().to_vec()));
    Ok(Some(ModelParts { details, files: files.into_iter().collect() }))
}

/// Says of a model that is missing where it came from.
fn with_origin(error: Error, details: &Value) -> Error {
    let (Error::ModelMissing { model, .. } | Error::NotFound { name: model, .. }) = &error else { return error };
    let source = &details["source"];
    let from = match source["kind"].as_str() {
        Some("hub") => format!("{}@{}", text(&source["repository"]), text(&source["commit"])),
        Some("local") => text(&source["path"]).to_owned(),
        _ => return error,
    };
    let weights = strings(&details["weights"]).join(", ");
    let reason = format!("it is not here under its name, and no installed model has its weights (SHA-256 {weights})");
    let is_gone = source["kind"] == "local" && !Path::new(&from).exists();
    let advice = if is_gone { "put it back, or get it from where it is now" } else { "get it again" };
    let words = format!("the store was made with the model from {from}: {advice}");
    let from = if is_gone { "FOLDER".to_owned() } else { from };
    let hint = Hint::about(Topic::Pull { from, keep_as: Some(kept_name(model)) }, words);
    Error::ModelMissing { model: model.clone(), reason, hint }
}

/// A name to keep a model under: its own, or the last part of its path with dashes where no name has what is there. Which it is does not matter:
/// the model is looked for by its weights.
fn kept_name(model: &str) -> String {
    let path = Path::new(model);
    let Some(last) = path.file_stem().filter(|_| path.is_absolute()) else { return model.to_owned() };
    let last = last.to_string_lossy();
    let words = last.trim_start_matches('.').split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')));
    let name = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    if name.is_empty() { "model".to_owned() } else { name }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

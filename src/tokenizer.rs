//! What cuts texts into tokens.

use std::path::Path;

use crate::{Error, Result};

/// A tokenizer in the format of Hugging Face's `tokenizer.json`. A model brings its own: [`Clap::tokenizer`](crate::Clap::tokenizer).
#[derive(Debug, Clone)]
pub struct Tokenizer(tokenizers::Tokenizer);

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Input`] when it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::from_json(&path.display().to_string(), json)
    }

    /// The tokenizer that `json` describes; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::Input`] when it is damaged.
    pub fn from_json(name: &str, json: impl AsRef<[u8]>) -> Result<Self> {
        tokenizers::Tokenizer::from_bytes(json).map(Self).map_err(|cause| {
            Error::input(name, format!("a damaged file ({cause})"), "a tokenizer in Hugging Face's format")
        })
    }

    /// The numbers of a text's tokens, with those that its model wants around them.
    ///
    /// # Errors
    /// [`Error::Internal`] when the tokenizer fails.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        match self.0.encode_fast(text, true) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(cause) => Err(Error::Internal(format!("cannot tokenise {text:?}: {cause}"))),
        }
    }

    pub(crate) fn new(tokenizer: tokenizers::Tokenizer) -> Self {
        Self(tokenizer)
    }

    pub(crate) fn inner(&self) -> &tokenizers::Tokenizer {
        &self.0
    }
}

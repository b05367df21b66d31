//! Choosing one of the arrays of a file.

use std::path::Path;

use crate::{Error, Result};

/// An array of a file that may hold several.
pub(super) struct Found {
    pub name: String,
    /// Its shape and type.
    pub what: String,
    /// Whether it can be rows of embeddings.
    pub fits: bool,
}

/// The array of that name, or the only one that fits; `kind` is what the file calls an array.
pub(super) fn choose(path: &Path, found: Vec<Found>, wanted: Option<&str>, kind: &str) -> Result<String> {
    const LISTED: usize = 20;
    let fitting = || found.iter().filter(|array| array.fits);
    let chosen = match wanted {
        Some(name) => found.iter().find(|array| array.name == name),
        None if fitting().count() == 1 => fitting().next(),
        None => None,
    };
    if let Some(chosen) = chosen {
        return Ok(chosen.name.clone());
    }
    let mut listed: Vec<String> =
        found.iter().take(LISTED).map(|array| format!("{} ({})", array.name, array.what)).collect();
    if found.len() > LISTED {
        listed.push(format!("{} more", found.len() - LISTED));
    }
    let found_words =
        if listed.is_empty() { format!("no {kind}") } else { format!("the {kind}s {}", listed.join(", ")) };
    let expected = wanted.map_or_else(|| format!("one {kind} of embeddings"), |name| format!("one named '{name}'"));
    let error = Error::input(path.display(), found_words, expected);
    match fitting().next() {
        None => Err(error),
        Some(first) => {
            Err(error.with_hint(format!("name the {kind} behind a colon, as in {}:{}", path.display(), first.name)))
        }
    }
}

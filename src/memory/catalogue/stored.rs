//! What is stored of a domain, as planning asks for it.

use super::pages;
use crate::Result;

/// A stored caption, and the row that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub id: u64,
    pub clip: Option<String>,
    pub ordinal: u32,
}

/// A row that has the text of caption `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occurrence<'a> {
    pub id: u64,
    pub clip: Option<&'a str>,
    pub ordinal: u32,
}

/// What is stored of a domain, as far as planning asks; many at once, because that costs less.
pub(crate) trait Stored {
    /// The captions with these texts, whose hashes are given.
    fn captions(&mut self, texts: &[&str], hashes: &[pages::Hash]) -> Result<Vec<Option<Known>>>;
    /// For each of these rows, whether it is stored as a repeat of its caption.
    fn repeats(&mut self, rows: &[Occurrence<'_>]) -> Result<Vec<bool>>;
}

impl Known {
    /// True for the row that brought the caption.
    pub(crate) fn is_brought_by(&self, clip: Option<&str>, ordinal: u32) -> bool {
        self.clip.as_deref() == clip && self.ordinal == ordinal
    }
}

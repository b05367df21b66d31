//! Deciding, before anything is embedded, what each row of a corpus would change.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::limits;
use crate::Result;

/// A row of a corpus, as it identifies itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowKey {
    /// The caption. White space around it is not stored and makes no difference.
    pub text: String,
    /// The clip that it describes.
    pub clip: Option<String>,
    /// How many rows before it in its source file have the same text and clip; see [`Ordinals`].
    pub ordinal: u32,
}

impl RowKey {
    /// A row without a clip whose text is there once.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), clip: None, ordinal: 0 }
    }
}

/// Counts the rows of one source file that have the same text and clip. Count every row, also those that are skipped.
#[derive(Debug, Default)]
pub struct Ordinals(HashMap<Hash, u32>);

impl Ordinals {
    /// A count that begins at the head of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ordinal of the next row with this text and clip.
    pub fn next(&mut self, text: &str, clip: Option<&str>) -> u32 {
        let next = self.0.entry(row_hash(text.trim(), clip, 0)).or_default();
        let ordinal = *next;
        *next = next.saturating_add(1);
        ordinal
    }
}

/// What a row changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A new caption, whose embedding is the given row of the matrix that [`append`](super::Writer::append) takes.
    New(usize),
    /// One more occurrence of a stored caption.
    Repeat(u64),
    /// One more occurrence of a caption that is new in this plan.
    RepeatOfNew(usize),
    /// Stored already; changes nothing.
    Duplicate,
}

/// What a chunk of rows would change; made by [`Writer::plan`](super::Writer::plan).
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) domain: String,
    pub(super) commit: u64,
    pub(super) texts: Vec<String>,
    pub(super) rows: Vec<PlannedRow>,
}

#[derive(Debug, Clone)]
pub(super) struct PlannedRow {
    pub decision: Decision,
    pub key: Hash,
    pub clip: Option<String>,
    pub ordinal: u32,
}

impl Plan {
    /// The texts to embed, in the order in which their embeddings are to be given.
    pub fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    /// The decision for each row, in the order of the rows.
    pub fn decisions(&self) -> impl ExactSizeIterator<Item = Decision> + '_ {
        self.rows.iter().map(|row| row.decision)
    }

    /// True when no row changes anything.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.decision == Decision::Duplicate)
    }
}

/// What is stored of a domain, as far as planning asks.
pub(super) trait Stored {
    /// True when the row is stored as a repeat of caption `id`.
    fn has_row(&mut self, key: &Hash, id: u64) -> Result<bool>;
    /// The caption with this text: its id, and the key of the row that brought it.
    fn caption_of(&mut self, text: &Hash) -> Result<Option<(u64, Hash)>>;
}

/// The decision for a row whose text is stored.
fn known_text(key: &Hash, (id, first): (u64, Hash), stored: &mut impl Stored) -> Result<Decision> {
    let known = *key == first || stored.has_row(key, id)?;
    Ok(if known { Decision::Duplicate } else { Decision::Repeat(id) })
}

/// Decides for each row.
pub(super) fn plan(domain: &str, commit: u64, rows: &[RowKey], stored: &mut impl Stored) -> Result<Plan> {
    limits::check_name("domain", domain)?;
    let mut seen = HashSet::with_capacity(rows.len());
    let mut fresh: HashMap<&str, usize> = HashMap::new();
    let mut texts = Vec::new();
    let mut planned = Vec::with_capacity(rows.len());
    for row in rows {
        limits::check_caption(&row.text)?;
        let text = row.text.trim();
        let clip = row.clip.as_deref().filter(|clip| !clip.is_empty());
        clip.map_or(Ok(()), limits::check_clip)?;
        let key = row_hash(text, clip, row.ordinal);
        let decision = if !seen.insert(key) {
            Decision::Duplicate
        } else if let Some(caption) = stored.caption_of(&text_hash(text))? {
            known_text(&key, caption, stored)?
        } else if let Some(index) = fresh.get(text) {
            Decision::RepeatOfNew(*index)
        } else {
            fresh.insert(text, texts.len());
            texts.push(text.to_owned());
            Decision::New(texts.len() - 1)
        };
        planned.push(PlannedRow { decision, key, clip: clip.map(str::to_owned), ordinal: row.ordinal });
    }
    Ok(Plan { domain: domain.to_owned(), commit, texts, rows: planned })
}

/// Compares a plan that was made before the last commit with what is stored now. Nothing may have been removed since.
pub(super) fn renew(plan: &mut Plan, stored: &mut impl Stored) -> Result<()> {
    let texts = plan.texts.iter().map(|text| stored.caption_of(&text_hash(text)));
    let texts: Vec<Option<(u64, Hash)>> = texts.collect::<Result<_>>()?;
    for row in &mut plan.rows {
        row.decision = match row.decision {
            Decision::New(index) | Decision::RepeatOfNew(index) => match texts[index] {
                Some(caption) => known_text(&row.key, caption, stored)?,
                None => row.decision,
            },
            Decision::Repeat(id) if stored.has_row(&row.key, id)? => Decision::Duplicate,
            other => other,
        };
    }
    Ok(())
}

/// 128 bits of SHA-256: that two of a billion rows share one is less likely than 1 in 10²⁰.
pub(super) type Hash = [u8; 16];

/// Identifies a row inside its domain.
pub(super) fn row_hash(text: &str, clip: Option<&str>, ordinal: u32) -> Hash {
    let clip = clip.unwrap_or_default();
    let mut sha = Sha256::new();
    sha.update((text.len() as u64).to_le_bytes());
    sha.update(text);
    sha.update((clip.len() as u64).to_le_bytes());
    sha.update(clip);
    sha.update(ordinal.to_le_bytes());
    shorten(sha)
}

/// Identifies a text inside its domain.
pub(super) fn text_hash(text: &str) -> Hash {
    shorten(Sha256::new_with_prefix(text))
}

fn shorten(sha: Sha256) -> Hash {
    let digest: [u8; 32] = sha.finalize().into();
    *digest.first_chunk().unwrap_or(&[0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Stored for Nothing {
        fn has_row(&mut self, _: &Hash, _: u64) -> Result<bool> {
            Ok(false)
        }
        fn caption_of(&mut self, _: &Hash) -> Result<Option<(u64, Hash)>> {
            Ok(None)
        }
    }

    #[test]
    fn texts_repeated_inside_a_chunk_are_embedded_once() {
        let row = |text: &str, clip: &str, ordinal| RowKey { text: text.into(), clip: Some(clip.into()), ordinal };
        let rows = [row("a", "1", 0), row("b", "1", 0), row(" a ", "2", 0), row("a", "1", 0), row("a\n", "1", 1)];
        let plan = plan("d", 0, &rows, &mut Nothing).unwrap();
        assert_eq!(plan.texts(), ["a", "b"]);
        use Decision::{Duplicate, New, RepeatOfNew};
        let expected = [New(0), New(1), RepeatOfNew(0), Duplicate, RepeatOfNew(0)];
        assert!(plan.decisions().eq(expected));
    }

    #[test]
    fn parts_of_a_key_cannot_run_into_each_other() {
        assert_ne!(row_hash("ab", Some("c"), 0), row_hash("a", Some("bc"), 0));
        assert_ne!(row_hash("a", None, 0), row_hash("a", None, 1));
        assert_eq!(row_hash("a", None, 0), row_hash("a", Some(""), 0));
    }

    #[test]
    fn ordinals_count_equal_rows() {
        let mut ordinals = Ordinals::new();
        let counted =
            [("a", None), ("a", Some("1")), ("a", None), ("b", None), ("a", None)].map(|(t, c)| ordinals.next(t, c));
        assert_eq!(counted, [0, 0, 1, 0, 2]);
    }
}

//! Deciding, before anything is embedded, what each row of a corpus would change.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::Result;
use crate::memory::catalogue::pages;
use crate::memory::catalogue::stored::{Occurrence, Stored};
use crate::memory::format::limits;

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
#[non_exhaustive]
pub enum Decision {
    /// A new caption, whose embedding is the given row of the matrix that [`append`](crate::memory::Writer::append) takes.
    New(usize),
    /// One more occurrence of a stored caption.
    Repeat(u64),
    /// One more occurrence of a caption that is new in this plan.
    RepeatOfNew(usize),
    /// Stored already; changes nothing.
    Duplicate,
}

/// What a chunk of rows would change; made by [`Writer::plan`](crate::memory::Writer::plan).
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) domain: String,
    pub(crate) commit: u64,
    pub(crate) texts: Vec<String>,
    /// Of the texts: the catalogue asks for them again when they are stored.
    pub(crate) hashes: Vec<pages::Hash>,
    pub(crate) rows: Vec<PlannedRow>,
}

#[derive(Debug, Clone)]
pub(crate) struct PlannedRow {
    pub decision: Decision,
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

/// Rows whose texts are stored, to be asked for.
#[derive(Default)]
struct Asked<'a> {
    positions: Vec<usize>,
    rows: Vec<Occurrence<'a>>,
}

impl<'a> Asked<'a> {
    fn push(&mut self, position: usize, row: Occurrence<'a>) {
        self.positions.push(position);
        self.rows.push(row);
    }

    /// The decisions, by position.
    fn decide(self, stored: &mut impl Stored) -> Result<Vec<(usize, Decision)>> {
        let known = if self.rows.is_empty() { Vec::new() } else { stored.repeats(&self.rows)? };
        let decide =
            |(row, known): (&Occurrence<'_>, bool)| if known { Decision::Duplicate } else { Decision::Repeat(row.id) };
        Ok(self.positions.into_iter().zip(self.rows.iter().zip(known).map(decide)).collect())
    }
}

/// Decides for each row.
pub(crate) fn plan(domain: &str, commit: u64, rows: &[RowKey], stored: &mut impl Stored) -> Result<Plan> {
    limits::check_name("domain", domain)?;
    let mut keys = Vec::with_capacity(rows.len());
    let (mut numbers, mut texts) = (HashMap::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    // By number, whether the chunk has the text more than once.
    let mut is_frequent = Vec::with_capacity(rows.len());
    for row in rows {
        limits::check_caption(&row.text)?;
        let text = row.text.trim();
        let clip = row.clip.as_deref().filter(|clip| !clip.is_empty());
        clip.map_or(Ok(()), limits::check_clip)?;
        let number = match numbers.entry(text) {
            Entry::Occupied(number) => {
                is_frequent[*number.get()] = true;
                *number.get()
            }
            Entry::Vacant(place) => {
                texts.push(text);
                is_frequent.push(false);
                *place.insert(texts.len() - 1)
            }
        };
        keys.push((number, clip, row.ordinal));
    }
    let hashes: Vec<_> = texts.iter().map(|text| pages::caption_hash(text)).collect();
    let known = stored.captions(&texts, &hashes)?;
    let mut fresh: Vec<Option<usize>> = vec![None; texts.len()];
    let (mut new_texts, mut new_hashes, mut asked) = (Vec::new(), Vec::new(), Asked::default());
    let mut seen = HashSet::new();
    let mut decisions = Vec::with_capacity(rows.len());
    for (position, key) in keys.iter().enumerate() {
        let (number, clip, ordinal) = *key;
        decisions.push(if is_frequent[number] && !seen.insert(key) {
            Decision::Duplicate
        } else if let Some(caption) = &known[number] {
            if !caption.is_brought_by(clip, ordinal) {
                asked.push(position, Occurrence { id: caption.id, clip, ordinal });
            }
            Decision::Duplicate
        } else if let Some(index) = fresh[number] {
            Decision::RepeatOfNew(index)
        } else {
            fresh[number] = Some(new_texts.len());
            new_texts.push(texts[number].to_owned());
            new_hashes.push(hashes[number]);
            Decision::New(new_texts.len() - 1)
        });
    }
    for (position, decision) in asked.decide(stored)? {
        decisions[position] = decision;
    }
    let planned = keys.iter().zip(decisions).map(|((_, clip, ordinal), decision)| PlannedRow {
        decision,
        clip: clip.map(str::to_owned),
        ordinal: *ordinal,
    });
    let rows = planned.collect();
    Ok(Plan { domain: domain.to_owned(), commit, texts: new_texts, hashes: new_hashes, rows })
}

/// Compares a plan that was made before the last commit with what is stored now. Nothing may have been removed since.
pub(crate) fn renew(plan: &mut Plan, stored: &mut impl Stored) -> Result<()> {
    let texts = stored.captions(&plan.texts(), &plan.hashes)?;
    let mut decisions: Vec<Decision> = plan.decisions().collect();
    let mut asked = Asked::default();
    for (position, row) in plan.rows.iter().enumerate() {
        let (clip, ordinal) = (row.clip.as_deref(), row.ordinal);
        let id = match row.decision {
            Decision::New(index) | Decision::RepeatOfNew(index) => match &texts[index] {
                Some(caption) if caption.is_brought_by(clip, ordinal) => {
                    decisions[position] = Decision::Duplicate;
                    continue;
                }
                Some(caption) => caption.id,
                None => continue,
            },
            Decision::Repeat(id) => id,
            Decision::Duplicate => continue,
        };
        asked.push(position, Occurrence { id, clip, ordinal });
    }
    for (position, decision) in asked.decide(stored)? {
        decisions[position] = decision;
    }
    plan.rows.iter_mut().zip(decisions).for_each(|(row, decision)| row.decision = decision);
    Ok(())
}

/// 128 bits of SHA-256: that two of a billion rows share one is less likely than 1 in 10²⁰.
type Hash = [u8; 16];

/// Identifies a row of a source.
fn row_hash(text: &str, clip: Option<&str>, ordinal: u32) -> Hash {
    let clip = clip.unwrap_or_default();
    let mut sha = Sha256::new();
    sha.update((text.len() as u64).to_le_bytes());
    sha.update(text);
    sha.update((clip.len() as u64).to_le_bytes());
    sha.update(clip);
    sha.update(ordinal.to_le_bytes());
    let digest: [u8; 32] = sha.finalize().into();
    *digest.first_chunk().unwrap_or(&[0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::catalogue::stored::Known;

    struct Nothing;
    impl Stored for Nothing {
        fn captions(&mut self, texts: &[&str], _: &[pages::Hash]) -> Result<Vec<Option<Known>>> {
            Ok(vec![None; texts.len()])
        }
        fn repeats(&mut self, rows: &[Occurrence<'_>]) -> Result<Vec<bool>> {
            Ok(vec![false; rows.len()])
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

//! Ingest: from a caption corpus through the text tower into the memory, in chunks that are durable one by one.
//!
//! An ingest that is interrupted and started again neither loses nor doubles a row: each row has a key made of its
//! domain, text, clip and how often that pair came before in its corpus, and a key that is stored is passed over.
//! A newer edition of a corpus takes the place of an older one with [`Mode::ReplaceClips`].

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::corpus::{Corpus, Item, Rejected, Row};
use crate::formats::npy::NpyRows;
use crate::formats::parquet::ParquetRows;
use crate::memory::{Decision, Ordinals, RowKey, Writer};
use crate::progress::{Progress, Stop};
use crate::towers::Clap;
use crate::{Embeddings, Error, Result};

/// Rows that one commit takes: few enough to lose little on interruption, enough to make its cost small.
pub const CHUNK_ROWS: usize = 2048;

/// Bytes of given embeddings that one commit takes at most: embedding costs nothing then, and a commit costs as much as thousands of rows.
const CHUNK_BYTES: usize = 24 << 20;

/// Where the embeddings of captions come from.
#[derive(Debug)]
pub enum Source<'a> {
    /// The text tower of the store's model.
    Tower(&'a Clap),
    /// A file whose row i belongs to caption i of the corpus, rejected captions counted too.
    Rows(NpyRows),
    /// The embeddings of the Parquet file that the corpus is read from.
    Parquet(Box<ParquetRows>),
}

impl Source<'_> {
    /// Numbers in each embedding; `None` where they are made.
    fn given_dim(&self) -> Option<usize> {
        match self {
            Source::Tower(_) => None,
            Source::Rows(rows) => Some(rows.dim()),
            Source::Parquet(rows) => Some(rows.dim()),
        }
    }

    /// The embeddings of the next `count` captions; `None` where they are made.
    fn next_rows(&mut self, count: usize) -> Result<Option<Embeddings>> {
        let (next, rows) = match self {
            Source::Tower(_) => return Ok(None),
            Source::Rows(rows) => (rows.next_rows(count)?, rows.rows()),
            Source::Parquet(rows) => (rows.next_rows(count)?, rows.rows()),
        };
        if next.len() < count {
            let found = format!("{rows} rows");
            return Err(Error::input("the embeddings file", found, "one row for each caption of the corpus"));
        }
        Ok(Some(next))
    }
}

/// What becomes of captions that the store holds already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// They stay.
    #[default]
    Add,
    /// The corpus is a newer edition: of the clips that it names, rows whose text it does not give any more are removed in one last
    /// commit. Clips that it does not name, and captions without a clip, stay. When a row of the corpus is rejected, or the ingest is
    /// interrupted, nothing is removed. The corpus' texts and clips are kept in memory meanwhile.
    ReplaceClips,
}

/// The texts that a corpus gives to each clip.
type Edition = HashMap<String, HashSet<String>>;

/// What an ingest did. `read = new + repeats + duplicates + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IngestReport {
    /// Rows of the corpus.
    pub read: u64,
    /// Texts that the domain did not hold yet.
    pub new: u64,
    /// Further occurrences of a text that the domain holds: its multiplicity grew.
    pub repeats: u64,
    /// Rows that were stored by an earlier ingest.
    pub duplicate: u64,
    /// Unusable rows.
    pub rejected: u64,
    /// Rows of earlier editions that were removed; see [`Mode::ReplaceClips`].
    pub replaced: u64,
    /// The first [`IngestReport::LISTED`] unusable rows, with their lines and reasons.
    pub rejections: Vec<Rejected>,
    /// True when the ingest was stopped on request; starting it again goes on.
    pub interrupted: bool,
}

impl IngestReport {
    /// How many rejections are kept.
    pub const LISTED: usize = 100;

    fn reject(&mut self, rejected: Rejected) {
        self.rejected += 1;
        if self.rejections.len() < Self::LISTED {
            self.rejections.push(rejected);
        }
    }
}

/// Stores the captions of a corpus in a domain.
///
/// Every chunk of [`CHUNK_ROWS`] rows, or up to eight times as many where embeddings are given, is one commit. On `stop` the work ends behind a commit and the report says so.
///
/// # Errors
/// What [`Writer::plan`], [`Writer::append`] and [`Writer::retain`] return; [`Error::Input`] when given embeddings do not fit the store.
/// What was committed before stays.
pub fn ingest(
    writer: &mut Writer,
    domain: &str,
    corpus: Corpus,
    mut source: Source<'_>,
    mode: Mode,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<IngestReport> {
    check_dimension(writer, &source)?;
    let mut edition = (mode == Mode::ReplaceClips).then(Edition::new);
    let mut report = IngestReport::default();
    let mut ordinals = Ordinals::default();
    let mut corpus = corpus.peekable();
    while corpus.peek().is_some() {
        if stop.requested() {
            report.interrupted = true;
            break;
        }
        let items: Vec<Item> = corpus.by_ref().take(chunk_rows(&source)).collect();
        if let Some(edition) = &mut edition {
            for Row { text, clip, .. } in items.iter().flatten() {
                let Some(clip) = clip else { continue };
                edition.entry(clip.clone()).or_default().insert(text.trim().to_owned());
            }
        }
        let read = items.len() as u64;
        match store(writer, domain, items, &mut source, &mut ordinals, &mut report, stop) {
            Err(Error::Interrupted) => report.interrupted = true,
            outcome => outcome?,
        }
        if report.interrupted {
            break;
        }
        report.read += read;
        progress.advance(read);
    }
    if let Some(edition) = edition.filter(|_| !report.interrupted && report.rejected == 0 && report.read > 0) {
        let is_current = |text: &str, clip: Option<&str>| {
            clip.and_then(|clip| edition.get(clip)).is_none_or(|texts| texts.contains(text))
        };
        report.replaced = writer.retain(domain, is_current)?.occurrences;
    }
    Ok(report)
}

fn chunk_rows(source: &Source<'_>) -> usize {
    source.given_dim().map_or(CHUNK_ROWS, |dim| (CHUNK_BYTES / (4 * dim.max(1))).clamp(1, 8 * CHUNK_ROWS))
}

fn check_dimension(writer: &Writer, source: &Source<'_>) -> Result<()> {
    let space = writer.space();
    if let Source::Tower(clap) = source
        && clap.space() != space
    {
        return Err(Error::SpaceMismatch { store: space.to_string(), given: clap.space().to_string() });
    }
    match source.given_dim() {
        Some(dim) if dim != space.dim => Err(Error::input(
            "the embeddings file",
            format!("rows of {dim} numbers"),
            format!("rows of {}, the dimension of the store", space.dim),
        )),
        _ => Ok(()),
    }
}

/// One chunk: what is new is embedded, then all is committed.
fn store(
    writer: &mut Writer,
    domain: &str,
    items: Vec<Item>,
    source: &mut Source<'_>,
    ordinals: &mut Ordinals,
    report: &mut IngestReport,
    stop: &Stop,
) -> Result<()> {
    let mut given = source.next_rows(items.len())?;
    let directed = given.as_mut().map(Embeddings::normalize);
    let mut keys = Vec::with_capacity(items.len());
    let mut positions = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        let has_direction = directed.as_ref().is_none_or(|directed| directed[position]);
        match item {
            Err(rejected) => report.reject(rejected),
            Ok(row) if !has_direction => report.reject(Rejected { line: row.line, reason: NO_DIRECTION.into() }),
            Ok(row) => match key(row, ordinals) {
                Err(rejected) => report.reject(rejected),
                Ok(key) => {
                    keys.push(key);
                    positions.push(position);
                }
            },
        }
    }
    let plan = writer.plan(domain, &keys)?;
    let embeddings = match (source, given) {
        (Source::Tower(clap), _) => clap.embed_texts_with(&plan.texts(), &(), stop)?,
        (_, given) => {
            let mut given = given.unwrap_or_else(|| Embeddings::new(writer.space().dim));
            let mut is_new = vec![false; given.len()];
            for (decision, position) in plan.decisions().zip(positions) {
                is_new[position] = matches!(decision, Decision::New(_));
            }
            given.retain(|row| is_new[row]);
            given
        }
    };
    let appended = writer.append(domain, plan, &embeddings)?;
    report.new += appended.new;
    report.repeats += appended.repeats;
    report.duplicate += appended.duplicates;
    Ok(())
}

const NO_DIRECTION: &str = "its embedding is zero or not finite";

/// Checks the limits of the store, so that one long caption does not refuse its whole chunk, and numbers the row.
fn key(row: Row, ordinals: &mut Ordinals) -> Result<RowKey, Rejected> {
    let Row { text, clip, line } = row;
    let check = crate::memory::check_caption(&text).and_then(|()| match &clip {
        Some(clip) => crate::memory::check_clip(clip),
        None => Ok(()),
    });
    check.map_err(|e| Rejected { line, reason: e.to_string() })?;
    let ordinal = ordinals.next(&text, clip.as_deref());
    Ok(RowKey { text, clip, ordinal })
}

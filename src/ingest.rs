//! Ingest: from a caption corpus through the text tower into the memory, in chunks that are durable one by one.
//!
//! An ingest that is interrupted and started again neither loses nor doubles a row: each row has a key made of its
//! domain, text, clip and how often that pair came before in its corpus, and a key that is stored is passed over.
//! A newer edition of a corpus takes the place of an older one with [`Mode::ReplaceClips`].

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::corpus::{Corpus, Item, Rejected, Row};
use crate::embedding::EmbeddingRows;
use crate::memory::{Decision, Ordinals, RowKey, Writer};
use crate::progress::Control;
#[cfg(feature = "audio")]
use crate::towers::Clap;
use crate::{Embeddings, Error, Result};

/// Rows that one commit takes: few enough to lose little on interruption, enough to make its cost small.
pub const CHUNK_ROWS: usize = 2048;

/// Bytes of given embeddings that one commit takes at most: embedding costs nothing then, and a commit costs as much as thousands of rows.
const CHUNK_BYTES: usize = 24 << 20;

/// Where the embeddings of captions come from.
#[non_exhaustive]
pub enum Source<'a> {
    /// The text tower of the store's model.
    #[cfg(feature = "audio")]
    Tower(&'a Clap),
    /// Given ones: row i belongs to caption i of the corpus, rejected captions counted too.
    Rows(Box<dyn EmbeddingRows + 'a>),
}

impl<'a> Source<'a> {
    /// Given embeddings: row i belongs to caption i of the corpus, rejected captions counted too.
    pub fn rows(rows: impl EmbeddingRows + 'a) -> Self {
        Self::Rows(Box::new(rows))
    }

    /// Numbers in each embedding; `None` where they are made.
    fn given_dim(&self) -> Option<usize> {
        match self {
            #[cfg(feature = "audio")]
            Self::Tower(_) => None,
            Self::Rows(rows) => Some(rows.dim()),
        }
    }

    /// Where the embeddings come from, for errors.
    fn name(&self) -> String {
        match self {
            #[cfg(feature = "audio")]
            Self::Tower(_) => "the tower".into(),
            Self::Rows(rows) => rows.name(),
        }
    }

    /// The embeddings of the next `count` captions, fewer at their end; `None` where they are made.
    fn next_rows(&mut self, count: usize) -> Result<Option<Embeddings>> {
        let rows = match self {
            #[cfg(feature = "audio")]
            Self::Tower(_) => return Ok(None),
            Self::Rows(rows) => rows,
        };
        rows.next_rows(count).map(Some)
    }
}

#[cfg(feature = "audio")]
impl<'a> From<&'a Clap> for Source<'a> {
    fn from(clap: &'a Clap) -> Self {
        Self::Tower(clap)
    }
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.given_dim().is_some() { "Source::Rows" } else { "Source::Tower" })
    }
}

/// What becomes of captions that the store holds already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct IngestReport {
    /// Rows that name the clip that they describe; only their captions can be replaced.
    pub with_clip: u64,
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

/// An ingest about to begin: captions of a corpus into a domain of a store.
///
/// Every chunk of [`CHUNK_ROWS`] rows, or up to eight times as many where embeddings are given, is one commit. Afterwards small segments are
/// merged, and segments that have become large get a graph. When it is stopped it ends behind a commit, and the report says so.
///
/// ```no_run
/// use echoic::ingest::Ingest;
/// use echoic::{Clap, Store, corpus};
///
/// let store = Store::open("my-store")?;
/// let clap = Clap::load("starter")?;
/// let captions = corpus::open("captions.csv", &corpus::Options::default())?;
/// let report = Ingest::new(&mut store.writer()?, "street").run(captions, &clap)?;
/// println!("{} captions are new", report.new);
/// # Ok::<(), echoic::Error>(())
/// ```
#[derive(Debug)]
pub struct Ingest<'a> {
    writer: &'a mut Writer,
    domain: &'a str,
    mode: Mode,
    control: Control<'a>,
    expected: Option<u64>,
    index: bool,
}

impl<'a> Ingest<'a> {
    /// Ingests into `domain`, which is created when it is new.
    pub fn new(writer: &'a mut Writer, domain: &'a str) -> Self {
        Self { writer, domain, mode: Mode::Add, control: Control::default(), expected: None, index: true }
    }

    /// Says what becomes of captions that the store holds already.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Reports to `control`, and stops when it asks for it.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Tells how many rows the corpus has, so that progress has an end.
    #[must_use]
    pub fn expecting(self, rows: impl Into<Option<u64>>) -> Self {
        Self { expected: rows.into(), ..self }
    }

    /// Whether to merge segments and build graphs in the end; true by default. Who ingests many corpora may do both once, by
    /// [`Writer::merge`] and [`Writer::index`].
    #[must_use]
    pub fn index(self, index: bool) -> Self {
        Self { index, ..self }
    }

    /// Stores the captions of a corpus.
    ///
    /// # Errors
    /// What [`Writer::plan`], [`Writer::append`], [`Writer::retain`], [`Writer::merge`] and [`Writer::index`] return;
    /// [`Error::SpaceMismatch`] and [`Error::Dimension`] when the embeddings do not fit the store. What was committed before stays.
    pub fn run<'s>(self, corpus: Corpus, source: impl Into<Source<'s>>) -> Result<IngestReport> {
        let Self { writer, domain, mode, control, expected, index } = self;
        let source = source.into();
        check_space(writer, &source)?;
        let mut ingestion = Ingestion {
            writer,
            domain,
            source,
            ordinals: Ordinals::default(),
            edition: (mode == Mode::ReplaceClips).then(Edition::new),
            report: IngestReport::default(),
            control,
        };
        let phase = control.begin(&format!("ingesting {domain}"), expected);
        let stored = ingestion.store_all(corpus).and_then(|()| ingestion.remove_outdated());
        phase.end();
        let stored = stored.and_then(|()| if index { ingestion.merge_and_index() } else { Ok(()) });
        match stored {
            Err(Error::Interrupted) => ingestion.report.interrupted = true,
            outcome => outcome?,
        }
        Ok(ingestion.report)
    }
}

/// An ingest under way.
struct Ingestion<'a, 's> {
    writer: &'a mut Writer,
    domain: &'a str,
    source: Source<'s>,
    ordinals: Ordinals,
    edition: Option<Edition>,
    report: IngestReport,
    control: Control<'a>,
}

impl Ingestion<'_, '_> {
    /// Stores chunk after chunk.
    fn store_all(&mut self, corpus: Corpus) -> Result<()> {
        let mut corpus = corpus.peekable();
        while corpus.peek().is_some() {
            self.control.check()?;
            let items: Vec<Item> = corpus.by_ref().take(self.chunk_rows()).collect();
            self.report.with_clip += items.iter().flatten().filter(|row| row.clip.is_some()).count() as u64;
            if let Some(edition) = &mut self.edition {
                for Row { text, clip, .. } in items.iter().flatten() {
                    let Some(clip) = clip else { continue };
                    edition.entry(clip.clone()).or_default().insert(text.trim().to_owned());
                }
            }
            let read = items.len() as u64;
            self.store(items)?;
            self.report.read += read;
            self.control.advance(read);
        }
        Ok(())
    }

    fn chunk_rows(&self) -> usize {
        self.source.given_dim().map_or(CHUNK_ROWS, |dim| (CHUNK_BYTES / (4 * dim.max(1))).clamp(1, 8 * CHUNK_ROWS))
    }

    /// One chunk: what is new is embedded, then all is committed.
    fn store(&mut self, items: Vec<Item>) -> Result<()> {
        let mut given = self.source.next_rows(items.len())?;
        if let Some(given) = given.as_ref().filter(|given| given.len() < items.len()) {
            let found = format!("{} rows", self.report.read + given.len() as u64);
            return Err(Error::input(self.source.name(), found, "one row for each caption of the corpus"));
        }
        let directed = given.as_mut().map(Embeddings::normalize);
        let mut keys = Vec::with_capacity(items.len());
        let mut positions = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let has_direction = directed.as_ref().is_none_or(|directed| directed[position]);
            match item {
                Err(rejected) => self.report.reject(rejected),
                Ok(row) if !has_direction => {
                    self.report.reject(Rejected { line: row.line, reason: NO_DIRECTION.into() });
                }
                Ok(row) => match key(row, &mut self.ordinals) {
                    Err(rejected) => self.report.reject(rejected),
                    Ok(key) => {
                        keys.push(key);
                        positions.push(position);
                    }
                },
            }
        }
        let plan = self.writer.plan(self.domain, &keys)?;
        let embeddings = match (&self.source, given) {
            #[cfg(feature = "audio")]
            // Progress counts rows, most of which are embedded, so the tower itself reports nothing.
            (Source::Tower(clap), _) => clap.embed_texts_with(&plan.texts(), &self.control.with_progress(&()))?,
            (_, given) => {
                let mut given = given.unwrap_or_else(|| Embeddings::new(self.writer.space().dim));
                let mut is_new = vec![false; given.len()];
                for (decision, position) in plan.decisions().zip(positions) {
                    is_new[position] = matches!(decision, Decision::New(_));
                }
                given.retain(|row| is_new[row]);
                given
            }
        };
        let appended = self.writer.append(self.domain, plan, &embeddings)?;
        self.report.new += appended.new;
        self.report.repeats += appended.repeats;
        self.report.duplicate += appended.duplicates;
        Ok(())
    }

    /// Removes what a newer edition no longer has; nothing where a row of it was rejected, for that row may name what is to stay.
    fn remove_outdated(&mut self) -> Result<()> {
        let Some(edition) = self.edition.take() else { return Ok(()) };
        if self.report.rejected > 0 || self.report.read == 0 {
            return Ok(());
        }
        let is_current = |text: &str, clip: Option<&str>| {
            clip.and_then(|clip| edition.get(clip)).is_none_or(|texts| texts.contains(text))
        };
        self.report.replaced = self.writer.retain(self.domain, is_current)?.occurrences;
        Ok(())
    }

    fn merge_and_index(&mut self) -> Result<()> {
        self.writer.merge(&self.control)?;
        self.writer.index(&self.control)?;
        Ok(())
    }
}

fn check_space(writer: &Writer, source: &Source<'_>) -> Result<()> {
    let space = writer.space();
    #[cfg(feature = "audio")]
    if let Source::Tower(clap) = source
        && clap.space() != space
    {
        return Err(Error::SpaceMismatch { store: space.to_string(), given: clap.space().to_string() });
    }
    match source.given_dim() {
        Some(dim) if dim != space.dim => {
            Err(Error::Dimension { subject: source.name(), found: dim, expected: space.dim })
        }
        _ => Ok(()),
    }
}

const NO_DIRECTION: &str = "its embedding is missing, zero or not finite";

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

//! Captioning: where the towers, the memory, the bridge and the decoder meet.
//!
//! An audio embedding is looked up among the stored texts, bridged into their side of the embedding space, and decoded.
//! Every caption comes with the stored texts that it was made from, how near they were and how much each weighed.

use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use crate::bridge::{self, ExactProjection, ExactProjector, PAPER_TEMPERATURE, Scored, Strategy};
use crate::decoder::{Decoder, GenerateOptions};
use crate::embedding::normalize;
use crate::memory::{Memory, Neighbour, SearchOptions};
use crate::towers::Clap;
use crate::training::default_decoder;
use crate::{Error, Result};

/// How neighbours are retrieved.
#[derive(Debug, Clone)]
pub struct RetrievalOptions {
    /// Neighbours to retrieve and report. `None`: report [`RetrievalOptions::REPORTED`], and retrieve as many as it
    /// takes for the projection to lose at most `1 - mass` of its weight.
    pub k: Option<usize>,
    /// Sum the projection over every stored text and search without an index.
    pub exact: bool,
    /// The share of the true neighbours that a search through an index aims at; see [`SearchOptions::recall`].
    pub recall: Option<f32>,
    /// Candidates that a search through an index keeps; see [`SearchOptions::ef`].
    pub ef: Option<usize>,
    /// The share of the projection's weight to cover where `k` is `None`, in `0..1`.
    pub mass: f32,
    /// Temperature of the softmax, above 0; the paper's 0.01 by default.
    pub temperature: f32,
    /// Only these domains; all where `None`.
    pub domains: Option<Vec<String>>,
}

impl RetrievalOptions {
    /// How many neighbours are reported where `k` is not given.
    pub const REPORTED: usize = 10;
}

impl Default for RetrievalOptions {
    fn default() -> Self {
        Self {
            k: None,
            exact: false,
            recall: None,
            ef: None,
            mass: 0.99,
            temperature: PAPER_TEMPERATURE,
            domains: None,
        }
    }
}

/// A stored text that stands behind an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provenance {
    /// The caption's id in the store.
    pub id: u64,
    /// Its domain.
    pub domain: String,
    /// Its text.
    pub caption: String,
    /// Cosine similarity to the query, in -1..1.
    pub similarity: f32,
    /// Its share of the bridged embedding, in 0..1. Under the direct strategy nothing stored takes part: 0.
    pub weight: f32,
    /// How many times the domain's corpora hold this text.
    pub multiplicity: u32,
    /// The clip that it first described, where known.
    pub clip: Option<String>,
}

/// What the memory says to a query.
#[derive(Debug, Clone)]
pub struct Retrieval {
    /// The nearest stored texts, nearest first, weighted by the softmax of the projection.
    pub neighbours: Vec<Provenance>,
    /// An upper bound of the softmax weight that texts outside the sum could have held; 0 for an exact sum.
    pub lost_mass: f32,
    /// The projected embedding (WSAC eq. 4-5), unit length.
    pub projection: Vec<f32>,
}

/// Looks a query up among the stored texts and projects it onto them.
///
/// `query` has the store's dimension; it need not be normalised.
///
/// # Errors
/// [`Error::Input`] for a query of another dimension or without direction, or when there is nothing to search;
/// [`Error::NotFound`] for an unknown domain.
pub fn retrieve(memory: &Memory, query: &[f32], options: &RetrievalOptions) -> Result<Retrieval> {
    if options.k == Some(0) {
        return Err(Error::input("-k", "0", "at least 1 neighbour"));
    }
    if !(0.0..1.0).contains(&options.mass) {
        return Err(Error::input("--mass", options.mass, "a share of at least 0 and below 1, such as 0.99")
            .with_hint("for the whole weight, sum over every stored text: --exact"));
    }
    let domains = options.domains.as_deref();
    let (rows, occurrences) = sizes(memory, domains)?;
    if options.exact {
        return retrieve_exact(memory, query, options);
    }
    let mut k = options.k.unwrap_or(RetrievalOptions::REPORTED);
    loop {
        let found = search(memory, query, k, options)?;
        let projection = project(memory, &found, occurrences, options.temperature)?;
        let covered = projection.lost_mass <= 1.0 - options.mass;
        if options.k.is_some() || covered || found.len() as u64 >= rows || k as u64 >= rows {
            let report = options.k.unwrap_or(RetrievalOptions::REPORTED);
            let neighbours =
                found.into_iter().zip(projection.weights).take(report).map(|(n, w)| provenance(n, w)).collect();
            return Ok(Retrieval { neighbours, lost_mass: projection.lost_mass, projection: projection.embedding });
        }
        k = k.saturating_mul(4);
    }
}

/// Distinct texts and occurrences in the domains that are searched; refuses an empty memory.
fn sizes(memory: &Memory, domains: Option<&[String]>) -> Result<(u64, u64)> {
    let all = memory.domains();
    if let Some(unknown) = domains.and_then(|wanted| wanted.iter().find(|w| !all.iter().any(|d| d.name == **w))) {
        let known = all.into_iter().map(|d| d.name).collect();
        return Err(Error::NotFound { kind: "domain", name: unknown.clone(), known });
    }
    let chosen = all.iter().filter(|d| domains.is_none_or(|wanted| wanted.contains(&d.name)));
    let (rows, occurrences) = chosen.fold((0, 0), |(r, o), d| (r + d.captions, o + d.occurrences));
    if rows == 0 {
        return Err(Error::input(memory.dir().display(), "no caption", "a store with captions to search")
            .with_hint("ingest a caption corpus first: echoic ingest FILE --domain NAME"));
    }
    Ok((rows, occurrences))
}

fn search(memory: &Memory, query: &[f32], k: usize, options: &RetrievalOptions) -> Result<Vec<Neighbour>> {
    let RetrievalOptions { exact, recall, ef, .. } = *options;
    let search = SearchOptions { k, domains: options.domains.clone(), exact, recall, ef };
    memory.search(query, &search)
}

fn embedding_of(memory: &Memory, id: u64) -> Result<&[f32]> {
    memory.embedding(id).ok_or_else(|| Error::Internal(format!("caption {id} was found but has no embedding")))
}

fn project(memory: &Memory, found: &[Neighbour], occurrences: u64, temperature: f32) -> Result<bridge::Projection> {
    let scored: Vec<Scored<'_>> = found
        .iter()
        .map(|n| {
            let embedding = embedding_of(memory, n.id)?;
            Ok(Scored { similarity: n.similarity, multiplicity: n.multiplicity, embedding })
        })
        .collect::<Result<_>>()?;
    let inside: u64 = found.iter().map(|n| u64::from(n.multiplicity)).sum();
    bridge::project(&scored, occurrences.saturating_sub(inside), temperature)
}

/// The projection summed over every stored text of the domains.
fn retrieve_exact(memory: &Memory, query: &[f32], options: &RetrievalOptions) -> Result<Retrieval> {
    let found = search(memory, query, options.k.unwrap_or(RetrievalOptions::REPORTED), options)?;
    let mut unit = query.to_vec();
    normalize(&mut unit);
    let sum = project_on_all(memory, &unit, options.domains.as_deref(), options.temperature)?;
    let weighted = found.into_iter().map(|n| {
        let weight = sum.weight(n.similarity, n.multiplicity);
        provenance(n, weight)
    });
    Ok(Retrieval { neighbours: weighted.collect(), lost_mass: 0.0, projection: sum.embedding })
}

/// Rows of one parallel task; fixed, so that the sum is the same on any number of threads.
const TASK_ROWS: usize = 4096;

/// The projection of a unit vector onto every stored text of the domains, or of all (WSAC eq. 4-5). Where a segment has a graph, its codes
/// tell which rows weigh nothing; see [`ExactProjector::add_bounded`].
///
/// # Errors
/// [`Error::NotFound`] for an unknown domain, and what [`ExactProjector`] refuses.
pub fn project_on_all(
    memory: &Memory,
    query: &[f32],
    domains: Option<&[String]>,
    temperature: f32,
) -> Result<ExactProjection> {
    let dim = memory.space().dim;
    let parts = memory.blocks(domains)?.into_par_iter().map(|block| {
        let mut whole = ExactProjector::new(dim, temperature)?;
        if let Some(bounds) = block.bounds(query) {
            whole.add_bounded(block.vectors(), &bounds, |row| block.multiplicity(row), query)?;
            return Ok(whole);
        }
        let tasks = block.vectors().par_chunks(TASK_ROWS * dim).enumerate().map(|(task, rows)| {
            let mut part = ExactProjector::new(dim, temperature)?;
            part.add(rows, |row| block.multiplicity(task * TASK_ROWS + row), query)?;
            Ok(part)
        });
        tasks.collect::<Result<Vec<_>>>()?.iter().try_for_each(|part| whole.merge(part))?;
        Ok(whole)
    });
    let mut whole = ExactProjector::new(dim, temperature)?;
    parts.collect::<Result<Vec<_>>>()?.iter().try_for_each(|part| whole.merge(part))?;
    whole.finish()
}

fn provenance(neighbour: Neighbour, weight: f32) -> Provenance {
    let Neighbour { id, domain, caption, similarity, multiplicity, clip } = neighbour;
    Provenance { id, domain, caption, similarity, weight, multiplicity, clip }
}

/// Milliseconds that each step of an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Decoding the audio and running the tower, or embedding the text; 0 for a given embedding.
    pub embed_ms: f64,
    /// Searching and projecting.
    pub search_ms: f64,
    /// Writing the caption; 0 where none was asked for.
    pub decode_ms: f64,
}

/// A caption and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Captioned {
    /// The file that was captioned.
    pub path: String,
    /// Row of the file, from 0, where the file holds several embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// Where the window that was captioned begins, in seconds, where windows are kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Where it ends, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    /// The caption.
    pub caption: String,
    /// How the gap was bridged.
    pub strategy: Strategy,
    /// The nearest stored texts, nearest first.
    pub neighbours: Vec<Provenance>,
    /// See [`Retrieval::lost_mass`]; 0 for the strategies that sum nothing.
    pub lost_mass: f32,
    /// How long it took.
    pub timings: Timings,
}

/// How to caption.
#[derive(Debug, Clone, Default)]
pub struct CaptionOptions {
    /// How the gap between audio and text is bridged.
    pub strategy: Strategy,
    /// How neighbours are retrieved.
    pub retrieval: RetrievalOptions,
    /// How the decoder writes.
    pub generate: GenerateOptions,
}

/// Captions audio by a memory and a decoder.
#[derive(Debug)]
pub struct Captioner {
    memory: Memory,
    decoder: Decoder,
    clap: Option<Clap>,
}

impl Captioner {
    /// Joins a memory, a decoder trained on texts of the same embedding space, and the towers of that space.
    ///
    /// Without towers, only precomputed embeddings can be captioned.
    ///
    /// # Errors
    /// [`Error::SpaceMismatch`] when the three do not share one embedding space.
    pub fn new(memory: Memory, decoder: Decoder, clap: Option<Clap>) -> Result<Self> {
        let spaces = [Some(&decoder.info().space), clap.as_ref().map(Clap::space)];
        for space in spaces.into_iter().flatten() {
            if space != memory.space() {
                return Err(Error::SpaceMismatch { store: memory.space().to_string(), given: space.to_string() });
            }
        }
        Ok(Self { memory, decoder, clap })
    }

    /// Opens a store with one of its decoders and the model that it is bound to.
    ///
    /// `decoder`: its name, or `None` for the newest. A store of external embeddings has no towers.
    ///
    /// # Errors
    /// As [`Memory::open`], [`Decoder::load`] and [`Clap::load`]; [`Error::NotFound`] when there is no such decoder.
    pub fn open(store: &Path, decoder: Option<&str>) -> Result<Self> {
        let memory = Memory::open(store)?;
        let decoder = load_decoder(&memory, decoder)?;
        let clap = match memory.space().is_external() {
            true => None,
            false => Some(Clap::for_space(memory.space())?),
        };
        Self::new(memory, decoder, clap)
    }

    /// The memory in use.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Captions an audio file.
    ///
    /// # Errors
    /// As [`Clap::embed_audio`] and [`retrieve`]; [`Error::Input`] when the store has no audio tower.
    pub fn caption(&self, path: &Path, options: &CaptionOptions) -> Result<Captioned> {
        let clap = self.clap.as_ref().ok_or_else(|| no_tower(&self.memory))?;
        let start = Instant::now();
        let embedded = clap.embed_audio(path)?;
        let embed_ms = milliseconds(start);
        let mut captioned = self.caption_embedding(&path.display().to_string(), &embedded.embedding, options)?;
        captioned.timings.embed_ms = embed_ms;
        Ok(captioned)
    }

    /// Captions each window of an audio file by itself; the time that embedding took is told with the first.
    ///
    /// # Errors
    /// As [`Captioner::caption`].
    pub fn caption_windows(&self, path: &Path, options: &CaptionOptions) -> Result<Vec<Captioned>> {
        let clap = self.clap.as_ref().ok_or_else(|| no_tower(&self.memory))?;
        let start = Instant::now();
        let windows = clap.embed_windows(path)?;
        let mut embed_ms = milliseconds(start);
        let captioned = windows.into_iter().map(|window| {
            let mut captioned = self.caption_embedding(&path.display().to_string(), &window.embedding, options)?;
            captioned.timings.embed_ms = std::mem::take(&mut embed_ms);
            (captioned.start, captioned.end) = (Some(window.start), Some(window.end));
            Ok(captioned)
        });
        captioned.collect()
    }

    /// Captions a precomputed audio embedding of the store's space; `name` stands for it in the answer.
    ///
    /// # Errors
    /// As [`retrieve`].
    pub fn caption_embedding(&self, name: &str, embedding: &[f32], options: &CaptionOptions) -> Result<Captioned> {
        let start = Instant::now();
        let mut retrieved = retrieve(&self.memory, embedding, &options.retrieval)?;
        let prefix = match options.strategy {
            Strategy::Projection => retrieved.projection,
            Strategy::Nearest => {
                weigh(&mut retrieved.neighbours, |rank| if rank == 0 { 1.0 } else { 0.0 });
                let first = retrieved.neighbours.first();
                let first = first.ok_or_else(|| Error::Internal("a search among captions found none".into()))?;
                embedding_of(&self.memory, first.id)?.to_vec()
            }
            Strategy::Direct => {
                weigh(&mut retrieved.neighbours, |_| 0.0);
                let mut unit = embedding.to_vec();
                normalize(&mut unit);
                unit
            }
        };
        let lost_mass = if options.strategy == Strategy::Projection { retrieved.lost_mass } else { 0.0 };
        let search_ms = milliseconds(start);
        let start = Instant::now();
        let generated = self.decoder.generate(&prefix, &options.generate)?;
        Ok(Captioned {
            path: name.to_owned(),
            row: None,
            start: None,
            end: None,
            caption: generated.text,
            strategy: options.strategy,
            neighbours: retrieved.neighbours,
            lost_mass,
            timings: Timings { embed_ms: 0.0, search_ms, decode_ms: milliseconds(start) },
        })
    }
}

/// Loads a decoder of the store: the named one, or [`default_decoder`]'s. One that was removed, or trained anew, since the store was opened
/// is looked for in the newest commit.
///
/// # Errors
/// [`Error::NotFound`] when there is none of that name; [`Error::Input`] when there is none at all.
pub fn load_decoder(memory: &Memory, name: Option<&str>) -> Result<Decoder> {
    match load_committed(memory, name) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            load_committed(&Memory::open(memory.dir())?, name)
        }
        outcome => outcome,
    }
}

/// [`load_decoder`] from the very commit that was opened.
fn load_committed(memory: &Memory, name: Option<&str>) -> Result<Decoder> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => match default_decoder(memory) {
            Some(decoder) => decoder.name.clone(),
            None => {
                return Err(Error::input(memory.dir().display(), "no decoder", "a store with a trained decoder")
                    .with_hint("train one from the stored texts: echoic train"));
            }
        },
    };
    Decoder::load(&memory.decoder_path(&name)?)
}

/// The error of a store whose embeddings come from outside, asked to embed something itself.
pub fn no_tower(memory: &Memory) -> Error {
    let found = format!("a store of {} embeddings, which has no tower of its own", memory.space().model);
    Error::input(memory.dir().display(), found, "precomputed embeddings")
        .with_hint("give the embedding with --embedding FILE.npy")
}

fn weigh(neighbours: &mut [Provenance], weight: impl Fn(usize) -> f32) {
    for (rank, neighbour) in neighbours.iter_mut().enumerate() {
        neighbour.weight = weight(rank);
    }
}

fn milliseconds(start: Instant) -> f64 {
    // Tenths of a microsecond are noise; fewer digits read better.
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

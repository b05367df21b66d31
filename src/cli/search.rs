//! `echoic search`: the stored texts nearest to a text, a sound or an embedding.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use echoic::audio::Level;
use echoic::captioner::{Timings, no_tower};
use echoic::embedding::normalize;
use echoic::memory::{self, Scope};
use echoic::retrieval::{Provenance, RetrievalOptions, retrieve};
use echoic::towers::Clap;
use echoic::{Error, Result, Snapshot};
use serde::Serialize;

use super::context::Context;
use super::moments::{Wanted, moments};
use super::pipes;
use super::sounds::{Sound, sounds};

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    query: Query,
    /// Keep the windows of a long recording apart: one answer for each, with its seconds; otherwise their embeddings are averaged. With words beside
    /// the sounds: find the windows that fit the words
    #[arg(long, requires = "audio")]
    windows: bool,
    /// Show nothing that is less similar than this, from -1 to 1
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = cosine)]
    min_similarity: Option<f32>,
    /// Neighbours to show
    #[arg(short, value_name = "K", default_value_t = RetrievalOptions::REPORTED)]
    k: usize,
    /// Search this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    #[command(flatten)]
    effort: Effort,
    /// Temperature of the softmax that the weights come from
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = echoic::bridge::PAPER_TEMPERATURE)]
    temperature: f32,
}

/// How hard an index is searched.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub struct Effort {
    /// Compare with, and sum over, every stored text
    #[arg(long)]
    exact: bool,
    /// The share of the true neighbours to find, about; 0.99 by default
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    recall: Option<f32>,
    /// End a walk through an index by the candidates that it keeps: more finds more and takes longer
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    ef: Option<usize>,
}

impl Effort {
    /// Comparing with every vector.
    pub const EXACT: Self = Self { exact: true, recall: None, ef: None };

    /// As the library takes it.
    pub fn chosen(&self) -> memory::Effort {
        match *self {
            Self { exact: true, .. } => memory::Effort::EXACT,
            Self { recall: Some(recall), .. } => memory::Effort::recall(recall),
            Self { ef: Some(ef), .. } => memory::Effort::ef(ef),
            _ => memory::Effort::default(),
        }
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Query {
    /// Search by words
    #[arg(value_name = "TEXT", value_parser = words)]
    words: Option<String>,
    /// The same, by an option
    #[arg(long, value_name = "TEXT", value_parser = words, conflicts_with = "words")]
    text: Option<String>,
    /// Search by an audio file, each one of a folder, or standard input (`-`)
    #[arg(long, value_name = "FILE|DIR")]
    audio: Option<PathBuf>,
    /// Search by the embeddings in a file (.npy, .npz, safetensors, Parquet, Arrow); an array or column in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]", conflicts_with_all = ["words", "text", "audio"])]
    embedding: Option<PathBuf>,
}

/// A cosine.
fn cosine(text: &str) -> Result<f32, &'static str> {
    text.parse().ok().filter(|cosine| (-1.0..=1.0).contains(cosine)).ok_or("give a number from -1 to 1")
}

/// A number of things of which none would do nothing.
pub fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("give a number of at least 1")
}

/// Words to look for.
pub fn words(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("there are no words in it") } else { Ok(text.to_owned()) }
}

/// One answer.
#[derive(Serialize)]
struct Found {
    path: Option<String>,
    /// The folder that `path` begins in.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<f64>,
    #[serde(flatten)]
    level: Option<Level>,
    neighbours: Vec<Provenance>,
    lost_mass: f32,
    timings: Timings,
}

impl Found {
    /// The same, with what the sound is called.
    fn about(self, sound: &Sound) -> Self {
        Self { path: Some(sound.name.clone()), root: sound.root_name(), ..self }
    }
}

/// Searches.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let options = RetrievalOptions::default()
        .report(arguments.k)
        .temperature(arguments.temperature)
        .scope(scope(&arguments.domains))
        .effort(arguments.effort.chosen());
    let Query { words, text, audio, embedding } = &arguments.query;
    let text = text.as_ref().or(words.as_ref());
    if let Some(words) = words.as_ref().filter(|words| Path::new(words).is_file()) {
        tracing::warn!("searching for the words '{words}'; --audio searches by the sound of this name");
    }
    let asked = Asked { memory: &memory, options: &options, least: arguments.min_similarity.unwrap_or(-1.0) };
    if let Some(file) = embedding {
        return by_rows(context, asked, file);
    }
    if memory.space().is_external() {
        return Err(no_tower(memory.space()));
    }
    let clap = Clap::for_store(&memory)?;
    match (text, audio) {
        (Some(text), Some(audio)) if arguments.windows => {
            moments(context, &clap, text, audio, &Wanted { most: arguments.k, least: asked.least })
        }
        (Some(_), Some(_)) => {
            Err(Error::input("--audio", "words beside it", "--windows, too: the windows that fit the words"))
        }
        (Some(text), None) => by_text(context, asked, &clap, text),
        (None, Some(audio)) => by_sounds(context, asked, &clap, audio, arguments.windows),
        (None, None) => Ok(()), // clap requires one of the three
    }
}

/// Where is looked, and for what.
#[derive(Clone, Copy)]
struct Asked<'a> {
    memory: &'a Snapshot,
    options: &'a RetrievalOptions,
    /// The similarity of what is shown, at least.
    least: f32,
}

fn by_text(context: &Context, asked: Asked<'_>, clap: &Clap, text: &str) -> Result<()> {
    let phase = context.control().begin("embedding the query", None);
    let start = Instant::now();
    let query = clap.embed_texts(&[text])?.into_vec();
    let embed_ms = milliseconds(start);
    phase.end();
    let mut found = asked.answer(&query)?;
    found.timings.embed_ms = embed_ms;
    found.query = Some(text.to_owned());
    print(context, &found)
}

/// Searches by a sound, or by all of a folder, of which one that fails does not stop the others.
fn by_sounds(context: &Context, asked: Asked<'_>, clap: &Clap, named: &Path, windows: bool) -> Result<()> {
    let control = context.control();
    let sounds = sounds(context, &[named.to_path_buf()])?;
    let _phase = control.begin("searching by sounds", Some(sounds.len() as u64));
    for sound in &sounds {
        control.check()?;
        let found = match windows {
            true => by_windows(context, asked, clap, sound),
            false => by_whole(context, asked, clap, sound).map(|found| vec![found]),
        };
        match found {
            Ok(all) => context.bars.aside(|| all.iter().try_for_each(|found| print(context, found)))?,
            Err(error) if sound.root.is_none() => return Err(error),
            Err(error) => context.bars.aside(|| context.out.failure_of(sound, &error))?,
        }
        control.advance(1);
    }
    Ok(())
}

fn by_whole(context: &Context, asked: Asked<'_>, clap: &Clap, sound: &Sound) -> Result<Found> {
    let start = Instant::now();
    let heard = clap.embed_audio(sound.audio(&context.global)?)?;
    let embed_ms = milliseconds(start);
    let mut found = asked.answer(&heard.embedding)?.about(sound);
    found.timings.embed_ms = embed_ms;
    found.level = Some(heard.level);
    Ok(found)
}

fn by_windows(context: &Context, asked: Asked<'_>, clap: &Clap, sound: &Sound) -> Result<Vec<Found>> {
    let windows = clap.embed_windows(sound.audio(&context.global)?)?;
    let found = windows.into_iter().map(|window| {
        let mut found = asked.answer(&window.embedding)?.about(sound);
        (found.start, found.end) = (Some(window.start), Some(window.end));
        found.level = Some(window.level);
        Ok(found)
    });
    found.collect()
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn by_rows(context: &Context, asked: Asked<'_>, file: &Path) -> Result<()> {
    each_row(context, file, asked.memory.space().dim, |row, query| {
        let mut found = asked.answer(query)?;
        found.path = Some(file.display().to_string());
        found.row = row;
        print(context, &found)
    })
}

/// Calls `answer` with each row of a `.npy` file of rows of `dim` numbers, and its number where there are several. A row without a direction is a failure of its
/// own and does not stop the others.
pub fn each_row(
    context: &Context,
    file: &Path,
    dim: usize,
    mut answer: impl FnMut(Option<usize>, &[f32]) -> Result<()>,
) -> Result<()> {
    let mut rows = pipes::embeddings(file)?;
    if rows.rows() == 0 {
        return Err(Error::input(rows.name(), "no rows", "one row or more"));
    }
    if rows.dim() != dim {
        let (found, expected) = (format!("rows of {} numbers", rows.dim()), format!("rows of {dim}, as in the store"));
        return Err(Error::input(rows.name(), found, expected));
    }
    let many = rows.rows() > 1;
    for number in 0.. {
        let row = rows.next_rows(1)?.into_vec();
        if row.is_empty() {
            break;
        }
        context.control().check()?;
        if normalize(&mut row.clone()) > 0.0 {
            answer(many.then_some(number), &row)?;
        } else {
            let subject = format!("{}, row {number}", rows.name());
            let found = "nothing, or a vector of length zero or with a number that is not finite";
            context.out.failure(file, many.then_some(number), &Error::input(subject, found, "a direction"))?;
        }
    }
    Ok(())
}

impl Asked<'_> {
    fn answer(self, query: &[f32]) -> Result<Found> {
        let start = Instant::now();
        let retrieved = retrieve(self.memory, query, self.options)?;
        let mut timings = Timings::default();
        timings.search_ms = milliseconds(start);
        let (mut neighbours, lost_mass) = (retrieved.neighbours, retrieved.lost_mass);
        neighbours.retain(|neighbour| neighbour.similarity >= self.least);
        Ok(Found {
            path: None,
            root: None,
            query: None,
            row: None,
            start: None,
            end: None,
            level: None,
            neighbours,
            lost_mass,
            timings,
        })
    }
}

fn print(context: &Context, found: &Found) -> Result<()> {
    context.out.item(found, |found| {
        let name = found.query.as_deref().or(found.path.as_deref()).unwrap_or("");
        let row = found.row.map(|row| format!(" [{row}]")).unwrap_or_default();
        let span = span(found.start, found.end);
        let neighbours = match found.neighbours.is_empty() {
            true => "    nothing as similar as that".to_owned(),
            false => describe(&found.neighbours, found.neighbours.len()),
        };
        format!("{name}{row}{span}\n{neighbours}")
    })
}

/// A window's seconds for people.
pub fn span(start: Option<f64>, end: Option<f64>) -> String {
    start.zip(end).map(|(start, end)| format!(" [{start:.1} to {end:.1} s]")).unwrap_or_default()
}

/// The domains that were named; all where none was.
pub fn scope(domains: &[String]) -> Scope {
    if domains.is_empty() { Scope::all() } else { Scope::domains(domains) }
}

/// Neighbours in lines for people.
pub fn describe(neighbours: &[Provenance], most: usize) -> String {
    let lines = neighbours.iter().take(most).map(|n| {
        let times = if n.multiplicity > 1 { format!(" x{}", n.multiplicity) } else { String::new() };
        format!("    {:.3}  weight {:.2}  {} [{} {}]{times}", n.similarity, n.weight, n.caption, n.domain, n.id)
    });
    lines.collect::<Vec<_>>().join("\n")
}

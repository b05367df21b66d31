//! Our side of `benches/training/run.py`: trains decoders and writes captions with them, in turns with PyTorch.
//!
//! `training make FOLDER` embeds the shipped corpora with the starter and cuts them into tokens; `training begin FOLDER WIDTH BATCH` writes the
//! weights that a training begins with and the order of its batches. Then, a turn for each line of input: `training train FOLDER WIDTH BATCH
//! DROPOUT` does a step and prints `WALL PROCESSOR MEGABYTES`, seconds and peak memory; `training write FOLDER WIDTH` writes the captions that
//! the line asks for by `BEAM FIRST COUNT BATCH`, and prints the same with the captions. `training text FOLDER` turns tokens into captions.
//! `RAYON_NUM_THREADS` tells on how many threads.

#[path = "../towers/peak.rs"]
mod peak;
#[path = "../processor/mod.rs"]
mod processor;

use std::error::Error;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use echoic::decoder::{
    Decoder, GenerateOptions, RecipeChanges, ScheduleKind, ShapeChanges, TrainOptions, TrainingSet, TrainingText,
    Vocabulary, train,
};
use echoic::progress::{Control, Progress, Stop};
use echoic::{Clap, EmbeddingSpace, Embeddings, Tokenizer, corpus, internals};
use peak::peak_memory;
use processor::processor_seconds;
use serde_json::{Value, json};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Transformer blocks and attention heads, as in WSAC.
const LAYERS: usize = 4;
/// Tokens of a caption with its markers: more than any of the corpora has.
const ROOM: usize = 32;
/// Tokens of a written caption at most.
const LIMIT: usize = 20;
/// A word that occurs less often is unknown.
const LEAST: u32 = 2;
const SEED: u64 = 0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["make", folder] => make(Path::new(folder)),
        ["begin", folder, width, batch] => begin(Path::new(folder), width.parse()?, batch.parse()?),
        ["train", folder, width, batch, dropout] => {
            let options = options(width.parse()?, batch.parse()?, dropout.parse()?);
            take_turns(Path::new(folder), &options, &Path::new(folder).join(width).join(format!("ours-{dropout}")))
        }
        ["write", folder, width] => write(Path::new(folder), width),
        ["text", folder] => text(Path::new(folder)),
        _ => Err("make|begin|train|write|text FOLDER …".into()),
    }
}

/// Embeds and cuts the corpora.
fn make(folder: &Path) -> Result<()> {
    let texts: Vec<&str> = corpus::shipped().iter().flat_map(|corpus| corpus.text.lines()).collect();
    let clap = Clap::load("starter")?;
    let embeddings = clap.embed_texts(&texts)?.into_vec();
    let bytes: Vec<u8> = embeddings.iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(folder.join("embeddings.f32"), bytes)?;
    let (vocabulary, tokens) = Vocabulary::build(clap.tokenizer(), texts.iter().copied(), LEAST)?;
    if tokens.iter().any(|tokens| tokens.is_empty() || tokens.len() + 2 > ROOM) {
        return Err("a caption that would be left out or cut".into());
    }
    save(folder, "texts", &json!(texts))?;
    save(folder, "tokens", &json!(tokens))?;
    save(folder, "vocabulary", &serde_json::to_value(vocabulary)?)?;
    save(folder, "space", &serde_json::to_value(clap.space())?)
}

/// A training that is stopped before its first step leaves the weights that it would have begun with.
fn begin(folder: &Path, width: usize, batch: usize) -> Result<()> {
    let (set, tokenizer) = material(folder)?;
    let stop = Stop::new();
    stop.request();
    let place = folder.join(width.to_string());
    let control = Control::default().with_stop(&stop);
    train(&set, &tokenizer, &options(width, batch, 0.0), &place.join("initial"), &control)?;
    save(&place, "order", &json!(internals::batch_order(set.texts.len(), batch, SEED, 0)))
}

fn material(folder: &Path) -> Result<(TrainingSet, Tokenizer)> {
    let space: EmbeddingSpace = load(folder, "space")?;
    let bytes = fs::read(folder.join("embeddings.f32"))?;
    let mut embeddings = Embeddings::new(space.dim);
    for row in bytes.chunks_exact(4 * space.dim) {
        let row: Vec<f32> = row.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        embeddings.push(&row)?;
    }
    let texts: Vec<String> = load(folder, "texts")?;
    let text = |text| TrainingText { text, multiplicity: 1, clips: Vec::new() };
    let tokenizer = Clap::tokenizer_for(&space)?;
    Ok((TrainingSet { texts: texts.into_iter().map(text).collect(), embeddings, space }, tokenizer))
}

/// The small preset's recipe at a constant rate.
fn options(width: usize, batch: usize, dropout: f32) -> TrainOptions {
    let shape = ShapeChanges {
        layers: Some(LAYERS),
        width: Some(width),
        heads: Some(LAYERS),
        max_tokens: Some(ROOM),
        ..ShapeChanges::default()
    };
    let recipe = RecipeChanges {
        schedule: Some(ScheduleKind::Steps),
        warm_up: Some(0.0),
        factor: Some(1.0),
        dropout: Some(dropout),
        least_count: Some(LEAST),
        ..RecipeChanges::default()
    };
    let options = TrainOptions::default().shape(shape).recipe(recipe).batch(batch).learning_rate(5e-4);
    options.epochs(1).validation(0.0).seed(SEED).restart(true)
}

fn take_turns(folder: &Path, options: &TrainOptions, place: &Path) -> Result<()> {
    let at_first = peak_memory();
    let (set, tokenizer) = material(folder)?;
    let stop = Stop::new();
    let turns = Turns { at_first, stop: &stop, begun: Mutex::new((Instant::now(), 0.0)) };
    train(&set, &tokenizer, options, place, &Control::new(&turns, &stop))?;
    println!("{}", json!({ "peak": peak_memory() }));
    Ok(())
}

/// Holds a training between two steps until a line says that it is its turn; it ends with the input.
struct Turns<'a> {
    at_first: f64,
    stop: &'a Stop,
    begun: Mutex<(Instant, f64)>,
}

impl Turns<'_> {
    fn wait(&self) {
        if std::io::stdin().lock().lines().next().is_none() {
            self.stop.request();
        }
        *self.begun.lock().expect("one thread trains") = (Instant::now(), processor_seconds());
    }
}

impl Progress for Turns<'_> {
    fn begin(&self, _: &str, _: Option<u64>) {
        println!("ready {:.1}", self.at_first);
        self.wait();
    }

    fn advance(&self, _: u64) {
        let (wall, processor) = *self.begun.lock().expect("one thread trains");
        let (wall, processor) = (wall.elapsed().as_secs_f64(), processor_seconds() - processor);
        println!("{wall:.6} {processor:.6} {:.1}", peak_memory());
        self.wait();
    }

    fn skip(&self, _: u64) {}

    fn note(&self, _: &str) {}

    fn end(&self) {}
}

fn write(folder: &Path, width: &str) -> Result<()> {
    let at_first = peak_memory();
    let space: EmbeddingSpace = load(folder, "space")?;
    let bytes = fs::read(folder.join("prefixes.f32"))?;
    let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let decoder = Decoder::load(folder.join(width).join("ours-0/best.safetensors"))?;
    println!("ready {at_first:.1}");
    for line in std::io::stdin().lock().lines() {
        let asked: Vec<usize> = line?.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [beam, first, count, batch] = asked[..] else { return Err("BEAM FIRST COUNT BATCH".into()) };
        let rows: Vec<&[f32]> = numbers.chunks_exact(space.dim).skip(first).take(count).collect();
        // As the paper decodes, and as the peer does: without guards against repetition.
        let options = GenerateOptions::default().beam(beam).no_repeat(0).unique_words(false).max_tokens(LIMIT);
        let (wall, processor) = (Instant::now(), processor_seconds());
        let mut captions = Vec::with_capacity(count);
        for batch in rows.chunks(batch) {
            let mut prefixes = Embeddings::new(space.dim);
            batch.iter().try_for_each(|row| prefixes.push(row))?;
            captions.extend(decoder.generate_batch(&prefixes, &options)?);
        }
        let (wall, processor) = (wall.elapsed().as_secs_f64(), processor_seconds() - processor);
        let texts: Vec<&str> = captions.iter().map(|caption| caption.text.as_str()).collect();
        println!("{wall:.6} {processor:.6} {:.1} {}", peak_memory(), json!(texts));
    }
    Ok(())
}

/// Captions of the peer's tokens: a list of lists on a line.
fn text(folder: &Path) -> Result<()> {
    let vocabulary: Vocabulary = load(folder, "vocabulary")?;
    for line in std::io::stdin().lock().lines() {
        let all: Vec<Vec<u32>> = serde_json::from_str(&line?)?;
        println!("{}", json!(all.iter().map(|tokens| vocabulary.text(tokens)).collect::<Vec<_>>()));
    }
    Ok(())
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn save(folder: &Path, name: &str, value: &Value) -> Result<()> {
    Ok(fs::write(path(folder, name), value.to_string())?)
}

fn load<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    Ok(serde_json::from_slice(&fs::read(path(folder, name))?)?)
}

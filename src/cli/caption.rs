//! `echoic caption`: audio files, folders and embeddings into captions with their provenance.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::bridge::Strategy;
use echoic::captioner::{CaptionOptions, Captioned, Captioner};
use echoic::decoder::GenerateOptions;
use echoic::decoders;
use echoic::retrieval::RetrievalOptions;
use echoic::{Error, Result, Snapshot};

use super::context::Context;
use super::folders::audio_files;
use super::search::{Effort, at_least_one, describe, each_row, scope, span};

/// Arguments of `caption`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Audio files (wav, flac, ogg, mp3, m4a) and folders of them
    #[arg(value_name = "AUDIO", required_unless_present = "embedding")]
    audio: Vec<PathBuf>,
    /// Caption precomputed audio embeddings in a file (.npy, .npz, safetensors, Parquet, Arrow); an array or column in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]", conflicts_with = "audio")]
    embedding: Option<PathBuf>,
    /// Keep the windows of a long recording apart: one caption for each, with its seconds; otherwise their embeddings are averaged
    #[arg(long, conflicts_with = "embedding")]
    windows: bool,
    /// How the gap between audio and text is bridged: direct, nearest or projection (the default); or text, the nearest stored text itself, which
    /// needs no decoder and is the default where there is none
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<Strategy>,
    /// Neighbours to retrieve; by default as many as cover `--mass` of the projection's weight
    #[arg(short, value_name = "K", conflicts_with = "exact")]
    k: Option<usize>,
    /// The share of the projection's weight to cover, below 1: the search widens until what it left out can hold no more than the rest
    #[arg(long, value_name = "M", allow_negative_numbers = true, default_value_t = 0.99, conflicts_with_all = ["exact", "k"])]
    mass: f32,
    #[command(flatten)]
    effort: Effort,
    /// Temperature of the projection's softmax
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = echoic::bridge::PAPER_TEMPERATURE)]
    temperature: f32,
    /// Retrieve from this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// The decoder to write with; by default the one that `decoders` lists as in use
    #[arg(long, value_name = "NAME")]
    decoder: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// How the decoder chooses words.
#[derive(Debug, Args)]
struct Writing {
    /// Captions that the decoder keeps in parallel; 1 is greedy, as in the paper
    #[arg(long, value_name = "N", default_value_t = GenerateOptions::default().beam, conflicts_with = "sample")]
    beam: usize,
    /// Draw words at this temperature instead of taking the likeliest: near 0 they stay the likeliest, above 1 they grow bold
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    sample: Option<f32>,
    /// Draw from the likeliest words only, those that together hold this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true, default_value_t = 1.0, requires = "sample")]
    top_p: f32,
    /// Where drawing begins: another number draws other words
    #[arg(long, value_name = "N", default_value_t = 0, requires = "sample")]
    seed: u64,
    /// Tokens of a caption at most; by default as many as the decoder learned
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_tokens: Option<usize>,
}

impl Writing {
    fn options(&self) -> Result<GenerateOptions> {
        let Self { beam, sample, top_p, seed, max_tokens } = *self;
        if let Some(temperature) = sample.filter(|temperature| *temperature <= 0.0) {
            return Err(Error::input(
                "--sample",
                temperature,
                "a temperature above 0; without it the likeliest words are taken",
            ));
        }
        let temperature = sample.unwrap_or(0.0);
        let options = GenerateOptions::default().beam(beam).temperature(temperature).top_p(top_p).seed(seed);
        Ok(options.max_tokens(max_tokens))
    }
}

/// Captions everything that was named; a file that fails does not stop the others.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let retrieval = RetrievalOptions::default()
        .k(arguments.k)
        .mass(arguments.mass)
        .temperature(arguments.temperature)
        .scope(scope(&arguments.domains))
        .effort(arguments.effort.chosen());
    let generate = arguments.writing.options()?;
    let memory = context.snapshot()?;
    let captioner = Captioner::of(memory.clone(), arguments.decoder.as_deref())?;
    let strategy = arguments.strategy.unwrap_or_else(|| usual_strategy(&captioner));
    let options = CaptionOptions::default().strategy(strategy).retrieval(retrieval).generate(generate);
    if strategy != Strategy::Text {
        remark_on_domains(&memory, &captioner, &arguments.domains);
    }
    if let Some(file) = &arguments.embedding {
        return rows(context, &captioner, file, &options);
    }
    let files = audio_files(context, &arguments.audio)?;
    each_file(context, &files, |file| match arguments.windows {
        true => captioner.caption_windows(context.global.audio(file), &options),
        false => captioner.caption(context.global.audio(file), &options).map(|captioned| vec![captioned]),
    })
}

fn usual_strategy(captioner: &Captioner) -> Strategy {
    if captioner.has_decoder() {
        return Strategy::Projection;
    }
    tracing::warn!("there is no decoder: each caption is the nearest stored text itself; `echoic train` makes one");
    Strategy::Text
}

/// A decoder writes in the words that it learned: texts of other domains guide it badly.
fn remark_on_domains(memory: &Snapshot, captioner: &Captioner, asked: &[String]) {
    let summaries = decoders::summaries(memory);
    let used = summaries.iter().find(|summary| Some(summary.name.as_str()) == captioner.decoder_name());
    let Some((name, learned)) = used.and_then(|used| Some((&used.name, used.domains.as_ref()?))) else {
        return;
    };
    let stored = memory.domains().into_iter().map(|domain| domain.name);
    let answering = stored.filter(|domain| asked.is_empty() || asked.contains(domain));
    let strange: Vec<String> = answering.filter(|domain| !learned.contains(domain)).collect();
    if !strange.is_empty() {
        let (learned, strange) = (learned.join(", "), strange.join(", "));
        tracing::warn!("the decoder {name} learned from {learned} alone, and texts of {strange} guide it, too");
    }
}

/// Captions files one after another, with a bar where there are many; `caption` gives what is to be printed of a file.
pub fn each_file(
    context: &Context,
    files: &[PathBuf],
    caption: impl Fn(&Path) -> Result<Vec<Captioned>>,
) -> Result<()> {
    let _phase = context.control().begin("captioning", Some(files.len() as u64));
    for file in files {
        context.control().check()?;
        context.control().note(&file.file_name().unwrap_or_default().to_string_lossy());
        match caption(file) {
            Ok(all) => context.bars.aside(|| all.iter().try_for_each(|captioned| print(context, captioned)))?,
            Err(error) => context.bars.aside(|| context.out.failure(file, None, &error))?,
        }
        context.control().advance(1);
    }
    Ok(())
}

fn rows(context: &Context, captioner: &Captioner, file: &Path, options: &CaptionOptions) -> Result<()> {
    each_row(context, file, captioner.store().space().dim, |row, embedding| {
        let mut captioned = captioner.caption_embedding(&file.display().to_string(), embedding, options)?;
        captioned.row = row;
        print(context, &captioned)
    })
}

fn print(context: &Context, captioned: &Captioned) -> Result<()> {
    context.out.item(captioned, |c| {
        if context.global.quiet {
            return c.caption.clone();
        }
        let row = c.row.map(|row| format!(" [{row}]")).unwrap_or_default();
        let span = span(c.start, c.end);
        let how = if context.global.verbose > 0 { format!("  {}\n", written_by(c)) } else { String::new() };
        format!("{}{row}{span}\n  {}\n{how}{}", c.path, c.caption, describe(&c.neighbours, 5))
    })
}

/// How a caption came about, in a line.
fn written_by(captioned: &Captioned) -> String {
    let p = &captioned.parameters;
    let decoder = p.decoder.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
    let projection = match captioned.strategy {
        Strategy::Projection => format!(" at {}", p.temperature),
        _ => String::new(),
    };
    let words = match (&p.decoder, p.sample > 0.0) {
        (None, _) => String::new(),
        (_, true) => format!(", words drawn at {} (top-p {}, seed {})", p.sample, p.top_p, p.seed),
        (_, false) => format!(", {} beams", p.beam),
    };
    let commit = p.commit.map(|commit| format!(", commit {commit}")).unwrap_or_default();
    format!("{}{projection}{decoder}{words}{commit}", captioned.strategy)
}

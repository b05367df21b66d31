//! `echoic caption`: audio files, folders and embeddings into captions with their provenance.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::bridge::Strategy;
use echoic::captioner::{CaptionOptions, Captioner};
use echoic::decoder::GenerateOptions;
use echoic::decoders;
use echoic::retrieval::RetrievalOptions;
use echoic::{Error, Result, Snapshot};

use super::batch::{Answer, Batch, Kept, Making, Sidecars, Table};
use super::context::Context;
use super::pipes::{STDIN, is_pipe};
use super::search::{Effort, at_least_one, each_row, scope};
use super::sounds::{Sound, sounds};

/// Arguments of `caption`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Audio files (wav, flac, ogg, mp3, m4a), folders of them, or `-` for standard input
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
    #[command(flatten)]
    outlets: Outlets,
}

/// Where captions go beside the screen, and how many are made at once.
#[derive(Debug, Args)]
struct Outlets {
    /// Write a table with the columns file_name and caption_predicted, as scorers read it; `-` writes it to stdout in place of the captions
    #[arg(long, value_name = "FILE", conflicts_with = "embedding")]
    csv: Option<PathBuf>,
    /// Write each caption into a text file beside its sound: rain.txt for rain.wav; or into the same place below DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, conflicts_with = "embedding")]
    sidecar: Option<Option<PathBuf>>,
    /// Let sidecars take the place of text files that say something else
    #[arg(long, requires = "sidecar")]
    overwrite: bool,
    /// Keep the captions in FILE as lines of JSON while they come, and pass over the sounds that it holds already
    #[arg(long, value_name = "FILE", conflicts_with = "embedding")]
    resume: Option<PathBuf>,
    /// Sounds to work on at once; by default as many as there are processors, 8 at most
    #[arg(short, long, value_name = "N", value_parser = at_least_one, conflicts_with = "embedding")]
    jobs: Option<usize>,
}

impl Outlets {
    /// Refuses what cannot be meant, before anything is written.
    fn check(&self, context: &Context, sounds: &[Sound]) -> Result<()> {
        let is_stdout = |file: &Option<PathBuf>| file.as_deref().is_some_and(is_pipe);
        if is_stdout(&self.csv) && context.global.json {
            return Err(Error::input("--csv -", "--json beside it", "one of them: both write to stdout"));
        }
        if is_stdout(&self.resume) {
            return Err(Error::input("--resume", "-", "a file that can be read back"));
        }
        if (self.sidecar.is_some() || self.resume.is_some()) && sounds.iter().any(Sound::is_stdin) {
            let expected = "sounds with names: --sidecar and --resume go by them";
            return Err(Error::input(STDIN, "a sound without a name", expected));
        }
        Ok(())
    }

    /// Opens what captions go to.
    fn batch(&self, sounds: Vec<Sound>, making: &Making, windows: bool) -> Result<Batch> {
        let kept = self.resume.as_deref().map(|path| Kept::open(path, making)).transpose()?;
        let sidecars = self.sidecar.clone().map(|into| Sidecars::new(&sounds, into, self.overwrite));
        let table = self.csv.as_deref().map(|path| Table::create(path, windows)).transpose()?;
        let unprinted = self.csv.as_deref().is_some_and(is_pipe);
        Ok(Batch { sounds, jobs: self.jobs.unwrap_or_else(usual_jobs), kept, sidecars, table, unprinted })
    }
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
    let sounds = sounds(context, &arguments.audio)?;
    arguments.outlets.check(context, &sounds)?;
    let making = Making::new(strategy, &captioner.parameters(&options), arguments.windows)?;
    let batch = arguments.outlets.batch(sounds, &making, arguments.windows)?;
    if !batch.sounds.is_empty() {
        // Two threads would load it twice.
        captioner.load_audio()?;
    }
    batch.run(context, |audio| match arguments.windows {
        true => captioner.caption_windows(audio, &options),
        false => captioner.caption(audio, &options).map(|captioned| vec![captioned]),
    })
}

/// Each sound of minutes holds some 45 MB while it is worked on, and a tower keeps several processors busy itself.
fn usual_jobs() -> usize {
    rayon::current_num_threads().min(8)
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

fn rows(context: &Context, captioner: &Captioner, file: &Path, options: &CaptionOptions) -> Result<()> {
    each_row(context, file, captioner.store().space().dim, |row, embedding| {
        let captioned = captioner.caption_embedding(&file.display().to_string(), embedding, options)?;
        Answer::of_row(file, row, captioned).print(context)
    })
}

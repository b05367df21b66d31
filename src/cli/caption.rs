//! `echoic caption`: audio files, folders and embeddings into captions with their provenance.

use std::path::{Path, PathBuf};

use clap::Args;
use echoic::captioner::{CaptionOptions, Captioner};
use echoic::file::Fingerprint;
use echoic::{Error, Result};

use super::batch::{Answer, Batch, Format, Kept, Making, Pieces, Sidecars, Table};
use super::context::Context;
use super::how::How;
use super::inputs::Inputs;
use super::log::Log;
use super::pipes::{STDIN, is_pipe};
use super::search::each_row;
use super::sounds::{Sound, sounds};

/// Arguments of `caption`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// Keep the windows of a long recording apart: one caption for each, with its seconds; otherwise their embeddings are averaged
    #[arg(long, conflicts_with = "embedding")]
    windows: bool,
    /// Make one of windows that follow each other and say the same: from the first one's start to the last one's end
    #[arg(long, requires = "windows")]
    merge: bool,
    /// Say `unsure` in place of captions in which there is less confidence than that, from 0 to 1; the nearest texts stay
    #[arg(long, value_name = "P", value_parser = share, conflicts_with = "resume")]
    min_confidence: Option<f32>,
    /// Keep in the store's log what was heard, how it was captioned, and what came of it; `audit history` looks back at it
    #[arg(long)]
    log: bool,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    outlets: Outlets,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f32, &'static str> {
    text.parse().ok().filter(|share: &f32| (0.0..=1.0).contains(share)).ok_or("give a number from 0 to 1")
}

/// Where captions go beside the screen.
#[derive(Debug, Args)]
struct Outlets {
    /// Write a table with the columns file_name and caption_predicted, as scorers read it; `-` writes it to stdout in place of the captions
    #[arg(long, value_name = "FILE", conflicts_with = "embedding")]
    csv: Option<PathBuf>,
    /// Write each caption into a text file beside its sound: rain.txt for rain.wav; or into the same place below DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, conflicts_with = "embedding")]
    sidecar: Option<Option<PathBuf>>,
    /// What sidecars are: text, or with --windows subtitles, in which windows that say the same are one
    #[arg(long, value_name = "FORMAT", default_value = "txt", requires = "sidecar")]
    sidecar_format: Format,
    /// Let sidecars take the place of text files that say something else
    #[arg(long, requires = "sidecar")]
    overwrite: bool,
    /// Keep the captions in FILE as lines of JSON while they come, and pass over the sounds that it holds already
    #[arg(long, value_name = "FILE", conflicts_with = "embedding")]
    resume: Option<PathBuf>,
}

impl Outlets {
    /// Refuses what cannot be meant, before anything is written.
    fn check(&self, context: &Context, sounds: &[Sound], windows: bool) -> Result<()> {
        if self.sidecar_format != Format::Txt && !windows {
            return Err(Error::input(
                "--sidecar-format",
                self.sidecar_format.ending(),
                "--windows beside it: subtitles have times",
            ));
        }
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
    fn batch(&self, sounds: Vec<Sound>, jobs: usize, making: &Making, windows: bool) -> Result<Batch> {
        let kept = self.resume.as_deref().map(|path| Kept::open(path, making)).transpose()?;
        let sidecars =
            self.sidecar.clone().map(|into| Sidecars::new(&sounds, into, self.sidecar_format, self.overwrite));
        let table = self.csv.as_deref().map(|path| Table::create(path, windows)).transpose()?;
        let unprinted = self.csv.as_deref().is_some_and(is_pipe);
        Ok(Batch { sounds, jobs, kept, sidecars, table, unprinted, ..Batch::default() })
    }
}

/// Captions everything that was named; a file that fails does not stop the others.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let (captioner, options) = arguments.how.captioner(context)?;
    if arguments.min_confidence.is_some() {
        captioner.check_confidence(options.strategy)?;
    }
    let log = Log::of(context, arguments.log)?;
    if let Some(file) = &arguments.inputs.embedding {
        return rows(context, &captioner, file, &options, (log.as_ref(), arguments.min_confidence));
    }
    let sounds = sounds(context, &arguments.inputs.audio)?;
    arguments.outlets.check(context, &sounds, arguments.windows)?;
    let pieces = match (arguments.windows, arguments.merge) {
        (false, _) => Pieces::Sounds,
        (true, false) => Pieces::Windows,
        (true, true) => Pieces::Merged,
    };
    let making = Making::new(options.strategy, &captioner.parameters(&options), pieces)?;
    let jobs = arguments.inputs.jobs();
    let min_confidence = arguments.min_confidence;
    let batch = arguments.outlets.batch(sounds, jobs, &making, arguments.windows)?;
    let batch = Batch { log, min_confidence, merge: arguments.merge, ..batch };
    if !batch.sounds.is_empty() {
        // Two threads would load it twice.
        captioner.load_towers(&options)?;
    }
    batch.run(context, |audio| match arguments.windows {
        true => captioner.caption_windows(audio, &options),
        false => captioner.caption(audio, &options).map(|captioned| vec![captioned]),
    })
}

fn rows(
    context: &Context,
    captioner: &Captioner,
    file: &Path,
    options: &CaptionOptions,
    (log, min_confidence): (Option<&Log>, Option<f32>),
) -> Result<()> {
    each_row(context, file, captioner.store().space().dim, |row, embedding| {
        let captioned = captioner.caption_embedding(&file.display().to_string(), embedding, options)?;
        let mut answer = Answer::of_row(file, row, captioned);
        let Some(log) = log else { return answer.withheld_below(min_confidence).print(context) };
        let heard = Fingerprint::of_numbers(embedding);
        let (numbers, error) = log.put(&Sound::named(file), &heard, std::slice::from_ref(&answer.captioned), None);
        answer.logged = numbers.first().copied();
        answer.withheld_below(min_confidence).print(context)?;
        error.map_or(Ok(()), |error| context.out.failure(file, row, &error))
    })
}

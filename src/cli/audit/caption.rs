//! `echoic audit caption`: captions taken apart.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use echoic::audio::Audio;
use echoic::audit::{Auditor, CaptionAudit, Parts};
use echoic::captioner::Captioner;
use echoic::{Error, Result, page};
use serde::Serialize;

use super::describe::describe;
use super::html::{Gathered, Html};
use crate::cli::batch::in_order;
use crate::cli::caption::usual_jobs;
use crate::cli::context::Context;
use crate::cli::how::How;
use crate::cli::search::{at_least_one, each_row};
use crate::cli::sounds::{Sound, sounds};

/// Arguments of `audit caption`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Audio files, folders of them, or `-` for standard input
    #[arg(value_name = "AUDIO", required_unless_present = "embedding")]
    audio: Vec<PathBuf>,
    /// Audit the captions of precomputed audio embeddings in a file (.npy, .npz, safetensors, Parquet, Arrow); an array or column in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]", conflicts_with = "audio")]
    embedding: Option<PathBuf>,
    /// Look into these parts only, separated by commas; the neighbours are always looked into
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<Part>,
    #[command(flatten)]
    how: How,
    /// Sounds to work on at once; by default as many as there are processors, 8 at most
    #[arg(short, long, value_name = "N", value_parser = at_least_one, conflicts_with = "embedding")]
    jobs: Option<usize>,
    #[command(flatten)]
    html: Html,
}

/// A part of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The nearest texts, what they weigh, and which of them the search missed
    Neighbours,
    /// The caption under each strategy
    Strategies,
    /// How likely each word was, with the sound and without it
    Words,
    /// What becomes of the caption without each neighbour and each window
    Influence,
    /// What each window of a long sound says
    Windows,
}

fn parts(only: &[Part]) -> Parts {
    if only.is_empty() {
        return Parts::ALL;
    }
    let mut parts = Parts::NEIGHBOURS;
    parts.strategies = only.contains(&Part::Strategies);
    parts.tokens = only.contains(&Part::Words);
    parts.influence = only.contains(&Part::Influence);
    parts.windows = only.contains(&Part::Windows);
    parts
}

/// An audit, with what its sound is called here.
#[derive(Serialize)]
pub struct Audited {
    #[serde(flatten)]
    pub audit: CaptionAudit,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
}

impl Audited {
    fn of(sound: &Sound, audit: CaptionAudit) -> Self {
        let mut audit = audit;
        audit.captioned.path.clone_from(&sound.name);
        Self { audit, root: sound.root_name() }
    }

    fn print(&self, context: &Context) -> Result<()> {
        context.out.item(self, |audited| describe(&audited.audit))
    }
}

/// Audits the captions of everything that was named; a file that fails does not stop the others.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let (memory, html) = (context.snapshot()?, &arguments.html);
    let (captioner, options) = arguments.how.captioner_of(memory.clone())?;
    let auditor = Auditor::new(&captioner, options.clone(), parts(&arguments.only));
    let mut gathered = Gathered::default();
    if let Some(file) = &arguments.embedding {
        rows(context, &captioner, &auditor, file, |audit| gathered.take_one(html, audit))?;
        return gathered.write(context, &memory, &options, html);
    }
    let sounds = sounds(context, &arguments.audio)?;
    if !sounds.is_empty() {
        // Two threads would load it twice.
        captioner.load_audio()?;
    }
    html.check(sounds.len())?;
    let jobs = arguments.jobs.unwrap_or_else(usual_jobs);
    let work = |audio: Audio<'_>| {
        let looked = html.html.as_ref().map(|_| page::Sound::of(audio.clone())).transpose()?;
        Ok((auditor.audit(audio)?, looked))
    };
    each(context, &sounds, jobs, work, |sound, (audit, looked)| {
        let audited = Audited::of(sound, audit);
        audited.print(context)?;
        gathered.take(audited.audit, looked);
        Ok(())
    })?;
    gathered.write(context, &memory, &options, html)
}

/// Gives `take` what `work` makes of each sound, in their order; one that fails does not stop the others.
pub fn each<R: Send>(
    context: &Context,
    sounds: &[Sound],
    jobs: usize,
    work: impl Fn(Audio<'_>) -> Result<R> + Sync,
    mut take: impl FnMut(&Sound, R) -> Result<()>,
) -> Result<()> {
    let (control, global) = (context.control(), &context.global);
    let _phase = control.begin("auditing", Some(sounds.len() as u64));
    let labour = |sound: &Sound| {
        control.check()?;
        control.note(&sound.path.file_name().unwrap_or_default().to_string_lossy());
        work(sound.audio(global)?)
    };
    in_order(sounds, jobs, labour, |sound, result| {
        match result {
            Ok(result) => context.bars.aside(|| take(sound, result))?,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => context.bars.aside(|| context.out.failure_of(sound, &error))?,
        }
        control.advance(1);
        Ok(())
    })
}

fn rows(
    context: &Context,
    captioner: &Captioner,
    auditor: &Auditor<'_>,
    file: &Path,
    mut take: impl FnMut(CaptionAudit) -> Result<()>,
) -> Result<()> {
    each_row(context, file, captioner.store().space().dim, |row, embedding| {
        let mut audit = auditor.audit_embedding(&file.display().to_string(), embedding)?;
        audit.captioned.row = row;
        let audited = Audited::of(&Sound::named(file), audit);
        audited.print(context)?;
        take(audited.audit)
    })
}

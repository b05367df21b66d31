//! `echoic audit caption`: captions taken apart.

use clap::{Args, ValueEnum};
use echoic::audio::Audio;
use echoic::audit::{Auditor, CaptionAudit, Parts};
use echoic::captioner::Captioner;
use echoic::file::Fingerprint;
use echoic::{Error, Result, page};
use serde::Serialize;
use serde_json::Value;

use super::describe::describe;
use super::html::{Gathered, Html};
use crate::cli::batch::each_sound;
use crate::cli::context::Context;
use crate::cli::how::How;
use crate::cli::inputs::Inputs;
use crate::cli::log::Log;
use crate::cli::search::each_row;
use crate::cli::sounds::{Sound, sounds};

/// Arguments of `audit caption`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// Look into these parts only, separated by commas; the neighbours are always looked into
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<Part>,
    #[command(flatten)]
    how: How,
    /// Keep in the store's log what was heard and what the audit found; `audit history` looks back at it
    #[arg(long)]
    log: bool,
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
    /// What becomes of the caption without each of the twenty nearest texts, and without each window
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
struct Audited {
    #[serde(flatten)]
    audit: CaptionAudit,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    /// Its number in the log, where it was logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    logged: Option<u64>,
}

impl Audited {
    fn of(sound: &Sound, audit: CaptionAudit) -> Self {
        let mut audit = audit;
        audit.captioned.path.clone_from(&sound.name);
        Self { audit, root: sound.root_name(), logged: None }
    }

    fn print(&self, context: &Context) -> Result<()> {
        context.out.item(self, |audited| {
            let logged = audited.logged.map(|number| format!("\n  logged as {number}")).unwrap_or_default();
            describe(&audited.audit) + &logged
        })
    }
}

/// Where audits go.
struct Outlets<'a> {
    context: &'a Context,
    html: &'a Html,
    gathered: Gathered,
    log: Option<Log>,
}

impl Outlets<'_> {
    /// Brings an audit to every place. What cannot be logged is told, and all the rest is done.
    fn give(
        &mut self,
        sound: &Sound,
        heard: Option<Fingerprint>,
        audit: CaptionAudit,
        looked: Option<page::Sound>,
    ) -> Result<()> {
        let mut audited = Audited::of(sound, audit);
        let mut unlogged = None;
        if let (Some(log), Some(heard)) = (&self.log, heard) {
            let found = beside_the_caption(&audited.audit)?;
            let captioned = std::slice::from_ref(&audited.audit.captioned);
            let (numbers, error) = log.put(sound, &heard, captioned, Some(found));
            (audited.logged, unlogged) = (numbers.first().copied(), error);
        }
        audited.print(self.context)?;
        let row = audited.audit.captioned.row;
        self.gathered.take(self.html, audited.audit, looked)?;
        unlogged.map_or(Ok(()), |error| match row {
            Some(_) => self.context.out.failure(&sound.path, row, &error),
            None => self.context.out.failure_of(sound, &error),
        })
    }
}

/// What an audit found, without what the caption itself says: that is logged apart.
fn beside_the_caption(audit: &CaptionAudit) -> Result<Value> {
    let is_none = |error: serde_json::Error| Error::Internal(format!("an audit that is no JSON: {error}"));
    // Through text: a value of its own would widen numbers of 32 bits, and give them digits that they do not have.
    let text =
        (serde_json::to_string(audit).map_err(is_none)?, serde_json::to_string(&audit.captioned).map_err(is_none)?);
    let mut found: serde_json::Map<String, Value> = serde_json::from_str(&text.0).map_err(is_none)?;
    let captioned: serde_json::Map<String, Value> = serde_json::from_str(&text.1).map_err(is_none)?;
    captioned.keys().for_each(|name| _ = found.remove(name));
    Ok(Value::Object(found))
}

/// Audits the captions of everything that was named; a file that fails does not stop the others.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let (memory, html) = (context.snapshot()?, &arguments.html);
    html.check_map()?;
    let (captioner, options) = arguments.how.captioner_of(memory.clone())?;
    let auditor = Auditor::new(&captioner, options.clone(), parts(&arguments.only)).control(context.control());
    let log = Log::of(context, arguments.log)?;
    let mut outlets = Outlets { context, html, gathered: Gathered::default(), log };
    match &arguments.inputs.embedding {
        Some(file) => each_row(context, file, captioner.store().space().dim, |row, embedding| {
            let mut audit = auditor.audit_embedding(&file.display().to_string(), embedding)?;
            audit.captioned.row = row;
            outlets.give(&Sound::named(file), Some(Fingerprint::of_numbers(embedding)), audit, None)
        })?,
        None => by_sounds(context, arguments, &captioner, &auditor, &mut outlets)?,
    }
    outlets.gathered.write(context, &memory, &options, html)
}

fn by_sounds(
    context: &Context,
    arguments: &Arguments,
    captioner: &Captioner,
    auditor: &Auditor<'_>,
    outlets: &mut Outlets<'_>,
) -> Result<()> {
    let sounds = sounds(context, &arguments.inputs.audio)?;
    if !sounds.is_empty() {
        // Two threads would load it twice.
        captioner.load_towers(auditor.options())?;
    }
    arguments.html.check(sounds.len())?;
    let (is_logged, is_shown) = (arguments.log, arguments.html.html.is_some());
    let work = |audio: Audio<'_>| {
        // Before the caption: a file that changes meanwhile shall not be taken for the one that was heard.
        let heard = is_logged.then(|| audio.fingerprint()).transpose()?;
        let looked = is_shown.then(|| page::Sound::of(audio.clone())).transpose()?;
        Ok((heard, looked, auditor.audit(audio)?))
    };
    let _phase = context.control().begin("auditing", Some(sounds.len() as u64));
    let give = |sound: &Sound, (heard, looked, audit)| outlets.give(sound, heard, audit, looked);
    each_sound(context, &sounds, arguments.inputs.jobs(), work, give)
}

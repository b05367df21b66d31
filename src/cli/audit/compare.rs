//! `echoic audit compare`: two ways to caption beside each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use echoic::audit::{CompareAudit, Compared, Comparison, Standing, Way};
use echoic::captioner::{CaptionOptions, Captioner};
use echoic::{Error, Result, corpus};
use serde::Serialize;

use super::way::Spec;
use crate::cli::batch::each_sound;
use crate::cli::context::Context;
use crate::cli::how::How;
use crate::cli::inputs::Inputs;
use crate::cli::output::counted;
use crate::cli::search::each_row;
use crate::cli::sounds::{Sound, sounds};

/// Arguments of `audit compare`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The first way to caption: a store's folder, a decoder's name, a strategy, `exact`, or several settings as KEY=VALUE, separated by commas; of store, decoder,
    /// strategy, domain, k, mass, temperature, beam. What it does not name is as the options of this command say
    #[arg(value_name = "A")]
    a: Spec,
    /// The second way, likewise
    #[arg(value_name = "B")]
    b: Spec,
    #[command(flatten)]
    inputs: Inputs,
    /// Captions that people gave the sounds, in any layout that `ingest` reads: clips are found by the names of their files
    #[arg(long, value_name = "FILE", conflicts_with = "embedding")]
    references: Option<PathBuf>,
    /// Show each caption that changed, not the twenty that changed most
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    how: How,
}

/// Of fewer sounds than these a bootstrap draws nearly the same again and again, and its interval is too narrow.
const FEW: usize = 10;

/// Captions that are shown where not all are asked for.
const SHOWN: usize = 20;

/// What programs are told.
#[derive(Serialize)]
struct Answer<'a> {
    a: &'a str,
    b: &'a str,
    #[serde(flatten)]
    summary: &'a CompareAudit,
    captions: &'a [Compared],
}

/// Compares.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let first = way(context, &arguments.how, &arguments.a)?;
    let second = way(context, &arguments.how, &arguments.b)?;
    let comparison = Comparison::new(Way::new(&first.0, first.1), Way::new(&second.0, second.1));
    let references = References::read(arguments.references.as_deref())?;
    let mut compared = Vec::new();
    if let Some(file) = &arguments.inputs.embedding {
        let name = file.display().to_string();
        each_row(context, file, first.0.store().space().dim, |row, embedding| {
            let mut answer = comparison.compare_embedding(&name, embedding, &[])?;
            answer.row = row;
            compared.push(answer);
            Ok(())
        })?;
    } else {
        let sounds = sounds(context, &arguments.inputs.audio)?;
        let work = |audio: echoic::audio::Audio<'_>| {
            let given = references.of(&audio.name());
            comparison.compare(audio, given)
        };
        let _phase = context.control().begin("auditing", Some(sounds.len() as u64));
        each_sound(context, &sounds, arguments.inputs.jobs(), work, |sound: &Sound, answer| {
            let mut answer = answer;
            answer.path.clone_from(&sound.name);
            compared.push(answer);
            Ok(())
        })?;
    }
    if compared.is_empty() {
        // What failed was told, and there is nothing to compare.
        return Ok(());
    }
    if references.given && compared.iter().all(|compared| compared.references.is_none()) {
        tracing::warn!("no sound has a reference: clips are found by the names of their files");
    }
    let summary = comparison.summary(&compared);
    let answer = Answer { a: arguments.a.text(), b: arguments.b.text(), summary: &summary, captions: &compared };
    context.out.item(&answer, |answer| describe(answer, arguments.all))
}

/// A captioner as a specification asks for it.
fn way(context: &Context, how: &How, spec: &Spec) -> Result<(Captioner, CaptionOptions)> {
    let memory = match spec.store() {
        Some(store) => echoic::Store::open(store)?.snapshot()?,
        None => context.snapshot()?,
    };
    let (captioner, options) = spec.applied(how).captioner_of(memory)?;
    Ok((captioner, options))
}

/// Captions that people gave, by the name of the clip.
#[derive(Default)]
struct References {
    given: bool,
    by_clip: HashMap<String, Vec<String>>,
}

impl References {
    fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let mut by_clip: HashMap<String, Vec<String>> = HashMap::new();
        for row in corpus::open(file, &corpus::Options::default())? {
            let row = match row {
                Ok(row) => row,
                Err(rejected) => {
                    tracing::warn!("{}, line {}: {}; passed over", file.display(), rejected.line, rejected.reason);
                    continue;
                }
            };
            if let Some(clip) = row.clip {
                by_clip.entry(base(&clip)).or_default().push(row.text);
            }
        }
        if by_clip.is_empty() {
            return Err(Error::input(
                file.display(),
                "no caption with a clip",
                "captions with the names of their files",
            ));
        }
        Ok(Self { given: true, by_clip })
    }

    fn of(&self, path: &str) -> &[String] {
        self.by_clip.get(&base(path)).map_or(&[], Vec::as_slice)
    }
}

/// The name of a clip's file without folders and ending: corpora differ in both.
fn base(clip: &str) -> String {
    let name = Path::new(clip);
    name.file_stem().unwrap_or(name.as_os_str()).to_string_lossy().into_owned()
}

fn describe(answer: &Answer<'_>, all: bool) -> String {
    let Answer { a, b, summary, captions } = answer;
    let mut lines = vec![format!("A  {a}\nB  {b}")];
    let (changed, queries) = (summary.changed, counted(summary.queries as u64, "sound"));
    lines.push(format!("captions differ on {changed} of {queries}"));
    if let Some(standing) = &summary.similarity {
        lines.push(stands("similarity to the sound", standing));
    }
    if let Some(standing) = &summary.references {
        lines.push(stands("similarity to the references", standing));
    }
    if let Some(judge) = &summary.judge {
        lines.push(format!("judged by {judge}"));
    }
    let mut changed: Vec<&Compared> = captions.iter().filter(|compared| compared.changed).collect();
    changed.sort_by(|x, y| apart(y).total_cmp(&apart(x)));
    let shown = if all { changed.len() } else { SHOWN };
    lines.extend(changed.iter().take(shown).map(|compared| beside(compared)));
    let rest = changed.len().saturating_sub(shown);
    lines.extend((rest > 0).then(|| format!("and {rest} more; --all shows them")));
    lines.join("\n")
}

fn stands(what: &str, standing: &Standing) -> String {
    let Standing { mean, wins_a, wins_b, ties, difference: d, .. } = standing;
    let verdict = match (d.low > 0.0, d.high < 0.0) {
        _ if standing.queries < FEW => "too few sounds to tell",
        (true, _) => "B is nearer",
        (_, true) => "A is nearer",
        _ => "no difference that could not be chance",
    };
    format!(
        "{what}: A {:.4}, B {:.4}\n  B nearer on {wins_b}, A on {wins_a}, ties {ties}\n  B - A {:+.4}, 95 % from {:+.4} to {:+.4}: {verdict}",
        mean.a, mean.b, d.mean, d.low, d.high,
    )
}

/// How far apart the two captions are judged.
fn apart(compared: &Compared) -> f32 {
    compared.references.or(compared.similarity).map_or(0.0, |scores| (scores.b - scores.a).abs())
}

fn beside(compared: &Compared) -> String {
    let row = compared.row.map(|row| format!(" [{row}]")).unwrap_or_default();
    let (a, b) = match compared.similarity {
        Some(scores) => (format!("{:>6.3}  ", scores.a), format!("{:>6.3}  ", scores.b)),
        None => (String::new(), String::new()),
    };
    format!("{}{row}\n  A  {a}{}\n  B  {b}{}", compared.path, compared.a, compared.b)
}

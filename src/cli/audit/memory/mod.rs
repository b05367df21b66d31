//! `echoic audit memory`: the corpus examined, with the commands that mend what is found.

mod figures;
mod mending;
mod queries;
mod text;

use clap::{Args, ValueEnum};
use echoic::audit::memory::{MemoryAuditOptions, Part, audit_memory, recall_curve};
use echoic::{Error, Result};

use super::html::{Examined, Html, write_memory};
use crate::cli::context::Context;
use crate::cli::search::{at_least_one, scope};
use mending::Mending;

/// Arguments of `audit memory`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Ask with sounds, too: a folder of them, an audio file, a CSV with a column of files (file_name, path or audio), or their embeddings
    /// (.npy, .npz, safetensors, Parquet, Arrow; an array or column is named behind a colon; `-` for standard input)
    #[arg(long, value_name = "DIR|FILE")]
    queries: Option<std::path::PathBuf>,
    /// Examine this domain only (may be given several times)
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// Texts that ask for their neighbours; by default as many as take about a minute
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    sample: Option<usize>,
    /// Neighbours of each query
    #[arg(short, value_name = "K", value_parser = at_least_one, default_value_t = 10)]
    k: usize,
    /// The cosine from which two texts are near-duplicates, above 0 and at most 1
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true, default_value_t = MemoryAuditOptions::default().near)]
    near: f32,
    /// Only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',', value_enum)]
    only: Vec<Chosen>,
    /// Name so many texts in each list
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value_t = 3)]
    limit: usize,
    /// Name as many as the report holds, and commands with all their ids
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// What samples are drawn by
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    html: Html,
    #[command(flatten)]
    figures: figures::Arguments,
}

/// A part of the report, as it is chosen.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Chosen {
    /// Texts that are stored more than once, or nearly
    Duplicates,
    /// Texts that too many queries find, or none
    Hubs,
    /// What domains have in common
    Overlap,
    /// Texts far from all others
    Outliers,
    /// Odd texts: language, length, characters
    Texts,
    /// What searches through indexes miss
    Recall,
    /// How texts and sounds lie to each other
    Gap,
}

impl Chosen {
    fn part(self) -> Part {
        match self {
            Self::Duplicates => Part::Duplicates,
            Self::Hubs => Part::Hubs,
            Self::Overlap => Part::Overlap,
            Self::Outliers => Part::Outliers,
            Self::Texts => Part::Texts,
            Self::Recall => Part::Recall,
            Self::Gap => Part::Gap,
        }
    }
}

/// Examines the memory.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let memory = context.snapshot()?;
    let scope = scope(&arguments.domains);
    let usual = MemoryAuditOptions::default();
    let listed = usual.listed.max(arguments.limit);
    let options = usual
        .k(arguments.k)
        .near(arguments.near)
        .sample(arguments.sample)
        .scope(scope.clone())
        .parts(arguments.only.iter().map(|chosen| chosen.part()))
        .seed(arguments.seed)
        .listed(listed);
    // Nothing is listened to in vain.
    options.check(&memory)?;
    arguments.figures.check()?;
    arguments.html.check_map()?;
    let sounds = arguments.queries.as_ref().map(|place| queries::heard(context, &memory, place)).transpose()?;
    let audit = audit_memory(&memory, sounds.as_ref(), &options, &context.control())?;
    let timed = arguments.figures.wants_curve();
    let curve = timed.then(|| recall_curve(&memory, sounds.as_ref(), &options, &context.control())).transpose()?;
    let mending = Mending { context, queries: arguments.queries.as_deref() };
    let examined = Examined { memory: &memory, scope, sounds: sounds.as_ref(), seed: arguments.seed };
    arguments.figures.write(context, &examined, &audit, curve.as_ref())?;
    write_memory(context, &examined, &audit, &mending.commands(&audit), &arguments.html)?;
    if context.global.json {
        let document = mending.document(&audit, curve.as_ref());
        let document = document.map_err(|e| Error::Internal(format!("a report that is no JSON: {e}")))?;
        return context.out.item(&document, |_| String::new());
    }
    let limit = if arguments.all { usize::MAX } else { arguments.limit };
    let curve = curve.map(|curve| format!("\n{}", text::curve(&curve))).unwrap_or_default();
    context.out.remark(&(text::report(&audit, &mending, limit) + &curve))
}

//! Captions in the order of their ids, page by page: what `captions list` and `captions find` print.

use std::io::{Stdout, stdout};

use clap::Args;
use echoic::memory::{Caption, TextPattern};
use echoic::{Error, Result};

use super::context::Context;
use super::output::{counted, no_row};
use super::search::{at_least_one, scope};

/// Which captions, and how they are printed.
#[derive(Debug, Args)]
pub struct Page {
    /// Of this domain only (may be given several times)
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
    /// Print so many at most
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Go on behind the caption of this id, such as the last of the page before
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// Print CSV: id, domain, caption, clip, multiplicity
    #[arg(long)]
    csv: bool,
}

/// Prints a page of the captions, of those alone that hold what is looked for. That there are more is told on stderr.
pub fn list(context: &Context, page: &Page, sought: Option<(&String, TextPattern)>) -> Result<()> {
    let mut out = Out::of(context, page)?;
    let memory = context.snapshot()?;
    let scope = scope(&page.domain);
    let total = memory.counts(&scope)?.0;
    let _phase = sought.as_ref().map(|_| context.control().begin("searching", Some(total)));
    let (mut printed, mut last) = (0, page.after.unwrap_or(0));
    for stored in memory.captions(&scope)?.after(last) {
        context.control().check()?;
        let (caption, _) = stored?;
        if let Some((_, pattern)) = &sought {
            context.control().advance(1);
            if !pattern.is_in(&caption.text) {
                continue;
            }
        }
        if page.limit.is_some_and(|limit| printed >= limit) {
            tracing::warn!("there are more: go on with --after {last}");
            break;
        }
        out.print(context, &caption)?;
        (printed, last) = (printed + 1, caption.id);
    }
    out.end()?;
    match sought {
        // A page behind the last is none the less an answer.
        Some((text, _)) if printed == 0 && page.after.is_none() => {
            let found = format!("it in none of {}", counted(total, "caption"));
            Err(Error::input(format!("'{text}'"), found, "words that one of them holds"))
        }
        _ => Ok(()),
    }
}

/// Where captions are printed.
enum Out {
    Lines,
    Csv(Box<csv::Writer<Stdout>>),
}

impl Out {
    fn of(context: &Context, page: &Page) -> Result<Self> {
        match (page.csv, context.global.json) {
            (true, true) => Err(Error::input("--csv", "--json, too", "one of the two")),
            (true, false) => {
                let mut table = csv::Writer::from_writer(stdout());
                table
                    .write_record(["id", "domain", "caption", "clip", "multiplicity"])
                    .map_err(|error| no_row("stdout", error))?;
                Ok(Self::Csv(Box::new(table)))
            }
            (false, _) => Ok(Self::Lines),
        }
    }

    fn print(&mut self, context: &Context, caption: &Caption) -> Result<()> {
        let Caption { id, domain, text, clip, multiplicity, .. } = caption;
        match self {
            Self::Lines => context.bars.aside(|| context.out.item(caption, |_| format!("{domain} {id}  {text}"))),
            Self::Csv(table) => {
                let (id, multiplicity) = (id.to_string(), multiplicity.to_string());
                let clip = clip.as_deref().unwrap_or_default();
                table.write_record([&id, domain, text, clip, &multiplicity]).map_err(|error| no_row("stdout", error))
            }
        }
    }

    fn end(self) -> Result<()> {
        match self {
            Self::Lines => Ok(()),
            Self::Csv(mut table) => table.flush().map_err(Error::io("write", "stdout")),
        }
    }
}

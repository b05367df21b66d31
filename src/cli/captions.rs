//! `echoic captions`: the stored captions, one by one.

use clap::{Args, Subcommand};
use echoic::error::Missing;
use echoic::memory::{Caption, Removed, TextPattern, Writer};
use echoic::{Error, Result};
use serde::Serialize;

use super::context::Context;
use super::listing::{Page, list};
use super::output::counted;
use super::search::{scope, words};

/// Arguments of `captions`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Find captions by their words, in capitals or not
    Find {
        /// Words, or parts of words, as they follow each other in the captions
        #[arg(value_name = "TEXT", value_parser = words)]
        text: String,
        /// Find the caption that is this text as a whole, letter by letter
        #[arg(long)]
        exact: bool,
        #[command(flatten)]
        page: Page,
    },
    /// List the captions in the order of their ids
    List(Page),
    /// Show a caption and the clips that carry it
    Show {
        /// The caption's id, as search and caption print it
        id: u64,
    },
    /// Remove captions with all their occurrences, or what was ingested for a clip
    Remove {
        /// Ids of captions
        #[arg(required_unless_present = "clip", value_name = "ID", conflicts_with_all = ["clip", "domains"])]
        ids: Vec<u64>,
        /// Remove all rows of this clip; a caption that other clips have too stays with theirs
        #[arg(long, value_name = "NAME")]
        clip: Option<String>,
        /// Only in these domains
        #[arg(long = "domain", value_name = "NAME", requires = "clip")]
        domains: Vec<String>,
    },
}

/// A caption and where it came from.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    caption: Caption,
    clips: Vec<String>,
}

/// Finds, lists, shows or removes.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        Action::Find { text, exact: true, page } => list(context, page, Some((text, TextPattern::whole(text)))),
        Action::Find { text, page, .. } => list(context, page, Some((text, TextPattern::part(text)))),
        Action::List(page) => list(context, page, None),
        Action::Show { id } => show(context, *id),
        Action::Remove { clip: Some(clip), domains, .. } => remove_clip(context, clip, domains),
        Action::Remove { ids, .. } => remove(context, ids),
    }
}

fn show(context: &Context, id: u64) -> Result<()> {
    let memory = context.snapshot()?;
    let unknown = || Error::NotFound { kind: Missing::Caption, name: id.to_string(), known: Vec::new() };
    let caption = memory.caption(id)?.ok_or_else(unknown)?;
    let shown = Shown { clips: memory.clips(id)?, caption };
    context.out.item(&shown, |shown| {
        let Caption { id, domain, text, multiplicity, .. } = &shown.caption;
        let clips: String = shown.clips.iter().map(|clip| format!("\n    {clip}")).collect();
        format!("{text}\n  [{domain} {id}], in {}{clips}", counted(u64::from(*multiplicity), "ingested row"))
    })
}

/// Removes the rows of a clip from each domain that has some, a commit a domain.
fn remove_clip(context: &Context, clip: &str, domains: &[String]) -> Result<()> {
    let mut writer = context.store()?.writer()?;
    let memory = writer.snapshot()?;
    // Nothing is removed where one of the domains is unknown.
    memory.counts(&scope(domains))?;
    let stored = memory.domains();
    let mut removed = Removed::default();
    for domain in stored.iter().filter(|domain| domains.is_empty() || domains.contains(&domain.name)) {
        let of_domain = writer.retain(&domain.name, |_, named| named != Some(clip))?;
        removed.captions += of_domain.captions;
        removed.occurrences += of_domain.occurrences;
    }
    if removed.occurrences == 0 {
        return Err(Error::input("--clip", format!("'{clip}', which no stored row names"), "a clip as ingested")
            .with_hint("`echoic captions show ID` shows the clips of a caption"));
    }
    report(context, &writer, &removed)
}

fn remove(context: &Context, ids: &[u64]) -> Result<()> {
    let mut writer = context.store()?.writer()?;
    let removed = writer.remove_captions(ids)?;
    report(context, &writer, &removed)
}

fn report(context: &Context, writer: &Writer, removed: &Removed) -> Result<()> {
    context.out.item(removed, |removed| {
        let (captions, rows) = (counted(removed.captions, "caption"), counted(removed.occurrences, "row"));
        format!("removed {captions} that came in {rows}")
    })?;
    super::compact::advise(&writer.snapshot()?);
    Ok(())
}

//! Audits as a page.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use echoic::audit::CaptionAudit;
use echoic::audit::memory::{AudioQueries, MemoryAudit};
use echoic::captioner::CaptionOptions;
use echoic::clock::utc;
use echoic::memory::Scope;
use echoic::page::{self, Heading, Map, Mapping, Method, Shown, Sound};
use echoic::progress::Control;
use echoic::{Error, Result, Snapshot, file};

use crate::cli::context::Context;
use crate::cli::pipes;

/// Sounds that one page shows at most: it carries them.
const MOST_SOUNDS: usize = 100;

/// The page of an audit.
#[derive(Debug, Args)]
pub struct Html {
    /// Write a page to look at and to listen to, too: one HTML file that needs no network
    #[arg(long, value_name = "FILE", value_parser = pipes::file)]
    pub html: Option<PathBuf>,
    /// How the page's map is drawn; by default principal
    #[arg(long, value_name = "METHOD")]
    map: Option<Way>,
}

/// How a map is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// By the two directions in which texts and sounds differ most: quick, and the gap between them is seen
    Principal,
    /// By neighbourhoods (t-SNE) of at most 3,000 texts: some seconds, and groups are seen
    Tsne,
    /// Not at all
    None,
}

impl Html {
    fn method(&self) -> Option<Method> {
        match self.map.unwrap_or(Way::Principal) {
            Way::Principal => Some(Method::Principal),
            Way::Tsne => Some(Method::Neighbourhoods),
            Way::None => None,
        }
    }

    /// Refuses a map that would go nowhere.
    ///
    /// # Errors
    /// [`Error::Input`] where no page is wanted.
    pub fn check_map(&self) -> Result<()> {
        match self.map {
            Some(Way::Principal | Way::Tsne) if self.html.is_none() => {
                Err(Error::input("--map", "no page to draw it on", "--html FILE beside it"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses more sounds than a page shows, before hours of work.
    ///
    /// # Errors
    /// [`Error::Input`] for too many.
    pub fn check(&self, sounds: usize) -> Result<()> {
        if self.html.is_none() || sounds <= MOST_SOUNDS {
            return Ok(());
        }
        let expected = format!("at most {MOST_SOUNDS} on one page");
        Err(Error::input("the page", format!("{sounds} sounds"), expected)
            .with_hint("write a page for each part of them"))
    }
}

/// The audits that go onto a page, with their sounds.
#[derive(Default)]
pub struct Gathered(Vec<(CaptionAudit, Option<Sound>)>);

impl Gathered {
    /// Takes an audit, with its sound where it is of one, if a page is wanted.
    ///
    /// # Errors
    /// As [`Html::check`].
    pub fn take(&mut self, html: &Html, audit: CaptionAudit, sound: Option<Sound>) -> Result<()> {
        html.check(self.0.len() + 1)?;
        if html.html.is_some() {
            self.0.push((audit, sound));
        }
        Ok(())
    }

    /// Writes the page, where one is wanted.
    ///
    /// # Errors
    /// As [`Mapping::run`] and [`file::replace`]; [`Error::Input`] where there is nothing to show.
    pub fn write(self, context: &Context, memory: &Snapshot, options: &CaptionOptions, html: &Html) -> Result<()> {
        let Some(path) = &html.html else { return Ok(()) };
        if self.0.is_empty() {
            return Err(Error::input("the page", "no audited caption", "one at least"));
        }
        let map = html.method().map(|method| self.map(memory, options, method, &context.control())).transpose()?;
        let (audits, sounds): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        let shown: Vec<Shown<'_>> = audits.iter().zip(sounds).map(|(audit, sound)| Shown::new(audit, sound)).collect();
        file::replace(path, page::caption(&heading(memory), &shown, map.as_ref())?.as_bytes())
    }

    fn map(&self, memory: &Snapshot, options: &CaptionOptions, method: Method, control: &Control<'_>) -> Result<Map> {
        let mapping = Mapping::new(memory).scope(options.retrieval.scope.clone()).method(method);
        let mapping = self.0.iter().fold(mapping, |mapping, (audit, _)| mapping.audit(audit));
        mapping.run(control)
    }
}

/// Writes the page of an audited memory, where one is wanted. `commands` are, for each finding, those that mend it.
///
/// # Errors
/// As [`Mapping::run`] and [`file::replace`].
pub fn write_memory(
    context: &Context,
    examined: &Examined<'_>,
    audit: &MemoryAudit,
    commands: &[Vec<String>],
    html: &Html,
) -> Result<()> {
    let Some(path) = &html.html else { return Ok(()) };
    let map = html.method().map(|method| examined.map(method, &context.control())).transpose()?;
    file::replace(path, page::memory(&heading(examined.memory), audit, commands, map.as_ref())?.as_bytes())
}

/// What an audit of a memory looked at.
pub struct Examined<'a> {
    pub memory: &'a Snapshot,
    pub scope: Scope,
    pub sounds: Option<&'a AudioQueries>,
    pub seed: u64,
}

impl Examined<'_> {
    /// Its map.
    ///
    /// # Errors
    /// As [`Mapping::run`].
    pub fn map(&self, method: Method, control: &Control<'_>) -> Result<Map> {
        let mut mapping = Mapping::new(self.memory).scope(self.scope.clone()).seed(self.seed).method(method);
        if let Some(sounds) = self.sounds {
            mapping = mapping.sounds(&sounds.embeddings, &sounds.names);
        }
        mapping.run(control)
    }
}

/// What a page says of where it comes from.
pub fn heading(memory: &Snapshot) -> Heading {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Heading::new(memory.dir().display().to_string(), format!("{} UTC", utc(now)))
}

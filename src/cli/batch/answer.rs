//! A caption as it is told: with the name that its sound goes by here.

use std::path::Path;

use echoic::Result;
use echoic::bridge::Strategy;
use echoic::captioner::Captioned;
use serde::Serialize;

use super::table::Row;
use crate::cli::context::Context;
use crate::cli::output::counted;
use crate::cli::search::{describe, span};
use crate::cli::sounds::Sound;

/// A caption, and the folder that its `path` begins in.
#[derive(Serialize)]
pub struct Answer {
    // First, so that every line of JSON begins with the name.
    #[serde(flatten)]
    pub captioned: Captioned,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    /// Its number in the log, where it was logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged: Option<u64>,
}

impl Answer {
    /// The caption of a sound, which is called by its name.
    pub fn of(sound: &Sound, captioned: Captioned) -> Self {
        let mut captioned = captioned;
        captioned.path.clone_from(&sound.name);
        Self { captioned, root: sound.root_name(), logged: None }
    }

    /// The caption of a row of a file of embeddings.
    pub fn of_row(file: &Path, row: Option<usize>, captioned: Captioned) -> Self {
        let mut captioned = captioned;
        captioned.row = row;
        Self::of(&Sound::named(file), captioned)
    }

    /// Windows that follow each other and say the same made one.
    pub fn merged(windows: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut merged: Vec<Self> = Vec::new();
        for mut window in windows {
            window.captioned.windows = Some(1);
            match merged.pop() {
                Some(last) if last.row().goes_on_in(&window.row()) => merged.push(last.joined(window)),
                last => merged.extend(last.into_iter().chain([window])),
            }
        }
        merged
    }

    /// One answer of two: that whose caption is nearest to its sound, from the start of the first to the end of the last.
    fn joined(self, next: Self) -> Self {
        let (start, end) = (self.captioned.start, next.captioned.end);
        let windows = self.captioned.windows.zip(next.captioned.windows).map(|(own, others)| own + others);
        let mut best = if next.captioned.similarity > self.captioned.similarity { next } else { self };
        let captioned = &mut best.captioned;
        (captioned.start, captioned.end, captioned.windows) = (start, end, windows);
        best
    }

    /// It as a line of a table.
    pub fn row(&self) -> Row<'_> {
        let captioned = &self.captioned;
        Row { name: &captioned.path, caption: &captioned.caption, window: captioned.start.zip(captioned.end) }
    }

    /// With `unsure` in place of a caption in which there is less confidence; the log, if any, keeps the caption itself.
    pub fn withheld_below(mut self, min_confidence: Option<f32>) -> Self {
        if let Some(least) = min_confidence {
            self.captioned = self.captioned.withheld_below(least);
        }
        self
    }

    /// Prints it.
    ///
    /// # Errors
    /// Those of stdout.
    pub fn print(&self, context: &Context) -> Result<()> {
        context.out.item(self, |Self { captioned: c, .. }| {
            if context.global.quiet {
                return c.caption.clone();
            }
            let row = c.row.map(|row| format!(" [{row}]")).unwrap_or_default();
            let span = span(c.start, c.end);
            let how = if context.global.verbose > 0 { format!("  {}\n", written_by(c)) } else { String::new() };
            let logged = self.logged.map(|number| format!("  logged as {number}\n")).unwrap_or_default();
            let sure = c.confidence.map(|confidence| format!(" ({confidence:.2})")).unwrap_or_default();
            format!("{}{row}{span}\n  {}{sure}\n{how}{logged}{}", c.path, c.caption, describe(&c.neighbours, 5))
        })
    }
}

/// How a caption came about, in a line.
pub fn written_by(captioned: &Captioned) -> String {
    let p = &captioned.parameters;
    let decoder = p.decoder.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
    let projection = match captioned.strategy {
        Strategy::Projection => format!(" at {}", p.temperature),
        _ => String::new(),
    };
    let words = match (&p.decoder, p.sample > 0.0) {
        (None, _) => String::new(),
        (_, true) => format!(", words drawn at {} (top-p {}, seed {})", p.sample, p.top_p, p.seed),
        (_, false) => format!(", {}", counted(p.beam as u64, "beam")),
    };
    let commit = p.commit.map(|commit| format!(", commit {commit}")).unwrap_or_default();
    format!("{}{projection}{decoder}{words}{commit}", captioned.strategy)
}

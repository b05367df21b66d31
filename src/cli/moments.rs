//! The moments of recordings that fit some words: their windows, ranked by similarity to the text.

use std::path::Path;

use echoic::Result;
use echoic::audio::Level;
use echoic::embedding::dot;
use echoic::towers::Clap;
use serde::Serialize;

use super::context::Context;
use super::search::span;
use super::sounds::{Sound, sounds};

/// How many moments are shown.
pub struct Wanted {
    /// So many at most.
    pub most: usize,
    /// As similar at least.
    pub least: f32,
}

/// A window that fits.
#[derive(Serialize)]
struct Moment {
    path: String,
    /// The folder that `path` begins in.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    query: String,
    start: f64,
    end: f64,
    #[serde(flatten)]
    level: Level,
    similarity: f32,
}

/// Finds the windows of a sound, or of all of a folder, that fit the words best. A sound that fails does not stop the others. Windows of silence fit
/// nothing.
///
/// # Errors
/// As those of the towers for a sound that was named itself; [`Error::Interrupted`](echoic::Error::Interrupted).
pub fn moments(context: &Context, clap: &Clap, text: &str, named: &Path, wanted: &Wanted) -> Result<()> {
    let query = clap.embed_texts(&[text])?.into_vec();
    let sounds = sounds(context, &[named.to_path_buf()])?;
    let phase = context.control().begin("listening", Some(sounds.len() as u64));
    let mut best = Vec::new();
    for sound in &sounds {
        context.control().check()?;
        match within(context, clap, sound, text, &query) {
            Ok(found) => keep(&mut best, found, wanted),
            Err(error) if sound.root.is_none() => return Err(error),
            Err(error) => context.bars.aside(|| context.out.failure_of(sound, &error))?,
        }
        context.control().advance(1);
    }
    phase.end();
    if best.is_empty() {
        tracing::warn!("no window of {} fits '{text}' so well", named.display());
    }
    best.iter().try_for_each(|moment| {
        context.out.item(moment, |moment| {
            format!("{:.3}  {}{}", moment.similarity, moment.path, span(Some(moment.start), Some(moment.end)))
        })
    })
}

fn within(context: &Context, clap: &Clap, sound: &Sound, text: &str, query: &[f32]) -> Result<Vec<Moment>> {
    let windows = clap.embed_windows(sound.audio(&context.global)?)?;
    let heard = windows.into_iter().filter(|window| window.level.heard.is_audible());
    let moment = |window: echoic::towers::WindowEmbedding| Moment {
        path: sound.name.clone(),
        root: sound.root_name(),
        query: text.to_owned(),
        start: window.start,
        end: window.end,
        level: window.level,
        similarity: dot(&window.embedding, query),
    };
    Ok(heard.map(moment).collect())
}

/// Keeps the best of what was found so far, the most similar first; of two as similar, the one that came first.
fn keep(best: &mut Vec<Moment>, found: Vec<Moment>, wanted: &Wanted) {
    best.extend(found.into_iter().filter(|moment| moment.similarity >= wanted.least));
    best.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    best.truncate(wanted.most);
}

//! The pairs of sounds and texts: files that are heard and captions that are read, or embeddings of both.

use std::collections::HashMap;
use std::path::Path;

use echoic::file::folder_of;
use echoic::gap::Pairs;
use echoic::{Embeddings, Error, Result, Snapshot};

use super::Arguments;
use crate::cli::clip_files::ClipFiles;
use crate::cli::context::Context;
use crate::cli::hearing::{ear, hear};
use crate::cli::pipes;
use crate::cli::sounds::Sound;

/// Rows of a file of embeddings that are read at once.
const ROWS: usize = 4096;
/// Rows of captions that cannot be used and are named one by one.
const NAMED: usize = 20;

/// The pairs that were named; `None` where none were.
///
/// # Errors
/// [`Error::Input`] where they do not fit the store or each other, or none can be used. A clip without a sound, or with one that fails, is told
/// and does not stop the others.
pub fn read(context: &Context, memory: &Snapshot, arguments: &Arguments) -> Result<Option<Pairs>> {
    match (&arguments.pairs, &arguments.audio_embeddings, &arguments.text_embeddings) {
        (Some(captions), ..) => listened(context, memory, captions, arguments).map(Some),
        (None, Some(sounds), Some(texts)) => {
            arguments.reading.refuse_for("--audio-embeddings")?;
            let dim = memory.space().dim;
            Pairs::one_to_one(embeddings(context, sounds, dim)?, embeddings(context, texts, dim)?).map(Some)
        }
        _ => arguments.reading.refuse_for("a measurement without --pairs").map(|()| None),
    }
}

/// What cannot be told without pairs, and how to give some.
pub fn missing(what: &str, memory: &Snapshot) -> Error {
    let how = match memory.space().is_external() {
        true => "--audio-embeddings FILE --text-embeddings FILE",
        false => "--pairs CSV --audio DIR",
    };
    Error::input(what, "no pairs of sounds and texts", how)
}

/// All rows of a file.
fn embeddings(context: &Context, place: &Path, dim: usize) -> Result<Embeddings> {
    let mut rows = pipes::embeddings(place)?;
    if rows.dim() != dim {
        let (found, expected) = (format!("rows of {} numbers", rows.dim()), format!("rows of {dim}, as in the store"));
        return Err(Error::input(rows.name(), found, expected));
    }
    let mut all = Embeddings::with_capacity(dim, usize::try_from(rows.rows()).unwrap_or(0).min(ROWS));
    loop {
        context.control().check()?;
        let some = rows.next_rows(ROWS)?;
        if some.is_empty() {
            return Ok(all);
        }
        some.rows().try_for_each(|row| all.push(row))?;
    }
}

/// Captions by their clips, in the order in which clips are first named.
#[derive(Default)]
struct Named {
    clips: Vec<String>,
    numbers: HashMap<String, usize>,
    /// Each text with the number of its clip.
    texts: Vec<(String, usize)>,
}

fn listened(context: &Context, memory: &Snapshot, captions: &Path, arguments: &Arguments) -> Result<Pairs> {
    let clap = ear(memory, "give embeddings of both: --audio-embeddings FILE --text-embeddings FILE")?;
    let named = captions_of(captions, arguments)?;
    let folder = arguments.audio.as_deref().unwrap_or_else(|| folder_of(captions));
    let mut files = ClipFiles::of(folder);
    let (mut sounds, mut clip_of) = (Vec::new(), Vec::new());
    for (number, clip) in named.clips.iter().enumerate() {
        match files.find(context, clip) {
            Ok(path) => {
                sounds.push(Sound { path, name: clip.clone(), root: Some(folder.to_path_buf()) });
                clip_of.push(number);
            }
            Err(error) => context.out.failure(&folder.join(clip), None, &error)?,
        }
    }
    let mut heard = Embeddings::new(memory.space().dim);
    let mut row_of = vec![None; named.clips.len()];
    hear(context, &clap, &sounds, |sound, embedding| {
        row_of[clip_of[sound]] = Some(heard.len());
        heard.push(&embedding)
    })?;
    let (texts, sound_of): (Vec<&str>, Vec<usize>) =
        named.texts.iter().filter_map(|(text, clip)| Some((text.as_str(), row_of[*clip]?))).unzip();
    if texts.is_empty() {
        let found = format!("no sound for any of {} clips", named.clips.len());
        return Err(Error::input(captions.display(), found, format!("their audio files below {}", folder.display()))
            .with_hint("name the folder of the audio files: --audio DIR"));
    }
    let read = clap.embed_texts_with(&texts, &context.control())?;
    Pairs::new(heard, read, sound_of)
}

/// The captions that name a clip. Others, and rows that cannot be used, are told and left out.
fn captions_of(captions: &Path, arguments: &Arguments) -> Result<Named> {
    let (mut named, mut rejected, mut nameless) = (Named::default(), 0, 0u64);
    for item in arguments.reading.open(captions, None)? {
        match item {
            Ok(row) => match row.clip {
                Some(clip) => {
                    let next = named.clips.len();
                    let number = *named.numbers.entry(clip.clone()).or_insert(next);
                    named.clips.extend((number == next).then_some(clip));
                    named.texts.push((row.text, number));
                }
                None => nameless += 1,
            },
            Err(row) => {
                rejected += 1;
                if rejected <= NAMED {
                    tracing::warn!("{}, line {}: {}", captions.display(), row.line, row.reason);
                }
            }
        }
    }
    if named.texts.is_empty() {
        return Err(Error::input(captions.display(), "no caption that names its clip", "a clip with each caption")
            .with_hint("name the column of clips: --clip-column NAME"));
    }
    if nameless > 0 || rejected > NAMED {
        let file = captions.display();
        tracing::warn!(
            "{file}: {nameless} captions name no clip and {rejected} rows cannot be used; they are left out"
        );
    }
    Ok(named)
}

//! What an experiment asks: the clips of a manifest with their sounds, captions or embeddings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use echoic::corpus::Options;
use echoic::eval::Questions;
use echoic::file::{Fingerprint, folder_of};
use echoic::formats::embeddings;
use echoic::metrics::Captions;
use echoic::towers::Clap;
use echoic::{Embeddings, Error, Result, Snapshot};

use super::kept::{Heard, Kept};
use crate::cli::batch::each_sound;
use crate::cli::clip_files::ClipFiles;
use crate::cli::context::Context;
use crate::cli::output::counted;
use crate::cli::pipes;
use crate::cli::search::at_least_one;
use crate::cli::sounds::Sound;

/// Clips that a remark names.
const NAMED: usize = 10;

/// Where questions come from.
#[derive(Debug, Args)]
pub struct Source {
    /// The clips and what people wrote of them: CSV of Clotho, AudioCaps or DCASE, lines of JSON, COCO annotations
    #[arg(value_name = "MANIFEST", value_parser = pipes::file)]
    manifest: PathBuf,
    /// The folder of the sounds, whose names are those of the clips; by default that of the manifest
    #[arg(long, value_name = "DIR", value_parser = pipes::file)]
    audio: Option<PathBuf>,
    /// Embeddings in place of sounds, a row a clip in the manifest's order (where captions ask, a row a caption). A file (.npy, .npz, safetensors,
    /// Parquet, Arrow); an array or column in it is named behind a colon
    #[arg(long, value_name = "FILE[:NAME]", conflicts_with = "audio", value_parser = pipes::file)]
    embeddings: Option<PathBuf>,
    /// Take the first N clips only
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Sounds to work on at once; by default as many as there are processors, 8 at most
    #[arg(short, long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<usize>,
    /// The column or key that holds the captions, where it has an unusual name
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// The column or key that names the clip
    #[arg(long, value_name = "NAME")]
    clip_column: Option<String>,
}

/// What asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The sound of a clip.
    Sounds,
    /// Each of its captions.
    Captions,
}

/// Questions, and the embeddings that ask them.
pub struct Asked {
    pub questions: Questions,
    pub embeddings: Embeddings,
}

impl Asked {
    /// Reads the manifest and embeds what asks. A clip that cannot be asked of is a failure of its own and does not stop the others.
    ///
    /// # Errors
    /// What reading the manifest and embedding returns; [`Error::Input`] where nothing is left to ask.
    pub fn gather(
        context: &Context,
        source: &Source,
        side: Side,
        memory: &Snapshot,
        clap: Option<&Clap>,
        kept: &mut Option<Kept>,
    ) -> Result<Self> {
        let options = Options::default().column(source.column.clone()).clip_column(source.clip_column.clone());
        let captions = Captions::read(&source.manifest, &options)?;
        let clips = captions.clips().map(|(clip, captions)| (clip, captions.iter().map(String::as_str)));
        let questions = match side {
            Side::Captions => Questions::of_captions(clips),
            Side::Sounds => Questions::of_sounds(clips),
        };
        report_bare(context, source, side, &questions)?;
        // Given rows are counted before any is left out.
        let asked = match &source.embeddings {
            Some(file) => given(file, questions, memory, source.limit)?,
            None => {
                let questions = first(questions, source.limit);
                let Some(clap) = clap else {
                    return Err(echoic::captioner::no_tower(memory.space()));
                };
                match side {
                    Side::Captions => by_captions(context, questions, clap)?,
                    Side::Sounds => by_sounds(context, source, questions, clap, kept)?,
                }
            }
        };
        if asked.questions.is_empty() {
            let found = "no clip that can be asked of";
            return Err(Error::input(source.manifest.display(), found, "clips with references, and their sounds")
                .with_hint("name the folder of the sounds with --audio DIR"));
        }
        Ok(asked)
    }
}

fn first(questions: Questions, limit: Option<usize>) -> Questions {
    match limit {
        Some(limit) => questions.of_first(limit),
        None => questions,
    }
}

/// Tells of clips that people wrote too little about.
fn report_bare(context: &Context, source: &Source, side: Side, questions: &Questions) -> Result<()> {
    let bare = questions.bare();
    if bare.is_empty() {
        return Ok(());
    }
    let named = bare.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if bare.len() > NAMED { ", …" } else { "" };
    let (what, expected) = match side {
        Side::Captions => ("fewer than two captions", "a caption to ask with and others to measure by"),
        Side::Sounds => ("no reference", "a reference caption for each clip"),
    };
    let found = format!("{} with {what}, left out: {named}{more}", counted(bare.len() as u64, "clip"));
    let error = Error::input(source.manifest.display(), found, expected);
    context.out.failure(&source.manifest, None, &error)
}

/// Questions asked by rows of a file.
fn given(file: &Path, questions: Questions, memory: &Snapshot, limit: Option<usize>) -> Result<Asked> {
    let mut rows = embeddings::open(file)?;
    let (found, dim) = (rows.rows(), memory.space().dim);
    if rows.dim() != dim {
        let found = rows.dim();
        return Err(Error::Dimension { subject: file.display().to_string(), found, expected: dim });
    }
    if found as usize != questions.len() {
        let expected = format!("{}, one for each clip or caption of the manifest that has references", questions.len());
        return Err(Error::input(file.display(), format!("{found} rows"), expected)
            .with_hint("rows belong to clips by their order; `echoic embed` writes them so"));
    }
    let all = rows.next_rows(questions.len())?;
    let questions = first(questions, limit);
    let kept = all.as_slice().get(..questions.len() * dim).unwrap_or_default().to_vec();
    Ok(Asked { questions, embeddings: Embeddings::from_vec(dim, kept)? })
}

/// Questions asked by their own captions.
fn by_captions(context: &Context, questions: Questions, clap: &Clap) -> Result<Asked> {
    let texts: Vec<&str> = questions.iter().filter_map(|question| question.text.as_deref()).collect();
    let control = context.control();
    let _phase = control.begin("embedding captions", Some(texts.len() as u64));
    let embeddings = clap.embed_texts_with(&texts, &control)?;
    Ok(Asked { questions, embeddings })
}

/// Questions asked by sounds.
fn by_sounds(
    context: &Context,
    source: &Source,
    questions: Questions,
    clap: &Clap,
    kept: &mut Option<Kept>,
) -> Result<Asked> {
    let folder = source.audio.as_deref().unwrap_or_else(|| folder_of(&source.manifest));
    let mut files = ClipFiles::of(folder);
    let mut places: Vec<Option<PathBuf>> = Vec::with_capacity(questions.len());
    for question in questions.iter() {
        let place = files.find(context, &question.name);
        if let Err(error) = &place {
            context.out.failure(Path::new(&question.name), None, error)?;
        }
        places.push(place.ok());
    }
    let heard = listen(context, source, &places, clap, kept)?;
    let mut embeddings = Embeddings::new(clap.space().dim);
    let mut has_sound = Vec::with_capacity(places.len());
    for place in &places {
        let embedding = place.as_ref().and_then(|place| heard.get(place));
        embedding.map_or(Ok(()), |embedding| embeddings.push(embedding))?;
        has_sound.push(embedding.is_some());
    }
    let questions = questions.retained(|place| has_sound.get(place).copied().unwrap_or(false));
    Ok(Asked { questions, embeddings })
}

/// The embedding of each sound that can be heard, once; those that are kept are not heard again.
fn listen(
    context: &Context,
    source: &Source,
    places: &[Option<PathBuf>],
    clap: &Clap,
    kept: &mut Option<Kept>,
) -> Result<HashMap<PathBuf, Vec<f32>>> {
    let mut sounds: Vec<Sound> = places.iter().flatten().map(|place| Sound::named(place)).collect();
    sounds.sort_by(|a, b| a.path.cmp(&b.path));
    sounds.dedup_by(|a, b| a.path == b.path);
    let jobs = source.jobs.unwrap_or_else(|| rayon::current_num_threads().min(8));
    let mut heard: HashMap<PathBuf, Vec<f32>> = HashMap::with_capacity(sounds.len());
    let phase = context.control().begin("listening", Some(sounds.len() as u64));
    let known = kept.as_ref().map(|kept| kept.heard(clap.space())).unwrap_or_default();
    let has_place = kept.is_some();
    let work = |audio: echoic::audio::Audio<'_>| {
        let content = has_place.then(|| audio.fingerprint()).transpose()?;
        let stood = content.as_ref().and_then(|content: &Fingerprint| known.get(&content.sha256));
        match stood {
            Some(embedding) => Ok((None, embedding.clone())),
            None => Ok((content, clap.embed_audio(audio)?.embedding)),
        }
    };
    let take = |sound: &Sound, (content, embedding): (Option<Fingerprint>, Vec<f32>)| {
        if let (Some(content), Some(kept)) = (content, kept.as_mut()) {
            kept.put_heard(&Heard { space: clap.space().to_string(), sound: content, embedding: embedding.clone() })?;
        }
        heard.insert(sound.path.clone(), embedding);
        Ok(())
    };
    each_sound(context, &sounds, jobs, work, take)?;
    phase.end();
    Ok(heard)
}

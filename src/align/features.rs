//! Features of the clips, computed once for each distinct file and kept on disk.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::pairs::PairedClip;
use crate::audio::Audio;
use crate::corpus::Rejected;
use crate::digest::hex;
use crate::file;
use crate::progress::Control;
use crate::towers::Clap;
use crate::towers::features::Features;
use crate::{Error, Result};

/// Changed when the same file, towers and kind give other features than before.
const VERSION: &str = "echoic-align-2";

/// A folder of features, one file for each audio file's bytes, tower and kind of features.
#[derive(Debug)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
    kind: Features,
    /// What the features depend on besides the file's bytes.
    prefix: Sha256,
    /// Decodes files that are not read otherwise.
    ffmpeg: Option<PathBuf>,
}

impl Cache {
    /// Opens or creates the folder. Where that fails, the work goes on without.
    pub fn open(folder: &Path, kind: Features, weights: &[String]) -> Self {
        let mut prefix = Sha256::new().chain_update(VERSION).chain_update(kind.name());
        weights.iter().for_each(|hash| prefix.update(hash));
        let created = std::fs::create_dir_all(folder);
        if let Err(cause) = &created {
            tracing::warn!("features are not kept for the next run: cannot create {}: {cause}", folder.display());
        }
        Self { folder: created.is_ok().then(|| folder.to_path_buf()), kind, prefix, ffmpeg: None }
    }

    /// Lets an ffmpeg decode what is not read otherwise.
    pub fn with_ffmpeg(self, ffmpeg: Option<PathBuf>) -> Self {
        Self { ffmpeg, ..self }
    }

    /// Features of each window of a file, one after the other; computed where the cache has none.
    fn features(&self, clap: &Clap, path: &Path) -> Result<Vec<f32>> {
        let Some(folder) = &self.folder else { return self.compute(clap, path) };
        let place = folder.join(format!("{}.f32", hex(&self.key(path)?)));
        if let Some(kept) = self.kept(&place) {
            return Ok(kept);
        }
        let features = self.compute(clap, path)?;
        if let Err(cause) = keep(&place, &features) {
            tracing::warn!("features are not kept for the next run: {cause}");
        }
        Ok(features)
    }

    fn compute(&self, clap: &Clap, path: &Path) -> Result<Vec<f32>> {
        let audio = Audio::from(path);
        let audio = match &self.ffmpeg {
            Some(program) => audio.with_ffmpeg(program),
            None => audio,
        };
        let windows = clap.audio_features_of(audio, self.kind)?.concat();
        if windows.iter().any(|x| !x.is_finite()) {
            return Err(Error::input(path.display(), "samples that are no numbers", "an audio file"));
        }
        Ok(windows)
    }

    fn key(&self, path: &Path) -> Result<Vec<u8>> {
        let mut audio = std::fs::File::open(path).map_err(Error::io("read", path))?;
        let mut hasher = self.prefix.clone();
        let hash = |piece: &[u8]| {
            hasher.update(piece);
            Ok(())
        };
        file::for_each_piece(&mut audio, hash).map_err(Error::io("read", path))?;
        Ok(hasher.finalize().to_vec())
    }

    /// What an earlier run left, unless it is damaged.
    fn kept(&self, place: &Path) -> Option<Vec<f32>> {
        let bytes = std::fs::read(place).ok()?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        let whole = !numbers.is_empty() && numbers.len() % self.kind.dim() == 0 && rest.is_empty();
        let values: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        (whole && values.iter().all(|x| x.is_finite())).then_some(values)
    }
}

fn keep(place: &Path, features: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = features.iter().flat_map(|x| x.to_le_bytes()).collect();
    file::replace(place, &bytes)
}

/// The features of each clip: `[windows, dim]`, or why the file is unusable. Threads share out the files; memory holds, besides the features,
/// a window of sound for each thread.
///
/// # Errors
/// [`Error::Interrupted`], and errors that are not about the file.
pub(super) fn extract(
    clap: &Clap,
    clips: &[PairedClip],
    cache: &Cache,
    control: &Control<'_>,
) -> Result<Vec<Result<Vec<f32>, Rejected>>> {
    // Loaded by one thread, before all of them want it.
    clap.load_audio()?;
    let _phase = control.begin("audio features", Some(clips.len() as u64));
    clips
        .par_iter()
        .map(|clip| {
            control.check()?;
            let features = match cache.features(clap, &clip.path) {
                Ok(features) => Ok(features),
                Err(error @ (Error::Io { .. } | Error::Input { .. })) => {
                    Err(Rejected { line: clip.line, reason: error.to_string() })
                }
                Err(error) => return Err(error),
            };
            control.advance(1);
            Ok(features)
        })
        .collect()
}

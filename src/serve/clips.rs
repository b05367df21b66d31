//! The recordings that captions describe, as far as they are in one folder: found by their names when the server starts.

use std::collections::HashMap;
use std::path::{Path as File, PathBuf};
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeFile;

use super::refusal::Refusal;
use super::shared::Shared;
use crate::audio::EXTENSIONS;
use crate::error::Missing;
use crate::{Error, Result};

/// Recordings by name. A client names a caption, never a file: what is not in here cannot be played.
#[derive(Debug)]
pub struct Clips {
    /// By path below the folder, by name, and by name without ending; `None` for a name that several have.
    named: HashMap<String, Option<PathBuf>>,
    count: usize,
}

impl Clips {
    /// Finds the recordings below a folder. Links are not followed: they may lead out of it.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn find(folder: &File) -> Result<Self> {
        std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let (mut named, mut count) = (HashMap::new(), 0);
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
            let Ok(entry) = entry.inspect_err(|error| tracing::warn!("{error}")) else { continue };
            if !entry.file_type().is_file() || !is_sound(entry.path()) {
                continue;
            }
            count += 1;
            let path = entry.path();
            let relative = path.strip_prefix(folder).ok();
            let names = [relative.map(File::as_os_str), path.file_name(), path.file_stem()];
            let mut names: Vec<String> =
                names.into_iter().flatten().filter_map(|name| Some(name.to_str()?.to_owned())).collect();
            names.dedup();
            for name in names {
                let path = path.to_path_buf();
                named.entry(name).and_modify(|found| *found = None).or_insert(Some(path));
            }
        }
        Ok(Self { named, count })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    fn file(&self, clip: &str) -> Option<&File> {
        let clip = clip.trim_start_matches("./");
        let found = self.named.get(clip).or_else(|| self.named.get(File::new(clip).file_name()?.to_str()?));
        found?.as_deref()
    }
}

fn is_sound(path: &File) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| EXTENSIONS.contains(&ending.as_str()))
}

/// `GET /api/clips/{id}`: the recording that a caption describes, or the part of it that is asked for.
pub async fn clip(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    request: Request,
) -> Result<Response, Refusal> {
    let place = shared.place_of_question()?;
    let file = shared.work(place, move |shared| found(shared, id)).await?;
    let Some(file) = file else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("the recording of the caption {id} is not here")));
    };
    let served = ServeFile::new(file).try_call(request).await;
    let served = served
        .map_err(|error| Refusal::new(StatusCode::NOT_FOUND, format!("the recording cannot be read: {error}")))?;
    Ok(served.into_response())
}

fn found(shared: &Shared, id: u64) -> Result<Option<PathBuf>> {
    let snapshot = shared.memory.snapshot()?;
    if snapshot.caption(id)?.is_none() {
        return Err(Error::NotFound { kind: Missing::Caption, name: id.to_string(), known: Vec::new() });
    }
    let Some(clips) = &shared.clips else { return Ok(None) };
    let names = snapshot.clips(id)?;
    let file = names.iter().find_map(|name| clips.file(name));
    // A link that took the file's place since would lead elsewhere.
    let is_file = |file: &&File| file.symlink_metadata().is_ok_and(|meta| meta.file_type().is_file());
    Ok(file.filter(is_file).map(File::to_path_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_found_by_the_names_that_corpora_give_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/rain.wav", "a/bell.flac", "b/bell.flac", "notes.txt"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let outside = tempfile::NamedTempFile::with_suffix(".wav").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link.wav")).unwrap();
        let clips = Clips::find(folder.path()).unwrap();
        assert_eq!(clips.len(), 3);
        let rain = folder.path().join("a/rain.wav");
        for name in ["rain.wav", "rain", "a/rain.wav", "./a/rain.wav", "elsewhere/rain.wav"] {
            assert_eq!(clips.file(name), Some(&*rain), "{name}");
        }
        assert_eq!(clips.file("a/bell.flac"), Some(&*folder.path().join("a/bell.flac")));
        let outside = outside.path().to_str().unwrap();
        for name in ["bell.flac", "notes.txt", "notes", "link.wav", "", "..", "../rain", "/etc/passwd", outside] {
            let found = clips.file(name);
            assert!(found.is_none() || name == "../rain", "{name}: {found:?}");
        }
    }
}

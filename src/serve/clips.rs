//! The recordings that captions describe, as far as they are in one folder: found by their names when the server starts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::audio::EXTENSIONS;
use crate::{Error, Result};

/// Recordings that are kept in mind: some hundred bytes each.
const MOST: usize = 1_000_000;

/// Recordings by name. A client names a caption, never a file: what is not in here cannot be played.
#[derive(Debug)]
pub struct Clips {
    files: Vec<PathBuf>,
    /// Indices of them by path below the folder, by name, and by name without ending; `None` for a name that several have.
    named: HashMap<String, Option<usize>>,
}

impl Clips {
    /// Finds the recordings below a folder. Links are not followed: they may lead out of it.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read; [`Error::Input`] where it holds more than a million.
    pub fn find(folder: &Path) -> Result<Self> {
        std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        // A file whose real place is another one, later, has been moved out of the folder behind a link.
        let folder = &std::fs::canonicalize(folder).map_err(Error::io("read", folder))?;
        let (mut files, mut named) = (Vec::new(), HashMap::new());
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
            let Ok(entry) = entry.inspect_err(|error| tracing::warn!("{error}")) else { continue };
            if !entry.file_type().is_file() || !is_sound(entry.path()) {
                continue;
            }
            if files.len() == MOST {
                return Err(Error::input(
                    folder.display(),
                    format!("more than {MOST} recordings"),
                    "a folder of fewer",
                ));
            }
            let path = entry.path();
            let relative = path.strip_prefix(folder).ok();
            let names = [relative.map(Path::as_os_str), path.file_name(), path.file_stem()];
            let mut names: Vec<String> =
                names.into_iter().flatten().filter_map(|name| Some(name.to_str()?.to_owned())).collect();
            names.dedup();
            for name in names {
                named.entry(name).and_modify(|found| *found = None).or_insert(Some(files.len()));
            }
            files.push(entry.into_path());
        }
        if files.is_empty() {
            tracing::warn!("{}: no recordings in it; links are not followed", folder.display());
        }
        Ok(Self { files, named })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// The recording that is called so, if it still lies where it was found, and not behind a link.
    pub fn file(&self, clip: &str) -> Option<&Path> {
        let file = self.named(clip)?;
        let is_there = std::fs::canonicalize(file).is_ok_and(|real| real == *file) && file.is_file();
        is_there.then_some(file)
    }

    fn named(&self, clip: &str) -> Option<&Path> {
        let clip = clip.trim_start_matches("./");
        let found = self.named.get(clip).or_else(|| self.named.get(Path::new(clip).file_name()?.to_str()?));
        self.files.get((*found?)?).map(PathBuf::as_path)
    }
}

fn is_sound(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| EXTENSIONS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_found_by_the_names_that_corpora_give_them() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().canonicalize().unwrap();
        for name in ["a/rain.wav", "a/bell.flac", "b/bell.flac", "notes.txt"] {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let outside = tempfile::NamedTempFile::with_suffix(".wav").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), folder.join("link.wav")).unwrap();
        let clips = Clips::find(&folder).unwrap();
        assert_eq!(clips.len(), 3);
        let rain = folder.join("a/rain.wav");
        for name in ["rain.wav", "rain", "a/rain.wav", "./a/rain.wav", "elsewhere/rain.wav"] {
            assert_eq!(clips.file(name), Some(&*rain), "{name}");
        }
        assert_eq!(clips.file("a/bell.flac"), Some(&*folder.join("a/bell.flac")));
        let outside = outside.path().to_str().unwrap();
        for name in ["bell.flac", "notes.txt", "notes", "link.wav", "", "..", "../rain", "/etc/passwd", outside] {
            let found = clips.file(name);
            assert!(found.is_none() || name == "../rain", "{name}: {found:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_moved_behind_a_link_is_played_no_more() {
        let temporary = tempfile::tempdir().unwrap();
        let (folder, outside) = (temporary.path().join("clips"), temporary.path().join("outside"));
        for folder in [&folder.join("a"), &outside] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("rain.wav"), "").unwrap();
        }
        let clips = Clips::find(&folder).unwrap();
        assert!(clips.file("rain").is_some());
        std::fs::rename(folder.join("a"), folder.join("b")).unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("a")).unwrap();
        assert!(clips.file("rain").is_none());
    }
}

//! The audio files of clips that a table names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use echoic::{Error, Result};

use super::context::Context;
use super::folders::audio_files;

/// The sounds of a folder by the names that tables have for them.
pub struct ClipFiles {
    folder: PathBuf,
    /// What is below the folder, once it was needed: by name, and by name without its ending. Of two with one name neither is taken.
    below: Option<HashMap<String, Option<PathBuf>>>,
}

impl ClipFiles {
    /// The sounds of a folder. It is walked through only when a clip is not where its name says.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), below: None }
    }

    /// The file of a clip: by its name in the folder, or of that name anywhere below it, with any ending that sounds have; AudioCaps' clips may be called
    /// by the YouTube id alone, with a Y before it, or with what follows an underscore.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none, or several.
    pub fn find(&mut self, context: &Context, clip: &str) -> Result<PathBuf> {
        let direct = self.folder.join(clip);
        if direct.is_file() {
            return Ok(direct);
        }
        let below = match &mut self.below {
            Some(below) => below,
            none if self.folder.is_dir() => none.insert(index(context, &self.folder)?),
            _ => return Err(Error::input(self.folder.display(), "no folder", "the folder of the clips")),
        };
        let name = clip.rsplit(['/', '\\']).next().unwrap_or(clip);
        let stem = Path::new(name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let found =
            [name.to_owned(), stem, name.to_owned() + "/", format!("Y{name}")].iter().find_map(|name| below.get(name));
        match found {
            Some(Some(path)) => Ok(path.clone()),
            Some(None) => {
                Err(Error::input(clip, format!("several files of that name below {}", self.folder.display()), "one")
                    .with_hint("write the clip with its folder"))
            }
            None => Err(Error::input(
                clip,
                format!("no sound of that name below {}", self.folder.display()),
                "a file of the clip's name",
            )
            .with_hint("name the folder of the sounds with --audio DIR")),
        }
    }
}

/// All sounds below a folder: by their names, by these without the ending, and, with a slash behind it, by what comes before a last underscore.
fn index(context: &Context, folder: &Path) -> Result<HashMap<String, Option<PathBuf>>> {
    let mut index: HashMap<String, Option<PathBuf>> = HashMap::new();
    for found in audio_files(context, &[folder.to_path_buf()])? {
        let Some(name) = found.path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let stem = found.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let id = stem.rsplit_once('_').map(|(id, _)| format!("{id}/"));
        let mut names: Vec<String> = [Some(name), Some(stem), id].into_iter().flatten().collect();
        names.dedup();
        for name in names {
            index.entry(name).and_modify(|other| *other = None).or_insert_with(|| Some(found.path.clone()));
        }
    }
    Ok(index)
}

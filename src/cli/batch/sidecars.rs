//! A text file for each sound, with its caption.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use echoic::{Error, Result, file};

use super::subtitles::Format;
use super::table::Row;
use crate::cli::folders::text_names;
use crate::cli::sounds::{Sound, legible};

/// Where captions go, sound by sound.
pub struct Sidecars {
    /// The folder that takes them; `None` puts each beside its sound.
    into: Option<PathBuf>,
    /// What is written into them.
    format: Format,
    /// Whether what another program wrote is replaced.
    overwrite: bool,
    /// Places without an ending that several sounds have.
    shared: HashSet<String>,
}

impl Sidecars {
    /// For these sounds.
    pub fn new(sounds: &[Sound], into: Option<PathBuf>, format: Format, overwrite: bool) -> Self {
        let mut sidecars = Self { into, format, overwrite, shared: HashSet::new() };
        let mut owners: HashMap<String, &Path> = HashMap::new();
        for sound in sounds {
            let stem = stem(&sidecars.base(sound));
            let owner = owners.entry(stem.clone()).or_insert(&sound.path);
            if *owner != sound.path {
                sidecars.shared.insert(stem);
            }
        }
        sidecars
    }

    /// Writes the captions of a sound, unless they stand there already.
    ///
    /// # Errors
    /// [`Error::Input`] where the place has a file that says something else, [`Error::Io`].
    pub fn put<'a>(&self, sound: &Sound, rows: impl IntoIterator<Item = Row<'a>>) -> Result<()> {
        let (text, place) = (self.format.write(rows), self.place(sound));
        match fs::metadata(&place) {
            Ok(there) if there.len() == text.len() as u64 && holds(&place, &text)? => return Ok(()),
            Ok(_) if !self.overwrite => {
                return Err(Error::input(place.display(), "a file that says something else", "none, or this caption")
                    .with_hint("--overwrite replaces it, --sidecar=DIR writes elsewhere"));
            }
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(Error::io("read", &place)(cause)),
            _ => {}
        }
        if let (Some(_), Some(folder)) = (&self.into, place.parent()) {
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        file::replace(&place, text.as_bytes())
    }

    /// `rain.txt` for `rain.wav`; `rain.wav.txt` where there is a `rain.mp3`, too.
    fn place(&self, sound: &Sound) -> PathBuf {
        let base = self.base(sound);
        let [short, whole] = text_names(&base, self.format.ending());
        if self.shared.contains(&stem(&base)) { whole } else { short }
    }

    /// The sound's own place, or the one that its name has in the folder of sidecars.
    fn base(&self, sound: &Sound) -> PathBuf {
        let Some(folder) = &self.into else { return sound.path.clone() };
        let below = sound.root.as_ref().and_then(|root| sound.path.strip_prefix(root).ok()).unwrap_or(&sound.path);
        folder.join(below.components().filter(|part| matches!(part, Component::Normal(_))).collect::<PathBuf>())
    }
}

/// A place without its ending, by which some file systems do not tell capitals apart.
fn stem(base: &Path) -> String {
    legible(&base.with_extension("")).to_lowercase()
}

fn holds(place: &Path, text: &str) -> Result<bool> {
    fs::read(place).map(|there| there == text.as_bytes()).map_err(Error::io("read", place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sounds: &[(&str, &str)], into: Option<&str>) -> Vec<String> {
        let sound = |(root, name): &(&str, &str)| Sound {
            path: Path::new(root).join(name),
            name: (*name).to_owned(),
            root: (!root.is_empty()).then(|| PathBuf::from(root)),
        };
        let sounds: Vec<Sound> = sounds.iter().map(sound).collect();
        let sidecars = Sidecars::new(&sounds, into.map(PathBuf::from), Format::Txt, false);
        sounds.iter().map(|sound| sidecars.place(sound).display().to_string()).collect()
    }

    #[test]
    fn each_sound_has_a_place_of_its_own() {
        assert_eq!(places(&[("", "a/rain.wav"), ("", "rain.v2.wav")], None), ["a/rain.txt", "rain.v2.txt"]);
        let alike = [("d", "rain.wav"), ("d", "Rain.mp3"), ("d", "in/rain.wav")];
        assert_eq!(places(&alike, None), ["d/rain.wav.txt", "d/Rain.mp3.txt", "d/in/rain.txt"]);
        assert_eq!(places(&[("", "a.wav"), ("", "a.wav")], None), ["a.txt"; 2], "a file that is named twice");
        assert_eq!(places(&[("d", "in/a.wav"), ("", "../b.wav")], Some("out")), ["out/in/a.txt", "out/b.txt"]);
        assert_eq!(places(&[("x", "a.wav"), ("y", "a.ogg")], Some("out")), ["out/a.wav.txt", "out/a.ogg.txt"]);
    }
}

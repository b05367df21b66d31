//! The sounds that a command is given, and what they are called: files of folders by their names below the folder.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use echoic::audio::Audio;
use echoic::{Error, Result};

use super::context::{Context, Global};
use super::folders::{Found, audio_files};
use super::pipes::{STDIN, is_pipe};

/// Bytes of a sound that standard input may bring: they are held in memory.
const MOST_BYTES: u64 = 1 << 30;

/// A sound to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// The file; `-` for standard input.
    pub path: PathBuf,
    /// What answers call it: as it was named, or by its name below the folder that it was found in.
    pub name: String,
    /// The folder that the name begins in; `None` where the name leads to the file by itself.
    pub root: Option<PathBuf>,
}

impl Sound {
    /// A file that was named itself.
    pub fn named(path: &Path) -> Self {
        Self { path: path.to_path_buf(), name: legible(path), root: None }
    }

    /// The folder that the name begins in, as answers call it.
    pub fn root_name(&self) -> Option<String> {
        self.root.as_deref().map(legible)
    }

    /// Whether it comes from standard input.
    pub fn is_stdin(&self) -> bool {
        is_pipe(&self.path)
    }

    /// What to listen to. Standard input is read here, to its end.
    ///
    /// # Errors
    /// [`Error::Input`] where standard input brings nothing, or too much.
    pub fn audio(&self, global: &Global) -> Result<Audio<'_>> {
        if !self.is_stdin() {
            return Ok(global.audio(&self.path));
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(Error::io("read", STDIN))?;
        match bytes.len() as u64 {
            0 => Err(Error::input(STDIN, "nothing", "the bytes of an audio file")
                .with_hint("the program before the pipe may have failed")),
            1..=MOST_BYTES => Ok(global.decoded(Audio::bytes(STDIN, bytes))),
            _ => Err(Error::input(STDIN, "more than 1 GiB", "a sound that fits into memory")
                .with_hint("write it to a file, and name that")),
        }
    }
}

/// The sounds of all that was named: files as they are, and of folders all audio files that did not come before. What cannot be looked at is a
/// failure of its own and does not stop the others.
///
/// # Errors
/// [`Error::Input`] where standard input is a terminal, or named twice.
pub fn sounds(context: &Context, named: &[PathBuf]) -> Result<Vec<Sound>> {
    check_stdin(named)?;
    let (mut sounds, mut failures) = (Vec::new(), Vec::new());
    let found = audio_files(context, named)?;
    for (Found { error, .. }, sound) in found.iter().zip(called(named, &found)) {
        match error {
            None => sounds.push(sound),
            Some(error) => failures.push((sound, error)),
        }
    }
    for (sound, error) in failures {
        context.out.failure_of(&sound, error)?;
    }
    Ok(sounds)
}

fn check_stdin(named: &[PathBuf]) -> Result<()> {
    match named.iter().filter(|path| is_pipe(path)).count() {
        0 => Ok(()),
        1 if std::io::stdin().is_terminal() => Err(Error::input(STDIN, "a terminal", "a sound")
            .with_hint("send one through a pipe, or from a file: `- < rain.wav`")),
        1 => Ok(()),
        _ => Err(Error::input(STDIN, "it is named twice", "one sound: it can be read but once")),
    }
}

/// What each of the files is called. Where names below two folders are the same, those of both keep their folder.
fn called(named: &[PathBuf], found: &[Found]) -> Vec<Sound> {
    let mut whole = BTreeSet::new();
    loop {
        let sounds: Vec<Sound> = found.iter().map(|found| sound(named, found, &whole)).collect();
        let mut owners = HashMap::new();
        let mut alike = BTreeSet::new();
        for (found, sound) in found.iter().zip(&sounds) {
            match owners.entry(sound.name.as_str()) {
                Entry::Vacant(free) => _ = free.insert(found.argument),
                Entry::Occupied(owner) if *owner.get() != found.argument => {
                    alike.extend([*owner.get(), found.argument])
                }
                Entry::Occupied(_) => {}
            }
        }
        let before = whole.len();
        whole.extend(alike.into_iter().filter(|argument| named[*argument].is_dir()));
        if whole.len() == before {
            return sounds;
        }
    }
}

fn sound(named: &[PathBuf], found: &Found, whole: &BTreeSet<usize>) -> Sound {
    let root = &named[found.argument];
    match found.path.strip_prefix(root) {
        Ok(below) if !below.as_os_str().is_empty() && !whole.contains(&found.argument) => {
            let parts: Vec<String> = below.iter().map(|part| legible(Path::new(part))).collect();
            Sound { path: found.path.clone(), name: parts.join("/"), root: Some(root.clone()) }
        }
        _ => Sound::named(&found.path),
    }
}

/// A path as text in which no two paths are the same: what is no Unicode stands as the numbers of its bytes.
pub fn legible(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().utf8_chunks().fold(String::new(), |text, chunk| {
        let bytes: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")).collect();
        text + chunk.valid() + &bytes
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The names of files, each of which was found through the argument before it.
    fn names(root: &Path, named: &[&str], found: &[(usize, &str)]) -> Vec<String> {
        let named: Vec<PathBuf> = named.iter().map(|name| root.join(name)).collect();
        let found: Vec<Found> = found
            .iter()
            .map(|(argument, path)| Found { argument: *argument, path: root.join(path), error: None })
            .collect();
        let sounds = called(&named, &found);
        for (sound, found) in sounds.iter().zip(&found) {
            let place = sound.root.as_ref().map_or_else(|| PathBuf::from(&sound.name), |root| root.join(&sound.name));
            assert_eq!((&place, &sound.path), (&found.path, &found.path), "a name leads to its file");
        }
        let short = |sound: &Sound| sound.name.replace(&format!("{}/", root.display()), "");
        sounds.iter().map(short).collect()
    }

    #[test]
    fn files_of_a_folder_are_called_by_what_lies_below_it_and_kept_apart_where_that_is_the_same() {
        let guard = tempfile::tempdir().unwrap();
        let root = guard.path();
        ["a", "b", "c/a"].iter().for_each(|folder| std::fs::create_dir_all(root.join(folder)).unwrap());
        assert_eq!(names(root, &["a"], &[(0, "a/1.wav"), (0, "a/in/2.wav")]), ["1.wav", "in/2.wav"]);
        assert_eq!(names(root, &["a", "b"], &[(0, "a/1.wav"), (1, "b/2.wav")]), ["1.wav", "2.wav"]);
        let alike = [(0, "a/1.wav"), (0, "a/2.wav"), (1, "b/1.wav"), (2, "c/3.wav")];
        assert_eq!(names(root, &["a", "b", "c"], &alike), ["a/1.wav", "a/2.wav", "b/1.wav", "3.wav"]);
        // A name that became longer may be that of another folder's file.
        assert_eq!(names(root, &["a/1.wav", "a"], &[(0, "a/1.wav"), (1, "a/1.wav")]), ["a/1.wav", "1.wav"]);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_unicode_stay_apart() {
        use std::os::unix::ffi::OsStrExt;
        let name = |bytes: &[u8]| legible(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(name("ünï.wav".as_bytes()), "ünï.wav");
        assert_eq!([name(b"caf\xe9.wav"), name(b"caf\xe8.wav")], ["caf\\xE9.wav", "caf\\xE8.wav"]);
    }
}

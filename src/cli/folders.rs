//! The audio files of folders, each once.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use echoic::audio::EXTENSIONS;
use echoic::{Error, Result};
use walkdir::{DirEntry, WalkDir};

use super::context::Context;
use super::output::counted;

/// The endings of text files that say what is heard in a sound.
const TEXTS: [&str; 3] = ["txt", "vtt", "srt"];

/// A file that was named, or was found in a folder that was named.
#[derive(Debug)]
pub struct Found {
    /// Which of the names led to it.
    pub argument: usize,
    pub path: PathBuf,
    /// Why it cannot be looked at.
    pub error: Option<Error>,
}

/// Files as named, and of folders those audio files that did not come before, in order of their names. A folder that gives none is a failure
/// of its own and does not stop the others. What is passed over in a folder is counted in the log.
pub fn audio_files(context: &Context, named: &[PathBuf]) -> Result<Vec<Found>> {
    let (mut files, mut known) = (Vec::new(), HashSet::new());
    for (argument, path) in named.iter().enumerate() {
        if !path.is_dir() {
            known.insert(real(path));
            files.push(Found { argument, path: path.clone(), error: None });
            continue;
        }
        let (found, passed_over) = Walk::through(path, &context.global.store);
        if let Some(remark) = passed_over.remark() {
            tracing::warn!("{}: {remark}", path.display());
        }
        if found.is_empty() {
            let expected = format!("audio files ({})", EXTENSIONS.join(", "));
            context.out.failure(path, None, &Error::input(path.display(), "a folder without audio", expected))?;
        }
        let new = found.into_iter().filter(|(place, error)| error.is_some() || known.insert(real(place)));
        files.extend(new.map(|(path, error)| Found { argument, path, error }));
    }
    Ok(files)
}

/// An audio file, or a place that cannot be looked at, with the reason.
type Place = (PathBuf, Option<Error>);

/// A walk through a folder and all that links in it lead to.
#[derive(Default)]
struct Walk {
    /// Folders and files that were met, by their paths without links: a link may lead to a folder that holds it, or to one that another
    /// name leads to.
    met: HashSet<PathBuf>,
    found: Vec<Place>,
    /// Text files, which may be the captions of sounds beside them.
    texts: Vec<PathBuf>,
    passed_over: PassedOver,
}

/// What a folder holds besides audio.
#[derive(Debug, Default, PartialEq, Eq)]
struct PassedOver {
    /// Hidden files and folders; among them the companions that a Mac writes beside files (`._rain.wav`), which hold no sound.
    hidden: u64,
    /// Files of other names, by their endings.
    others: BTreeMap<String, u64>,
}

impl PassedOver {
    /// What to say of it, if there is something.
    fn remark(&self) -> Option<String> {
        /// Endings that are named.
        const NAMED: usize = 5;
        let mut endings: Vec<_> = self.others.iter().collect();
        endings.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut named: Vec<_> = endings.iter().take(NAMED).map(|(ending, count)| format!("{count} {ending}")).collect();
        if endings.len() > NAMED {
            named.push("…".into());
        }
        let others = (!named.is_empty()).then(|| {
            let count = self.others.values().sum();
            format!("{} whose names are not those of audio ({})", counted(count, "file"), named.join(", "))
        });
        let hidden = (self.hidden > 0).then(|| format!("{} hidden", super::output::number(self.hidden)));
        let parts: Vec<_> = others.into_iter().chain(hidden).collect();
        (!parts.is_empty()).then(|| format!("passed over {}", parts.join(" and ")))
    }
}

impl Walk {
    /// What `folder` holds, in order of the names.
    fn through(folder: &Path, store: &Path) -> (Vec<Place>, PassedOver) {
        // The store that is worked on often lies in the folder of the sounds: its files are no news.
        let mut walk = Self { met: HashSet::from([real(store)]), ..Self::default() };
        let mut links = walk.below(folder);
        // Links come last, so that what has a name without a link is found under that name.
        while !links.is_empty() {
            links = links.iter().flat_map(|link| walk.follow(link)).collect();
        }
        walk.found.sort_by(|a, b| a.0.cmp(&b.0));
        walk.count_texts();
        (walk.found, walk.passed_over)
    }

    /// Looks at all below a folder but at what links lead to; returns the links.
    fn below(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut links = Vec::new();
        let mut entries = WalkDir::new(folder).into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                // The folder that was named may be hidden.
                Ok(entry) if entry.depth() > 0 && is_hidden(&entry) => {
                    self.passed_over.hidden += 1;
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                // The folder itself may be named by a link.
                Ok(entry) if entry.depth() > 0 && entry.path_is_symlink() => links.push(entry.into_path()),
                Ok(entry) if entry.depth() == 0 || entry.file_type().is_dir() => {
                    if !self.met.insert(real(entry.path())) {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_type().is_file() => self.file(entry.into_path()),
                Ok(_) => {} // a pipe, a device
                Err(error) => {
                    let place = error.path().unwrap_or(folder).to_path_buf();
                    let reason = error.into_io_error().unwrap_or_else(|| std::io::Error::other("no reason given"));
                    self.fail(place, reason);
                }
            }
        }
        links.sort();
        links
    }

    /// Looks at what a link leads to; returns the links in it.
    fn follow(&mut self, link: &Path) -> Vec<PathBuf> {
        match fs::metadata(link) {
            Ok(meta) if meta.is_dir() => return self.below(link),
            Ok(meta) if meta.is_file() => self.file(link.to_path_buf()),
            Ok(_) => {}
            Err(reason) => self.fail(link.to_path_buf(), reason),
        }
        Vec::new()
    }

    fn file(&mut self, path: PathBuf) {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        if !self.met.insert(real(&path)) {
            return;
        }
        if EXTENSIONS.contains(&extension.as_str()) {
            self.found.push((path, None));
        } else if TEXTS.contains(&extension.as_str()) {
            self.texts.push(path);
        } else {
            let ending = if extension.is_empty() { "without an ending".into() } else { format!(".{extension}") };
            *self.passed_over.others.entry(ending).or_default() += 1;
        }
    }

    /// Counts the text files that are no sidecars: those beside their sounds are no news.
    fn count_texts(&mut self) {
        let endings = |sound| TEXTS.iter().flat_map(move |ending| text_names(sound, ending));
        let sidecars: HashSet<PathBuf> = self.found.iter().flat_map(|(sound, _)| endings(sound)).collect();
        for text in self.texts.iter().filter(|text| !sidecars.contains(*text)) {
            let ending = text.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
            *self.passed_over.others.entry(format!(".{ending}")).or_default() += 1;
        }
    }

    fn fail(&mut self, place: PathBuf, reason: std::io::Error) {
        let error = Error::io("read", &place)(reason);
        self.found.push((place, Some(error)));
    }
}

/// What the text file of a sound may be called: `rain.txt`, or `rain.wav.txt` where the first is that of another sound, too.
pub fn text_names(sound: &Path, ending: &str) -> [PathBuf; 2] {
    let mut whole = sound.to_path_buf().into_os_string();
    whole.push(".");
    whole.push(ending);
    [sound.with_extension(ending), whole.into()]
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// The path without links, where it can be told.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes empty files, each in its folder.
    fn files(root: &Path, names: &[&str]) {
        for name in names {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
    }

    /// The audio files found, relative to `root`.
    fn audio(root: &Path, folder: &str) -> Vec<String> {
        let (found, _) = Walk::through(&root.join(folder), Path::new("no store"));
        assert!(found.iter().all(|(_, error)| error.is_none()), "{found:?}");
        found.iter().map(|(path, _)| path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_link_to_the_folder_above_brings_no_file_twice() {
        let guard = tempfile::tempdir().unwrap();
        let root = guard.path();
        files(root, &["top.wav", "in/a.wav", "in/deep/b.ogg", "in/notes.txt"]);
        symlink("..", root.join("in/above")).unwrap();
        symlink("../..", root.join("in/deep/far above")).unwrap();
        // `top.wav` lies outside, but a link leads to it; the rest goes by its names without links.
        assert_eq!(audio(root, "in"), ["in/a.wav", "in/above/top.wav", "in/deep/b.ogg"]);
        assert_eq!(audio(root, ""), ["in/a.wav", "in/deep/b.ogg", "top.wav"]);
    }

    #[test]
    fn two_names_of_a_folder_or_file_are_one() {
        let guard = tempfile::tempdir().unwrap();
        let root = guard.path();
        files(root, &["z/real.wav", "z/b.wav", "elsewhere/c.mp3"]);
        symlink("z", root.join("a")).unwrap();
        symlink("real.wav", root.join("z/alias.wav")).unwrap();
        symlink("../elsewhere/c.mp3", root.join("z/one.mp3")).unwrap();
        symlink("../elsewhere/c.mp3", root.join("z/two.mp3")).unwrap();
        assert_eq!(audio(root, ""), ["elsewhere/c.mp3", "z/b.wav", "z/real.wav"]);
        assert_eq!(audio(root, "a"), ["a/b.wav", "a/one.mp3", "a/real.wav"], "a folder may be named by a link");
    }

    #[test]
    fn a_link_to_nowhere_is_told_and_one_to_itself_is_no_loop() {
        let guard = tempfile::tempdir().unwrap();
        let root = guard.path();
        files(root, &["b.wav"]);
        symlink("gone.wav", root.join("a.wav")).unwrap();
        symlink("self", root.join("self")).unwrap();
        symlink(".", root.join("again")).unwrap();
        let (found, _) = Walk::through(root, Path::new("no store"));
        let names: Vec<_> =
            found.iter().map(|(path, e)| (path.file_name().unwrap().to_str().unwrap(), e.is_some())).collect();
        assert_eq!(names, [("a.wav", true), ("b.wav", false), ("self", true)]);
    }

    #[test]
    fn every_kind_that_is_read_is_found_and_the_rest_is_counted() {
        let guard = tempfile::tempdir().unwrap();
        let root = guard.path();
        files(
            root,
            &["a.opus", "b.CAF", "c.aifc", "d.mka", "e.webm", "f.mp2", "g.mov", "h.3gp", "i.m4b", "j.w64", "k.oga"],
        );
        files(
            root,
            &[
                "._a.wav",
                ".hidden/x.wav",
                "deep/._b.wav",
                "notes.txt",
                "more.txt",
                "a.txt",
                "b.CAF.txt",
                "old.wma",
                "README",
            ],
        );
        files(root, &["store/1.captions", "store/lock"]);
        let (found, passed_over) = Walk::through(root, &root.join("store"));
        assert_eq!(found.len(), 11, "{found:?}");
        let others =
            [("without an ending", 1), (".txt", 2), (".wma", 1)].map(|(ending, count)| (ending.to_owned(), count));
        assert_eq!(passed_over, PassedOver { hidden: 3, others: BTreeMap::from(others) });
        assert_eq!(
            passed_over.remark().unwrap(),
            "passed over 4 files whose names are not those of audio (2 .txt, 1 .wma, 1 without an ending) and 3 hidden"
        );
        assert_eq!(PassedOver::default().remark(), None);
    }
}

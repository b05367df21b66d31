//! Captions that are kept as lines of JSON while they come, so that a run which was stopped goes on where it ended.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use echoic::bridge::Strategy;
use echoic::captioner::Parameters;
use echoic::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::table::Row;
use crate::cli::sounds::Sound;

/// Bytes of a line: one has kilobytes.
const LONGEST: u64 = 1 << 24;

/// What every line begins with.
const BEGINNING: &[u8] = b"{\"path\":\"";

/// What captions are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// Whole sounds.
    Sounds,
    /// Windows of sounds, each for itself.
    Windows,
    /// Windows, of which those that say the same are one.
    Merged,
}

impl Pieces {
    /// What a line with these parts is of.
    fn of(window: Option<(f64, f64)>, merged: Option<usize>) -> Self {
        match (window, merged) {
            (None, _) => Self::Sounds,
            (_, None) => Self::Windows,
            (_, Some(_)) => Self::Merged,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sounds => "whole sounds",
            Self::Windows => "windows (--windows)",
            Self::Merged => "windows, merged (--windows --merge)",
        }
    }
}

/// How captions are made now: what is kept already must have been made so, too.
pub struct Making {
    pieces: Pieces,
    values: Map<String, Value>,
}

impl Making {
    /// Captions of these pieces by a strategy.
    ///
    /// # Errors
    /// [`Error::Internal`] for parameters that are no JSON.
    pub fn new(strategy: Strategy, parameters: &Parameters, pieces: Pieces) -> Result<Self> {
        // Through text: that is how numbers are read back.
        let text = serde_json::to_string(parameters);
        let values = text.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text));
        let mut values = values.map_err(|e| Error::Internal(format!("parameters that are no JSON: {e}")))?;
        values.insert("strategy".into(), strategy.to_string().into());
        Ok(Self { pieces, values })
    }

    /// What differs in a caption that is kept, but for the store's commit, with the value that it has now.
    fn differences(&self, kept: &Map<String, Value>) -> Vec<(String, String)> {
        let value = |name: &str, value: Option<&Value>| format!("{name} {}", value.unwrap_or(&Value::Null));
        let names = self.values.keys().filter(|name| *name != "commit" && self.values.get(*name) != kept.get(*name));
        names.map(|name| (value(name, kept.get(name)), value(name, self.values.get(name)))).collect()
    }
}

/// A line of the file: a caption, or what went wrong with a sound.
#[derive(Deserialize)]
struct Line {
    path: String,
    root: Option<String>,
    caption: Option<String>,
    error: Option<String>,
    start: Option<f64>,
    end: Option<f64>,
    windows: Option<usize>,
    strategy: Option<String>,
    parameters: Option<Map<String, Value>>,
}

/// A caption that is kept.
struct Caption {
    name: String,
    root: Option<String>,
    caption: String,
    window: Option<(f64, f64)>,
}

impl Caption {
    fn row(&self) -> Row<'_> {
        Row { name: &self.name, caption: &self.caption, window: self.window }
    }

    /// Whether it is that of a sound of its name: a folder may have been moved since, but two that are both there are two.
    fn is_of(&self, sound: &Sound) -> bool {
        if self.root == sound.root_name() {
            return true;
        }
        let place = self.place();
        !place.exists() || place.canonicalize().ok() == sound.path.canonicalize().ok()
    }

    fn place(&self) -> PathBuf {
        Path::new(self.root.as_deref().unwrap_or_default()).join(&self.name)
    }
}

/// The file, which nobody else writes as long as this lives.
pub struct Kept {
    path: PathBuf,
    file: File,
    captions: Vec<Caption>,
    /// Which of them a name has.
    by_name: HashMap<String, Vec<usize>>,
}

impl Kept {
    /// Opens or creates the file. A last line that was cut is dropped, with the other windows of its sound.
    ///
    /// # Errors
    /// [`Error::Input`] for a file of anything else, of captions that were made otherwise, or that another run writes; it stays as it was.
    /// [`Error::Io`].
    pub fn open(path: &Path, making: &Making) -> Result<Self> {
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(Error::input(path.display(), "no regular file", "a file that captions can be read back from"));
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::input(path.display(), "another run that writes it", "a file for each run")
                    .with_hint("wait until it has finished, or end it"));
            }
            Err(TryLockError::Error(cause)) => return Err(Error::io("lock", path)(cause)),
        }
        let mut kept = Self { path: path.to_path_buf(), file, captions: Vec::new(), by_name: HashMap::new() };
        let end = kept.read(making)?;
        kept.file.set_len(end).and_then(|()| kept.file.seek(SeekFrom::Start(end))).map_err(Error::io("write", path))?;
        for (place, caption) in kept.captions.iter().enumerate() {
            kept.by_name.entry(caption.name.clone()).or_default().push(place);
        }
        Ok(kept)
    }

    /// Reads all captions; returns where the last whole line ends.
    fn read(&mut self, making: &Making) -> Result<u64> {
        let path = &self.path;
        let mut reader = BufReader::new(&self.file);
        let (mut bytes, mut end, mut commits) = (Vec::new(), 0, Commits::new(making));
        // Where the lines of the last sound begin, in the file and among the captions.
        let mut last = (0, 0);
        for number in 1.. {
            bytes.clear();
            let read = (&mut reader).take(LONGEST).read_until(b'\n', &mut bytes).map_err(Error::io("read", path))?;
            if bytes.last() != Some(&b'\n') {
                let is_ours =
                    !self.captions.is_empty() || bytes.starts_with(BEGINNING) || BEGINNING.starts_with(&bytes);
                if read as u64 == LONGEST || !is_ours {
                    return Err(not_ours(path, number, "no line of JSON"));
                }
                break;
            }
            let line: Line = serde_json::from_slice(&bytes).map_err(|e| not_ours(path, number, &e.to_string()))?;
            if let Some(caption) = checked(path, number, line, making, &mut commits)? {
                if self.captions.last().is_none_or(|before| before.name != caption.name) {
                    last = (end, self.captions.len());
                }
                self.captions.push(caption);
            }
            end += read as u64;
        }
        commits.remark(path);
        // A kill may have come between the windows of a sound.
        if !bytes.is_empty() && making.pieces != Pieces::Sounds {
            self.captions.truncate(last.1);
            end = last.0;
        }
        Ok(end)
    }

    /// Whether the captions of a sound are there.
    ///
    /// # Errors
    /// [`Error::Input`] where those of another sound have its name.
    pub fn holds(&self, sound: &Sound) -> Result<bool> {
        let Some(first) = self.by_name.get(&sound.name).and_then(|places| places.first()) else { return Ok(false) };
        let caption = &self.captions[*first];
        if caption.is_of(sound) {
            return Ok(true);
        }
        let found = format!("a caption of {}", caption.place().display());
        let expected = format!("none of that name, or of {}", sound.path.display());
        Err(Error::input(self.path.display(), found, expected).with_hint("give another file to --resume"))
    }

    /// The captions of a sound of which [`Kept::holds`] is true.
    pub fn of<'a>(&'a self, sound: &Sound) -> impl Iterator<Item = Row<'a>> {
        self.by_name.get(&sound.name).into_iter().flatten().map(|place| self.captions[*place].row())
    }

    /// All that was there before this run.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.captions.iter().map(Caption::row)
    }

    /// Adds the captions of a sound, all or, where the medium fails, a part that the next run drops.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put(&mut self, answers: &[Answer]) -> Result<()> {
        let mut lines = Vec::new();
        for answer in answers {
            let written = serde_json::to_writer(&mut lines, answer);
            written.map_err(|e| Error::Internal(format!("a caption that is no JSON: {e}")))?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines).map_err(Error::io("write", &self.path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The caption that a line holds, unless it tells a failure.
fn checked(path: &Path, number: u64, line: Line, making: &Making, commits: &mut Commits) -> Result<Option<Caption>> {
    let Line { path: name, root, caption, error, start, end, windows, strategy, parameters } = line;
    let (Some(caption), Some(strategy), Some(mut values)) = (caption, strategy, parameters) else {
        return if error.is_some() { Ok(None) } else { Err(not_ours(path, number, "no caption")) };
    };
    values.insert("strategy".into(), strategy.into());
    let differing = making.differences(&values);
    if !differing.is_empty() {
        let (then, now): (Vec<_>, Vec<_>) = differing.into_iter().unzip();
        return Err(made_otherwise(path, number, then.join(", "), now.join(", ")));
    }
    let window = start.zip(end);
    let pieces = Pieces::of(window, windows);
    if pieces != making.pieces {
        return Err(made_otherwise(path, number, pieces.name(), making.pieces.name()));
    }
    commits.see(&values);
    Ok(Some(Caption { name, root, caption, window }))
}

fn not_ours(path: &Path, number: u64, found: &str) -> Error {
    Error::input(format!("{}, line {number}", path.display()), found, "lines that `caption --json` or --resume wrote")
        .with_hint("it was left as it is; give another file to --resume")
}

fn made_otherwise(path: &Path, number: u64, then: impl std::fmt::Display, now: impl std::fmt::Display) -> Error {
    let subject = format!("{}, line {number}", path.display());
    Error::input(subject, format!("a caption made with {then}"), format!("{now}, as asked for now"))
        .with_hint("give the same options as before, or another file to --resume")
}

/// The commits of the store that captions were made with.
struct Commits<'a> {
    now: &'a Value,
    other: Option<Value>,
}

impl<'a> Commits<'a> {
    fn new(making: &'a Making) -> Self {
        Self { now: making.values.get("commit").unwrap_or(&Value::Null), other: None }
    }

    fn see(&mut self, values: &Map<String, Value>) {
        let commit = values.get("commit").unwrap_or(&Value::Null);
        if commit != self.now {
            self.other = Some(commit.clone());
        }
    }

    /// The store may have grown overnight: that is no reason to begin anew, but it is told, and each line says which commit it is of.
    fn remark(&self, path: &Path) {
        if let Some(other) = &self.other {
            let (path, now) = (path.display(), self.now);
            tracing::warn!(
                "{path} holds captions from commit {other} of the store; the others are made with commit {now}"
            );
        }
    }
}

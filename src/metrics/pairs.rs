//! Predictions and references from files, put together by clip.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Clip;
use crate::corpus::{self, Options};
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// How many clips an error names.
const NAMED: usize = 5;

/// Columns and keys by which clips are put together where the usual ones have nothing in common.
const OTHER_CLIP_COLUMNS: [&str; 6] = ["image_id", "audio_id", "audiocap_id", "youtube_id", "file_name", "id"];

/// The captions of a file by clip, in its order.
#[derive(Debug, Clone)]
pub struct Captions {
    path: PathBuf,
    clips: Vec<(String, Vec<String>)>,
}

impl Captions {
    /// Reads captions in any layout that names clips.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Input`] naming the line when a row cannot, or names no clip.
    pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        let corpus = corpus::open(path, &options.clone().keep_empty(true))?;
        let layout = corpus.layout().to_owned();
        let mut captions = Self { path: path.to_owned(), clips: Vec::new() };
        let mut places: HashMap<String, usize> = HashMap::new();
        for item in corpus {
            let row = item.map_err(|rejected| {
                let place = format!("{}, line {}", path.display(), rejected.line);
                Error::input(place, rejected.reason, "a caption in UTF-8, with its clip")
            })?;
            let clip = row.clip.ok_or_else(|| captions.without_clip(row.line, &layout))?;
            let place = *places.entry(clip.clone()).or_insert_with(|| {
                captions.clips.push((clip, Vec::new()));
                captions.clips.len() - 1
            });
            captions.clips[place].1.push(row.text);
        }
        if captions.clips.is_empty() {
            return Err(Error::input(path.display(), "no caption", "captions with their clips"));
        }
        Ok(captions)
    }

    /// Each clip with its captions, empty ones among them, in the order of the file.
    pub fn clips(&self) -> impl ExactSizeIterator<Item = (&str, &[String])> {
        self.clips.iter().map(|(clip, captions)| (clip.as_str(), captions.as_slice()))
    }

    fn without_clip(&self, line: u64, layout: &str) -> Error {
        let place = format!("{}, line {line}", self.path.display());
        let expected = "a layout that names the clip of each caption: CSV with file_name and captions, lines of JSON, or COCO JSON";
        Error::input(place, format!("a caption without a clip ({layout})"), expected)
            .with_hint(Hint::about(Topic::ClipColumn, "name the column that holds the clips"))
    }

    fn names(&self) -> HashSet<&str> {
        self.clips.iter().map(|(clip, _)| clip.as_str()).collect()
    }

    fn shares_with(&self, other: &Self) -> bool {
        !self.names().is_disjoint(&other.names())
    }

    /// The same with the names of files in place of their paths; `None` where two would have one name.
    fn by_file_name(&self) -> Option<Self> {
        let base = |clip: &str| clip.rsplit(['/', '\\']).next().unwrap_or(clip).to_owned();
        let clips: Vec<_> = self.clips.iter().map(|(clip, captions)| (base(clip), captions.clone())).collect();
        let names: HashSet<&String> = clips.iter().map(|(clip, _)| clip).collect();
        (names.len() == clips.len()).then(|| Self { path: self.path.clone(), clips })
    }
}

/// What becomes of clips that only one of the files has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Unmatched {
    /// They are an error.
    #[default]
    Refuse,
    /// The clips that both have are scored.
    Skip,
    /// A clip without a prediction is scored with an empty one; one without a reference is left out.
    Empty,
}

impl FromStr for Unmatched {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "refuse" => Ok(Self::Refuse),
            "skip" => Ok(Self::Skip),
            "empty" => Ok(Self::Empty),
            _ => Err(Error::input("what becomes of unmatched clips", format!("'{name}'"), "refuse, skip or empty")),
        }
    }
}

/// Clips with their prediction and references.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Pairs {
    /// In the order of the references.
    pub clips: Vec<Clip>,
    /// Clips of the references that nothing was predicted for.
    pub missing: Vec<String>,
    /// Clips of the predictions that have no reference.
    pub extra: Vec<String>,
    /// Clips whose prediction is empty.
    pub empty: Vec<String>,
    /// How many empty references were left out.
    pub empty_references: usize,
    /// By what clips were put together, where it is not what the files name first.
    pub matched_by: Option<String>,
}

impl Pairs {
    /// Reads both files and puts them together. Where their clips have nothing in common, other columns that may name clips are tried, and file
    /// names without their folders.
    ///
    /// # Errors
    /// As [`Captions::read`]; [`Error::Input`] when a clip has several predictions, when nothing is in common, and, where that is refused, when
    /// a clip is only in one of the files.
    pub fn read(predictions: &Path, references: &Path, options: &Options, unmatched: Unmatched) -> Result<Self> {
        let predicted = Captions::read(predictions, options)?;
        let written = Captions::read(references, options)?;
        if predicted.shares_with(&written) || options.clip_column.is_some() {
            return Self::of(&predicted, &written, unmatched);
        }
        if let (Some(one), Some(other)) = (predicted.by_file_name(), written.by_file_name())
            && one.shares_with(&other)
        {
            return Self::matched(&one, &other, unmatched, "file name");
        }
        for column in OTHER_CLIP_COLUMNS {
            let other = options.clone().clip_column(column.to_owned());
            if let Ok(written) = Captions::read(references, &other)
                && predicted.shares_with(&written)
            {
                return Self::matched(&predicted, &written, unmatched, column);
            }
            if let Ok(predicted) = Captions::read(predictions, &other)
                && predicted.shares_with(&written)
            {
                return Self::matched(&predicted, &written, unmatched, column);
            }
        }
        Self::of(&predicted, &written, unmatched)
    }

    fn matched(predicted: &Captions, written: &Captions, unmatched: Unmatched, by: &str) -> Result<Self> {
        Ok(Self { matched_by: Some(by.to_owned()), ..Self::of(predicted, written, unmatched)? })
    }

    /// Puts predictions and references together.
    ///
    /// # Errors
    /// As [`Pairs::read`].
    pub fn of(predicted: &Captions, written: &Captions, unmatched: Unmatched) -> Result<Self> {
        let mut by_clip: HashMap<&str, &str> = HashMap::new();
        for (clip, captions) in &predicted.clips {
            let [caption] = &captions[..] else {
                return Err(Error::input(
                    predicted.path.display(),
                    format!("{} captions for {clip}", captions.len()),
                    "one prediction for each clip; the references are the second file",
                ));
            };
            by_clip.insert(clip, caption);
        }
        let mut pairs = Self::default();
        let mut has_references: HashSet<&str> = HashSet::new();
        for (clip, captions) in &written.clips {
            let references: Vec<String> = captions.iter().filter(|caption| !caption.is_empty()).cloned().collect();
            pairs.empty_references += captions.len() - references.len();
            if references.is_empty() {
                continue;
            }
            has_references.insert(clip);
            let prediction = by_clip.get(clip.as_str());
            if prediction.is_none() {
                pairs.missing.push(clip.clone());
            }
            match prediction {
                None if unmatched != Unmatched::Empty => continue,
                Some(&"") => pairs.empty.push(clip.clone()),
                _ => {}
            }
            let predicted = prediction.map_or_else(String::new, |caption| (*caption).to_owned());
            pairs.clips.push(Clip { name: clip.clone(), predicted, references });
        }
        let extra = predicted.clips.iter().map(|(clip, _)| clip).filter(|clip| !has_references.contains(clip.as_str()));
        pairs.extra = extra.cloned().collect();
        pairs.check(predicted, written, unmatched)?;
        Ok(pairs)
    }

    fn check(&self, predicted: &Captions, written: &Captions, unmatched: Unmatched) -> Result<()> {
        let (predictions, references) = (predicted.path.display(), written.path.display());
        if self.extra.len() == predicted.clips.len() {
            let found = format!("clips that {references} has no reference for, such as {}", named(&self.extra));
            let there: Vec<String> = written.clips.iter().map(|(clip, _)| clip.clone()).collect();
            return Err(Error::input(predictions, found, format!("clips such as {}", named(&there)))
                .with_hint(Hint::about(Topic::ClipColumn, "name the column that holds the clips, in both files")));
        }
        if unmatched != Unmatched::Refuse {
            return Ok(());
        }
        let refused = |found: String, expected: String| {
            let advice = "complete the file, leave such clips out, or count missing predictions as empty captions";
            Err(Error::input(&predictions, found, expected).with_hint(Hint::about(Topic::UnmatchedClips, advice)))
        };
        let count = |clips: &[String]| {
            format!("{} of {}: {}", clips.len(), self.clips.len() + self.missing.len(), named(clips))
        };
        if !self.missing.is_empty() {
            let found = format!("no prediction for {}", count(&self.missing));
            return refused(found, format!("one for each clip of {references}"));
        }
        if !self.extra.is_empty() {
            let found = format!("{} without a reference: {}", clips(self.extra.len()), named(&self.extra));
            return refused(found, format!("clips that {references} has"));
        }
        Ok(())
    }
}

fn clips(count: usize) -> String {
    if count == 1 { "1 clip".to_owned() } else { format!("{count} clips") }
}

/// The first names, and how many there are more.
fn named(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED { format!("{first} and {} more", names.len() - NAMED) } else { first }
}

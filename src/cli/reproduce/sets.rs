//! A data set as its holders keep it.

use std::path::{Path, PathBuf};

use echoic::corpus::Options;
use echoic::metrics::Captions;
use echoic::{Error, Result};

use crate::cli::output::{no_row, written};

/// Names that the tables go by: the captions to learn from, and those to measure by.
const CLOTHO: [&[&str]; 2] =
    [&["clotho_captions_development.csv", "development.csv"], &["clotho_captions_evaluation.csv", "evaluation.csv"]];
const AUDIOCAPS: [&[&str]; 2] = [&["train.csv"], &["test.csv"]];

/// Captions and sounds of both splits.
pub struct Set {
    pub name: &'static str,
    pub train: Split,
    pub test: Split,
}

/// The captions of a split, and the folder of its sounds.
pub struct Split {
    pub captions: PathBuf,
    pub sounds: PathBuf,
    pub clips: usize,
    pub texts: usize,
}

impl Set {
    /// Finds the files of a set.
    ///
    /// # Errors
    /// [`Error::Input`] naming what is not there; those of reading captions.
    pub fn find(name: &'static str, folder: &Path) -> Result<Self> {
        let [train, test] = if name == "clotho" { CLOTHO } else { AUDIOCAPS };
        Ok(Self {
            name,
            train: Split::find(folder, train, ["development", "train"])?,
            test: Split::find(folder, test, ["evaluation", "test"])?,
        })
    }
}

impl Split {
    fn find(folder: &Path, names: &[&str], places: [&str; 2]) -> Result<Self> {
        let captions = names.iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
            Error::input(folder.display(), "none of its tables of captions", format!("one of {}", names.join(", ")))
        })?;
        // Where the splits have no folders of their own, the sounds are looked for everywhere below.
        let sounds = places.iter().map(|place| folder.join(place)).find(|path| path.is_dir());
        let read = Captions::read(&captions, &Options::default())?;
        let (clips, texts) = (read.clips().len(), read.clips().map(|(_, captions)| captions.len()).sum());
        Ok(Self { captions, sounds: sounds.unwrap_or_else(|| folder.to_path_buf()), clips, texts })
    }
}

/// The first clips of a table with their captions, as a table of its own.
///
/// # Errors
/// Those of reading captions.
pub fn first(captions: &Path, clips: usize) -> Result<String> {
    let read = Captions::read(captions, &Options::default())?;
    let mut out = csv::Writer::from_writer(Vec::new());
    let failed = |cause| no_row("a table", cause);
    out.write_record(["file_name", "caption"]).map_err(failed)?;
    for (clip, captions) in read.clips().take(clips) {
        captions.iter().try_for_each(|caption| out.write_record([clip, caption])).map_err(failed)?;
    }
    String::from_utf8(written(out)?).map_err(|cause| Error::Internal(format!("a table that is no text: {cause}")))
}

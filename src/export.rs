//! Export: what a store holds, in formats that other programs and [`crate::ingest`] read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::error::Missing;
use crate::file::{self, Replacement};
use crate::formats::NpyWriter;
#[cfg(feature = "parquet")]
use crate::formats::parquet;
use crate::memory::{ADAPTER, Caption, Scope, Snapshot};
use crate::progress::Control;
use crate::{EmbeddingSpace, Error, Result};

/// How an export is written. Each has one row for each ingested row, so that one ingested again makes the same captions with the same
/// multiplicities and clips: of a caption that came in three rows there are three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line: `caption_id`, `domain`, `caption`, `multiplicity`, and `clip` where there is one.
    Jsonl,
    /// The vectors as `.npy`, shape `[rows, dim]`, float32; beside it, under the same name with the ending `.jsonl`, the lines that
    /// belong to them.
    Npy,
    /// No captions but what the store keeps of its model: the adapter, and beside it, under the same name with the ending `.json`, what
    /// identifies the model and where it came from.
    Model,
    /// One Parquet file with captions, clips and vectors.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// Each format and the name that the command line takes.
    pub const NAMES: &[(&'static str, Self)] = &[
        ("jsonl", Self::Jsonl),
        ("npy", Self::Npy),
        ("model", Self::Model),
        #[cfg(feature = "parquet")]
        ("parquet", Self::Parquet),
    ];
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| Error::NotFound {
            kind: Missing::ExportFormat,
            name: name.to_owned(),
            known: Self::NAMES.iter().map(|(known, _)| (*known).to_owned()).collect(),
        })
    }
}

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exported {
    /// Distinct captions.
    pub captions: u64,
    /// Rows: the sum of the captions' multiplicities.
    pub rows: u64,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// A row as it is written.
#[derive(Serialize)]
struct Line<'a> {
    // Not `id`, which many corpora use for the clip.
    caption_id: u64,
    domain: &'a str,
    caption: &'a str,
    multiplicity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<&'a str>,
}

/// An export about to begin.
///
/// ```no_run
/// use echoic::Store;
/// use echoic::export::{Export, Format};
///
/// let snapshot = Store::open("my-store")?.snapshot()?;
/// let exported = Export::new(&snapshot).format(Format::Npy).write("all.npy")?;
/// println!("{} captions", exported.captions);
/// # Ok::<(), echoic::Error>(())
/// ```
#[derive(Debug)]
pub struct Export<'a> {
    snapshot: &'a Snapshot,
    scope: Scope,
    format: Format,
    control: Control<'a>,
}

impl<'a> Export<'a> {
    /// Exports all captions of a snapshot as JSON lines.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, scope: Scope::all(), format: Format::Jsonl, control: Control::default() }
    }

    /// Exports these captions alone.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Writes in this format.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Reports to `control`, and stops when it asks for it.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Writes the captions, in the order of their ids, to `path`. An existing file is replaced when the new one is whole; an export that
    /// fails leaves it as it was.
    ///
    /// Ingesting puts all rows of a file into one domain; so to bring back a store of several, export each for itself. Reading folds runs of
    /// white space inside a text to one space, as for any corpus; a text that was ingested has none.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown domain, [`Error::Damaged`] for a damaged record, [`Error::Io`] when a file cannot be written,
    /// [`Error::Interrupted`].
    pub fn write(self, path: impl AsRef<Path>) -> Result<Exported> {
        let path = path.as_ref();
        match self.format {
            #[cfg(feature = "parquet")]
            Format::Parquet => self.write_parquet(path),
            Format::Npy => self.write_npy(path),
            Format::Jsonl => self.write_jsonl(path),
            Format::Model => self.write_model(path),
        }
    }

    /// Writes the captions as JSON lines to `out`, such as standard output, which `name` stands for in errors.
    ///
    /// # Errors
    /// As [`Export::write`]; [`Error::Input`] for a format that a stream does not hold.
    pub fn write_lines_to(self, name: &str, mut out: impl Write) -> Result<Exported> {
        if self.format != Format::Jsonl {
            let known = Format::NAMES.iter().find(|(_, format)| *format == self.format);
            let found = format!("the format {}", known.map_or("", |(name, _)| name));
            return Err(Error::input(name, found, "jsonl, the only one that a stream holds").with_hint(
                "name a file: the others are more than one file, or are not written from beginning to end",
            ));
        }
        let exported = self.write_each(&mut |caption, _| {
            for_each_line(self.snapshot, caption, |line| {
                serde_json::to_writer(&mut out, line).map_err(|error| Error::io("write", name)(error.into()))?;
                out.write_all(b"\n").map_err(Error::io("write", name))
            })
        })?;
        out.flush().map_err(Error::io("write", name))?;
        Ok(exported)
    }

    fn write_jsonl(self, path: &Path) -> Result<Exported> {
        let file = Replacement::beside(path)?;
        let mut exported = self.write_lines_to(&path.display().to_string(), file.create()?)?;
        file.keep()?;
        exported.files.push(path.to_path_buf());
        Ok(exported)
    }

    fn write_npy(self, path: &Path) -> Result<Exported> {
        let mut rows = NpyWriter::create(path, self.snapshot.space().dim)?;
        let mut exported = self
            .write_each(&mut |caption, vector| for_each_line(self.snapshot, caption, |line| rows.push(vector, line)))?;
        exported.files.extend(rows.finish()?);
        Ok(exported)
    }

    #[cfg(feature = "parquet")]
    fn write_parquet(self, path: &Path) -> Result<Exported> {
        let file = Replacement::beside(path)?;
        let mut out = parquet::Writer::create(file.place(), self.snapshot.space())?;
        let mut exported = self.write_each(&mut |caption, embedding| {
            for clip in clips_of_rows(self.snapshot, caption)? {
                out.push(&parquet::Row {
                    caption_id: caption.id,
                    domain: &caption.domain,
                    caption: &caption.text,
                    multiplicity: caption.multiplicity,
                    clip: clip.as_deref(),
                    embedding,
                })?;
            }
            Ok(())
        })?;
        out.finish()?;
        file.keep()?;
        exported.files.push(path.to_path_buf());
        Ok(exported)
    }

    fn write_model(self, path: &Path) -> Result<Exported> {
        let details_path = path.with_extension("json");
        if details_path == path {
            return Err(Error::input(
                path.display(),
                "the ending .json",
                "a name for the adapter, such as mine.safetensors",
            ));
        }
        let Some(model) = self.snapshot.model() else {
            return Err(Error::input(
                self.snapshot.dir().display(),
                "nothing kept of its model",
                "an adapter, or a record of a model",
            )
            .with_hint(unrecorded(self.snapshot.space())));
        };
        let mut exported = Exported::default();
        if let Some(adapter) = model.file(ADAPTER) {
            file::replace(path, &adapter.read()?)?;
            exported.files.push(path.to_path_buf());
        }
        let details = format!("{:#}\n", model.details);
        file::replace(&details_path, details.as_bytes())?;
        exported.files.push(details_path);
        Ok(exported)
    }

    /// Calls `write` with each caption and counts them.
    fn write_each(&self, write: &mut dyn FnMut(&Caption, &[f32]) -> Result<()>) -> Result<Exported> {
        let mut exported = Exported::default();
        let _phase = self.control.begin("exporting", Some(self.snapshot.counts(&self.scope)?.0));
        for stored in self.snapshot.captions(&self.scope)? {
            self.control.check()?;
            let (caption, embedding) = stored?;
            write(&caption, embedding)?;
            exported.captions += 1;
            exported.rows += u64::from(caption.multiplicity);
            self.control.advance(1);
        }
        Ok(exported)
    }
}

/// Calls `write` with a line for each row that carries the caption.
fn for_each_line(memory: &Snapshot, caption: &Caption, mut write: impl FnMut(&Line<'_>) -> Result<()>) -> Result<()> {
    let Caption { id, domain, text, multiplicity, .. } = caption;
    for clip in clips_of_rows(memory, caption)? {
        let clip = clip.as_deref();
        write(&Line { caption_id: *id, domain, caption: text, multiplicity: *multiplicity, clip })?;
    }
    Ok(())
}

/// The clip of each row that carries the caption: those with a clip, beginning with the first, then those without.
fn clips_of_rows(memory: &Snapshot, caption: &Caption) -> Result<impl Iterator<Item = Option<String>> + use<>> {
    let clips = memory.clips(caption.id)?;
    let without = (caption.multiplicity as usize).saturating_sub(clips.len());
    Ok(clips.into_iter().map(Some).chain(std::iter::repeat_n(None, without)))
}

/// Why a store keeps nothing of its model, and what to do.
fn unrecorded(space: &EmbeddingSpace) -> &'static str {
    if space.is_external() {
        "its embeddings come from elsewhere, and no model is known here"
    } else if space.model == "starter" {
        "the starter as it ships is known to every build by its name: there is nothing to export"
    } else {
        "stores of 0.1.0 keep no record; the next ingest, where the model is at hand, writes one"
    }
}

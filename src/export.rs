//! Export: what a store holds, in formats that other programs and [`crate::ingest`] read.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::file::Replacement;
use crate::formats::parquet;
use crate::memory::{Caption, Memory};
use crate::progress::{Phase, Progress, Stop};
use crate::{Error, Result};

/// How an export is written. Each has one row for each ingested row, so that one ingested again makes the same captions with the same
/// multiplicities and clips: of a caption that came in three rows there are three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line: `caption_id`, `domain`, `caption`, `multiplicity`, and `clip` where there is one.
    Jsonl,
    /// The vectors as `.npy`, shape `[rows, dim]`, float32; beside it, under the same name with the ending `.jsonl`, the lines that
    /// belong to them.
    Npy,
    /// One Parquet file with captions, clips and vectors; see [`crate::formats::parquet`].
    Parquet,
}

impl Format {
    /// Each format and the name that the command line takes.
    pub const NAMES: [(&'static str, Self); 3] =
        [("jsonl", Self::Jsonl), ("npy", Self::Npy), ("parquet", Self::Parquet)];
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| Error::NotFound {
            kind: "export format",
            name: name.to_owned(),
            known: Self::NAMES.iter().map(|(known, _)| (*known).to_owned()).collect(),
        })
    }
}

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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

/// Writes the captions of `domains` (all where `None`), in the order of their ids, to `path`. An existing file is replaced when the new one
/// is whole; an export that fails leaves it as it was.
///
/// Ingesting puts all rows of a file into one domain; so to bring back a store of several, export each for itself. Reading folds runs of
/// white space inside a text to one space, as for any corpus; a text that `ingest` stored has none.
///
/// # Errors
/// [`Error::NotFound`] for an unknown domain, [`Error::Damaged`] for a damaged record, [`Error::Io`] when a file cannot be written,
/// [`Error::Interrupted`].
pub fn export(
    memory: &Memory,
    domains: Option<&[String]>,
    format: Format,
    path: &Path,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<Exported> {
    if format == Format::Parquet {
        return export_parquet(memory, domains, path, progress, stop);
    }
    let lines_path = if format == Format::Npy { path.with_extension("jsonl") } else { path.to_path_buf() };
    if format == Format::Npy && lines_path == path {
        return Err(Error::input(path.display(), "the ending .jsonl", "a name for the vectors, such as all.npy"));
    }
    let lines_file = Replacement::beside(&lines_path)?;
    let vectors_file = (format == Format::Npy).then(|| Replacement::beside(path)).transpose()?;
    let mut lines = lines_file.create()?;
    let mut vectors = vectors_file.as_ref().map(Replacement::create).transpose()?;
    if let Some(vectors) = &mut vectors {
        vectors.write_all(&npy_header(0, memory.space().dim)).map_err(Error::io("write", path))?;
    }
    let phase = Phase::begin(progress, "exporting", Some(captions_of(memory, domains)));
    let mut exported = Exported::default();
    memory.for_each_caption(domains, |caption, vector| {
        stop.check()?;
        let rows = write_lines(memory, &caption, &mut lines, &lines_path)?;
        if let Some(vectors) = &mut vectors {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            (0..rows).try_for_each(|_| vectors.write_all(&bytes)).map_err(Error::io("write", path))?;
        }
        exported.captions += 1;
        exported.rows += rows;
        progress.advance(1);
        Ok(())
    })?;
    phase.end();
    if let Some((mut vectors, file)) = vectors.zip(vectors_file) {
        // Now that the number of rows is known.
        let header = npy_header(exported.rows, memory.space().dim);
        let written = vectors.seek(SeekFrom::Start(0)).and_then(|_| vectors.write_all(&header));
        written.and_then(|()| vectors.flush()).map_err(Error::io("write", path))?;
        file.keep()?;
        exported.files.push(path.to_path_buf());
    }
    lines.flush().map_err(Error::io("write", &lines_path))?;
    lines_file.keep()?;
    exported.files.push(lines_path);
    Ok(exported)
}

/// Distinct captions of the domains.
fn captions_of(memory: &Memory, domains: Option<&[String]>) -> u64 {
    let chosen = memory.domains().into_iter().filter(|d| domains.is_none_or(|wanted| wanted.contains(&d.name)));
    chosen.map(|domain| domain.captions).sum()
}

fn export_parquet(
    memory: &Memory,
    domains: Option<&[String]>,
    path: &Path,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<Exported> {
    let file = Replacement::beside(path)?;
    let mut out = parquet::Writer::create(file.place(), memory.space())?;
    let _phase = Phase::begin(progress, "exporting", Some(captions_of(memory, domains)));
    let mut exported = Exported { files: vec![path.to_path_buf()], ..Exported::default() };
    memory.for_each_caption(domains, |caption, embedding| {
        stop.check()?;
        for clip in clips_of_rows(memory, &caption)? {
            out.push(&parquet::Row {
                caption_id: caption.id,
                domain: &caption.domain,
                caption: &caption.text,
                multiplicity: caption.multiplicity,
                clip: clip.as_deref(),
                embedding,
            })?;
        }
        exported.captions += 1;
        exported.rows += u64::from(caption.multiplicity);
        progress.advance(1);
        Ok(())
    })?;
    out.finish()?;
    file.keep()?;
    Ok(exported)
}

/// The clip of each row that carries the caption: those with a clip, beginning with the first, then those without.
fn clips_of_rows(memory: &Memory, caption: &Caption) -> Result<impl Iterator<Item = Option<String>> + use<>> {
    let clips = memory.clips(caption.id)?;
    let without = (caption.multiplicity as usize).saturating_sub(clips.len());
    Ok(clips.into_iter().map(Some).chain(std::iter::repeat_n(None, without)))
}

/// One line for each row that carries the caption.
fn write_lines(memory: &Memory, caption: &Caption, out: &mut impl Write, path: &Path) -> Result<u64> {
    let Caption { id, domain, text, clip: _, multiplicity } = caption;
    for clip in clips_of_rows(memory, caption)? {
        let clip = clip.as_deref();
        let line = Line { caption_id: *id, domain, caption: text, multiplicity: *multiplicity, clip };
        serde_json::to_writer(&mut *out, &line).map_err(|error| Error::io("write", path)(error.into()))?;
        out.write_all(b"\n").map_err(Error::io("write", path))?;
    }
    Ok(u64::from(*multiplicity))
}

/// A version 1.0 header of always the same length, so that it can be written again when the number of rows is known.
fn npy_header(rows: u64, dim: usize) -> Vec<u8> {
    const LENGTH: usize = 128;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&((LENGTH - 10) as u16).to_le_bytes());
    let described = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    header.extend_from_slice(described.as_bytes());
    header.resize(LENGTH - 1, b' ');
    header.push(b'\n');
    header
}

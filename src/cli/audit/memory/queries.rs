//! The sounds that an audit asks with: files that are heard, or embeddings that are read.

use std::path::{Path, PathBuf};

use echoic::audit::memory::AudioQueries;
use echoic::embedding::normalize;
use echoic::{Embeddings, Error, Result, Snapshot};

use crate::cli::context::Context;
use crate::cli::hearing::{ear, hear};
use crate::cli::pipes::is_pipe;
use crate::cli::search::each_row;
use crate::cli::sounds::{Sound, sounds};

/// Columns of a table that name sounds, in the order in which they are looked for.
const COLUMNS: [&str; 5] = ["file_name", "path", "audio", "file", "filename"];

/// Whether a place holds embeddings: by the end of its name, which may have an array's behind a colon.
pub fn is_embeddings(place: &Path) -> bool {
    const ENDS: [&str; 7] = [".npy", ".npz", ".safetensors", ".parquet", ".arrow", ".feather", ".ipc"];
    let name = place.display().to_string().to_lowercase();
    let file = name.rsplit_once(':').map_or(name.as_str(), |(file, _)| file);
    is_pipe(place) || ENDS.iter().any(|end| name.ends_with(end) || file.ends_with(end)) && !place.is_dir()
}

/// Hears or reads what asks.
///
/// # Errors
/// [`Error::Input`] where nothing can be asked with, or the store's embeddings come from elsewhere and sounds were given;
/// [`Error::Interrupted`] where it is stopped. A single sound that fails is told and does not stop the others.
pub fn heard(context: &Context, memory: &Snapshot, place: &Path) -> Result<AudioQueries> {
    let queries = if is_embeddings(place) { read(context, memory, place)? } else { listened(context, memory, place)? };
    match queries.names.is_empty() {
        true => Err(Error::input(place.display(), "nothing to ask with", "sounds, or their embeddings")),
        false => Ok(queries),
    }
}

fn read(context: &Context, memory: &Snapshot, place: &Path) -> Result<AudioQueries> {
    let dim = memory.space().dim;
    let mut queries = AudioQueries { names: Vec::new(), embeddings: Embeddings::new(dim) };
    each_row(context, place, dim, |row, query| {
        let mut query = query.to_vec();
        normalize(&mut query);
        queries.embeddings.push(&query)?;
        queries.names.push(format!("{} [{}]", place.display(), row.unwrap_or(0)));
        Ok(())
    })?;
    Ok(queries)
}

fn listened(context: &Context, memory: &Snapshot, place: &Path) -> Result<AudioQueries> {
    let is_table = place.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let clap = ear(memory, "name a file of their embeddings: --queries FILE.npy")?;
    let sounds = match is_table {
        true => listed(place)?,
        false => sounds(context, &[place.to_path_buf()])?,
    };
    let mut queries = AudioQueries { names: Vec::new(), embeddings: Embeddings::new(memory.space().dim) };
    hear(context, &clap, &sounds, |sound, embedding| {
        queries.embeddings.push(&embedding)?;
        queries.names.push(sounds[sound].name.clone());
        Ok(())
    })?;
    Ok(queries)
}

/// The files that a table names, each once, beside the table where their names do not say where.
fn listed(table: &Path) -> Result<Vec<Sound>> {
    let unreadable = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(reason) => Error::io("read", table)(reason),
        other => Error::input(table.display(), format!("{other:?}"), "a CSV table"),
    };
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_path(table).map_err(unreadable)?;
    let names = rows.headers().map_err(unreadable)?.clone();
    let at = |wanted: &&str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    let Some(column) = COLUMNS.iter().find_map(at) else {
        let found = format!("the columns {}", names.iter().collect::<Vec<_>>().join(", "));
        return Err(Error::input(table.display(), found, "a column of files, named file_name, path or audio"));
    };
    let folder = table.parent().unwrap_or(Path::new(""));
    let (mut files, mut seen) = (Vec::new(), std::collections::HashSet::new());
    for row in rows.records() {
        let row = row.map_err(unreadable)?;
        if let Some(name) = row.get(column).map(str::trim).filter(|name| !name.is_empty())
            && seen.insert(name.to_owned())
        {
            let path: PathBuf = folder.join(name);
            files.push(Sound { path, name: name.to_owned(), root: Some(folder.to_path_buf()) });
        }
    }
    Ok(files)
}

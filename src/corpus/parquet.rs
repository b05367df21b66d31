//! Corpora in tables (Parquet and Arrow): a column of captions, or several, or one of lists of them, and one of clips where there is one.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::format::Options;
use super::row::{CAPTION_NAMES, CLIP_NAMES, Item, PLACEHOLDERS, Rejected, row, utf8};
use crate::error::{Hint, Topic};
use crate::formats::tables::{Batches, Column, Kind, Table, Values};
use crate::{Error, Result};

/// The longest text that is taken: four times the longest caption of a store. Any number of rows may share one, so that a small file would else
/// become a large corpus.
const TEXT_BYTES: usize = 1 << 14;

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 8192;

/// The field of a sound that holds its name, as datasets of Hugging Face have it beside the bytes.
const NAME_OF_SOUND: &str = ".path";

/// How many columns of clips are read: the second is for rows of which the first says nothing.
const CLIP_COLUMNS: usize = 2;

/// Reads captions by the names of the columns. The line of a row is its number in the file, from 1; a row of several captions gives as many.
pub(super) fn rows(path: &Path, options: &Options) -> Result<impl Iterator<Item = Item> + use<>> {
    let table = Table::open(path)?;
    let captions = captions(path, &table, options.column.as_deref())?;
    let mut clips = clips(path, &table, options.clip_column.as_deref())?;
    clips.retain(|clips| captions.iter().all(|column| column.path != clips.path));
    clips.truncate(CLIP_COLUMNS);
    let clips: Vec<Column> = clips.into_iter().cloned().collect();
    if table.rows() == 0 {
        return Err(Error::input(path.display(), "no rows", "a row for each caption"));
    }
    let captions: Vec<Column> = captions.into_iter().cloned().collect();
    let columns: Vec<&Column> = captions.iter().chain(&clips).collect();
    let batches = table.read(&columns, ROWS_AT_ONCE)?;
    let path = path.to_path_buf();
    Ok(Rows { path, batches, captions, clips, open: None, ready: VecDeque::new(), line: 0, failed: false })
}

/// The columns of captions: the one that is named, or those whose names say it.
fn captions<'t>(path: &Path, table: &'t Table, wanted: Option<&str>) -> Result<Vec<&'t Column>> {
    let of_texts = |column: &&Column| matches!(column.kind, Kind::Text | Kind::Texts);
    let column = |name: &str| table.column(name).filter(of_texts).map(|column| vec![column]);
    let found = match wanted {
        Some(name) => column(name),
        None => {
            let [best, others @ ..] = &CAPTION_NAMES;
            let numbered = || Some(numbered(table, best)).filter(|columns| !columns.is_empty());
            let plural = || column(&format!("{best}s"));
            let other = || others.iter().find_map(|name| column(name));
            column(best).or_else(plural).or_else(numbered).or_else(other)
        }
    };
    found.ok_or_else(|| {
        let wanted = wanted.map_or(CAPTION_NAMES.join(", "), |wanted| format!("'{wanted}'"));
        Error::input(path.display(), table.listed(), "a column of captions").with_hint(Hint::about(
            Topic::CaptionColumn,
            format!("a column of texts named {wanted} is looked for; name yours"),
        ))
    })
}

/// The columns `caption_1`, `caption_2`, … or `caption1`, `caption2`, …, by their numbers.
fn numbered<'t>(table: &'t Table, name: &str) -> Vec<&'t Column> {
    let number = |column: &Column| {
        let path = column.path.to_ascii_lowercase();
        let rest = path.strip_prefix(name)?;
        rest.strip_prefix('_').unwrap_or(rest).parse::<u32>().ok()
    };
    let of_text = table.columns().iter().filter(|column| column.kind == Kind::Text);
    let mut columns: Vec<(u32, &Column)> = of_text.filter_map(|column| Some((number(column)?, column))).collect();
    columns.sort_by_key(|(number, _)| *number);
    columns.into_iter().map(|(_, column)| column).collect()
}

/// The columns of clips, best first. Bytes are no name of a clip, unless they are asked for.
fn clips<'t>(path: &Path, table: &'t Table, wanted: Option<&str>) -> Result<Vec<&'t Column>> {
    let named = |name: &str| table.column(name).filter(|column| matches!(column.kind, Kind::Text | Kind::Number));
    let Some(wanted) = wanted else {
        let is_name = |column: &&Column| !column.is_bytes();
        let sound = |name: &str| named(&format!("{name}{NAME_OF_SOUND}"));
        return Ok(CLIP_NAMES
            .iter()
            .filter_map(|name| named(name).filter(is_name).or_else(|| sound(name)).filter(is_name))
            .collect());
    };
    match named(wanted) {
        Some(column) => Ok(vec![column]),
        None => Err(Error::input(path.display(), table.listed(), format!("a column of clips named '{wanted}'"))),
    }
}

/// The rows of a file.
struct Rows {
    path: PathBuf,
    batches: Batches,
    captions: Vec<Column>,
    clips: Vec<Column>,
    open: Option<Open>,
    /// What the last row gave.
    ready: VecDeque<Item>,
    line: u64,
    failed: bool,
}

/// Rows that were read at once.
struct Open {
    captions: Vec<Values>,
    clips: Vec<Values>,
    next: usize,
    rows: usize,
}

impl Rows {
    /// Makes the items of the next row; false behind the last.
    fn advance(&mut self) -> Result<bool> {
        while self.open.as_ref().is_none_or(|open| open.next == open.rows) {
            let Some(batch) = self.batches.next().transpose()? else { return Ok(false) };
            let of = |column: &Column| {
                Values::of(&batch, column).map_err(|reason| Error::input(self.path.display(), reason, "captions"))
            };
            let captions = self.captions.iter().map(of).collect::<Result<_>>()?;
            let clips = self.clips.iter().map(of).collect::<Result<_>>()?;
            self.open = Some(Open { captions, clips, next: 0, rows: batch.num_rows() });
        }
        if let Some(open) = &mut self.open {
            self.line += 1;
            open.items(self.line, &mut self.ready);
            open.next += 1;
        }
        Ok(true)
    }
}

impl Open {
    /// What the row at `next` gives: an item for each text that is there, and a rejection where there is none.
    fn items(&self, line: u64, items: &mut VecDeque<Item>) {
        let is_placeholder = |clip: &[u8]| PLACEHOLDERS.iter().any(|known| known.as_bytes() == clip);
        let mut clips = self.clips.iter().map(|clips| clips.text(self.next));
        let clip = clips.find(|clip| !clip.as_ref().is_some_and(|clip| is_placeholder(clip))).flatten();
        let too_long = || Rejected { line, reason: format!("longer than {TEXT_BYTES} bytes") };
        if clip.as_ref().is_some_and(|clip| clip.len() > TEXT_BYTES) {
            return items.push_back(Err(too_long()));
        }
        let clip = clip.as_ref().and_then(|clip| std::str::from_utf8(clip).ok());
        let item = |text: &[u8]| match text.len() > TEXT_BYTES {
            true => Err(too_long()),
            false => utf8(text, line).and_then(|text| row(text, clip, line)),
        };
        for captions in &self.captions {
            captions.texts(self.next, |text| {
                // Of several captions of a row some may be left empty.
                if !text.trim_ascii().is_empty() {
                    items.push_back(item(text));
                }
            });
        }
        if items.is_empty() {
            items.push_back(item(b""));
        }
    }
}

impl Iterator for Rows {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.failed {
                return None;
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                // How many rows the damage has taken is not known, and so not which embedding belongs to which row behind it.
                Err(error) => {
                    self.failed = true;
                    let reason = format!("{error}; nothing is read from here on");
                    return Some(Err(Rejected { line: self.line + 1, reason }));
                }
            }
        }
    }
}

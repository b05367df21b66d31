//! Parquet corpora: a column of captions, and one of clips where there is one.

use std::path::Path;
use std::{iter, vec};

use super::row::{CAPTION_NAMES, CLIP_NAMES, Item, Rejected, row, utf8};
use crate::error::{Hint, Topic};
use crate::formats::parquet::{Table, Text, Texts};
use crate::{Error, Result};

/// The longest text that is taken: four times the longest caption of a store. Any number of rows may share one, so that a small file would else
/// become a large corpus.
const TEXT_BYTES: usize = 1 << 14;

/// Reads captions by the names of the columns, group after group. The line of a row is its number in the file, from 1.
pub(super) fn rows(path: &Path, column: Option<&str>) -> Result<impl Iterator<Item = Item> + use<>> {
    let table = Table::open(path)?;
    let columns = table.columns();
    let position = |wanted: &str| columns.iter().position(|(name, text)| *text && name.eq_ignore_ascii_case(wanted));
    let captions = match column {
        Some(wanted) => position(wanted),
        None => CAPTION_NAMES.iter().find_map(|name| position(name)),
    };
    let Some(captions) = captions else {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let wanted = column.map_or(CAPTION_NAMES.join(", "), |wanted| format!("'{wanted}'"));
        let error = Error::input(path.display(), format!("the columns {}", names.join(", ")), "a column of captions");
        return Err(error.with_hint(Hint::about(
            Topic::CaptionColumn,
            format!("a column of texts named {wanted} is looked for; name yours"),
        )));
    };
    let clips = CLIP_NAMES.iter().find_map(|name| position(name)).filter(|clips| *clips != captions);
    Ok(Rows { table, captions, clips, group: 0, open: None, ready: Vec::new().into_iter(), line: 0, failed: false })
}

/// A caption and its clip.
type Pair = (Option<Text>, Option<Text>);

/// The rows of a file.
struct Rows {
    table: Table,
    captions: usize,
    clips: Option<usize>,
    /// The group that is opened next.
    group: usize,
    /// The columns of captions and of clips in the group before it.
    open: Option<(Texts, Option<Texts>)>,
    ready: vec::IntoIter<Pair>,
    line: u64,
    failed: bool,
}

impl Rows {
    /// Reads the next rows; none behind the last.
    fn read(&mut self) -> Result<Vec<Pair>> {
        loop {
            let Some((captions, clips)) = &mut self.open else {
                if self.group == self.table.groups() {
                    return Ok(Vec::new());
                }
                let captions = self.table.texts(self.group, self.captions)?;
                let clips = self.clips.map(|clips| self.table.texts(self.group, clips)).transpose()?;
                self.open = Some((captions, clips));
                self.group += 1;
                continue;
            };
            let captions = captions.read()?;
            // Both columns have the rows of their group.
            let clips = clips.as_mut().map(Texts::read).transpose()?.into_iter().flatten();
            if captions.is_empty() {
                self.open = None;
                continue;
            }
            return Ok(captions.into_iter().zip(clips.chain(iter::repeat(None))).collect());
        }
    }
}

impl Iterator for Rows {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while !self.failed {
            if let Some((caption, clip)) = self.ready.next() {
                self.line += 1;
                return Some(item(caption.as_ref(), clip.as_ref(), self.line));
            }
            match self.read() {
                Ok(rows) if rows.is_empty() => return None,
                Ok(rows) => self.ready = rows.into_iter(),
                // How many rows the damage has taken is not known, and so not which embedding belongs to which row behind it.
                Err(error) => {
                    self.failed = true;
                    let reason = format!("{error}; nothing is read from here on");
                    return Some(Err(Rejected { line: self.line + 1, reason }));
                }
            }
        }
        None
    }
}

fn item(caption: Option<&Text>, clip: Option<&Text>, line: u64) -> Item {
    let bytes = |text: Option<&'_ Text>| text.map_or(0, Text::len);
    if bytes(caption).max(bytes(clip)) > TEXT_BYTES {
        return Err(Rejected { line, reason: format!("longer than {TEXT_BYTES} bytes") });
    }
    let clip = clip.and_then(|bytes| std::str::from_utf8(bytes.data()).ok());
    utf8(caption.map(Text::data).unwrap_or_default(), line).and_then(|text| row(text, clip, line))
}

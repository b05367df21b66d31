//! Parquet corpora: a column of captions, and one of clips where there is one.

use std::path::Path;

use super::{CAPTION_NAMES, CLIP_NAMES, Item, Rejected, row, utf8};
use crate::parquet::{Table, Texts};
use crate::{Error, Result};

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
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = column.map_or(CAPTION_NAMES.join(", "), |wanted| format!("'{wanted}'"));
        let error = Error::input(path.display(), format!("the columns {}", names.join(", ")), "a column of captions");
        return Err(
            error.with_hint(format!("a column of texts named {wanted} is looked for; name yours with --column"))
        );
    };
    let clips = CLIP_NAMES.iter().find_map(|name| position(name)).filter(|clips| *clips != captions);
    let mut line = 0;
    let groups = 0..table.groups();
    Ok(groups.flat_map(move |group| {
        let read = || -> Result<(Texts, Option<Texts>)> {
            Ok((table.texts(group, captions)?, clips.map(|clips| table.texts(group, clips)).transpose()?))
        };
        match read() {
            Ok((captions, clips)) => {
                let first = line + 1;
                line += captions.len() as u64;
                items(captions, clips, first)
            }
            Err(error) => {
                line += 1;
                vec![Err(Rejected { line, reason: error.to_string() })]
            }
        }
    }))
}

fn items(captions: Texts, clips: Option<Texts>, first: u64) -> Vec<Item> {
    let clips = clips.into_iter().flatten().chain(std::iter::repeat(None));
    let rows = captions.into_iter().zip(clips).zip(first..).map(|((caption, clip), line)| {
        let clip = clip.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        utf8(caption.as_deref().unwrap_or_default(), line).and_then(|text| row(text, clip, line))
    });
    rows.collect()
}

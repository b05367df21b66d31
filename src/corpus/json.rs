//! JSON lines, and what is no JSON document.

use std::collections::VecDeque;
use std::io::BufRead;

use super::document::{Layout, answer, parse};
use super::entry::{ClipFrom, Keys};
use super::format::Format;
use super::row::Item;
use super::text::Lines;
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// Refuses a document that does not begin as its layout was said to.
pub(super) fn check_document(name: &str, head: &[u8], format: Format, layout: Layout) -> Result<()> {
    if let Some(answer) = answer(head).filter(|_| layout == Layout::ByClip) {
        return Err(Error::input(name, format!("an answer in place of a file: {answer:.200}"), "a caption corpus")
            .with_hint("fetch the file again, with the rights that its server asks for"));
    }
    let is_document = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_document && (format != Format::Wavcaps || layout == Layout::Tables) {
        return Ok(());
    }
    let (found, expected) = match format {
        Format::Wavcaps => ("no list `data` of entries", "a JSON document with one, as in WavCaps"),
        _ => ("text that begins otherwise", "a JSON document, which begins with { or ["),
    };
    Err(Error::input(name, found, expected)
        .with_hint(Hint::about(Topic::CorpusFormat, "if it has one JSON object a line, name the layout jsonl")))
}

/// One JSON object a line; blank lines are skipped, and so is a comma behind an object.
pub(super) fn lines<R: BufRead>(reader: R, keys: Keys) -> impl Iterator<Item = Item> + use<R> {
    let mut lines = Lines::new(reader);
    let mut ready: VecDeque<Item> = VecDeque::new();
    std::iter::from_fn(move || {
        loop {
            if let Some(item) = ready.pop_front() {
                return Some(item);
            }
            let (number, line) = lines.next()?;
            let bytes = match line {
                Err(rejected) => return Some(Err(rejected)),
                Ok(bytes) => bytes,
            };
            let object = bytes.trim_ascii();
            let object = object.strip_suffix(b",").unwrap_or(object);
            if object.is_empty() {
                continue;
            }
            match parse(object, number) {
                Err(rejected) => return Some(Err(rejected)),
                Ok(entry) => keys.rows(&entry, ClipFrom::Entry, number, &mut ready),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_costs_only_itself() {
        let text = b"{\"caption\": \"Rain.\"}\n{oops\n\n\xff\n{\"x\": 1}\n{\"text\": \"Wind.\", \"audio_id\": \"a\"}\n";
        let items: Vec<_> = lines(&text[..], Keys::default()).collect();
        let rejected: Vec<u64> = items.iter().filter_map(|i| i.as_ref().err()).map(|r| r.line).collect();
        assert_eq!(rejected, [2, 4, 5]);
        assert_eq!(items.len(), 5);
    }

    #[test]
    fn a_line_may_hold_several_captions_and_end_with_a_comma() {
        let text = "{\"captions\": [\"Rain.\", \"Wind.\"], \"score\": NaN},\n{\"caption\": \"Hail.\"},\n";
        let items: Vec<_> =
            lines(text.as_bytes(), Keys::default()).map(|item| item.map(|row| (row.text, row.line))).collect();
        assert_eq!(items, [Ok(("Rain.".into(), 1)), Ok(("Wind.".into(), 1)), Ok(("Hail.".into(), 2))]);
    }
}

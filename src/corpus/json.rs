//! JSON corpora: one object a line, or the one document of WavCaps.

use std::io::BufRead;

use serde_json::Value;

use super::row::{CAPTION_NAMES, CLIP_NAMES, Item, Rejected, row, utf8};
use super::text::Lines;
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// One JSON object a line; blank lines are skipped.
pub(super) fn lines<R: BufRead>(reader: R, column: Option<&str>) -> impl Iterator<Item = Item> + use<R> {
    let column = column.map(str::to_owned);
    Lines::new(reader).filter_map(move |(number, line)| match line {
        Err(rejected) => Some(Err(rejected)),
        Ok(bytes) if bytes.trim_ascii().is_empty() => None,
        Ok(bytes) => Some(utf8(&bytes, number).and_then(|text| {
            let value = serde_json::from_str(text)
                .map_err(|e| Rejected { line: number, reason: format!("not a JSON object: {e}") })?;
            item(&value, column.as_deref(), number)
        })),
    })
}

/// The `data` array of a WavCaps document. Its rows are numbered by entry, as the document may be a single line.
pub(super) fn wavcaps<R: BufRead>(
    name: &str,
    reader: R,
    column: Option<&str>,
) -> Result<impl Iterator<Item = Item> + use<R>> {
    let expected = "a JSON document with an array `data` of objects that have a `caption`";
    let mut document: Value = serde_json::from_reader(reader).map_err(|e| {
        Error::input(name, format!("text that is no JSON ({e})"), expected)
            .with_hint(Hint::about(Topic::CorpusFormat, "if it has one JSON object a line, name the layout jsonl"))
    })?;
    let entries = match document.get_mut("data").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => return Err(Error::input(name, "a JSON document without an array `data`", expected)),
    };
    let column = column.map(str::to_owned);
    Ok(entries.into_iter().zip(1..).map(move |(entry, number)| item(&entry, column.as_deref(), number)))
}

fn item(value: &Value, column: Option<&str>, line: u64) -> Item {
    let found = match column {
        Some(column) => value.get(column),
        None => CAPTION_NAMES.iter().find_map(|name| value.get(name)),
    };
    let Some(text) = found.and_then(Value::as_str) else {
        let wanted = column.map_or_else(|| CAPTION_NAMES.join(", "), str::to_owned);
        let reason = match value.as_object() {
            None => "not a JSON object".to_owned(),
            Some(object) => {
                let keys: Vec<&str> = object.keys().map(String::as_str).collect();
                format!("no text under {wanted}; the keys are {}", keys.join(", "))
            }
        };
        return Err(Rejected { line, reason });
    };
    let clip = CLIP_NAMES.iter().find_map(|name| match value.get(name) {
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    });
    row(text, clip.as_deref(), line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wavcaps_entries_with_their_ids() {
        let json = r#"{"n": 1, "data": [{"caption": "Rain.", "id": 7}, {"id": "8"}, {"caption": "Wind.", "id": "x"}]}"#;
        let items: Vec<_> = wavcaps("w.json", json.as_bytes(), None).unwrap().collect();
        assert_eq!(items[0].as_ref().unwrap().clip.as_deref(), Some("7"));
        assert_eq!(items[1].as_ref().unwrap_err().line, 2);
        assert_eq!(items[2].as_ref().unwrap().text, "Wind.");
        assert!(wavcaps("w.json", &b"[1"[..], None).is_err());
        assert!(wavcaps("w.json", &b"{}"[..], None).is_err());
    }

    #[test]
    fn a_bad_line_costs_only_itself() {
        let text = b"{\"caption\": \"Rain.\"}\n{oops\n\n\xff\n{\"x\": 1}\n{\"text\": \"Wind.\", \"audio_id\": \"a\"}\n";
        let items: Vec<_> = lines(&text[..], None).collect();
        let rejected: Vec<u64> = items.iter().filter_map(|i| i.as_ref().err()).map(|r| r.line).collect();
        assert_eq!(rejected, [2, 4, 5]);
        assert_eq!(items.len(), 5);
    }
}

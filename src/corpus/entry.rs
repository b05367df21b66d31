//! An entry of a JSON or YAML corpus: where its captions and its clip stand.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::format::Options;
use super::row::{CAPTION_NAMES, CLIP_NAMES, Item, PLACEHOLDERS, Rejected, is_sound, numbered, row, row_or_empty};

/// What lists of captions are called.
const LIST_NAMES: [&str; 5] = ["captions", "annotations", "sentences", "texts", "descriptions"];

/// Where the clip of an entry is named.
#[derive(Debug, Clone, Copy)]
pub(super) enum ClipFrom<'a> {
    /// In the entry.
    Entry,
    /// In the entry, and else this.
    EntryOr(&'a str),
    /// This, whatever the entry says.
    Elsewhere(&'a str),
}

/// Which keys of an entry hold what.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    column: Option<String>,
    clip: Option<String>,
    /// WavCaps names its clips under `id`, whatever else is there.
    id_first: bool,
    keep_empty: bool,
}

impl Keys {
    pub(super) fn of(options: &Options) -> Self {
        Self {
            column: options.column.clone(),
            clip: options.clip_column.clone(),
            id_first: false,
            keep_empty: options.keep_empty,
        }
    }

    pub(super) fn id_first(self) -> Self {
        Self { id_first: true, ..self }
    }

    /// Appends a row for each caption of `entry`.
    pub(super) fn rows(&self, entry: &Value, clip: ClipFrom<'_>, line: u64, out: &mut VecDeque<Item>) {
        let reject = |reason: String| Err(Rejected { line, reason });
        let (texts, named) = match entry {
            Value::Object(object) => (self.captions(object), self.clip(object)),
            Value::Array(list) => match &list[..] {
                [Value::String(sound), captions @ ..] if !captions.is_empty() && is_sound(sound) => {
                    (list_of_texts(captions), Some(sound.clone()))
                }
                all => (list_of_texts(all), None),
            },
            other => (texts(other), None),
        };
        let clip = match clip {
            ClipFrom::Entry => named.as_deref(),
            ClipFrom::EntryOr(clip) => named.as_deref().or(Some(clip)),
            ClipFrom::Elsewhere(clip) => Some(clip),
        };
        match texts {
            Some(texts) if texts.is_empty() => out.push_back(reject("the list of captions is empty".into())),
            Some(texts) if self.keep_empty => {
                out.extend(texts.iter().map(|text| Ok(row_or_empty(text, clip, line))));
            }
            Some(texts) => out.extend(texts.iter().map(|text| row(text, clip, line))),
            None => out.push_back(reject(self.without_caption(entry))),
        }
    }

    fn captions<'v>(&self, object: &'v Map<String, Value>) -> Option<Vec<&'v str>> {
        let under = |name: &str| object.get(name).and_then(texts);
        if let Some(column) = &self.column {
            return under(column);
        }
        let [first, others @ ..] = &CAPTION_NAMES;
        under(first)
            .or_else(|| under(LIST_NAMES[0]))
            .or_else(|| numbered_captions(object))
            .or_else(|| others.iter().chain(&LIST_NAMES[1..]).find_map(|name| under(name)))
    }

    /// The clip that an entry names: a text, a number, or the path of a sound with its bytes.
    pub(super) fn clip(&self, object: &Map<String, Value>) -> Option<String> {
        let under = |name: &str| match object.get(name)? {
            Value::String(id) if PLACEHOLDERS.contains(&&**id) => None,
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            Value::Object(sound) => sound.get("path").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        if let Some(name) = &self.clip {
            return under(name);
        }
        let first = self.id_first.then(|| under("id")).flatten();
        first.or_else(|| CLIP_NAMES.iter().find_map(|name| under(name)))
    }

    fn without_caption(&self, entry: &Value) -> String {
        let wanted = self.column.clone().unwrap_or_else(|| CAPTION_NAMES.join(", "));
        match entry.as_object() {
            None => format!("{} where an object with a caption was expected", kind(entry)),
            Some(object) => {
                let keys: Vec<&str> = object.keys().map(String::as_str).take(20).collect();
                format!("no text under {wanted}; the keys are {}", keys.join(", "))
            }
        }
    }
}

/// `caption_1`, `caption_2` … in the order of their numbers.
fn numbered_captions(object: &Map<String, Value>) -> Option<Vec<&str>> {
    let found = object.iter().filter_map(|(key, value)| Some((numbered(key)?, value.as_str()?)));
    let mut found: Vec<(u64, &str)> = found.filter(|(_, text)| !text.trim().is_empty()).collect();
    found.sort_by_key(|(number, _)| *number);
    (!found.is_empty()).then(|| found.into_iter().map(|(_, text)| text).collect())
}

/// The captions that a value is: a text, a list of texts, or a list of objects that hold one each.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list_of_texts(list),
        _ => None,
    }
}

fn list_of_texts(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().filter(|one| !one.is_null()).map(single).collect()
}

fn single(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(object) => CAPTION_NAMES.iter().find_map(|name| object.get(*name)?.as_str()),
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(entry: &Value) -> Vec<Result<(String, Option<String>), String>> {
        let mut rows = VecDeque::new();
        Keys::default().rows(entry, ClipFrom::EntryOr("given"), 1, &mut rows);
        rows.into_iter().map(|item| item.map(|row| (row.text, row.clip)).map_err(|r| r.reason)).collect()
    }

    #[test]
    fn every_caption_of_an_entry_becomes_a_row_of_its_clip() {
        let ok = |text: &str, clip: &str| Ok((text.to_owned(), Some(clip.to_owned())));
        let cases = [
            (json!({"captions": ["Rain.", "Wind."], "fname": 7}), vec![ok("Rain.", "7"), ok("Wind.", "7")]),
            (
                json!({"caption_2": "B.", "caption_10": "C.", "caption_1": "A.", "audio": {"path": "x.wav", "bytes": null}}),
                vec![ok("A.", "x.wav"), ok("B.", "x.wav"), ok("C.", "x.wav")],
            ),
            (json!({"caption1": "A.", "caption2": "", "ytid": "y"}), vec![ok("A.", "y")]),
            (
                json!({"filename": "a.wav", "annotations": [{"sentence": "A."}, {"sentence": "B."}]}),
                vec![ok("A.", "a.wav"), ok("B.", "a.wav")],
            ),
            (json!({"audio": "wav_path", "id": "12", "caption": "Rain."}), vec![ok("Rain.", "12")]),
            (json!(["Rain.", "Wind."]), vec![ok("Rain.", "given"), ok("Wind.", "given")]),
            (json!("Rain."), vec![ok("Rain.", "given")]),
            (json!(["a.wav", "Rain.", "Wind."]), vec![ok("Rain.", "a.wav"), ok("Wind.", "a.wav")]),
        ];
        for (entry, expected) in cases {
            assert_eq!(read(&entry), expected, "{entry}");
        }
    }

    #[test]
    fn what_holds_no_caption_says_what_it_holds() {
        for (entry, words) in [
            (json!({"licence": "CC0"}), "the keys are licence"),
            (json!(7), "a number where an object"),
            (json!({"captions": []}), "the list of captions is empty"),
            (json!({"caption": {"0": "Rain."}}), "the keys are caption"),
        ] {
            let [Err(reason)] = &read(&entry)[..] else { panic!("{entry}") };
            assert!(reason.contains(words), "{reason}");
        }
    }
}

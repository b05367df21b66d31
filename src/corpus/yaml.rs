//! YAML corpora, as MACS is published: a list of entries, or an object that holds one.

use std::collections::VecDeque;
use std::io::Read;

use serde_json::Value;

use super::document::{Document, Layout, is_of_sounds};
use super::entry::{ClipFrom, Keys};
use super::packed::unreadable;
use super::row::Item;
use crate::{Error, Result};

/// The largest file that is read, in bytes: a YAML document is held whole.
const LARGEST: u64 = 64 << 20;

/// The rows of a document, numbered by entry, and how its entries are arranged.
pub(super) fn rows(name: &str, reader: impl Read, keys: &Keys) -> Result<(Layout, VecDeque<Item>)> {
    let mut text = String::new();
    let read = reader.take(LARGEST + 1).read_to_string(&mut text);
    read.map_err(|cause| unreadable(name, cause))?;
    if text.len() as u64 > LARGEST {
        let expected = format!("at most {} MiB", LARGEST >> 20);
        return Err(Error::input(name, "a YAML document of more", expected)
            .with_hint("convert it to JSON lines, which are read line by line"));
    }
    let document: Value = serde_saphyr::from_str(&text).map_err(|error| {
        let what = error.to_string();
        Error::input(
            name,
            format!("text that is no YAML: {}", what.lines().next().unwrap_or_default()),
            "a YAML document",
        )
    })?;
    let json = as_json(&document).map_err(|error| Error::Internal(error.to_string()))?;
    let layout = Layout::of(&json);
    let mut out = VecDeque::new();
    match &document {
        Value::Array(_) | Value::Object(_) => {
            out.extend(Document::new(std::io::Cursor::new(json), layout, keys.clone()));
        }
        other => keys.rows(other, ClipFrom::Entry, 1, &mut out),
    }
    Ok((layout, out))
}

/// The document as JSON, lists of sounds first: other lists refer to them, and the order of keys says nothing in YAML.
fn as_json(document: &Value) -> serde_json::Result<Vec<u8>> {
    let Value::Object(object) = document else { return serde_json::to_vec(document) };
    let (sounds, others): (Vec<_>, Vec<_>) = object.iter().partition(|(key, _)| is_of_sounds(key));
    let member = |(key, value): (&String, &Value)| {
        Ok(format!("{}:{}", serde_json::to_string(key)?, serde_json::to_string(value)?))
    };
    let members = sounds.into_iter().chain(others).map(member).collect::<serde_json::Result<Vec<_>>>()?;
    Ok(format!("{{{}}}", members.join(",")).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_is_read_as_it_is_published() {
        let text = "files:\n- filename: park-1.wav\n  annotations:\n  - annotator_id: 1\n    sentence: Birds sing.\n    tags:\n    - birds\n  - annotator_id: 2\n    sentence: People talk.\n- filename: tram-2.wav\n  annotations:\n  - sentence: A tram rings.\n";
        let (layout, rows) = rows("MACS.yaml", text.as_bytes(), &Keys::default()).unwrap();
        let rows: Vec<_> =
            rows.into_iter().map(|row| row.map(|row| (row.clip.unwrap_or_default(), row.text)).unwrap()).collect();
        let expected = [("park-1.wav", "Birds sing."), ("park-1.wav", "People talk."), ("tram-2.wav", "A tram rings.")];
        assert_eq!(rows, expected.map(|(clip, text)| (clip.to_owned(), text.to_owned())));
        assert_eq!(layout, Layout::Tables);
        assert!(super::rows("x", &b"a: [1"[..], &Keys::default()).unwrap_err().to_string().contains("no YAML"));
    }

    #[test]
    fn entries_that_refer_to_sounds_have_their_names() {
        let text = "annotations:\n- image_id: 3\n  caption: Rain.\nimages:\n- id: 3\n  file_name: c.wav\n";
        let (layout, rows) = rows("coco.yaml", text.as_bytes(), &Keys::default()).unwrap();
        let clips: Vec<_> = rows.into_iter().map(|row| row.unwrap().clip).collect();
        assert_eq!((layout, clips), (Layout::Tables, vec![Some("c.wav".to_owned())]));
    }
}

//! JSON documents: an array of entries, an object with tables of entries, an object of entries by clip, or objects one behind the other.
//!
//! Entries are read one by one, so that a document may be larger than memory. They are numbered from 1, as a document may be a single line.

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;

use serde_json::Value;

use super::entry::{ClipFrom, Keys};
use super::row::{CAPTION_NAMES, CLIP_NAMES, Item, Rejected, numbered, utf8};
use super::scanner::{Scanner, Written};
use super::text::too_long;

/// What lists of entries are called in documents that hold several things.
const TABLES: [&str; 24] = [
    "data",
    "annotations",
    "captions",
    "rows",
    "items",
    "entries",
    "records",
    "samples",
    "examples",
    "files",
    "clips",
    "segments",
    "results",
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "dev",
    "development",
    "test",
    "evaluation",
    "eval",
    "split",
];

/// What lists of sounds are called, whose names other tables refer to by `id` (COCO).
const SOUNDS: [&str; 3] = ["images", "audios", "videos"];

/// What is said about a document as a whole, or instead of one: where entries go by clip, texts under these names are no captions.
const ABOUT: [&str; 16] = [
    "version",
    "name",
    "license",
    "licence",
    "info",
    "description",
    "url",
    "date",
    "author",
    "citation",
    "homepage",
    "error",
    "message",
    "detail",
    "status",
    "title",
];

/// How the entries of a document are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[entry, …]`.
    Array,
    /// `{"data": [entry, …], …}`.
    Tables,
    /// `{"clip": entry, …}`.
    ByClip,
    /// `entry entry …`.
    Sequence,
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Array => "a JSON array of entries",
            Self::Tables => "a JSON document with lists of entries",
            Self::ByClip => "a JSON object of entries by clip",
            Self::Sequence => "JSON objects one behind the other",
        })
    }
}

impl Layout {
    /// The layout of a document that begins like this.
    pub(super) fn of(head: &[u8]) -> Self {
        if head.trim_ascii_start().starts_with(b"[") {
            return Self::Array;
        }
        let mut seen = Seen::default();
        // What the beginning does not show is not known.
        let decided = seen.read(&mut Scanner::new(head)).ok().flatten();
        decided.unwrap_or_else(|| seen.layout())
    }
}

/// What the keys of an object tell about the layout.
#[derive(Default)]
struct Seen {
    clip: bool,
    table: bool,
    /// A text under a name that captions have, and descriptions of whole data sets, too.
    caption: bool,
}

impl Seen {
    fn layout(&self) -> Layout {
        match self {
            Self { table: true, clip: false, .. } => Layout::Tables,
            Self { table: false, caption: false, .. } => Layout::ByClip,
            _ => Layout::Sequence,
        }
    }

    /// Reads the keys of an object, until one decides.
    fn read(&mut self, scanner: &mut Scanner<&[u8]>) -> std::io::Result<Option<Layout>> {
        if scanner.peek()? != Some(b'{') {
            return Ok(None);
        }
        scanner.skip();
        while let Some(key) = key(scanner)? {
            let name = key.to_ascii_lowercase();
            let is_caption = name == CAPTION_NAMES[0] || name == "captions" || numbered(&name).is_some();
            match scanner.peek()? {
                Some(b'"') if is_caption => return Ok(Some(Layout::Sequence)),
                Some(b'"') if CAPTION_NAMES.contains(&&*name) => self.caption = true,
                Some(b'"' | b'0'..=b'9') if CLIP_NAMES.contains(&&*name) => self.clip = true,
                Some(b'[') if SOUNDS.contains(&&*name) => return Ok(Some(Layout::Tables)),
                Some(b'[') if is_caption || TABLES.contains(&&*name) => {
                    scanner.skip();
                    match scanner.peek()? {
                        Some(b'"') if is_caption => return Ok(Some(Layout::Sequence)),
                        Some(b'{') => self.table = true,
                        _ => {}
                    }
                    if !pass_list(scanner)? {
                        return Ok(None);
                    }
                    continue;
                }
                _ => {}
            }
            if !matches!(scanner.value()?, Written::Whole(_)) {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// Passes over the rest of a list; false where the end of what is known comes first.
fn pass_list(scanner: &mut Scanner<&[u8]>) -> std::io::Result<bool> {
    loop {
        match scanner.peek()? {
            None => return Ok(false),
            Some(b']') => {
                scanner.skip();
                return Ok(true);
            }
            Some(b',') => scanner.skip(),
            Some(_) => {
                if scanner.value()? == Written::CutOff {
                    return Ok(false);
                }
            }
        }
    }
}

/// The next key of an object, with its colon passed over; `None` where there is none.
fn key<R: BufRead>(scanner: &mut Scanner<R>) -> std::io::Result<Option<String>> {
    while scanner.peek()? == Some(b',') {
        scanner.skip();
    }
    if scanner.peek()? != Some(b'"') {
        return Ok(None);
    }
    let Written::Whole(written) = scanner.value()? else { return Ok(None) };
    if scanner.peek()? != Some(b':') {
        return Ok(None);
    }
    scanner.skip();
    Ok(serde_json::from_slice(&written).ok())
}

/// Where in the document reading is.
enum Place {
    /// Between values of the top level.
    Top,
    /// In a list of entries; inside an object where true.
    List(bool),
    /// In a list of sounds, which name clips.
    Sounds,
    /// Between the members of the object.
    Object,
    /// Behind its end, or behind what made the rest unreadable.
    End,
}

/// The rows of a document.
pub(super) struct Document<R> {
    scanner: Scanner<R>,
    layout: Layout,
    keys: Keys,
    place: Place,
    number: u64,
    /// The names of sounds by the id that entries refer to.
    names: HashMap<String, String>,
    ready: VecDeque<Item>,
}

impl<R: BufRead> Document<R> {
    /// Reads on from the beginning of a document of this layout.
    pub(super) fn new(reader: R, layout: Layout, keys: Keys) -> Self {
        let scanner = Scanner::new(reader);
        Self { scanner, layout, keys, place: Place::Top, number: 0, names: HashMap::new(), ready: VecDeque::new() }
    }

    fn advance(&mut self) -> std::io::Result<()> {
        let next = self.scanner.peek()?;
        match (&self.place, next) {
            (Place::Top, None) => self.place = Place::End,
            (_, None) => self.stop("the document breaks off"),
            (_, Some(b',')) => self.scanner.skip(),
            (Place::Top, Some(b'[')) if self.layout != Layout::Sequence => {
                self.scanner.skip();
                self.place = Place::List(false);
            }
            (Place::Top, Some(b'{')) if matches!(self.layout, Layout::Tables | Layout::ByClip) => {
                self.scanner.skip();
                self.place = Place::Object;
            }
            (Place::Top, Some(b'{'))
            | (Place::List(_), Some(b'{' | b'"' | b'[' | b'0'..=b'9' | b'-' | b'a'..=b'z' | b'A'..=b'Z')) => {
                self.entry(None)?;
            }
            (Place::List(inside), Some(b']')) => {
                self.place = if *inside { Place::Object } else { Place::Top };
                self.scanner.skip();
            }
            (Place::Sounds, Some(b']')) => {
                self.place = Place::Object;
                self.scanner.skip();
            }
            (Place::Sounds, Some(b'{')) => self.sound()?,
            (Place::Object, Some(b'}')) => {
                self.place = Place::Top;
                self.scanner.skip();
            }
            (Place::Object, Some(b'"')) => self.member()?,
            (_, Some(other)) => {
                let found = char::from(other);
                self.stop(&format!("found {found:?} where JSON goes on otherwise"));
            }
        }
        Ok(())
    }

    /// A member of the object: a table, an entry under its clip, or something about the document.
    fn member(&mut self) -> std::io::Result<()> {
        let Some(key) = key(&mut self.scanner)? else {
            self.stop("a key without a value");
            return Ok(());
        };
        let name = key.to_ascii_lowercase();
        let begins = self.scanner.peek()?;
        if self.layout == Layout::ByClip && !(begins == Some(b'"') && ABOUT.contains(&&*name)) {
            return self.entry(Some(&key));
        }
        let is_list = begins == Some(b'[');
        if is_list && (TABLES.contains(&&*name) || SOUNDS.contains(&&*name)) {
            self.scanner.skip();
            let are_sounds = SOUNDS.contains(&&*name);
            if are_sounds && self.number > 0 {
                tracing::warn!(
                    "{key} come behind the captions that refer to them: their clips go by number, not by name"
                );
            }
            self.place = if are_sounds { Place::Sounds } else { Place::List(true) };
            return Ok(());
        }
        // What is said about the document as a whole may be of any length.
        if self.scanner.value()? == Written::CutOff {
            self.stop("the document breaks off");
        }
        Ok(())
    }

    fn entry(&mut self, clip: Option<&str>) -> std::io::Result<()> {
        self.number += 1;
        let number = self.number;
        match self.scanner.value()? {
            Written::Whole(written) => match parse(&written, number) {
                Ok(entry) => {
                    let referred = entry.as_object().and_then(|object| self.referred(object));
                    let clip = match (&referred, clip) {
                        (Some(name), _) => ClipFrom::Elsewhere(name),
                        (None, Some(clip)) => ClipFrom::EntryOr(clip),
                        (None, None) => ClipFrom::Entry,
                    };
                    self.keys.rows(&entry, clip, number, &mut self.ready);
                }
                Err(rejected) => self.ready.push_back(Err(rejected)),
            },
            Written::TooLong => self.ready.push_back(Err(too_long(number))),
            Written::CutOff => self.stop("the document breaks off within this entry"),
        }
        Ok(())
    }

    /// The name of the sound that an entry refers to by its id.
    fn referred(&self, object: &serde_json::Map<String, Value>) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let id = ["image_id", "audio_id", "video_id"].iter().find_map(|name| object.get(*name))?;
        self.names.get(&id.to_string()).cloned()
    }

    fn sound(&mut self) -> std::io::Result<()> {
        if let Written::Whole(written) = self.scanner.value()?
            && let Ok(Value::Object(sound)) = parse(&written, 0)
            && let Some(id) = sound.get("id")
            && let Some(name) = self.keys.clip(&sound)
        {
            self.names.insert(id.to_string(), name);
        }
        Ok(())
    }

    fn stop(&mut self, reason: &str) {
        self.place = Place::End;
        let line = self.number.max(1);
        self.ready.push_back(Err(Rejected { line, reason: format!("{reason}; nothing is read from here on") }));
    }
}

impl<R: BufRead> Iterator for Document<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if matches!(self.place, Place::End) {
                return None;
            }
            if let Err(error) = self.advance() {
                self.stop(&format!("reading failed: {error}"));
            }
        }
    }
}

/// Reads one entry. What other programs write for numbers that JSON has no word for is taken for null.
pub(super) fn parse(written: &[u8], line: u64) -> Result<Value, Rejected> {
    let text = utf8(written, line)?;
    serde_json::from_str(text)
        .or_else(|error| serde_json::from_str(&with_null(text)).map_err(|_| error))
        .map_err(|error| Rejected { line, reason: format!("not JSON: {error}") })
}

/// The text with `NaN` and `Infinity`, where they stand outside of texts, as `null`.
fn with_null(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let (mut in_text, mut escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            out.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        let ends_or_begins = next == '"' && !escaped;
        escaped = in_text && next == '\\' && !escaped;
        in_text ^= ends_or_begins;
        out.push(next);
        rest = &rest[next.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row as `clip: text`, each rejection as `! reason`.
    fn read(text: &str) -> Vec<String> {
        let layout = Layout::of(text.as_bytes());
        let rows = Document::new(text.as_bytes(), layout, Keys::default());
        rows.map(|item| match item {
            Ok(row) => format!("{}: {}", row.clip.unwrap_or_default(), row.text),
            Err(rejected) => format!("! {} {}", rejected.line, rejected.reason),
        })
        .collect()
    }

    #[test]
    fn every_arrangement_gives_its_entries() {
        let cases: [(&str, Layout, &[&str]); 14] = [
            (r#"{"description": "My set", "annotations": [{"caption": "A.", "id": 1}]}"#, Layout::Tables, &["1: A."]),
            (r#"{"annotations": [{"sentence": "A."}], "filename": "a.wav"}"#, Layout::Sequence, &["a.wav: A."]),
            (r#"{"version": "1.0", "a.wav": "Rain."}"#, Layout::ByClip, &["a.wav: Rain."]),
            (r#"{"error": "Invalid username or password."}"#, Layout::ByClip, &[]),
            (
                r#"[{"audio": "a.wav", "caption": "Rain."}, {"audio": "b.wav", "caption": "Wind."},]"#,
                Layout::Array,
                &["a.wav: Rain.", "b.wav: Wind."],
            ),
            ("[\n  {\n    \"caption\": \"Rain.\"\n  }\n]\n", Layout::Array, &[": Rain."]),
            (r#"["Rain.", "Wind."]"#, Layout::Array, &[": Rain.", ": Wind."]),
            (
                r#"{"version": "2.0", "n": 1, "data": [{"audio": "wav_path", "id": "7", "caption": "Rain."}]}"#,
                Layout::Tables,
                &["7: Rain."],
            ),
            (
                r#"{"info": {"year": 2020}, "images": [{"id": 3, "file_name": "c.wav"}], "annotations": [{"id": 9, "image_id": 3, "caption": "Rain."}]}"#,
                Layout::Tables,
                &["c.wav: Rain."],
            ),
            (
                r#"{"train": [{"caption": "A.", "id": 1}], "val": [{"caption": "B.", "id": 2}]}"#,
                Layout::Tables,
                &["1: A.", "2: B."],
            ),
            (
                r#"{"a.wav": "Rain.", "b.wav": ["Wind.", "Gusts."]}"#,
                Layout::ByClip,
                &["a.wav: Rain.", "b.wav: Wind.", "b.wav: Gusts."],
            ),
            (r#"{"64760": {"title": "take 1", "description": "A dog."}}"#, Layout::ByClip, &["64760: A dog."]),
            (r#"{"a.wav": [{"caption": "Rain."}]}"#, Layout::ByClip, &["a.wav: Rain."]),
            ("{\n \"caption\": \"A.\"\n}\n{\n \"caption\": \"B.\"\n}", Layout::Sequence, &[": A.", ": B."]),
        ];
        for (text, layout, rows) in cases {
            assert_eq!(Layout::of(text.as_bytes()), layout, "{text}");
            assert_eq!(read(text), rows, "{text}");
        }
    }

    #[test]
    fn one_bad_entry_costs_itself_and_a_cut_is_said() {
        let rows = read(
            r#"[{"caption": "A."}, {"caption": oops}, {"x": NaN}, {"caption": "B.", "score": NaN}, {"caption": "C"#,
        );
        assert_eq!((&*rows[0], &*rows[3]), (": A.", ": B."));
        assert!(rows[1].starts_with("! 2 not JSON") && rows[2].contains("the keys are x"), "{rows:?}");
        assert!(rows[4].starts_with("! 5 the document breaks off"), "{rows:?}");
        assert!(read("[1 2").last().unwrap().contains("breaks off"));
        assert!(read("{\"a\" 1}")[0].contains("a key without a value"));
        assert!(read("[{\"caption\": \"A.\"}; 2]")[1].contains("';'"));
    }

    #[test]
    fn what_json_has_no_word_for_is_null_outside_of_texts() {
        let value = parse(br#"{"a": NaN, "b": "NaN \" Infinity", "c": [-Infinity, Infinity]}"#, 1).unwrap();
        assert_eq!(value, serde_json::json!({"a": null, "b": "NaN \" Infinity", "c": [null, null]}));
    }
}

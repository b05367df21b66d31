//! JSON documents: an array of entries, an object with tables of entries, an object of entries by clip, or objects one behind the other.
//!
//! Entries are read one by one, so that a document may be larger than memory. They are numbered from 1, as a document may be a single line.

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;

use serde_json::Value;

use super::entry::{ClipFrom, Keys};
use super::row::{CAPTION_NAMES, CLIP_NAMES, Item, Rejected, is_sound, numbered, utf8};
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

/// Whether a list of this name holds sounds.
pub(super) fn is_of_sounds(key: &str) -> bool {
    SOUNDS.iter().any(|known| key.eq_ignore_ascii_case(known))
}

/// What documents say about themselves, where their other members are clips.
const ABOUT: [&str; 9] = ["version", "name", "license", "licence", "info", "description", "url", "date", "author"];

/// What servers answer under in place of a file.
const ANSWERS: [&str; 4] = ["error", "message", "detail", "status"];

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
        Self::of_object(head).unwrap_or(Self::ByClip)
    }

    /// A caption or a list of sounds decides at once. A description may be that of a whole set, and a list of entries may be the captions of
    /// one clip: what stands beside them tells.
    fn of_object(head: &[u8]) -> std::io::Result<Self> {
        let mut scanner = Scanner::new(head);
        let (mut has_table, mut has_text, mut has_clip) = (false, false, false);
        scanner.skip_if(b'{')?;
        while let Some(key) = key(&mut scanner)? {
            let at_value = scanner.peek()?;
            let name = key.to_ascii_lowercase();
            if at_value == Some(b'{') && TABLES.contains(&&*name) {
                has_table |= holds_lists(&mut scanner)?;
                continue;
            }
            let is_caption = CAPTION_NAMES.contains(&&*name) || name == "captions" || numbered(&name).is_some();
            let written = scanner.value()?;
            match at_value {
                Some(b'[') if SOUNDS.contains(&&*name) => return Ok(Self::Tables),
                Some(b'[') if TABLES.contains(&&*name) || is_caption => match first_of_list(&written) {
                    Some(b'"') if is_caption && !has_table => return Ok(Self::Sequence),
                    Some(b'{') => has_table = true,
                    Some(b']') if TABLES.contains(&&*name) => has_table = true,
                    _ => {}
                },
                Some(b'"') if is_sound(&key) && !has_table => return Ok(Self::ByClip),
                Some(b'"') if !has_table && (name == CAPTION_NAMES[0] || numbered(&name).is_some()) => {
                    return Ok(Self::Sequence);
                }
                Some(b'"') if is_caption => has_text = true,
                // The address of a data set is as likely as that of a clip.
                Some(b'"' | b'-' | b'0'..=b'9') if CLIP_NAMES.contains(&&*name) && name != "url" => has_clip = true,
                _ => {}
            }
            if !matches!(written, Written::Whole(_)) {
                break;
            }
        }
        Ok(match (has_table, has_clip, has_text) {
            (true, false, _) => Self::Tables,
            (true, true, _) | (false, _, true) => Self::Sequence,
            (false, _, false) => Self::ByClip,
        })
    }
}

/// Whether an object that comes next, such as `data`, has lists of entries of its own (`train`, `test`); it is passed over.
fn holds_lists<R: BufRead>(scanner: &mut Scanner<R>) -> std::io::Result<bool> {
    scanner.skip();
    let mut has_list = false;
    while let Some(key) = key(scanner)? {
        has_list |= scanner.peek()? == Some(b'[') && TABLES.contains(&&*key.to_ascii_lowercase());
        scanner.value()?;
    }
    scanner.skip_if(b'}')?;
    Ok(has_list)
}

/// The byte with which the first item of a list begins.
fn first_of_list(written: &Written) -> Option<u8> {
    let (Written::Whole(list) | Written::CutOff(list)) = written else { return None };
    list.get(1..)?.trim_ascii_start().first().copied()
}

/// What a server said in place of the file: the text of an object that holds no other.
pub(super) fn answer(head: &[u8]) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(head) else { return None };
    let mut texts = object.iter().filter_map(|(key, value)| Some((key.to_ascii_lowercase(), value.as_str()?)));
    let (_, text) = texts.clone().next()?;
    texts.all(|(key, _)| ANSWERS.contains(&&*key)).then(|| text.to_owned())
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
    /// Objects within the object that reading is in.
    depth: usize,
    /// The names of sounds by the id that entries refer to.
    names: HashMap<String, String>,
    /// Whether an entry referred to a sound before any was listed.
    is_early: bool,
    ready: VecDeque<Item>,
}

impl<R: BufRead> Document<R> {
    /// Reads on from the beginning of a document of this layout.
    pub(super) fn new(reader: R, layout: Layout, keys: Keys) -> Self {
        let scanner = Scanner::new(reader);
        Self {
            scanner,
            layout,
            keys,
            place: Place::Top,
            number: 0,
            depth: 0,
            names: HashMap::new(),
            is_early: false,
            ready: VecDeque::new(),
        }
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
                match self.depth.checked_sub(1) {
                    Some(depth) => self.depth = depth,
                    None => self.place = Place::Top,
                }
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
        let at_value = self.scanner.peek()?;
        let name = key.to_ascii_lowercase();
        let is_about = at_value == Some(b'"') && ABOUT.contains(&&*name);
        if self.layout == Layout::ByClip && !is_about {
            return self.entry(Some(&key));
        }
        let is_list = at_value == Some(b'[');
        if is_list && (TABLES.contains(&&*name) || SOUNDS.contains(&&*name)) {
            self.scanner.skip();
            self.place = if SOUNDS.contains(&&*name) { Place::Sounds } else { Place::List(true) };
            if matches!(self.place, Place::Sounds) && self.is_early {
                tracing::warn!(
                    "'{key}' stands behind entries that refer to it by number: they keep the number as their clip; \
                     put '{key}' first to have the names"
                );
            }
            return Ok(());
        }
        // Lists by split in one object.
        if at_value == Some(b'{') && TABLES.contains(&&*name) {
            self.scanner.skip();
            self.depth += 1;
            return Ok(());
        }
        // What is said about the document as a whole may be of any length.
        if matches!(self.scanner.value()?, Written::CutOff(_)) {
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
            Written::CutOff(_) => self.stop("the document breaks off within this entry"),
        }
        Ok(())
    }

    /// The name of the sound that an entry refers to by its id.
    fn referred(&mut self, object: &serde_json::Map<String, Value>) -> Option<String> {
        let id = ["image_id", "audio_id", "video_id"].iter().find_map(|name| object.get(*name))?;
        self.is_early |= self.names.is_empty();
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
        let cases: [(&str, Layout, &[&str]); 16] = [
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
            (
                r#"{"description": "My set", "annotations": [{"id": 1, "caption": "Rain."}]}"#,
                Layout::Tables,
                &["1: Rain."],
            ),
            (r#"{"description": "A dog.", "id": 7, "annotations": []}"#, Layout::Sequence, &["7: A dog."]),
            (
                r#"{"annotations": [{"sentence": "Rain."}, {"sentence": "Hail."}], "filename": "a.wav"}"#,
                Layout::Sequence,
                &["a.wav: Rain.", "a.wav: Hail."],
            ),
            (r#"{"name": "x", "version": "1.0"}"#, Layout::ByClip, &[]),
            (r#"{"description": "My set", "a.wav": "Rain."}"#, Layout::ByClip, &["a.wav: Rain."]),
            (r#"{"Version": "1.0", "a": "Rain.", "name": ["Hail."]}"#, Layout::ByClip, &["a: Rain.", "name: Hail."]),
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
    fn an_answer_of_a_server_is_no_corpus() {
        let cases = [
            (r#"{"error": "Invalid username or password."}"#, Some("Invalid username or password.")),
            (r#"{"status": "404", "code": 404}"#, Some("404")),
            (r#"{"error": "A beep.", "siren": "It wails."}"#, None),
            (r#"{"a.wav": ["Rain."]}"#, None),
            (r#"{"error": "cut"#, None),
        ];
        for (text, found) in cases {
            assert_eq!(answer(text.as_bytes()).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn what_json_has_no_word_for_is_null_outside_of_texts() {
        let value = parse(br#"{"a": NaN, "b": "NaN \" Infinity", "c": [-Infinity, Infinity]}"#, 1).unwrap();
        assert_eq!(value, serde_json::json!({"a": null, "b": "NaN \" Infinity", "c": [null, null]}));
    }
}

//! Telling the layout of a corpus from its first bytes and its name.

use super::document::Layout;
use super::format::Format;
use super::row::{CAPTION_NAMES, is_sound, numbered};
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// How many lines must look like those of a table.
const FIRST_LINES: usize = 5;

/// What separates the columns of a table.
pub(super) const SEPARATORS: [char; 4] = [',', '\t', ';', '|'];

/// The layout of a corpus that begins with `head`. Detection errs towards reading something: a wrong guess shows as rejected rows, and
/// the layout can always be named.
pub(super) fn detect(name: &str, head: &[u8]) -> Format {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first_line = lines.next().unwrap_or_default();
    let extension = name.rsplit('.').next().unwrap_or("").to_ascii_lowercase();
    let is_named = |endings: &[&str]| endings.contains(&&*extension);

    if let Some(format) = json(head, first_line, lines.next().is_some(), is_named(&["jsonl", "ndjson"])) {
        return format;
    }
    if is_named(&["jsonl", "ndjson"]) {
        return Format::Jsonl;
    }
    if is_named(&["yaml", "yml"]) || looks_like_yaml(&text) {
        return Format::Yaml;
    }
    table(first_line, text.lines().nth(1), is_named(&["csv", "tsv"])).unwrap_or(Format::Text)
}

/// Whether and how it is JSON. A caption may begin with a bracket, too: what follows tells.
fn json(head: &[u8], first_line: &str, has_more: bool, is_lines: bool) -> Option<Format> {
    let begins = head.trim_ascii_start();
    let next = begins.get(1..)?.trim_ascii_start().first();
    match (begins.first()?, next) {
        (b'[', Some(b'{' | b'[' | b'"' | b']')) => return Some(Format::Json),
        (b'{', Some(b'"' | b'}')) => {}
        _ => return None,
    }
    let layout = Layout::of(head);
    let document = || if layout != Layout::Sequence && has_data(head) { Format::Wavcaps } else { Format::Json };
    let is_whole = serde_json::from_str::<serde_json::Value>(first_line.trim_end_matches(',')).is_ok();
    Some(match (is_whole, layout) {
        (true, Layout::Tables | Layout::ByClip) if !has_more && !is_lines => document(),
        // A document over several lines is one whatever its name; a long line may be the first of many.
        (false, Layout::Tables) if has_more => document(),
        (true, _) => Format::Jsonl,
        (false, _) if is_lines => Format::Jsonl,
        (false, _) => document(),
    })
}

/// True for a document whose list of entries is called `data`, as in WavCaps.
fn has_data(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    text.find("\"data\"").is_some_and(|at| {
        text[at + 6..].trim_start().strip_prefix(':').is_some_and(|rest| rest.trim_start().starts_with('['))
    })
}

/// A key with a value below it, or list items with keys: what prose does not begin with.
fn looks_like_yaml(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let is_key = |line: &str| {
        let name = line.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
        line.contains(':')
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    let first = lines.next().unwrap_or_default();
    if first.trim_end() == "---" {
        return true;
    }
    let second = lines.next().unwrap_or_default();
    let opens = is_key(first) && (first.trim_end().ends_with(':') || first.starts_with("- "));
    opens && is_key(second) && (second.starts_with([' ', '-']))
}

/// Refuses a table without a header, which would else be read as lines of text: file names, too, would become captions.
pub(super) fn refuse_headerless(name: &str, head: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(head);
    let begins_with_sound = |line: &str| {
        let columns = line.split_once(SEPARATORS);
        columns.is_some_and(|(first, _)| is_sound(first.trim_start_matches('\u{feff}').trim().trim_matches('"')))
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(FIRST_LINES).peekable();
    if lines.peek().is_none() || !lines.all(begins_with_sound) {
        return Ok(());
    }
    let found = "lines that begin with the name of a sound, and none that names the columns";
    Err(Error::input(name, found, "a table with a header line").with_hint(Hint::about(
        Topic::CorpusFormat,
        "add a first line that names the columns, such as file_name,caption; or name the layout text if each line is a caption",
    )))
}

/// Refuses texts with times, of which the times would become captions or their beginnings.
pub(super) fn refuse_timed(name: &str, head: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}');
    let is_time = |part: &str| {
        let part = part.trim();
        part.bytes().any(|b| b.is_ascii_digit()) && part.bytes().all(|b| b.is_ascii_digit() || b":.,".contains(&b))
    };
    let is_span = |line: &str| line.split_once("-->").is_some_and(|(start, _)| is_time(start));
    let is_label = |line: &str| {
        let mut columns = line.split('\t');
        columns.next().is_some_and(is_time) && columns.next().is_some_and(is_time) && columns.next().is_some()
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(FIRST_LINES).peekable();
    let found = if text.starts_with("WEBVTT") || lines.clone().any(is_span) {
        "subtitles"
    } else if lines.peek().is_some() && lines.all(is_label) {
        "a track of labels, with the times of each before its text"
    } else {
        return Ok(());
    };
    Err(Error::input(name, found, "captions without times").with_hint(Hint::about(
        Topic::CorpusFormat,
        "keep the texts alone, one a line; or name the layout text if each line is a caption",
    )))
}

/// The layout of a table by the columns that its first line names.
fn table(first_line: &str, second_line: Option<&str>, is_named: bool) -> Option<Format> {
    let header =
        if first_line.to_ascii_lowercase().starts_with("sep=") { second_line.unwrap_or_default() } else { first_line };
    let columns: Vec<String> =
        header.split(SEPARATORS).map(|c| c.trim().trim_matches('"').to_ascii_lowercase()).collect();
    let has = |column: &str| columns.iter().any(|c| c == column);
    if has("file_name") && has("caption_1") {
        Some(Format::Clotho)
    } else if has("audiocap_id") && has("caption") {
        Some(Format::Audiocaps)
    } else {
        let names_caption = CAPTION_NAMES.iter().any(|name| has(name)) || columns.iter().any(|c| numbered(c).is_some());
        (is_named || (columns.len() > 1 && names_caption)).then_some(Format::Csv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_a_header_is_no_text() {
        for (head, is_refused) in [
            ("a.wav,Rain falls.\nb.wav,Wind.\n", true),
            ("\"a.WAV\"\tRain falls.\n", true),
            ("a.wav,Rain falls.\nRain, wind.\n", false),
            ("Rain, then wind.\n", false),
            ("a.wav\n", false),
            ("\n", false),
        ] {
            assert_eq!(refuse_headerless("a.txt", head.as_bytes()).is_err(), is_refused, "{head:?}");
        }
    }

    #[test]
    fn times_are_no_captions() {
        for (head, is_refused) in [
            ("1\n00:00:00,000 --> 00:00:05,000\nA dog barks\n", true),
            ("WEBVTT\n\nNOTE x\n", true),
            ("0.000\t5.000\tA dog barks\n5.000\t9.000\tRain\n", true),
            ("A dog barks --> a cat hisses.\n", false),
            ("3\tdogs bark\n", false),
            ("At 10:30 a bell rings.\n", false),
        ] {
            assert_eq!(refuse_timed("a.txt", head.as_bytes()).is_err(), is_refused, "{head:?}");
        }
    }

    #[test]
    fn tells_each_layout_from_its_first_bytes() {
        let cases = [
            ("a", "file_name,caption_1,caption_2\n", Format::Clotho),
            ("a", "\u{feff}file_name,caption_1\n", Format::Clotho),
            ("a", "audiocap_id,youtube_id,start_time,caption\n", Format::Audiocaps),
            ("a.csv", "what,ever\n", Format::Csv),
            ("a.txt", "id,caption\n", Format::Csv),
            ("a.txt", "sep=;\nid;caption\n", Format::Csv),
            ("a.txt", "id|caption1|caption2\n", Format::Csv),
            ("a.txt", "Rain, wind and thunder.\n", Format::Text),
            ("a.txt", "[Applause] People clap.\n", Format::Text),
            ("a.txt", "{noise}\n", Format::Text),
            ("a.txt", "Speech: a man talks.\nMusic: a piano.\n", Format::Text),
            ("-", "{\"caption\": \"Rain.\"}\n", Format::Jsonl),
            ("-", "{\"caption\": \"Rain.\"},\n{\"caption\": \"Wind.\"},\n", Format::Jsonl),
            ("-", "{\"data\": [{\"id\": 1}], \"n\": 1}", Format::Wavcaps),
            ("a.json", "{\n \"data\": [", Format::Wavcaps),
            ("a.json", "{\"a.wav\": \"Rain.\"}", Format::Json),
            ("a.txt", "[{\"audio\": \"c0.wav\", \"caption\": \"Rain.\"}]", Format::Json),
            ("a.jsonl", "[\n{\"caption\": \"Rain.\"}\n]", Format::Json),
            ("a.jsonl", "\n", Format::Jsonl),
            ("a.jsonl", "{\"annotations\": [{\"sentence\": \"Rain.\"}]}\n", Format::Jsonl),
            ("a.txt", "{\"filename\": \"a.wav\", \"annotations\": [{\"sentence\": \"A.\"}]}\n", Format::Jsonl),
            ("a.txt", "{\"captions\": [{\"text\": \"A.\"}]}\n{\"captions\": [{\"text\": \"B.\"}]}\n", Format::Jsonl),
            ("a.jsonl", "{\n \"data\": [{\"id\": 1}]\n}", Format::Wavcaps),
            ("MACS.txt", "files:\n- filename: a.wav\n  annotations:\n", Format::Yaml),
            ("a.txt", "- filename: a.wav\n  caption: Rain.\n", Format::Yaml),
        ];
        for (name, head, expected) in cases {
            assert_eq!(detect(name, head.as_bytes()), expected, "{head:?}");
        }
    }
}

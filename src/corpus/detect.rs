//! Telling the layout of a corpus from its first bytes and its name.

use super::format::Format;
use super::row::CAPTION_NAMES;

/// The layout that the beginning of a file shows. Never fails: what looks like nothing else is text.
pub(super) fn detect(name: &str, head: &[u8]) -> Format {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first_line = head.split(|b| *b == b'\n').next().unwrap_or(head);
    let first_line = String::from_utf8_lossy(first_line);
    let extension = name.rsplit('.').next().unwrap_or("").to_ascii_lowercase();

    if head.trim_ascii_start().starts_with(b"{") {
        return match serde_json::from_str::<serde_json::Value>(&first_line) {
            Ok(value) if value.get("data").is_some_and(serde_json::Value::is_array) => Format::Wavcaps,
            Ok(_) => Format::Jsonl,
            // An object that goes on behind the first line, or behind what was read of it, is one document.
            Err(_) if matches!(extension.as_str(), "jsonl" | "ndjson") => Format::Jsonl,
            Err(_) => Format::Wavcaps,
        };
    }
    if matches!(extension.as_str(), "jsonl" | "ndjson") {
        return Format::Jsonl;
    }
    let columns: Vec<String> =
        first_line.split([',', '\t', ';']).map(|c| c.trim().trim_matches('"').to_ascii_lowercase()).collect();
    let has = |column: &str| columns.iter().any(|c| c == column);
    if has("file_name") && has("caption_1") {
        Format::Clotho
    } else if has("audiocap_id") && has("caption") {
        Format::Audiocaps
    } else if matches!(extension.as_str(), "csv" | "tsv")
        || (columns.len() > 1 && CAPTION_NAMES.iter().any(|name| has(name)))
    {
        Format::Csv
    } else {
        Format::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_layout_from_its_first_bytes() {
        let cases = [
            ("a", "file_name,caption_1,caption_2\n", Format::Clotho),
            ("a", "\u{feff}file_name,caption_1\n", Format::Clotho),
            ("a", "audiocap_id,youtube_id,start_time,caption\n", Format::Audiocaps),
            ("a.csv", "what,ever\n", Format::Csv),
            ("a.txt", "id,caption\n", Format::Csv),
            ("a.txt", "Rain, wind and thunder.\n", Format::Text),
            ("-", "{\"caption\": \"Rain.\"}\n", Format::Jsonl),
            ("-", "{\"data\": [], \"n\": 1}", Format::Wavcaps),
            ("a.json", "{\n \"data\": [", Format::Wavcaps),
            ("a.jsonl", "\n", Format::Jsonl),
        ];
        for (name, head, expected) in cases {
            assert_eq!(detect(name, head.as_bytes()), expected, "{head:?}");
        }
    }
}

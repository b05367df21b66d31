//! CSV corpora: Clotho, AudioCaps, and any other with a header line.
//!
//! The file is cut into records here rather than by the csv crate, because a quote that never closes would make that
//! swallow all the rest of the file as one field. Each record is then parsed by the csv crate.

use std::collections::VecDeque;
use std::io::BufRead;

use super::text::{Lines, too_long};
use super::{CAPTION_NAMES, CLIP_NAMES, Format, Item, MAX_ROW_BYTES, Rejected, row, utf8};
use crate::{Error, Result};

/// A quoted field may run over this many lines; a quote open for longer is taken for unbalanced.
const MAX_RECORD_LINES: usize = 64;

/// Reads captions by the columns of the header line.
pub(super) fn rows<R: BufRead + 'static>(
    name: &str,
    reader: R,
    format: Format,
    column: Option<&str>,
) -> Result<impl Iterator<Item = Item> + use<R>> {
    let mut records = Records::new(reader);
    let (names, delimiter) = header(name, &mut records)?;
    let columns = Columns::find(name, &names, format, column)?;

    let mut ready: VecDeque<Item> = VecDeque::new();
    Ok(std::iter::from_fn(move || {
        loop {
            if let Some(item) = ready.pop_front() {
                return Some(item);
            }
            match records.next()? {
                (_, Err(rejected)) => return Some(Err(rejected)),
                (_, Ok(bytes)) if bytes.trim_ascii().is_empty() => {}
                (line, Ok(bytes)) => ready.extend(columns.items(&bytes, delimiter, line)),
            }
        }
    }))
}

/// A record with its line: its fields as text, or why it is unusable.
pub(crate) type Fields = (u64, Result<Vec<String>, Rejected>);

/// The names of the header line, and the records behind it.
pub(crate) fn table<R: BufRead>(name: &str, reader: R) -> Result<(Vec<String>, impl Iterator<Item = Fields>)> {
    let mut records = Records::new(reader);
    let (names, delimiter) = header(name, &mut records)?;
    let parse = move |line: u64, bytes: &[u8]| {
        utf8(bytes, line)?;
        let fields = fields(bytes, delimiter);
        let fields = fields.ok_or_else(|| Rejected { line, reason: "not readable as CSV".into() })?;
        Ok(fields.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect())
    };
    let filled = records.filter(|(_, record)| !record.as_ref().is_ok_and(|bytes| bytes.trim_ascii().is_empty()));
    Ok((names, filled.map(move |(line, record)| (line, record.and_then(|bytes| parse(line, &bytes))))))
}

/// Reads the header line: the names of the columns, and what separates them.
fn header<R: BufRead>(name: &str, records: &mut Records<R>) -> Result<(Vec<String>, u8)> {
    let header = loop {
        match records.next() {
            Some((_, Ok(bytes))) if bytes.trim_ascii().is_empty() => {}
            Some((line, Ok(bytes))) => {
                break utf8(&bytes, line).map(str::to_owned).map_err(|r| unreadable(name, &r))?;
            }
            Some((_, Err(rejected))) => return Err(unreadable(name, &rejected)),
            None => return Err(Error::input(name, "no line at all", "a header line with the names of the columns")),
        }
    };
    let delimiter = delimiter(&header);
    let names = fields(header.as_bytes(), delimiter).unwrap_or_default();
    let names = names.iter().map(|n| String::from_utf8_lossy(n).trim().to_owned());
    Ok((names.collect(), delimiter))
}

fn unreadable(name: &str, rejected: &Rejected) -> Error {
    Error::input(
        format!("{name}, line {}", rejected.line),
        &rejected.reason,
        "a header line with the names of the columns",
    )
}

/// The separator that splits the header into the most columns.
fn delimiter(header: &str) -> u8 {
    let count = |separator: char| header.matches(separator).count();
    [(b',', count(',')), (b'\t', count('\t')), (b';', count(';'))]
        .into_iter()
        .rev()
        .max_by_key(|(_, columns)| *columns)
        .map_or(b',', |(separator, _)| separator)
}

/// Which columns hold captions and which the clip.
struct Columns {
    captions: Vec<usize>,
    clip: Option<usize>,
    count: usize,
}

impl Columns {
    fn find(file: &str, names: &[String], format: Format, column: Option<&str>) -> Result<Self> {
        let position = |wanted: &str| names.iter().position(|n| n.eq_ignore_ascii_case(wanted));
        let captions = match (column, format) {
            (Some(wanted), _) => position(wanted).into_iter().collect(),
            (None, Format::Clotho) => {
                (0..names.len()).filter(|i| names[*i].to_ascii_lowercase().starts_with("caption")).collect()
            }
            (None, Format::Audiocaps) => position("caption").into_iter().collect::<Vec<_>>(),
            (None, _) => CAPTION_NAMES.iter().find_map(|n| position(n)).into_iter().collect(),
        };
        if captions.is_empty() {
            let wanted = match (column, format) {
                (Some(wanted), _) => format!("a column named '{wanted}'"),
                (None, Format::Clotho) => "the columns caption_1, caption_2, … of Clotho".into(),
                (None, Format::Audiocaps) => "the column caption of AudioCaps".into(),
                (None, _) => format!("a caption column ({})", CAPTION_NAMES.join(", ")),
            };
            return Err(Error::input(file, format!("the columns {}", names.join(", ")), wanted)
                .with_hint("name the column that holds the captions with --column"));
        }
        let clip = match format {
            // One AudioCaps clip is a stretch of a video: the video's id alone would join different clips only where
            // the same video was cut twice, which the data set does not do.
            Format::Audiocaps => position("youtube_id"),
            _ => CLIP_NAMES.iter().find_map(|n| position(n)).filter(|i| !captions.contains(i)),
        };
        Ok(Self { captions, clip, count: names.len() })
    }

    fn items(&self, record: &[u8], delimiter: u8, line: u64) -> Vec<Item> {
        let Some(fields) = fields(record, delimiter) else {
            return vec![Err(Rejected { line, reason: "not readable as CSV".into() })];
        };
        let clip = self.clip.and_then(|i| fields.get(i)).and_then(|bytes| std::str::from_utf8(bytes).ok());
        self.captions
            .iter()
            .map(|i| match fields.get(*i) {
                None => Err(Rejected {
                    line,
                    reason: format!("{} columns where the header has {}", fields.len(), self.count),
                }),
                Some(bytes) => utf8(bytes, line).and_then(|text| row(text, clip, line)),
            })
            .collect()
    }
}

fn fields(record: &[u8], delimiter: u8) -> Option<Vec<Vec<u8>>> {
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(record);
    let mut parsed = ::csv::ByteRecord::new();
    reader.read_byte_record(&mut parsed).ok().filter(|found| *found)?;
    Some(parsed.iter().map(<[u8]>::to_vec).collect())
}

/// Cuts a file into records: physical lines, joined while a quoted field is open.
struct Records<R> {
    lines: Lines<R>,
    /// Lines read ahead behind a quote that turned out never to close; they are records of their own.
    pending: VecDeque<(u64, Result<Vec<u8>, Rejected>)>,
}

impl<R: BufRead> Records<R> {
    fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader), pending: VecDeque::new() }
    }

    fn line(&mut self) -> Option<(u64, Result<Vec<u8>, Rejected>)> {
        self.pending.pop_front().or_else(|| self.lines.next())
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = (u64, Result<Vec<u8>, Rejected>);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, first) = self.line()?;
        let Ok(mut record) = first else { return Some((start, first)) };
        let mut open = ends_inside_quotes(&record, false);
        let mut ahead: Vec<(u64, Result<Vec<u8>, Rejected>)> = Vec::new();
        while open {
            let next = if ahead.len() < MAX_RECORD_LINES && record.len() <= MAX_ROW_BYTES { self.line() } else { None };
            match next {
                Some((number, Ok(line))) => {
                    record.push(b'\n');
                    record.extend_from_slice(&line);
                    open = ends_inside_quotes(&line, true);
                    ahead.push((number, Ok(line)));
                }
                other => {
                    ahead.extend(other);
                    // Nothing is lost: the lines behind the bad one are read again as records of their own.
                    for line in ahead.into_iter().rev() {
                        self.pending.push_front(line);
                    }
                    let reason = "a quote is opened and never closed".to_owned();
                    return Some((start, Err(Rejected { line: start, reason })));
                }
            }
        }
        if record.len() > MAX_ROW_BYTES {
            return Some((start, Err(too_long(start))));
        }
        Some((start, Ok(record)))
    }
}

/// True when a quoted field is still open at the end of `line`. A quote opens a field only at its beginning.
fn ends_inside_quotes(line: &[u8], mut inside: bool) -> bool {
    let mut field_start = !inside;
    let mut bytes = line.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if inside && bytes.peek() == Some(&&b'"') => {
                bytes.next();
            }
            b'"' if inside => inside = false,
            b'"' if field_start => inside = true,
            _ => {}
        }
        field_start = !inside && matches!(byte, b',' | b'\t' | b';');
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, column: Option<&str>) -> Result<Vec<Item>> {
        let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
        Ok(rows("test.csv", bytes, Format::Csv, column)?.collect())
    }

    #[test]
    fn a_quoted_field_may_hold_commas_quotes_and_line_ends() {
        let items = read("id,caption\n1,\"Rain, and \"\"thunder\"\"\nroll\"\n2,Wind\n", None).unwrap();
        assert_eq!(items[0].as_ref().unwrap().text, "Rain, and \"thunder\" roll");
        assert_eq!(items[1].as_ref().unwrap().line, 4);
    }

    #[test]
    fn a_quote_that_never_closes_costs_one_row() {
        let items = read("id,caption\n1,\"Rain\n2,Wind\n3,Hail\n", None).unwrap();
        assert_eq!(items[0].as_ref().unwrap_err().line, 2);
        assert_eq!(items[1].as_ref().unwrap().text, "Wind");
        assert_eq!(items[2].as_ref().unwrap().text, "Hail");
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn an_inch_mark_inside_a_field_is_no_quote() {
        let items = read("id,caption\n1,A 5\" pipe falls\n2,Wind\n", None).unwrap();
        assert_eq!(items[0].as_ref().unwrap().text, "A 5\" pipe falls");
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn a_missing_column_names_what_is_there() {
        let message = read("id,words\n1,Rain\n", None).unwrap_err().to_string();
        assert!(message.contains("id, words"), "{message}");
        assert_eq!(read("id,words\n1,Rain\n", Some("words")).unwrap().len(), 1);
    }

    #[test]
    fn a_short_row_is_rejected_with_its_line() {
        let items = read("id,caption\n1\n2,Wind\n", None).unwrap();
        assert_eq!(items[0].as_ref().unwrap_err().line, 2);
        assert!(items[1].is_ok());
    }
}

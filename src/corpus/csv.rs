//! CSV corpora: Clotho, AudioCaps, and any other with a header line.
//!
//! The file is cut into records here rather than by the csv crate, because a quote that never closes would make that
//! swallow all the rest of the file as one field. Each record is then parsed by csv-core, which is that crate's parser without
//! its reader: to make a reader takes ten times as long as to parse a record.

use std::collections::VecDeque;
use std::io::BufRead;

use super::detect::SEPARATORS;
use super::format::{Format, Options};
use super::row::{
    CAPTION_NAMES, CLIP_NAMES, Item, MAX_ROW_BYTES, PLACEHOLDERS, Rejected, numbered, row, row_or_empty, utf8,
};
use super::text::{Lines, too_long};
use crate::error::{Hint, Topic};
use crate::{Error, Result};

/// A quoted field may run over this many lines; a quote open for longer is taken for unbalanced.
const MAX_RECORD_LINES: usize = 64;

/// Reads captions by the columns of the header line.
pub(super) fn rows<R: BufRead + 'static>(
    name: &str,
    reader: R,
    format: Format,
    options: &Options,
) -> Result<(String, impl Iterator<Item = Item> + use<R>)> {
    let mut records = Records::new(reader);
    let (names, mut parser) = header(name, &mut records)?;
    let columns = Columns::find(name, &names, format, options)?;
    let layout = columns.describe(&names);

    let mut ready: VecDeque<Item> = VecDeque::new();
    let rows = std::iter::from_fn(move || {
        loop {
            if let Some(item) = ready.pop_front() {
                return Some(item);
            }
            match records.next()? {
                (_, Err(rejected)) => return Some(Err(rejected)),
                (_, Ok(bytes)) if bytes.trim_ascii().is_empty() => {}
                (line, Ok(bytes)) => columns.items(&bytes, &mut parser, line, &mut ready),
            }
        }
    });
    Ok((layout, rows))
}

/// A record with its line: its fields as text, or why it is unusable.
pub(crate) type Fields = (u64, Result<Vec<String>, Rejected>);

/// The names of the header line, and the records behind it.
pub(crate) fn table<R: BufRead>(name: &str, reader: R) -> Result<(Vec<String>, impl Iterator<Item = Fields>)> {
    let mut records = Records::new(reader);
    let (names, mut parser) = header(name, &mut records)?;
    let mut parse = move |line: u64, bytes: &[u8]| {
        utf8(bytes, line)?;
        let fields = parser.fields(bytes).ok_or_else(|| Rejected { line, reason: "not readable as CSV".into() })?;
        Ok(fields.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect())
    };
    let filled = records.filter(|(_, record)| !record.as_ref().is_ok_and(|bytes| bytes.trim_ascii().is_empty()));
    Ok((names, filled.map(move |(line, record)| (line, record.and_then(|bytes| parse(line, &bytes))))))
}

/// Reads the header line: the names of the columns, and a parser for the records behind it.
fn header<R: BufRead>(name: &str, records: &mut Records<R>) -> Result<(Vec<String>, Parser)> {
    let mut named = None;
    let header = loop {
        match records.next() {
            Some((_, Ok(bytes))) if bytes.trim_ascii().is_empty() => {}
            // Spreadsheets name the separator so, before everything else.
            Some((_, Ok(bytes))) if named.is_none() && is_separator_line(&bytes) => named = bytes.get(4).copied(),
            Some((line, Ok(bytes))) => {
                break utf8(&bytes, line).map(str::to_owned).map_err(|r| unreadable(name, &r))?;
            }
            Some((_, Err(rejected))) => return Err(unreadable(name, &rejected)),
            None => return Err(Error::input(name, "no line at all", "a header line with the names of the columns")),
        }
    };
    let delimiter = named.unwrap_or_else(|| delimiter(&header));
    records.separators = vec![delimiter];
    let mut parser = Parser::new(delimiter);
    let names = parser.fields(header.as_bytes()).map(|names| {
        let name = |field| String::from_utf8_lossy(field).trim().to_owned();
        names.iter().map(name).collect()
    });
    Ok((names.unwrap_or_default(), parser))
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
    let count = |separator: &char| header.matches(*separator).count();
    // Of as many, the first of the list.
    let separator = SEPARATORS.iter().rev().max_by_key(|separator| count(separator));
    separator.and_then(|separator| u8::try_from(*separator).ok()).unwrap_or(b',')
}

fn is_separator_line(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end(), [s, e, p, b'=', _] if [s, e, p].map(u8::to_ascii_lowercase) == *b"sep")
}

/// Which columns hold captions and which the clip.
struct Columns {
    captions: Vec<usize>,
    /// The first that names one does.
    clips: Vec<usize>,
    count: usize,
    keep_empty: bool,
}

impl Columns {
    fn find(file: &str, names: &[String], format: Format, options: &Options) -> Result<Self> {
        let column = options.column.as_deref();
        let position = |wanted: &str| names.iter().position(|n| n.eq_ignore_ascii_case(wanted));
        let captions = match (column, format) {
            (Some(wanted), _) => position(wanted).into_iter().collect(),
            (None, Format::Clotho) => {
                (0..names.len()).filter(|i| names[*i].to_ascii_lowercase().starts_with("caption")).collect()
            }
            (None, Format::Audiocaps) => position("caption").into_iter().collect::<Vec<_>>(),
            (None, _) => match position(CAPTION_NAMES[0]) {
                Some(caption) => vec![caption],
                None => numbered_columns(names)
                    .unwrap_or_else(|| CAPTION_NAMES.iter().find_map(|n| position(n)).into_iter().collect()),
            },
        };
        if captions.is_empty() {
            let wanted = match (column, format) {
                (Some(wanted), _) => format!("a column named '{wanted}'"),
                (None, Format::Clotho) => "the columns caption_1, caption_2, … of Clotho".into(),
                (None, Format::Audiocaps) => "the column caption of AudioCaps".into(),
                (None, _) => format!("a caption column ({})", CAPTION_NAMES.join(", ")),
            };
            return Err(Error::input(file, format!("the columns {}", names.join(", ")), wanted)
                .with_hint(Hint::about(
                    Topic::CaptionColumn,
                    "the first line names the columns: add one where the file has none, or name the column that holds the captions",
                )));
        }
        if let Some(wanted) = &options.clip_column
            && position(wanted).is_none()
        {
            let found = format!("the columns {}", names.join(", "));
            return Err(Error::input(file, found, format!("a column of clips named '{wanted}'")));
        }
        let clips: Vec<usize> = match (format, &options.clip_column) {
            (_, Some(wanted)) => position(wanted).into_iter().collect(),
            // One AudioCaps clip is a stretch of a video: the video's id alone would join different clips only where
            // the same video was cut twice, which the data set does not do.
            (Format::Audiocaps, None) => position("youtube_id").into_iter().collect(),
            _ => CLIP_NAMES.iter().filter_map(|n| position(n)).filter(|i| !captions.contains(i)).collect(),
        };
        Ok(Self { captions, clips, count: names.len(), keep_empty: options.keep_empty })
    }

    /// Where captions and clips stand, in words.
    fn describe(&self, names: &[String]) -> String {
        let named = |i: &usize| names.get(*i).map_or("", String::as_str);
        let captions: Vec<&str> = self.captions.iter().map(named).collect();
        let clips = self.clips.first().map_or("no clips".to_owned(), |clip| format!("clips from {}", named(clip)));
        format!("CSV, captions from {}, {clips}", captions.join(", "))
    }

    fn items(&self, record: &[u8], parser: &mut Parser, line: u64, items: &mut VecDeque<Item>) {
        let Some(fields) = parser.fields(record) else {
            return items.push_back(Err(Rejected { line, reason: "not readable as CSV".into() }));
        };
        let mut clips = self.clips.iter().filter_map(|i| std::str::from_utf8(fields.get(*i)?).ok());
        let clip = clips.find(|clip| !PLACEHOLDERS.contains(clip));
        items.extend(self.captions.iter().map(|i| match fields.get(*i) {
            None => {
                let reason = format!("{} columns where the header has {}", fields.len(), self.count);
                Err(Rejected { line, reason })
            }
            Some(bytes) if self.keep_empty => utf8(bytes, line).map(|text| row_or_empty(text, clip, line)),
            Some(bytes) => utf8(bytes, line).and_then(|text| row(text, clip, line)),
        }));
    }
}

/// The columns `caption_1`, `caption_2` … in the order of their numbers.
fn numbered_columns(names: &[String]) -> Option<Vec<usize>> {
    let mut found: Vec<(u64, usize)> =
        names.iter().zip(0..).filter_map(|(name, i)| Some((numbered(name)?, i))).collect();
    found.sort_unstable();
    (!found.is_empty()).then(|| found.into_iter().map(|(_, i)| i).collect())
}

/// Parses records, one at a time.
struct Parser {
    core: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// The fields of a record.
struct FieldsOf<'a> {
    text: &'a [u8],
    ends: &'a [usize],
}

impl Parser {
    fn new(delimiter: u8) -> Self {
        // The record was cut out by its line ends: a carriage return inside it is white space.
        let terminator = csv_core::Terminator::Any(b'\n');
        let core = csv_core::ReaderBuilder::new().delimiter(delimiter).terminator(terminator).build();
        Self { core, text: Vec::new(), ends: Vec::new() }
    }

    /// The fields of a whole record; `None` for one without any.
    fn fields(&mut self, record: &[u8]) -> Option<FieldsOf<'_>> {
        self.core.reset();
        // No field is longer than it is written, and each but the last takes a separator.
        if self.ends.len() < record.len() + 2 {
            self.text.resize(record.len() + 1, 0);
            self.ends.resize(record.len() + 2, 0);
        }
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            // Being asked again with nothing left tells the parser that the record ends there.
            let (result, bytes, text, ends) =
                self.core.read_record(&record[read..], &mut self.text[written..], &mut self.ends[ended..]);
            (read, written, ended) = (read + bytes, written + text, ended + ends);
            match result {
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::Record => break,
                _ => return None,
            }
        }
        Some(FieldsOf { text: &self.text, ends: &self.ends[..ended] })
    }
}

impl<'a> FieldsOf<'a> {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, index: usize) -> Option<&'a [u8]> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.text.get(start..*self.ends.get(index)?)
    }

    fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// Cuts a file into records: physical lines, joined while a quoted field is open.
struct Records<R> {
    lines: Lines<R>,
    /// What may stand before a quote that opens a field: the delimiter, once it is known.
    separators: Vec<u8>,
    /// Lines read ahead behind a quote that turned out never to close; they are records of their own.
    pending: VecDeque<(u64, Result<Vec<u8>, Rejected>)>,
}

impl<R: BufRead> Records<R> {
    fn new(reader: R) -> Self {
        Self {
            lines: Lines::new(reader),
            separators: SEPARATORS.iter().filter_map(|c| u8::try_from(*c).ok()).collect(),
            pending: VecDeque::new(),
        }
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
        let mut open = ends_inside_quotes(&record, false, &self.separators);
        let mut ahead: Vec<(u64, Result<Vec<u8>, Rejected>)> = Vec::new();
        while open {
            let next = if ahead.len() < MAX_RECORD_LINES && record.len() <= MAX_ROW_BYTES { self.line() } else { None };
            match next {
                Some((number, Ok(line))) => {
                    record.push(b'\n');
                    record.extend_from_slice(&line);
                    open = ends_inside_quotes(&line, true, &self.separators);
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
fn ends_inside_quotes(line: &[u8], mut inside: bool, separators: &[u8]) -> bool {
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
        field_start = !inside && separators.contains(byte);
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, column: Option<&str>) -> Result<Vec<Item>> {
        let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
        let options = Options::default().column(column.map(str::to_owned));
        Ok(rows("test.csv", bytes, Format::Csv, &options)?.1.collect())
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
    fn a_placeholder_names_no_clip_and_the_next_column_does() {
        let items = read("id,audio,caption\n7,wav_path,Rain\n8,b.wav,Wind\n9,,Hail\n", None).unwrap();
        let clips: Vec<_> = items.iter().map(|item| item.as_ref().unwrap().clip.as_deref()).collect();
        assert_eq!(clips, [Some("7"), Some("b.wav"), None]);
    }

    #[test]
    fn an_inch_mark_inside_a_field_is_no_quote() {
        let items = read("id,caption\n1,A 5\" pipe falls\n2,Wind\n", None).unwrap();
        assert_eq!(items[0].as_ref().unwrap().text, "A 5\" pipe falls");
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn a_separator_of_other_tables_opens_no_field_here() {
        let items = read("id,caption\n1,He says;\"Rain\n2,Wind\"\n3,Hail\n", None).unwrap();
        let texts: Vec<_> = items.iter().map(|item| &*item.as_ref().unwrap().text).collect();
        assert_eq!(texts, ["He says;\"Rain", "Wind\"", "Hail"]);
    }

    #[test]
    fn a_carriage_return_inside_a_line_ends_nothing() {
        let items = read("id,caption\r\n1,Rain\rfalls\r\n2,Wind\r\n", None).unwrap();
        let texts: Vec<_> = items.iter().map(|item| &*item.as_ref().unwrap().text).collect();
        assert_eq!(texts, ["Rain falls", "Wind"]);
        // Lines that end as they did on old Macintoshes are one line: said, not passed over.
        assert!(read("id,caption\r1,Rain\r2,Wind\r", None).is_err());
    }

    #[test]
    fn a_record_does_not_see_the_one_before() {
        let items = read("id;caption\n1;\"Rain; \"\"hail\"\"\"\n\"2\nW\n3;Wind\n4;\n", None).unwrap();
        let texts: Vec<_> = items.iter().map(|item| item.as_ref().map_or("-", |row| &row.text)).collect();
        assert_eq!(texts, ["Rain; \"hail\"", "-", "-", "Wind", "-"]);
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

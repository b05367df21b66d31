//! The captions of a sound's windows as a text file: one a line, a label track, or subtitles.

use std::fmt::Write;

use clap::ValueEnum;

use super::table::Row;

/// How a text file says what is heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The caption, or start, end and caption of each window between tabs
    #[default]
    Txt,
    /// Subtitles as browsers show them (WebVTT); needs --windows
    Vtt,
    /// Subtitles as players show them (SubRip); needs --windows
    Srt,
}

impl Format {
    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Txt => "txt",
            Self::Vtt => "vtt",
            Self::Srt => "srt",
        }
    }

    /// These captions as a file.
    pub fn write<'a>(self, rows: impl IntoIterator<Item = Row<'a>>) -> String {
        match self {
            Self::Txt => rows.into_iter().map(line).collect(),
            Self::Vtt => {
                let shown = |(start, end, caption): Cue<'_>| {
                    format!("\n{} --> {}\n{}\n", clock(start, '.'), clock(end, '.'), markup(caption))
                };
                "WEBVTT\n".to_owned() + &cues(rows).into_iter().map(shown).collect::<String>()
            }
            Self::Srt => {
                let shown = |(index, (start, end, caption)): (usize, Cue<'_>)| {
                    let gap = if index > 0 { "\n" } else { "" };
                    let (number, text) = (index + 1, one_line(caption));
                    format!("{gap}{number}\n{} --> {}\n{text}\n", clock(start, ','), clock(end, ','))
                };
                cues(rows).into_iter().enumerate().map(shown).collect()
            }
        }
    }
}

/// A label track has start, end and caption between tabs.
fn line(row: Row<'_>) -> String {
    match row.window {
        Some((start, end)) => format!("{start:.3}\t{end:.3}\t{}\n", row.caption),
        None => format!("{}\n", row.caption),
    }
}

/// A caption while it is shown: from where, to where, and what it says.
type Cue<'a> = (f64, f64, &'a str);

/// Windows that follow each other and say the same are one cue. Where windows overlap, the later one has the time that both have.
fn cues<'a>(rows: impl IntoIterator<Item = Row<'a>>) -> Vec<Cue<'a>> {
    let mut cues: Vec<Row<'a>> = Vec::new();
    for row in rows {
        let Some((start, end)) = row.window else { continue };
        match cues.last_mut() {
            Some(last) if last.goes_on_in(&row) => last.window = last.window.map(|(from, to)| (from, end.max(to))),
            last => {
                if let Some(last) = last {
                    last.window = last.window.map(|(from, to)| (from, to.min(start)));
                }
                cues.push(row);
            }
        }
    }
    cues.into_iter().filter_map(|row| row.window.map(|(start, end)| (start, end, row.caption))).collect()
}

/// Hours, minutes, seconds and thousandths.
fn clock(seconds: f64, point: char) -> String {
    let thousandths = (seconds.max(0.0) * 1e3).round() as u64;
    let (seconds, thousandths) = (thousandths / 1000, thousandths % 1000);
    format!("{:02}:{:02}:{:02}{point}{thousandths:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A cue ends at an empty line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text of a WebVTT cue, in which `<` and `&` begin something else, and `-->` an other cue.
fn markup(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        // Writing to a string cannot fail.
        let _ = match letter {
            '&' => write!(safe, "&amp;"),
            '<' => write!(safe, "&lt;"),
            '>' => write!(safe, "&gt;"),
            letter => write!(safe, "{letter}"),
        };
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row<'static>> {
        let row = |start, end, caption| Row { name: "a.wav", caption, window: Some((start, end)) };
        vec![
            row(0.0, 10.0, "Rain falls."),
            row(10.0, 20.0, "Rain falls."),
            row(18.0, 28.5, "A <dog> & a cat --> bark."),
            row(3_700.0, 3_701.25, "Rain falls."),
        ]
    }

    #[test]
    fn windows_that_say_the_same_are_one_subtitle() {
        let expected = "WEBVTT\n\n00:00:00.000 --> 00:00:18.000\nRain falls.\n\n00:00:18.000 --> 00:00:28.500\n\
                        A &lt;dog&gt; &amp; a cat --&gt; bark.\n\n01:01:40.000 --> 01:01:41.250\nRain falls.\n";
        assert_eq!(Format::Vtt.write(rows()), expected);
        let expected = "1\n00:00:00,000 --> 00:00:18,000\nRain falls.\n\n2\n00:00:18,000 --> 00:00:28,500\n\
                        A <dog> & a cat --> bark.\n\n3\n01:01:40,000 --> 01:01:41,250\nRain falls.\n";
        assert_eq!(Format::Srt.write(rows()), expected);
        assert_eq!(Format::Vtt.write([]), "WEBVTT\n");
        assert_eq!(Format::Txt.write(rows()).lines().next(), Some("0.000\t10.000\tRain falls."));
    }
}

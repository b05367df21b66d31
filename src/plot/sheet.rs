//! The paper that plots are drawn on: shapes and words as SVG, the frame with its axes, the legend.

use std::fmt::Write;

use super::axis::{Axis, Scale};
use super::colours::{Colours, Look};

/// Width of every plot, in user units.
pub(super) const WIDTH: f64 = 720.0;
const TITLE: f64 = 15.0;
const SMALL: f64 = 12.0;
/// Mean width of a letter, as a share of the letter size, generously.
const LETTER: f64 = 0.56;
const FONT: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/// Where the words of a label end: at its place, around it, or from it on.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The rectangle that data is drawn in.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// What a legend says of a series.
pub(super) struct Key<'a> {
    pub name: &'a str,
    pub colour: usize,
}

pub(super) struct Sheet {
    pub colours: Colours,
    height: f64,
    title: String,
    description: String,
    body: String,
    /// Where the next thing may begin, from above.
    pub top: f64,
}

impl Sheet {
    pub fn new(look: Look, title: &str, description: &str, height: f64) -> Self {
        let colours = Colours::of(look);
        let mut sheet = Self {
            colours,
            height,
            title: title.into(),
            description: description.into(),
            body: String::new(),
            top: 34.0,
        };
        let ink = sheet.colours.ink.clone();
        sheet.label(16.0, 24.0, Anchor::Start, TITLE, &ink, 600, title);
        sheet
    }

    /// Draws the legend below what is there, where there is something to tell apart.
    pub fn legend(&mut self, keys: &[Key]) {
        if keys.len() < 2 {
            return;
        }
        let (mut x, mut y) = (16.0, self.top + 10.0);
        for key in keys {
            let width = 20.0 + key.name.chars().count() as f64 * SMALL * LETTER + 18.0;
            if x > 16.0 && x + width > WIDTH - 16.0 {
                (x, y) = (16.0, y + 18.0);
            }
            let colour = self.colours.series(key.colour).to_owned();
            self.rect(x, y - 9.0, 12.0, 10.0, &colour, 1.0);
            self.words(x + 18.0, y, Anchor::Start, key.name);
            x += width;
        }
        self.top = y + 10.0;
    }

    /// The frame below what is there, with room for labels at the left and below.
    pub fn frame(&self, left: f64, below: f64) -> Frame {
        Frame { left, top: self.top + 8.0, right: WIDTH - 20.0, bottom: self.height - below }
    }

    /// Draws rules, ticks and names of both axes, and gives their scales.
    pub fn axes(&mut self, frame: Frame, across: (&Axis, Vec<f64>), up: (&Axis, Vec<f64>)) -> (Scale, Scale) {
        let x = across.0.scale(across.1.into_iter(), frame.left, frame.right);
        let y = up.0.scale(up.1.into_iter(), frame.bottom, frame.top);
        let rule = self.colours.rule.clone();
        for (value, label) in y.ticks(5) {
            self.line((frame.left, y.place(value)), (frame.right, y.place(value)), &rule, 1.0);
            self.words(frame.left - 8.0, y.place(value) + 4.0, Anchor::End, &label);
        }
        self.ticks_below(frame, &x);
        self.names(frame, &across.0.label, &up.0.label);
        (x, y)
    }

    /// Draws the base line with its ticks.
    pub fn ticks_below(&mut self, frame: Frame, x: &Scale) {
        let faint = self.colours.faint.clone();
        self.line((frame.left, frame.bottom), (frame.right, frame.bottom), &faint, 1.0);
        for (value, label) in x.ticks(8) {
            let place = x.place(value);
            self.line((place, frame.bottom), (place, frame.bottom + 4.0), &faint, 1.0);
            self.words(place, frame.bottom + 18.0, Anchor::Middle, &label);
        }
    }

    /// Writes the names of the axes: that of the one across below its end, that of the one up above it.
    pub fn names(&mut self, frame: Frame, across: &str, up: &str) {
        self.words((frame.left + frame.right) / 2.0, frame.bottom + 38.0, Anchor::Middle, across);
        let (x, y) = (16.0, (frame.top + frame.bottom) / 2.0);
        let faint = &self.colours.faint;
        let _ = write!(
            self.body,
            r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="middle" font-size="{SMALL}" fill="{faint}">{}</text>"#,
            escaped(up)
        );
    }

    /// Small words that rise to the right.
    pub fn slanted(&mut self, x: f64, y: f64, text: &str) {
        let (faint, text) = (&self.colours.faint, escaped(text));
        let _ = write!(
            self.body,
            r#"<text transform="translate({x:.1} {y:.1}) rotate(-45)" font-size="{SMALL}" fill="{faint}">{text}</text>"#
        );
    }

    /// Small words.
    pub fn words(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        let faint = self.colours.faint.clone();
        self.label(x, y, anchor, SMALL, &faint, 400, text);
    }

    #[allow(clippy::too_many_arguments, reason = "the attributes of a text")]
    pub fn label(&mut self, x: f64, y: f64, anchor: Anchor, size: f64, colour: &str, weight: u32, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        // Writing to a string cannot fail.
        let _ = write!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{colour}">{text}</text>"#
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = write!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"/>"#
        );
    }

    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str, opacity: f64) {
        let _ = write!(
            self.body,
            r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" fill="{colour}" fill-opacity="{opacity:.3}"/>"#
        );
    }

    pub fn circle(&mut self, place: (f64, f64), radius: f64, colour: &str, opacity: f64) {
        let (x, y) = place;
        let _ = write!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}" fill-opacity="{opacity:.2}"/>"#
        );
    }

    /// A line through places, or the area within them.
    pub fn path(&mut self, places: impl Iterator<Item = (f64, f64)>, colour: &str, filled: bool) {
        let mut d = String::new();
        for (index, (x, y)) in places.enumerate() {
            let _ = write!(d, "{}{x:.2} {y:.2}", if index == 0 { 'M' } else { 'L' });
        }
        let _ = if filled {
            write!(self.body, r#"<path d="{d}Z" fill="{colour}"/>"#)
        } else {
            let style = r#"fill="none" stroke-width="2" stroke-linejoin="round" stroke-linecap="round""#;
            write!(self.body, r#"<path d="{d}" stroke="{colour}" {style}/>"#)
        };
    }

    /// An image in the PNG format, stretched over the frame.
    pub fn image(&mut self, frame: Frame, png: &[u8]) {
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.encode(png);
        let (width, height) = (frame.right - frame.left, frame.bottom - frame.top);
        let _ = write!(
            self.body,
            r#"<image x="{:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}" preserveAspectRatio="none" href="data:image/png;base64,{data}"/>"#,
            frame.left, frame.top
        );
    }

    /// A name that a pointer that rests on the next shape shows, and a screen reader reads.
    pub fn named(&mut self, name: &str, draw: impl FnOnce(&mut Self)) {
        let _ = write!(self.body, "<g><title>{}</title>", escaped(name));
        draw(self);
        self.body.push_str("</g>");
    }

    /// The whole drawing.
    pub fn finish(self) -> String {
        let Self { colours, height, title, description, body, .. } = self;
        let paper = match colours.draws_paper {
            true => format!(r#"<rect width="{WIDTH}" height="{height}" fill="{}"/>"#, colours.paper),
            false => String::new(),
        };
        // Named by words, not by ids: several may stand in one page.
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{label}" font-family="{FONT}"><title>{title}</title><desc>{description}</desc>{paper}{body}</svg>"#,
            label = escaped(&format!("{title}. {description}")),
            title = escaped(&title),
            description = escaped(&description),
        )
    }
}

/// Text as XML takes it; control characters, which it does not take, are left out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() && letter != '\n' && letter != '\t' => {}
            letter => safe.push(letter),
        }
    }
    safe
}

/// Text that fits so many letters.
pub(super) fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(escaped("<a b=\"c\">&\u{0}\u{1b}é"), "&lt;a b=&quot;c&quot;&gt;&amp;é");
        assert_eq!((cut("abcd", 4), cut("abcde", 4)), ("abcd".into(), "abc…".into()));
    }
}

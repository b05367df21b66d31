//! How METEOR 1.5 prepares a line (`-norm`) before it cuts it at white space.
//!
//! It is made for raw text, and is given words that were cut before: `e-mail` becomes two words here, `u.s.` becomes `us`.

use foldhash::HashMap;

/// Stands for a dot of an ellipsis until the line is ready.
const ELLIPSIS_DOT: char = '\u{E000}';

/// When the full stop behind a prefix does not end a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Always,
    BeforeNumbers,
}

/// The words of a line, in lower case.
pub(super) fn words(line: &str, prefixes: &HashMap<String, Prefix>) -> Vec<String> {
    let line = separated(line);
    let line = commas(line);
    let line = quotes_and_dashes(&line);
    let line = apostrophes(line);
    let parts: Vec<String> = chars_split(&line);
    let mut out = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let next = parts.get(index + 1).and_then(|next| next.chars().next());
        stops(part, next, prefixes, &mut out);
    }
    let dots = |word: String| word.replace(ELLIPSIS_DOT, ".");
    out.into_iter().map(dots).flat_map(|word| blanks_split(&word)).map(|word| word.to_lowercase()).collect()
}

fn is_letter(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | 'Š' | 'Ž' | 'š' | 'ž' | 'Ÿ' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ž'
        | '\u{400}'..='\u{4FF}' | '\u{500}'..='\u{527}' | '\u{A640}'..='\u{A66E}' | '\u{A67E}'..='\u{A697}' | '\u{1D00}'..='\u{1D7F}')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_letter_or_digit(c: char) -> bool {
    is_letter(c) || is_digit(c)
}

/// White space at which words are cut; a space that does not break is none.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{B}' | '\u{C}' | '\r')
}

/// The line with space around it, around what is neither letter nor digit, and around ellipses.
fn separated(line: &str) -> Vec<char> {
    let mut out = vec![' '];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '.' && chars.peek() == Some(&'.') {
            out.extend([' ', ELLIPSIS_DOT]);
            while chars.next_if_eq(&'.').is_some() {
                out.push(ELLIPSIS_DOT);
            }
            out.push(' ');
        } else if is_letter_or_digit(c) || is_blank(c) || ".'`,-‘’".contains(c) {
            out.push(c);
        } else {
            out.extend([' ', c, ' ']);
        }
    }
    out.push(' ');
    out
}

/// The text with every `mark` replaced that stands between such characters. Of two marks with one character between, the second is left:
/// that character is used up.
fn between(text: Vec<char>, before: fn(char) -> bool, mark: char, after: fn(char) -> bool, by: &str) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while at < text.len() {
        match text[at..] {
            [first, found, last, ..] if found == mark && before(first) && after(last) => {
                out.push(first);
                out.extend(by.chars());
                out.push(last);
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// Commas apart, except within numbers.
fn commas(text: Vec<char>) -> Vec<char> {
    let no_digit = |c| !is_digit(c);
    let text = between(text, no_digit, ',', no_digit, " , ");
    let text = between(text, is_digit, ',', no_digit, " , ");
    between(text, no_digit, ',', is_digit, " , ")
}

/// Marks of one kind, and words that a hyphen joined apart.
fn quotes_and_dashes(text: &[char]) -> Vec<char> {
    let single: String = text.iter().map(|c| if "`‘’".contains(*c) { '\'' } else { *c }).collect();
    let double = single.replace("''", " \" ").replace(['“', '”'], " \" ");
    let dashes = double.replace('–', "-").replace("--", "-");
    between(dashes.chars().collect(), |c| is_letter_or_digit(c) || c == '.', '-', is_letter_or_digit, " ")
}

/// Apostrophes apart, or at the beginning of what they shorten.
fn apostrophes(text: Vec<char>) -> Vec<char> {
    let no_letter = |c| !is_letter(c);
    let neither = |c| !is_letter_or_digit(c);
    let text = between(text, no_letter, '\'', no_letter, " ' ");
    let text = between(text, neither, '\'', is_letter, " ' ");
    let text = between(text, is_letter, '\'', no_letter, " ' ");
    let text = between(text, is_letter, '\'', is_letter, " '");
    between(text, is_digit, '\'', |c| c == 's', " '")
}

fn chars_split(text: &[char]) -> Vec<String> {
    let cut = |c: &char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{C}');
    text.split(cut).filter(|word| !word.is_empty()).map(|word| word.iter().collect()).collect()
}

/// The parts of a word between spaces of any kind.
fn blanks_split(word: &str) -> Vec<String> {
    let is_space = |c: char| {
        is_blank(c) && c != '\u{B}'
            || matches!(c, '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\u{A0}')
    };
    word.split(is_space).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A word with its full stop: kept, dropped, or a word of its own.
fn stops(word: &str, next: Option<char>, prefixes: &HashMap<String, Prefix>, out: &mut Vec<String>) {
    let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.is_empty()) else {
        return out.push(word.to_owned());
    };
    let kind = prefixes.get(stem);
    if stem.contains('.') && stem.chars().any(is_letter) {
        out.push(word.replace('.', ""));
    } else if kind == Some(&Prefix::Always)
        || next.is_some_and(|c| c.is_ascii_lowercase())
        || kind == Some(&Prefix::BeforeNumbers) && next.is_some_and(is_digit)
    {
        out.push(word.to_owned());
    } else {
        out.extend([stem.to_owned(), ".".to_owned()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_as_raw_text() {
        let prefixes =
            [("e.g".to_owned(), Prefix::Always), ("pp".to_owned(), Prefix::BeforeNumbers)].into_iter().collect();
        let cases = [
            ("a-b-c e-mail", "a b-c e mail"),
            ("u.s. army", "us army"),
            ("end.", "end ."),
            ("mr. smith", "mr. smith"),
            ("pp. 5 pp.", "pp. 5 pp ."),
            ("does n't it's 90's 'til", "does n 't it 's 90 's ' til"),
            ("1,000 a,b", "1,000 a , b"),
            ("wait.. go", "wait .. go"),
            ("5% (x)", "5 % ( x )"),
            ("1\u{A0}1/2", "1 1 / 2"),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line, &prefixes).join(" "), expected, "{line}");
        }
    }
}

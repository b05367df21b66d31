//! What is odd about one text as it is written.

use super::report::AnomalyKind;

/// Letters that a text needs before its capitals mean something: an abbreviation has fewer.
const CAPITALS: usize = 8;
/// Ends of the names of sound files.
const SOUND_FILES: [&str; 9] = [".wav", ".mp3", ".flac", ".ogg", ".opus", ".aif", ".aiff", ".m4a", ".wma"];

/// Everything odd about a text, with what shows it.
pub(super) fn oddities(text: &str) -> Vec<(AnomalyKind, String)> {
    let found = [
        (AnomalyKind::InvisibleCharacters, invisible(text)),
        (AnomalyKind::Mojibake, mojibake(text)),
        (AnomalyKind::Markup, tag(text)),
        (AnomalyKind::Entities, entity(text)),
        (AnomalyKind::WebAddress, address(text)),
        (AnomalyKind::FileName, file_name(text)),
        (AnomalyKind::Capitals, capitals(text)),
        (AnomalyKind::OneWord, (words(text) < 2).then(|| text.to_owned())),
    ];
    found.into_iter().filter_map(|(kind, evidence)| Some((kind, evidence?))).collect()
}

/// How many words a text has; in scripts that put no spaces between them, two characters count as one.
pub(super) fn words(text: &str) -> usize {
    let unspaced = text.chars().filter(|c| is_unspaced(*c)).count();
    let has_word = |part: &&str| part.chars().any(|c| c.is_alphanumeric() && !is_unspaced(c));
    text.split_whitespace().filter(has_word).count() + unspaced.div_ceil(2)
}

/// Thai, Lao, Khmer, Kana, Han.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

/// Two joiners are left out, which Persian and faces need.
fn invisible(text: &str) -> Option<String> {
    let is_invisible = |c: &char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().find(is_invisible).map(|c| format!("U+{:04X}", u32::from(c)))
}

/// UTF-8 that was read as Windows-1252: characters that would be whole UTF-8 as its bytes. Or the character that stands for what could not be
/// read.
fn mojibake(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        if *letter == char::REPLACEMENT_CHARACTER {
            return Some(letter.to_string());
        }
        let length = match windows_1252(*letter) {
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => continue,
        };
        let part = letters.get(at..at + length).unwrap_or_default();
        let bytes: Option<Vec<u8>> = part.iter().map(|letter| windows_1252(*letter)).collect();
        if bytes.is_some_and(|bytes| bytes.len() == length && std::str::from_utf8(&bytes).is_ok()) {
            return Some(part.iter().collect());
        }
    }
    None
}

/// The byte that a character is in Windows-1252.
fn windows_1252(letter: char) -> Option<u8> {
    /// From 0x80 on; what stands for itself there has no character of its own.
    const UPPER: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match u32::from(letter) {
        code @ (0..=0x7f | 0xa0..=0xff) => Some(code as u8),
        _ => UPPER.chars().position(|upper| upper == letter).map(|at| 0x80 + at as u8),
    }
}

fn tag(text: &str) -> Option<String> {
    parts(text, '<').find_map(|part| {
        let inner = part[1..].trim_start_matches('/');
        let end = part.find('>').filter(|end| *end <= 60)?;
        inner.starts_with(|c: char| c.is_ascii_alphabetic()).then(|| part[..=end].to_owned())
    })
}

fn entity(text: &str) -> Option<String> {
    parts(text, '&').find_map(|part| {
        let end = part.find(';').filter(|end| (3..=10).contains(end))?;
        let name = part[1..end].trim_start_matches('#');
        name.chars().all(|c| c.is_ascii_alphanumeric()).then(|| part[..=end].to_owned())
    })
}

/// From each of these characters to the end of the text.
fn parts(text: &str, from: char) -> impl Iterator<Item = &str> {
    text.match_indices(from).map(|(at, _)| &text[at..])
}

fn address(text: &str) -> Option<String> {
    let begins = |word: &&str| ["http://", "https://", "www."].iter().any(|start| word.contains(start));
    text.split_whitespace().find(begins).map(str::to_owned)
}

fn file_name(text: &str) -> Option<String> {
    let is_file = |word: &&str| {
        let word = word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        SOUND_FILES.iter().any(|end| word.len() > end.len() && word.ends_with(end))
    };
    let joined = |word: &str| {
        let parts = word.split(['_', '-']).filter(|part| !part.is_empty()).count();
        parts > 1 && word.contains('_') || parts > 3
    };
    let named = text.split_whitespace().find(is_file);
    named.or_else(|| Some(text).filter(|text| !text.contains(char::is_whitespace) && joined(text))).map(str::to_owned)
}

fn capitals(text: &str) -> Option<String> {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (upper, lower) = letters.fold((0, 0), |(upper, lower), c| {
        (upper + usize::from(c.is_uppercase()), lower + usize::from(c.is_lowercase()))
    });
    (upper >= CAPITALS && lower == 0 && words(text) > 1).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<AnomalyKind> {
        oddities(text).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn what_is_odd_is_found() {
        for (text, kind) in [
            ("A dog\u{200b} barks.", AnomalyKind::InvisibleCharacters),
            ("A dog \u{202e}barks.", AnomalyKind::InvisibleCharacters),
            ("Un cafÃ© bruyant.", AnomalyKind::Mojibake),
            ("It â€œsingsâ€\u{9d} loudly.", AnomalyKind::Mojibake),
            ("A dog \u{fffd} barks.", AnomalyKind::Mojibake),
            ("A dog barks.<br/>Rain.", AnomalyKind::Markup),
            ("A <unk> barks.", AnomalyKind::Markup),
            ("Cats &amp; dogs.", AnomalyKind::Entities),
            ("A dog&#39;s bark.", AnomalyKind::Entities),
            ("Heard at https://example.org/1 today", AnomalyKind::WebAddress),
            ("rec_0012_final", AnomalyKind::FileName),
            ("dog barks 3.WAV", AnomalyKind::FileName),
            ("A DOG BARKS TWICE", AnomalyKind::Capitals),
            ("Rain.", AnomalyKind::OneWord),
            ("...", AnomalyKind::OneWord),
        ] {
            assert!(kinds(text).contains(&kind), "{text:?}: {:?}", kinds(text));
        }
    }

    #[test]
    fn what_is_usual_is_not() {
        for text in [
            "A dog barks, then a car passes by.",
            "Ein Bär brummt auf der Straße, während Öl über Ägyptens Üfer fließt.",
            "À l'école, où l'été naît « çà et là ».",
            "É um cão que ladra; não há ninguém. São três.",
            "Рычит собака.",
            "犬が吠えている",
            "Volume < 3 and pitch > 4",
            "R&B music; slow",
            "A tick-tock of a well-worn clock",
            "The UFO hums at 3.5 kHz",
            "NASA TV",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }
}

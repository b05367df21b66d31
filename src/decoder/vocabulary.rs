//! The decoder's tokens: those of the text tower's tokenizer that occur in the stored texts, and how to write them as
//! English again.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::{Hint, Topic};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

/// Marks the start of a caption.
pub const START: u32 = 0;
/// Marks its end.
pub const END: u32 = 1;
/// Stands for what the tokenizer does not know; never generated.
pub const UNKNOWN: u32 = 2;

/// How pieces of the tokenizer join into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Joining {
    /// `##ing` continues the word before it (BERT).
    Wordpiece,
    /// `Ġrain` begins a word; bytes are written as printable characters (GPT-2, RoBERTa).
    Bytes,
}

/// One token: its piece in the tokenizer, and how the texts write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    piece: String,
    /// As written inside a sentence: a lower-casing tokenizer's `christmas` becomes `Christmas` where the texts say so.
    surface: String,
    /// Follows the token before it without a space.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    glued_left: bool,
    /// The next token follows without a space.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    glued_right: bool,
}

/// The tokens that a decoder knows, and their way back to text. Saved inside the decoder's file as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    joining: Joining,
    /// The texts end in a full stop, most of them: captions do too. The stop itself is no token of the caption.
    full_stop: bool,
    /// The texts begin with a capital letter, most of them.
    capital: bool,
    tokens: Vec<Token>,
}

/// What was seen of a piece while the vocabulary was built.
#[derive(Default)]
struct Seen {
    count: u64,
    glued_left: u64,
    glued_right: u64,
    surfaces: BTreeMap<String, u64>,
}

/// A text as tokens of a [`Vocabulary`], without start and end markers.
pub type Tokens = Vec<u32>;

impl Vocabulary {
    /// Collects the tokens of `texts`; returns the vocabulary and each text's tokens.
    ///
    /// Tokens are numbered by falling frequency, so that the vocabulary does not depend on the order of the texts. A text's
    /// final full stop is left out of its tokens and comes back in [`Vocabulary::text`]. A word that occurs less than
    /// `least` times becomes one unknown token, whole: no half of it can ever be written.
    ///
    /// # Errors
    /// When the tokenizer fails, or no text has a token.
    pub fn build<'a>(
        tokenizer: &Tokenizer,
        texts: impl IntoIterator<Item = &'a str>,
        least: u32,
    ) -> Result<(Self, Vec<Tokens>)> {
        Self::collect(tokenizer, texts, least, None)
    }

    /// [`Vocabulary::build`] on top of this one, whose tokens keep their numbers and their spelling. Words that it knows are known however
    /// rare they are; others are added where they occur `least` times.
    ///
    /// # Errors
    /// As [`Vocabulary::build`]; [`Error::Input`] for a tokenizer that cuts otherwise than this one's.
    pub(super) fn extended<'a>(
        &self,
        tokenizer: &Tokenizer,
        texts: impl IntoIterator<Item = &'a str>,
        least: u32,
    ) -> Result<(Self, Vec<Tokens>)> {
        Self::collect(tokenizer, texts, least, Some(self))
    }

    fn collect<'a>(
        tokenizer: &Tokenizer,
        texts: impl IntoIterator<Item = &'a str>,
        least: u32,
        base: Option<&Self>,
    ) -> Result<(Self, Vec<Tokens>)> {
        let base_tokens = base.map_or(&[][..], |base| &base.tokens);
        let known: HashSet<&str> = base_tokens.iter().skip(3).map(|token| token.piece.as_str()).collect();
        let cut = Cut::new(&plain(tokenizer.inner())?, texts)?;
        let unknown: Vec<u32> =
            ["[UNK]", "<unk>"].into_iter().filter_map(|t| tokenizer.inner().token_to_id(t)).collect();
        let mut words: HashMap<&[u32], u32> = HashMap::new();
        for text in cut.texts() {
            cut.words(text.pieces).for_each(|word| *words.entry(word).or_default() += 1);
        }
        let is_known = |piece: &u32| cut.names.get(piece).is_some_and(|name| known.contains(name.as_str()));
        let common = |word: &[u32]| {
            let enough = words.get(word).is_some_and(|n| *n >= least) || word.iter().all(is_known);
            enough && !word.iter().any(|p| unknown.contains(p))
        };
        let mut observed: HashMap<u32, Seen> = HashMap::new();
        for text in cut.texts() {
            observe(&mut observed, &cut, &text, common);
        }
        let named = |(piece, seen)| Some((cut.names.get(&piece)?.clone(), seen));
        let seen: BTreeMap<String, Seen> = observed.into_iter().filter_map(named).collect();
        if seen.is_empty() {
            return Err(Error::input("training texts", "no words", "captions")
                .with_hint(Hint::about(Topic::Ingest, "ingest a caption corpus first")));
        }
        let joining = if tokenizer.inner().token_to_id("Ġa").is_some() { Joining::Bytes } else { Joining::Wordpiece };
        if base.is_some_and(|base| base.joining != joining) {
            let (found, expected) = ("pieces of another kind of tokenizer", "those of the model's");
            return Err(Error::input("the words of the decoder to begin with", found, expected));
        }
        let mut order: Vec<(String, Seen)> =
            seen.into_iter().filter(|(piece, _)| !known.contains(piece.as_str())).collect();
        order.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
        let mut tokens: Vec<Token> = match base {
            Some(base) => base.tokens.clone(),
            None => ["[CLS]", "[SEP]", "[UNK]"].map(marker).into(),
        };
        tokens.extend(order.into_iter().map(|(piece, seen)| token(piece, &seen, joining)));
        let ids: HashMap<&str, u32> =
            tokens.iter().enumerate().skip(3).map(|(id, t)| (t.piece.as_str(), id as u32)).collect();
        let ids: HashMap<u32, u32> =
            cut.names.iter().filter_map(|(piece, name)| Some((*piece, *ids.get(name.as_str())?))).collect();
        let encode = |pieces: &[u32]| {
            let mut tokens = Tokens::new();
            for word in cut.words(pieces) {
                match common(word) {
                    true => tokens.extend(word.iter().map(|p| ids.get(p).copied().unwrap_or(UNKNOWN))),
                    false => tokens.push(UNKNOWN),
                }
            }
            tokens.shrink_to_fit();
            tokens
        };
        let encoded: Vec<Tokens> = cut.texts().map(|text| encode(text.pieces)).collect();
        let most = encoded.len() / 2;
        let vocabulary = Self { joining, full_stop: cut.stops > most, capital: cut.capitals > most, tokens };
        Ok((vocabulary, encoded))
    }

    /// How many tokens there are, with the three markers.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// True when there is no token beside the markers.
    pub fn is_empty(&self) -> bool {
        self.tokens.len() <= 3
    }

    /// The letters that a token adds to a caption, and whether they go on with the word before them.
    pub(super) fn word_part(&self, token: u32) -> (&str, bool) {
        let Some(Token { piece, .. }) = self.tokens.get(token as usize).filter(|_| token > UNKNOWN) else {
            return ("", false);
        };
        match self.joining {
            Joining::Wordpiece => piece.strip_prefix("##").map_or((piece, false), |rest| (rest, true)),
            Joining::Bytes => match piece.strip_prefix('Ġ') {
                Some(word) => (word, false),
                None => (piece, piece.starts_with(char::is_alphanumeric)),
            },
        }
    }

    /// Writes tokens as English: pieces joined, spaces as in the texts, a capital letter and a full stop where most
    /// texts have them. Markers and unknown numbers are left out.
    pub fn text(&self, tokens: &[u32]) -> String {
        let mut text = self.joined(tokens);
        text.truncate(text.trim_end_matches([',', ';', ':', '-', ' ']).len());
        if self.full_stop && !text.is_empty() && !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
        text
    }

    /// What each of `tokens` adds to the text, with the space before it; joined they are the text as it stands without its full stop.
    pub(super) fn pieces(&self, tokens: &[u32]) -> Vec<String> {
        let mut before = String::new();
        let mut pieces = Vec::with_capacity(tokens.len());
        for end in 1..=tokens.len() {
            let text = self.joined(&tokens[..end]);
            // Bytes of one letter may lie in two tokens: then the letter is told with the second.
            let known = text.char_indices().zip(before.chars()).take_while(|((_, a), b)| a == b);
            let from = known.last().map_or(0, |((at, letter), _)| at + letter.len_utf8());
            pieces.push(text[from..].to_owned());
            before = text;
        }
        pieces
    }

    /// Pieces joined, with a capital letter where most texts have one.
    fn joined(&self, tokens: &[u32]) -> String {
        let known = tokens.iter().filter(|t| **t > UNKNOWN).filter_map(|t| self.tokens.get(*t as usize));
        let text = match self.joining {
            Joining::Bytes => joined_bytes(known.map(|t| t.piece.as_str())),
            Joining::Wordpiece => joined_words(known),
        };
        let mut letters = text.chars();
        match letters.next() {
            Some(first) if self.capital => first.to_uppercase().chain(letters).collect(),
            _ => text,
        }
    }
}

/// The texts as the tokenizer cuts them: 12 bytes a piece, where its own records take about 100.
#[derive(Default)]
struct Cut<'a> {
    /// The texts without white space around them and without the final full stop.
    bodies: Vec<&'a str>,
    /// Where the pieces of each body end.
    ends: Vec<usize>,
    /// The pieces of all bodies, by their numbers in the tokenizer.
    pieces: Vec<u32>,
    /// The bytes of the body that each stands for: from, to.
    spans: Vec<(u32, u32)>,
    /// How the tokenizer writes each piece that occurs.
    names: HashMap<u32, String>,
    /// Pieces that continue the word before them.
    continuing: HashSet<u32>,
    /// Texts that end in a full stop, and that begin with a capital letter.
    stops: usize,
    capitals: usize,
}

/// A text with its pieces.
struct Text<'a> {
    body: &'a str,
    pieces: &'a [u32],
    spans: &'a [(u32, u32)],
}

impl<'a> Cut<'a> {
    fn new(tokenizer: &tokenizers::Tokenizer, texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut cut = Self::default();
        for text in texts {
            let text = text.trim();
            let body = without_stop(text);
            cut.stops += usize::from(body.len() < text.len());
            cut.capitals += usize::from(text.chars().next().is_some_and(char::is_uppercase));
            let encoding = tokenizer.encode(body, false);
            let encoding = encoding.map_err(|e| Error::Internal(format!("the tokenizer failed: {e}")))?;
            for (piece, name) in encoding.get_ids().iter().zip(encoding.get_tokens()) {
                if !cut.names.contains_key(piece) {
                    cut.names.insert(*piece, name.clone());
                    cut.continuing.extend(name.starts_with("##").then_some(*piece));
                }
            }
            cut.pieces.extend(encoding.get_ids());
            cut.spans.extend(encoding.get_offsets().iter().map(|(from, to)| (*from as u32, *to as u32)));
            cut.ends.push(cut.pieces.len());
            cut.bodies.push(body);
        }
        Ok(cut)
    }

    fn texts(&self) -> impl Iterator<Item = Text<'_>> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        self.bodies.iter().zip(begins.zip(&self.ends)).map(|(body, (from, to))| Text {
            body,
            pieces: &self.pieces[from..*to],
            spans: &self.spans[from..*to],
        })
    }

    /// The pieces of each word: one, and those that continue it.
    fn words<'b>(&self, pieces: &'b [u32]) -> impl Iterator<Item = &'b [u32]> + use<'b, '_, 'a> {
        pieces.chunk_by(|_, next| self.continuing.contains(next))
    }
}

/// The tokenizer without the padding and truncation of the text tower.
fn plain(tokenizer: &tokenizers::Tokenizer) -> Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizer.clone();
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| Error::Internal(format!("the tokenizer failed: {e}")))?;
    Ok(tokenizer)
}

/// The text without one final full stop (but with an ellipsis).
fn without_stop(text: &str) -> &str {
    match text.strip_suffix('.') {
        Some(body) if !body.ends_with('.') => body.trim_end(),
        _ => text,
    }
}

fn marker(name: &str) -> Token {
    Token { piece: name.into(), surface: String::new(), glued_left: false, glued_right: false }
}

fn observe(seen: &mut HashMap<u32, Seen>, cut: &Cut<'_>, text: &Text<'_>, common: impl Fn(&[u32]) -> bool) {
    let Text { body, pieces, spans } = *text;
    let mut index = 0;
    for word in cut.words(pieces) {
        let counted = common(word);
        for piece in word {
            let Some((start, end)) = spans.get(index).copied() else { return };
            if counted {
                let entry = seen.entry(*piece).or_default();
                entry.count += 1;
                entry.glued_left += u64::from(index > 0 && spans[index - 1].1 == start);
                entry.glued_right += u64::from(spans.get(index + 1).is_some_and(|next| next.0 == end));
                // The first word shows its sentence's capital letter, so it says nothing about the word.
                if index > 0
                    && word.len() == 1
                    && let Some(surface) = body.get(start as usize..end as usize)
                {
                    *entry.surfaces.entry(surface.to_owned()).or_default() += 1;
                }
            }
            index += 1;
        }
    }
}

fn token(piece: String, seen: &Seen, joining: Joining) -> Token {
    if joining == Joining::Bytes {
        return Token { surface: String::new(), piece, glued_left: false, glued_right: false };
    }
    if let Some(rest) = piece.strip_prefix("##") {
        return Token { surface: rest.to_owned(), piece, glued_left: true, glued_right: false };
    }
    let letters = piece.chars().next().is_some_and(char::is_alphanumeric);
    // Accents that the tokenizer strips come back too, where the texts are consistent.
    let common = seen.surfaces.iter().max_by_key(|(surface, count)| (**count, std::cmp::Reverse(*surface)));
    let surface = match common {
        Some((surface, count)) if letters && 2 * *count > seen.count => surface.clone(),
        _ => piece.clone(),
    };
    Token {
        surface,
        piece,
        glued_left: !letters && 2 * seen.glued_left > seen.count,
        glued_right: !letters && 2 * seen.glued_right > seen.count,
    }
}

fn joined_words<'a>(tokens: impl Iterator<Item = &'a Token>) -> String {
    let mut text = String::new();
    let mut glue = true;
    for token in tokens {
        if !glue && !token.glued_left {
            text.push(' ');
        }
        text.push_str(&token.surface);
        glue = token.glued_right;
    }
    text
}

/// Undoes GPT-2's writing of bytes as printable characters.
fn joined_bytes<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let hidden: Vec<u8> = (0..=255u32).filter(|b| !printable(*b)).map(|b| b as u8).collect();
    let byte_of = |c: char| match u32::from(c) {
        code if printable(code) => Some(code as u8),
        code => hidden.get(code.checked_sub(256)? as usize).copied(),
    };
    let bytes: Vec<u8> = pieces.flat_map(str::chars).filter_map(byte_of).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

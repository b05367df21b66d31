//! Captions cut into words as the COCO caption tools cut them: by the rules of the Penn Treebank, in lower case, without punctuation.
//!
//! ```
//! let captions = ["A dog (small) doesn't bark, it \"sings\"."];
//! let tokenized = echoic::metrics::ptb::tokenize(&captions);
//! assert_eq!(tokenized, ["a dog -lrb- small -rrb- does n't bark it sings"]);
//! ```
//!
//! The brackets stay: the list of punctuation names them in upper case, and is asked when all is in lower case.

mod rules;

use std::collections::HashMap;
use std::sync::OnceLock;

use rayon::prelude::*;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use rules::{End, Form, PARTS, RULES};

/// What is no word, as the COCO caption tools list it.
const PUNCTUATION: [&str; 17] =
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

/// How many captions one thread cuts before it takes more.
const CAPTIONS_AT_ONCE: usize = 256;

/// How much memory the states of the automaton may take in each thread, in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// The words of each caption, joined by single spaces.
///
/// The captions are read as the lines of one text, as the tools read them: what follows an abbreviation at the end of a caption is the
/// beginning of the next one. A word may hold a space that does not break it (`1 1/2`).
pub fn tokenize<S: AsRef<str> + Sync>(captions: &[S]) -> Vec<String> {
    let lines = captions.iter().map(|caption| caption.as_ref().replace(['\n', '\r'], " "));
    let mut text = String::new();
    let mut starts = Vec::with_capacity(captions.len());
    for line in lines {
        if !starts.is_empty() {
            text.push('\n');
        }
        starts.push(text.len());
        text.push_str(&line);
    }
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([text.len()]);
    let lines: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
    let cut = |cache: &mut Cache, &(start, end): &(usize, usize)| Lexer::get().line(cache, &text, start, end);
    lines.par_iter().with_min_len(CAPTIONS_AT_ONCE).map_init(|| Lexer::get().dfa.create_cache(), cut).collect()
}

/// The automaton of all rules.
struct Lexer {
    dfa: DFA,
}

impl Lexer {
    fn get() -> &'static Self {
        static LEXER: OnceLock<Lexer> = OnceLock::new();
        LEXER.get_or_init(Self::new)
    }

    fn new() -> Self {
        let mut parts: HashMap<&str, String> = HashMap::new();
        for (name, pattern) in PARTS {
            let whole = expanded(pattern, &parts);
            parts.insert(name, whole);
        }
        let patterns: Vec<String> = RULES.iter().map(|rule| expanded(rule.pattern, &parts)).collect();
        let config = DFA::config().match_kind(MatchKind::All).cache_capacity(CACHE_BYTES);
        let dfa = DFA::builder()
            .configure(config)
            .thompson(thompson::Config::new().nfa_size_limit(None))
            .build_many(&patterns)
            .expect("the rules are regular expressions, as a test makes sure");
        Self { dfa }
    }

    /// The words of a line of the text.
    fn line(&self, cache: &mut Cache, text: &str, start: usize, end: usize) -> String {
        let mut out = String::new();
        let mut at = start;
        while at < end {
            let Some((rule, length)) = self.longest(cache, &text.as_bytes()[at..]) else {
                // No kind of token begins with this character: it is dropped.
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let token = &text[at..at + token_length(&text[at..at + length], rule.end)];
            let (written, used) = written(token, rule.form);
            at += used.max(1);
            let written = written.to_lowercase();
            if !written.is_empty() && !PUNCTUATION.contains(&&*written) {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(&written);
            }
        }
        out
    }

    /// The rule that reaches furthest from the beginning of `text`, and how far.
    fn longest(&self, cache: &mut Cache, text: &[u8]) -> Option<(&'static Rule, usize)> {
        // The automaton gives up only where it is told to, and it is told nothing of that kind.
        let mut state = self.dfa.start_state(cache, &start::Config::new().anchored(Anchored::Yes)).ok()?;
        let mut best = None;
        let bytes = text.iter().map(Some).chain([None]);
        for (at, byte) in bytes.enumerate() {
            state = match byte {
                Some(byte) => self.dfa.next_state(cache, state, *byte).ok()?,
                None => self.dfa.next_eoi_state(cache, state).ok()?,
            };
            if state.is_match() {
                let first =
                    (0..self.dfa.match_len(cache, state)).map(|i| self.dfa.match_pattern(cache, state, i)).min();
                best = first.map(|pattern| (&RULES[pattern.as_usize()], at)).or(best);
            } else if state.is_dead() || state.is_quit() {
                break;
            }
        }
        best
    }
}

use rules::Rule;

/// A pattern with the parts that it names in their places.
fn expanded(pattern: &str, parts: &HashMap<&str, String>) -> String {
    let mut whole = pattern.to_owned();
    for (name, part) in parts {
        whole = whole.replace(&format!("{{{name}}}"), part);
    }
    whole
}

/// How much of what a rule matched is the token.
fn token_length(matched: &str, end: End) -> usize {
    let before = |count: usize| matched.char_indices().rev().nth(count.saturating_sub(1)).map_or(0, |(at, _)| at);
    match end {
        End::Here => matched.len(),
        End::Before(count) => before(count),
        End::Space => matched.find(char::is_whitespace).unwrap_or(matched.len()),
        End::Stop => matched.rfind('.').map_or(matched.len(), |at| at + 1),
        End::Apostrophe => apostrophe(matched),
        End::Negation => matched[..apostrophe(matched)].char_indices().next_back().map_or(0, |(at, _)| at),
    }
}

/// Where the last apostrophe stands.
fn apostrophe(matched: &str) -> usize {
    let marks = ['\'', '\u{92}', '\u{2019}', '`', '\u{91}', '\u{2018}', '\u{201B}'];
    matched.rfind(marks).or_else(|| matched.rfind('&')).unwrap_or(matched.len())
}

/// A token as it is written, and how many bytes of the text it takes.
fn written(token: &str, form: Form) -> (String, usize) {
    let all = token.len();
    let unbroken = |token: &str| token.replace(' ', "\u{A0}");
    let brackets = |token: &str| token.replace('(', "-LRB-").replace(')', "-RRB-");
    match form {
        Form::Plain => (token.to_owned(), all),
        Form::As(text) => (text.to_owned(), all),
        Form::Without(count) => (token[..all - count].to_owned(), all - count),
        Form::Joined => match token.replace('\u{AD}', "") {
            joined if joined.is_empty() => ("-".to_owned(), all),
            joined => (joined, all),
        },
        Form::Ampersand => (replaced_caseless(token, "&amp;", "&"), all),
        Form::Quotes(opens) => (quotes(token, opens), all),
        Form::Unbroken => (unbroken(token), all),
        Form::Brackets => (brackets(token), all),
        Form::UnbrokenBrackets => (brackets(&unbroken(token)), all),
        Form::LastAbbreviation => (token.to_owned(), all - 1),
        Form::LastAcronym if all == 2 => (token[..1].to_owned(), 1),
        Form::LastAcronym => (token.to_owned(), all - 1),
        Form::Currency => {
            let cents = token.replace('\u{A2}', "cents").replace('\u{A3}', "#");
            (cents.replace(['\u{80}', '\u{A4}', '\u{20A0}', '\u{20AC}'], "$"), all)
        }
        Form::Fraction => {
            let known =
                [('\u{BC}', "1/4"), ('\u{BD}', "1/2"), ('\u{BE}', "3/4"), ('\u{2153}', "1/3"), ('\u{2154}', "2/3")];
            (known.iter().fold(token.to_owned(), |text, (sign, digits)| text.replace(*sign, digits)), all)
        }
        Form::Dash if matches!(all, 3 | 4) => ("--".to_owned(), all),
        Form::Dash => (token.to_owned(), all),
        Form::Nothing => (String::new(), all),
    }
}

/// Quotation marks as TeX has them: `` ` `` and `'`, and two of them for a double one.
fn quotes(token: &str, opens: bool) -> String {
    let (single, double) = if opens { ("`", "``") } else { ("'", "''") };
    let straight = token.replace("&apos;", single).replace("&quot;", double);
    let mut out = String::with_capacity(straight.len());
    for mark in straight.chars() {
        match mark {
            '\'' => out.push_str(single),
            '"' => out.push_str(double),
            '\u{91}' | '\u{2018}' | '\u{201B}' | '\u{2039}' => out.push('`'),
            '\u{92}' | '\u{2019}' | '\u{203A}' => out.push('\''),
            '\u{93}' | '\u{201C}' | '\u{AB}' => out.push_str("``"),
            '\u{94}' | '\u{201D}' | '\u{BB}' => out.push_str("''"),
            other => out.push(other),
        }
    }
    out
}

/// The text with every `from`, in whatever case, replaced.
fn replaced_caseless(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(from) {
        out.push_str(&rest[..at]);
        out.push_str(to);
        rest = &rest[at + from.len()..];
    }
    out + rest
}

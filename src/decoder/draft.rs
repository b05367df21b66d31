//! A caption under way, and the tokens that may come next.

use super::generate_options::GenerateOptions;
use super::inference::{Session, Weights};
use super::said::{Said, Words};
use super::vocabulary::{END, START, UNKNOWN};

/// A caption under way.
#[derive(Clone)]
pub(super) struct Draft<'a> {
    session: Session,
    pub(super) tokens: Vec<u32>,
    /// In nats.
    pub(super) log_prob: f64,
    /// Log probabilities of the next token; none while the last token, or the start marker before the first, is yet to be [read](read_all).
    pub(super) next: Vec<f32>,
    said: Said<'a>,
    pub(super) ended: bool,
}

impl<'a> Draft<'a> {
    /// A caption of no token yet.
    pub(super) fn new(session: Session, words: &'a Words) -> Self {
        let said = Said::nothing(words);
        Self { session, tokens: Vec::new(), log_prob: 0.0, next: Vec::new(), said, ended: false }
    }

    /// True where `token` may come next.
    pub(super) fn allows(&self, token: u32, options: &GenerateOptions) -> bool {
        match token {
            START | UNKNOWN => false,
            END => !self.tokens.is_empty(),
            _ => self.is_new(token, options.no_repeat) && !(options.unique_words && self.said.would_repeat(token)),
        }
    }

    /// Whether `token` repeats neither the last token nor a sequence of `no_repeat` tokens.
    fn is_new(&self, token: u32, no_repeat: usize) -> bool {
        let length = self.tokens.len();
        if no_repeat == 0 {
            return true;
        }
        if self.tokens.last() == Some(&token) {
            return false;
        }
        if length < no_repeat {
            return true;
        }
        let last = &self.tokens[length + 1 - no_repeat..];
        !self.tokens.windows(no_repeat).any(|w| w[no_repeat - 1] == token && w[..no_repeat - 1] == *last)
    }

    /// Takes `token`, which is then yet to be [read](read_all), unless it ends the caption or the limit is reached.
    pub(super) fn take(&mut self, token: u32, limit: usize) {
        self.log_prob = self.log_prob_with(token);
        self.next.clear();
        if token == END {
            self.ended = true;
            return;
        }
        self.tokens.push(token);
        self.said.read(token);
        self.ended = self.tokens.len() >= limit;
    }

    /// Its log probability with `token` behind it.
    pub(super) fn log_prob_with(&self, token: u32) -> f64 {
        self.log_prob + self.next.get(token as usize).copied().map_or(0.0, f64::from)
    }

    fn is_unread(&self) -> bool {
        !self.ended && self.next.is_empty()
    }

    /// The caption that has one token more, see [`Draft::take`].
    pub(super) fn with(&self, token: u32, limit: usize) -> Self {
        let (session, tokens, said) = (self.session.clone(), self.tokens.clone(), self.said.clone());
        // What comes next is known when the token is read: of the old probabilities the one is enough.
        let mut longer = Self { session, tokens, said, next: Vec::new(), ..*self };
        longer.take(token, limit);
        longer.log_prob = self.log_prob_with(token);
        longer
    }

    /// What it is compared by.
    pub(super) fn score(&self) -> f64 {
        score(self.log_prob, self.tokens.len())
    }

    /// The `count` likeliest tokens allowed next, likeliest first, the lower number first among equals.
    pub(super) fn likeliest(&self, count: usize, options: &GenerateOptions) -> Vec<u32> {
        let mut best: Vec<u32> = Vec::with_capacity(count + 1);
        for (token, value) in self.next.iter().enumerate() {
            let full = best.len() == count;
            if full && best.last().is_some_and(|last| self.next[*last as usize] >= *value) {
                continue;
            }
            if self.allows(token as u32, options) {
                let place = best.partition_point(|other| self.next[*other as usize] >= *value);
                best.insert(place, token as u32);
                best.truncate(count);
            }
        }
        best
    }
}

/// Reads the last token of all drafts in which it is unread, together.
pub(super) fn read_all<'a: 'b, 'b>(weights: &Weights, drafts: impl IntoIterator<Item = &'b mut Draft<'a>>) {
    let mut unread: Vec<&mut Draft<'a>> = drafts.into_iter().filter(|draft| draft.is_unread()).collect();
    if unread.is_empty() {
        return;
    }
    let tokens: Vec<u32> = unread.iter().map(|draft| draft.tokens.last().copied().unwrap_or(START)).collect();
    let mut sessions: Vec<_> = unread.iter_mut().map(|draft| &mut draft.session).collect();
    let logits = weights.next(&mut sessions, &tokens).unwrap_or_default();
    let mut rows = logits.chunks_exact(logits.len().div_ceil(unread.len()).max(1));
    for draft in unread {
        match rows.next() {
            Some(logits) => draft.next = log_softmax(logits.to_vec()),
            None => draft.ended = true, // no room, which the limit rules out
        }
    }
}

/// Log probability over length^0.7: plain sums favour short captions, plain means long ones. The end marker counts.
pub(super) fn score(log_prob: f64, tokens: usize) -> f64 {
    log_prob / ((tokens + 1) as f64).powf(0.7)
}

fn log_softmax(mut logits: Vec<f32>) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    let log_sum = f64::from(max) + total.ln();
    logits.iter_mut().for_each(|x| *x = (f64::from(*x) - log_sum) as f32);
    logits
}

//! What an audit of one caption says.

use serde::Serialize;

use crate::audio::Level;
use crate::bridge::Strategy;
use crate::captioner::Captioned;
use crate::retrieval::{Counts, Provenance};

/// A caption taken apart: which stored texts it came from, what each of them did to it, and what the search may have missed.
///
/// What was not asked for is empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CaptionAudit {
    /// The caption as [`Captioner::caption`](crate::Captioner::caption) gives it. Its neighbours are those that the caption came from;
    /// [`CaptionAudit::audited`] says more of the nearest of all.
    #[serde(flatten)]
    pub captioned: Captioned,
    /// The texts that took part.
    pub texts: Counts,
    /// The softmax weight that was truly left out of the projection, of which `lost_mass` is a bound; 0 where the search was exact. `None` under other
    /// strategies, and where the caption came from none of the truly nearest texts.
    pub true_lost_mass: Option<f32>,
    /// How many texts spoke: the exponential of the entropy of the projection's weights over the whole memory, at least 1.
    pub effective_texts: f64,
    /// Cosine of the audio to what the decoder was given, in -1..1: 1 is the audio itself.
    pub prefix_similarity: f32,
    /// The truly nearest texts, nearest first.
    pub audited: Vec<AuditedNeighbour>,
    /// The approximate search of this very query beside the exact one.
    pub search: SearchAudit,
    /// The caption under each strategy.
    pub strategies: Vec<AgreementAudit>,
    /// The caption word by word, as it was written; empty where it is a stored text.
    pub tokens: Vec<TokenAudit>,
    /// The windows of a sound of several.
    pub windows: Vec<WindowAudit>,
    /// The sound's embedding, of unit length.
    #[serde(skip)]
    pub embedding: Vec<f32>,
    /// What the decoder was given, of unit length.
    #[serde(skip)]
    pub prefix: Vec<f32>,
}

/// One of the truly nearest texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AuditedNeighbour {
    /// Its place among all texts, from 1.
    pub rank: usize,
    /// The text; its weight is what it weighs in the projection onto the whole memory, in 0..1, whatever the caption's strategy.
    #[serde(flatten)]
    pub text: Provenance,
    /// Whether the search that the caption came from found it, too.
    pub found: bool,
    /// What becomes of the caption without it; `None` where that was not asked for, nothing else is left, or twenty texts are nearer.
    pub influence: Option<Influence>,
}

/// What becomes of a caption when something that it came from is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Influence {
    /// The caption then.
    pub caption: String,
    /// Whether it is another one.
    pub changes: bool,
    /// How far what the decoder is given moves: 1 minus the cosine of before and after, 0 where nothing moves.
    pub shift: f32,
}

/// The search that the caption came from beside the exact one. Where that was exact itself, nothing is missed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SearchAudit {
    /// Neighbours that were compared.
    pub k: usize,
    /// The share of the truly nearest `k` that the approximate search found, in 0..1.
    pub recall: f64,
    /// The ranks, from 1, that it missed; a text as near as the last that was found is not missed.
    pub missed_ranks: Vec<usize>,
    /// Milliseconds of the search that the caption came from, with its projection.
    pub approximate_ms: f64,
    /// Milliseconds of the exact one, with the projection onto every text.
    pub exact_ms: f64,
}

/// The caption under one strategy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AgreementAudit {
    /// The strategy.
    pub strategy: Strategy,
    /// Its caption.
    pub caption: String,
    /// Whether it is the audited caption.
    pub agrees: bool,
    /// Cosine of the audio to what the decoder is given under it, in -1..1.
    pub prefix_similarity: f32,
}

/// What the decoder wrote at a time: a token, or a word as a whole where it wrote that in pieces.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenAudit {
    /// As it stands in the caption, with the space before it where there is one; empty for the end.
    pub text: String,
    /// True for the marker that ends the caption.
    pub is_end: bool,
    /// Its probability after the words before it, in 0..1; of a word in pieces their product.
    pub probability: f32,
    /// The same where the decoder is given the mean of all stored texts in place of this sound: its habit.
    pub habit: f32,
    /// `ln(probability / habit)`, in nats: above 0 the sound called for it, near 0 the language alone did.
    pub forced: f32,
    /// What habit would most likely have written in its place, or begun with; `None` where it would have begun with the same.
    pub instead: Option<String>,
}

/// A window of a sound of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WindowAudit {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// How loud it is.
    #[serde(flatten)]
    pub level: Level,
    /// Its share of the sound's embedding, in 0..1.
    pub share: f32,
    /// Cosine of its embedding to what the decoder was given for the whole sound, in -1..1: the window with the highest spoke.
    pub support: f32,
    /// The window's own caption.
    pub caption: String,
    /// The stored text nearest to it, as the search found it; its weight is what it has in the window's own caption.
    pub nearest: Provenance,
    /// What becomes of the caption without this window; `None` where it has no share, or nothing else is left to hear.
    pub influence: Option<Influence>,
}

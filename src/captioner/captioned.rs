//! What is told of a caption.

use serde::Serialize;

use super::options::Parameters;
use crate::audio::Level;
use crate::bridge::Strategy;
use crate::retrieval::Provenance;

/// Milliseconds that each step of an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timings {
    /// Decoding the audio and running the tower, or embedding the text; 0 for a given embedding.
    pub embed_ms: f64,
    /// Searching and projecting.
    pub search_ms: f64,
    /// Writing the caption; 0 where none was asked for.
    pub decode_ms: f64,
}

/// A caption and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Captioned {
    /// The file that was captioned.
    pub path: String,
    /// Row of the file, from 0, where the file holds several embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// Length of the sound in seconds; none for a window, which has its own, and for a precomputed embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Where the window that was captioned begins, in seconds, where windows are kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Where it ends, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    /// How many windows that followed each other said this, where those were made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<usize>,
    /// How loud the sound or its window is, and whether there is something to hear; none for a precomputed embedding.
    #[serde(flatten)]
    pub level: Option<Level>,
    /// The caption.
    pub caption: String,
    /// How the gap was bridged.
    pub strategy: Strategy,
    /// The caption that was withheld, and `caption` says [`UNSURE`]; see [`Captioned::withheld_below`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Cosine of the caption's own embedding and the sound's; none where there is no model to embed it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
    /// How likely the caption is to fit its sound, in 0..1, see [`crate::confidence`]; 0 where nothing was heard, none where the model was not
    /// calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// The nearest stored texts, nearest first.
    pub neighbours: Vec<Provenance>,
    /// See [`Retrieval::lost_mass`](crate::retrieval::Retrieval::lost_mass); 0 for the strategies that sum nothing.
    pub lost_mass: f32,
    /// How long it took.
    pub timings: Timings,
    /// What it takes to write the same caption again.
    pub parameters: Parameters,
}

/// What stands in place of a caption that was withheld.
pub const UNSURE: &str = "unsure";

impl Captioned {
    /// Withholds the caption where there is less confidence in it than that; the nearest texts stay. A caption whose confidence is not known is
    /// withheld, too.
    #[must_use]
    pub fn withheld_below(mut self, confidence: f32) -> Self {
        if self.withheld.is_none() && self.confidence.is_none_or(|known| known < confidence) {
            self.withheld = Some(std::mem::replace(&mut self.caption, UNSURE.to_owned()));
        }
        self
    }
}

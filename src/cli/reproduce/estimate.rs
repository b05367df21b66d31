//! What a table takes before it is begun.

use std::fmt;

use echoic::decoder::Preset;
use serde::Serialize;

use super::Wsac;
use super::sets::Set;

/// Figures of two cores with AVX2 (docs/benchmarks): they move with the machine, by a factor of two either way.
const SECONDS_A_CLIP: f64 = 0.6;
const TEXTS_A_SECOND: f64 = 60.0;
const CAPTIONS_A_SECOND: f64 = 12.0;
const TOKENS_A_TEXT: f64 = 13.0;

/// Bytes of a model and its working memory, and of each caption while a decoder trains.
const MODEL_BYTES: f64 = 2.0e9;
const BYTES_A_TEXT: f64 = 2.0e3;

/// How long, and how much memory.
#[derive(Debug, Serialize)]
pub struct Estimate {
    sounds: usize,
    texts: usize,
    captions: usize,
    listening_hours: f64,
    reading_hours: f64,
    training_hours: f64,
    captioning_hours: f64,
    memory_gigabytes: f64,
}

impl Estimate {
    /// Of all sets together.
    pub fn of(sets: &[Set], wsac: &Wsac) -> Self {
        let limit = |clips: usize| wsac.limit.map_or(clips, |limit| clips.min(limit));
        let tested: usize = sets.iter().map(|set| limit(set.test.clips)).sum();
        let paired: usize = sets.iter().map(|set| set.train.clips.min(wsac.pairs)).sum();
        let texts: usize = sets.iter().map(|set| set.train.texts).sum();
        let (tokens_a_second, epochs) = match wsac.preset {
            Preset::Paper => (300.0, 30.0),
            _ => (4000.0, 4.0),
        };
        let epochs = wsac.epochs.map_or(epochs, |epochs| epochs as f64);
        let hours = |seconds: f64| (seconds / 36.0).round() / 100.0;
        let most = sets.iter().map(|set| set.train.texts).max().unwrap_or(0) as f64;
        Self {
            sounds: tested + paired,
            texts,
            captions: 12 * tested,
            listening_hours: hours((tested + paired) as f64 * SECONDS_A_CLIP),
            reading_hours: hours(texts as f64 / TEXTS_A_SECOND),
            training_hours: hours(4.0 * epochs * texts as f64 * TOKENS_A_TEXT / tokens_a_second),
            captioning_hours: hours(12.0 * tested as f64 / CAPTIONS_A_SECOND),
            memory_gigabytes: ((MODEL_BYTES + most * BYTES_A_TEXT) / 1e8).round() / 10.0,
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.listening_hours + self.reading_hours + self.training_hours + self.captioning_hours;
        write!(
            f,
            "about {all:.1} hours on two cores, and {:.1} GB of memory: {} sounds ({:.1} h), {} texts to embed ({:.1} h), \
             four decoders for each set ({:.1} h), {} captions ({:.1} h)",
            self.memory_gigabytes,
            self.sounds,
            self.listening_hours,
            self.texts,
            self.reading_hours,
            self.training_hours,
            self.captions,
            self.captioning_hours,
        )
    }
}

//! One caption taken apart.

mod report;
mod without;
mod words;

use std::sync::OnceLock;
use std::time::Instant;

use rayon::prelude::*;

pub use report::{AgreementAudit, AuditedNeighbour, CaptionAudit, Influence, SearchAudit, TokenAudit, WindowAudit};

use self::without::Without;
use self::words::words;
use crate::audio::Audio;
use crate::bridge::Strategy;
use crate::captioner::{Bridged, CaptionOptions, Captioned, Captioner, bridge, milliseconds};
use crate::embedding::{dot, normalize};
use crate::memory::Effort;
use crate::progress::Control;
use crate::retrieval::{Provenance, TextStore, retrieve};
use crate::towers::{WindowEmbedding, WindowMean};
use crate::{Error, Result};

/// At this temperature every text weighs the same, to within a millionth: the projection is the mean of all.
const LEVELLING: f32 = 1e6;

/// Neighbours without which a caption is written once more: those behind them weigh next to nothing, and each costs a caption.
const INFLUENCES: usize = 20;

/// What an audit looks into beside the caption and its neighbours. Each part costs captions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts {
    /// The caption under each strategy.
    pub strategies: bool,
    /// How likely each token was, with the sound and without it.
    pub tokens: bool,
    /// What becomes of the caption without each of its twenty nearest neighbours, and without each of its windows.
    pub influence: bool,
    /// What each window says by itself.
    pub windows: bool,
}

impl Parts {
    /// All of them.
    pub const ALL: Self = Self { strategies: true, tokens: true, influence: true, windows: true };
    /// The caption and its neighbours alone.
    pub const NEIGHBOURS: Self = Self { strategies: false, tokens: false, influence: false, windows: false };
}

impl Default for Parts {
    fn default() -> Self {
        Self::ALL
    }
}

/// Takes captions apart.
///
/// ```no_run
/// use echoic::audit::{Auditor, Parts};
/// use echoic::captioner::{CaptionOptions, Captioner};
///
/// # fn main() -> echoic::Result<()> {
/// let captioner = Captioner::open("my-store", None)?;
/// let audit = Auditor::new(&captioner, CaptionOptions::default(), Parts::ALL).audit("recording.wav")?;
/// println!("{}: {:.1} texts spoke", audit.captioned.caption, audit.effective_texts);
/// for neighbour in audit.audited {
///     if let Some(influence) = neighbour.influence.filter(|influence| influence.changes) {
///         println!("without '{}' it would be '{}'", neighbour.text.caption, influence.caption);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Auditor<'c> {
    captioner: &'c Captioner,
    options: CaptionOptions,
    parts: Parts,
    control: Control<'c>,
    /// The mean of all texts that take part, once it was asked for; none where they cancel out.
    mean: OnceLock<Option<Vec<f32>>>,
}

impl<'c> Auditor<'c> {
    /// Audits captions that `captioner` writes with `options`.
    pub fn new(captioner: &'c Captioner, options: CaptionOptions, parts: Parts) -> Self {
        Self { captioner, options, parts, control: Control::default(), mean: OnceLock::new() }
    }

    /// How it captions.
    pub fn options(&self) -> &CaptionOptions {
        &self.options
    }

    /// Stops between two captions when `control` says so, with [`Error::Interrupted`].
    #[must_use]
    pub fn control(self, control: Control<'c>) -> Self {
        Self { control, ..self }
    }

    /// Audits the caption of a sound.
    ///
    /// # Errors
    /// As [`Captioner::caption`].
    pub fn audit<'a>(&self, audio: impl Into<Audio<'a>>) -> Result<CaptionAudit> {
        let (clap, audio) = (self.captioner.towers()?, audio.into());
        let name = audio.name();
        let start = Instant::now();
        let (whole, windows) = match self.parts.windows {
            true => clap.embed_audio_and_windows(audio)?,
            false => (clap.embed_audio(audio)?, Vec::new()),
        };
        let embed_ms = milliseconds(start);
        let mut audit = self.audit_heard(&name, &whole.embedding, &windows)?;
        audit.captioned.timings.embed_ms = embed_ms;
        audit.captioned.level = Some(whole.level);
        audit.captioned.seconds = Some(whole.seconds);
        Ok(audit)
    }

    /// Audits the caption of a precomputed audio embedding of the store's space; `name` stands for it in the answer.
    ///
    /// # Errors
    /// As [`Captioner::caption_embedding`].
    pub fn audit_embedding(&self, name: &str, embedding: &[f32]) -> Result<CaptionAudit> {
        self.audit_heard(name, embedding, &[])
    }

    fn audit_heard(&self, name: &str, embedding: &[f32], windows: &[WindowEmbedding]) -> Result<CaptionAudit> {
        let store = self.captioner.store();
        let (captioned, prefix) = self.captioner.caption_and_prefix(name, embedding, &self.options)?;
        let mut unit = embedding.to_vec();
        normalize(&mut unit);
        let heard = Heard { embedding: &unit, prefix: &prefix, caption: &captioned.caption };
        let start = Instant::now();
        let exact = retrieve(store, &unit, &self.options.retrieval.clone().effort(Effort::EXACT))?;
        let search = compared(&captioned, &exact.neighbours, milliseconds(start));
        Ok(CaptionAudit {
            texts: store.counts(&self.options.retrieval.scope)?,
            true_lost_mass: left_out(&captioned, &exact.neighbours),
            effective_texts: exact.effective_texts,
            prefix_similarity: dot(&unit, &prefix),
            audited: self.neighbours(&heard, exact.neighbours, &search)?,
            search,
            strategies: if self.parts.strategies { self.strategies(&heard)? } else { Vec::new() },
            tokens: if self.parts.tokens { self.tokens(&heard)? } else { Vec::new() },
            windows: if windows.len() > 1 { self.windows(&heard, windows)? } else { Vec::new() },
            captioned,
            embedding: unit,
            prefix,
        })
    }

    /// The truly nearest texts, and what each did to the caption.
    fn neighbours(
        &self,
        heard: &Heard<'_>,
        nearest: Vec<Provenance>,
        search: &SearchAudit,
    ) -> Result<Vec<AuditedNeighbour>> {
        let audited = nearest.into_par_iter().enumerate().map(|(index, text)| {
            self.control.check()?;
            let rank = index + 1;
            let influence = match self.parts.influence && rank <= INFLUENCES {
                true => self.without_text(heard, &text)?,
                false => None,
            };
            Ok(AuditedNeighbour { rank, found: !search.missed_ranks.contains(&rank), influence, text })
        });
        audited.collect()
    }

    /// What becomes of the caption without a text; `None` where no other is left.
    fn without_text(&self, heard: &Heard<'_>, text: &Provenance) -> Result<Option<Influence>> {
        let store = Without::new(self.captioner.store(), text);
        if store.counts(&self.options.retrieval.scope)?.rows == 0 {
            return Ok(None);
        }
        self.influence(heard, &bridge(&store, heard.embedding, &self.options)?).map(Some)
    }

    /// What other neighbours make of the caption.
    fn influence(&self, heard: &Heard<'_>, other: &Bridged) -> Result<Influence> {
        // The same prefix is written as the same caption.
        let caption = match other.prefix == heard.prefix && self.options.strategy != Strategy::Text {
            true => heard.caption.to_owned(),
            false => self.captioner.write(other, &self.options)?,
        };
        let shift = (1.0 - dot(&other.prefix, heard.prefix)).max(0.0);
        Ok(Influence { changes: caption != heard.caption, caption, shift })
    }

    /// The caption under each strategy; without a decoder the nearest text is all there is.
    fn strategies(&self, heard: &Heard<'_>) -> Result<Vec<AgreementAudit>> {
        let written = [Strategy::Projection, Strategy::Nearest, Strategy::Direct, Strategy::Text].into_par_iter();
        let possible = written.filter(|strategy| self.captioner.has_decoder() || *strategy == Strategy::Text);
        let audited = possible.map(|strategy| {
            self.control.check()?;
            let options = self.options.clone().strategy(strategy);
            let bridged = bridge(self.captioner.store(), heard.embedding, &options)?;
            let caption = self.captioner.write(&bridged, &options)?;
            let prefix_similarity = dot(heard.embedding, &bridged.prefix);
            Ok(AgreementAudit { strategy, agrees: caption == heard.caption, caption, prefix_similarity })
        });
        audited.collect()
    }

    /// How likely each token was, with the sound and without it.
    fn tokens(&self, heard: &Heard<'_>) -> Result<Vec<TokenAudit>> {
        if self.options.strategy == Strategy::Text || !self.captioner.has_decoder() {
            return Ok(Vec::new());
        }
        let Some(neutral) = self.mean()? else { return Ok(Vec::new()) };
        let (place, _) = self.captioner.chosen(heard.prefix, &self.options)?;
        let explained = self.captioner.decoder()?.explain(heard.prefix, neutral, &self.options.generate, place)?;
        Ok(words(explained))
    }

    /// The mean of all texts that take part, of unit length.
    fn mean(&self) -> Result<Option<&[f32]>> {
        if let Some(mean) = self.mean.get() {
            return Ok(mean.as_deref());
        }
        let store = self.captioner.store();
        // Any query does, and always the same gives the same bits.
        let mut query = vec![0.0; store.space().dim];
        query.iter_mut().take(1).for_each(|x| *x = 1.0);
        let options = self.options.retrieval.clone().effort(Effort::EXACT).temperature(LEVELLING);
        let mean = match retrieve(store, &query, &options) {
            Ok(found) => Some(found.projection),
            Err(Error::Input { subject, .. }) if subject == "projection" => {
                tracing::warn!("the stored texts have no mean: their embeddings cancel out, and no habit can be told");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(self.mean.get_or_init(|| mean).as_deref())
    }

    /// What each window says by itself, and what the others say without it.
    fn windows(&self, heard: &Heard<'_>, windows: &[WindowEmbedding]) -> Result<Vec<WindowAudit>> {
        let total: f64 = windows.iter().map(|window| window.weight).sum();
        let audited = windows.par_iter().enumerate().map(|(index, window)| {
            self.control.check()?;
            let own = bridge(self.captioner.store(), &window.embedding, &self.options)?;
            let nearest = own.neighbours.first().cloned();
            let influence = match self.parts.influence && window.weight > 0.0 {
                true => self.without_window(heard, windows, index)?,
                false => None,
            };
            Ok(WindowAudit {
                start: window.start,
                end: window.end,
                level: window.level,
                share: (window.weight / total) as f32,
                support: dot(&window.embedding, heard.prefix),
                caption: self.captioner.write(&own, &self.options)?,
                nearest: nearest.ok_or_else(|| Error::Internal("a search among captions found none".into()))?,
                influence,
            })
        });
        audited.collect()
    }

    /// What becomes of the caption without window `index`; `None` where no other counts.
    fn without_window(
        &self,
        heard: &Heard<'_>,
        windows: &[WindowEmbedding],
        index: usize,
    ) -> Result<Option<Influence>> {
        let mut mean = WindowMean::new(heard.embedding.len());
        let others = windows.iter().enumerate().filter(|(other, _)| *other != index);
        others.for_each(|(_, window)| mean.add(window));
        let Some(embedding) = mean.embedding() else { return Ok(None) };
        self.influence(heard, &bridge(self.captioner.store(), &embedding, &self.options)?).map(Some)
    }
}

/// A sound, and what was made of it.
struct Heard<'a> {
    /// Of unit length.
    embedding: &'a [f32],
    prefix: &'a [f32],
    caption: &'a str,
}

/// The share of the projection's weight that a search left out. What a text weighs among those that were found and what it weighs among all differ
/// by just that share, whichever of them it is.
fn left_out(captioned: &Captioned, nearest: &[Provenance]) -> Option<f32> {
    if captioned.strategy != Strategy::Projection {
        return None;
    }
    let weighed = captioned.neighbours.iter().filter(|found| found.weight > 0.0);
    let both =
        weighed.filter_map(|found| Some((found.weight, nearest.iter().find(|text| text.id == found.id)?.weight)));
    let (among_found, among_all) = both.max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some((1.0 - among_all / among_found).clamp(0.0, 1.0))
}

/// The neighbours of a caption beside the truly nearest.
fn compared(captioned: &Captioned, nearest: &[Provenance], exact_ms: f64) -> SearchAudit {
    let last = captioned.neighbours.last().map_or(f32::INFINITY, |last| last.similarity);
    let is_found = |text: &Provenance| {
        captioned.neighbours.iter().any(|found| found.id == text.id)
            || (captioned.neighbours.len() >= nearest.len() && text.similarity <= last)
    };
    let missed_ranks: Vec<usize> =
        nearest.iter().enumerate().filter(|(_, text)| !is_found(text)).map(|(index, _)| index + 1).collect();
    let (k, missed) = (nearest.len(), missed_ranks.len());
    let recall = (k - missed) as f64 / k.max(1) as f64;
    SearchAudit { k, recall, missed_ranks, approximate_ms: captioned.timings.search_ms, exact_ms }
}

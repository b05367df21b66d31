//! Captioning: where the towers, the memory, the bridge and the decoder meet.
//!
//! An audio embedding is looked up among the stored texts, bridged into their side of the embedding space, and decoded.
//! Every caption comes with the stored texts that it was made from, how near they were and how much each weighed.

mod captioned;
mod options;
mod rank;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::audio::{Audio, Level};
use crate::bridge::Strategy;
pub use crate::captioner::captioned::{Captioned, Timings, UNSURE};
pub use crate::captioner::options::{CaptionOptions, Parameters};
use crate::captioner::rank::{best, similarities};
use crate::confidence::Calibration;
use crate::decoder::{Decoder, Generated};
use crate::decoders;
use crate::embedding::{dot, normalize};
use crate::error::{Hint, Topic};
use crate::memory::{Snapshot, Store};
use crate::retrieval::{Provenance, TextStore, nearest, retrieve};
use crate::towers::Clap;
use crate::{EmbeddingSpace, Error, Result};

/// Captions audio by stored texts and a decoder.
pub struct Captioner {
    store: Box<dyn TextStore>,
    decoder: Option<Arc<Decoder>>,
    /// Its name in the store, and the SHA-256 of its file.
    origin: Option<(String, String)>,
    commit: Option<u64>,
    clap: Option<Arc<Clap>>,
    calibration: Option<Calibration>,
}

impl std::fmt::Debug for Captioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captioner").field("space", self.store.space()).finish_non_exhaustive()
    }
}

impl Captioner {
    /// Joins stored texts, a decoder trained on texts of the same embedding space, and the towers of that space.
    ///
    /// Without towers, only precomputed embeddings can be captioned; without a decoder, [`Strategy::Text`] alone gives captions.
    ///
    /// # Errors
    /// [`Error::SpaceMismatch`] when the three do not share one embedding space.
    pub fn new(
        store: impl TextStore + 'static,
        decoder: impl Into<Option<Decoder>>,
        clap: Option<Clap>,
    ) -> Result<Self> {
        Self::joined(Box::new(store), decoder.into().map(Arc::new), clap.map(Arc::new))
    }

    fn joined(store: Box<dyn TextStore>, decoder: Option<Arc<Decoder>>, clap: Option<Arc<Clap>>) -> Result<Self> {
        let spaces = [decoder.as_ref().map(|decoder| &decoder.info().space), clap.as_ref().map(|clap| clap.space())];
        for space in spaces.into_iter().flatten() {
            if space != store.space() {
                return Err(Error::SpaceMismatch { store: store.space().to_string(), given: space.to_string() });
            }
        }
        Ok(Self { store, decoder, origin: None, commit: None, clap, calibration: None })
    }

    /// Opens a store with one of its decoders and the model that it is bound to.
    ///
    /// `decoder`: its name, or `None` for [the one in use](decoders::default_decoder), if there is one. A store of external embeddings has no
    /// towers.
    ///
    /// # Errors
    /// As [`Store::snapshot`], [`Decoder::load`] and [`Clap::for_store`]; [`Error::NotFound`] when there is no such decoder.
    pub fn open(store: impl AsRef<Path>, decoder: Option<&str>) -> Result<Self> {
        Self::of(Store::open(store)?.snapshot()?, decoder)
    }

    /// [`Captioner::open`] for a snapshot that is there already.
    ///
    /// # Errors
    /// As [`Captioner::open`].
    pub fn of(snapshot: Snapshot, decoder: Option<&str>) -> Result<Self> {
        let name = decoder.or_else(|| decoders::default_decoder(&snapshot).map(|decoder| decoder.name.as_str()));
        let name = name.map(str::to_owned);
        let decoder = name.as_deref().map(|name| decoders::load(&snapshot, Some(name))).transpose()?;
        let clap = match snapshot.space().is_external() {
            true => None,
            false => Some(Arc::new(Clap::for_store(&snapshot)?)),
        };
        Self::of_loaded(snapshot, name.as_deref().zip(decoder.map(Arc::new)), clap)
    }

    /// [`Captioner::of`] with towers, and a decoder of the snapshot by its name, that are loaded already and may serve other captioners, too.
    ///
    /// # Errors
    /// As [`Captioner::new`].
    pub fn of_loaded(
        snapshot: Snapshot,
        decoder: Option<(&str, Arc<Decoder>)>,
        clap: Option<Arc<Clap>>,
    ) -> Result<Self> {
        let (name, decoder) = decoder.unzip();
        let entry = snapshot.decoders().iter().find(|decoder| name == Some(decoder.name.as_str()));
        let origin = entry.map(|entry| (entry.name.clone(), entry.sha256.clone()));
        let commit = Some(snapshot.commit());
        let calibration = Calibration::for_store(snapshot.dir(), snapshot.space())?;
        Ok(Self { origin, commit, calibration, ..Self::joined(Box::new(snapshot), decoder, clap)? })
    }

    /// The decoder's name in the store, where it came from there; `None` where there is none.
    pub fn decoder_name(&self) -> Option<&str> {
        self.origin.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether there is a decoder; without one, [`Strategy::Text`] alone gives captions.
    pub fn has_decoder(&self) -> bool {
        self.decoder.is_some()
    }

    /// How captions are made where nothing else is said: by projection; without a decoder, the nearest text itself.
    pub fn usual_strategy(&self) -> Strategy {
        if self.has_decoder() { Strategy::Projection } else { Strategy::Text }
    }

    /// How far captions can be trusted, where that was learned.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// Refuses to withhold captions of a strategy in which nobody knows how much confidence there may be.
    ///
    /// # Errors
    /// [`Error::Input`] where confidence was not learned for the model, or for the strategy.
    pub fn check_confidence(&self, strategy: Strategy) -> Result<()> {
        if self.calibration.as_ref().is_some_and(|known| known.curves.contains_key(&strategy)) {
            return Ok(());
        }
        let found = format!("no calibration of {strategy} for {}", self.store.space());
        Err(Error::input("the least confidence", found, "a model and a strategy whose confidence is known")
            .with_hint(Hint::about(Topic::Calibrate, "learn it from sounds that people have described")))
    }

    /// The stored texts in use.
    pub fn store(&self) -> &dyn TextStore {
        &*self.store
    }

    /// Loads the towers that captions of sounds need, which are otherwise loaded for the first sound: for callers that are about to caption on
    /// several threads.
    ///
    /// # Errors
    /// As [`Clap::load_audio`]; [`Error::Input`] when there is no audio tower.
    pub fn load_towers(&self, options: &CaptionOptions) -> Result<()> {
        let clap = self.towers()?;
        // Captions are embedded, too: candidates to rank them, and the one that is taken for the confidence in it.
        if options.strategy != Strategy::Text {
            clap.load_text()?;
        }
        clap.load_audio()
    }

    /// Captions a sound: a file by its path, or what [`Audio`] has.
    ///
    /// # Errors
    /// As [`Clap::embed_audio`] and [`retrieve`]; [`Error::Input`] when there is no audio tower.
    pub fn caption<'a>(&self, audio: impl Into<Audio<'a>>, options: &CaptionOptions) -> Result<Captioned> {
        let (clap, audio) = (self.towers()?, audio.into());
        let name = audio.name();
        let start = Instant::now();
        let embedded = clap.embed_audio(audio)?;
        let embed_ms = milliseconds(start);
        let mut captioned = self.caption_heard(&name, &embedded.embedding, Some(embedded.level), options)?;
        captioned.timings.embed_ms = embed_ms;
        captioned.seconds = Some(embedded.seconds);
        Ok(captioned)
    }

    /// Captions each window of a sound by itself; the time that embedding took is told with the first.
    ///
    /// # Errors
    /// As [`Captioner::caption`].
    pub fn caption_windows<'a>(&self, audio: impl Into<Audio<'a>>, options: &CaptionOptions) -> Result<Vec<Captioned>> {
        let (clap, audio) = (self.towers()?, audio.into());
        let name = audio.name();
        let start = Instant::now();
        let windows = clap.embed_windows(audio)?;
        let mut embed_ms = milliseconds(start);
        let captioned = windows.into_iter().map(|window| {
            let mut captioned = self.caption_heard(&name, &window.embedding, Some(window.level), options)?;
            captioned.timings.embed_ms = std::mem::take(&mut embed_ms);
            (captioned.start, captioned.end) = (Some(window.start), Some(window.end));
            Ok(captioned)
        });
        captioned.collect()
    }

    /// Captions a precomputed audio embedding of the store's space; `name` stands for it in the answer.
    ///
    /// # Errors
    /// As [`retrieve`]; [`Error::Input`] when there is no decoder and the strategy needs one.
    pub fn caption_embedding(&self, name: &str, embedding: &[f32], options: &CaptionOptions) -> Result<Captioned> {
        self.caption_heard(name, embedding, None, options)
    }

    /// The caption of an embedding with the confidence in it; `level` is that of its sound.
    fn caption_heard(
        &self,
        name: &str,
        embedding: &[f32],
        level: Option<Level>,
        options: &CaptionOptions,
    ) -> Result<Captioned> {
        let (mut captioned, _) = self.caption_and_prefix(name, embedding, options)?;
        captioned.level = level;
        self.judge(&mut captioned, embedding)?;
        Ok(captioned)
    }

    /// Says how near a caption comes to its sound, and how likely it is to fit.
    pub(crate) fn judge(&self, captioned: &mut Captioned, embedding: &[f32]) -> Result<()> {
        if self.clap.is_none() {
            return Ok(());
        }
        let start = Instant::now();
        let similarity = match (captioned.strategy, captioned.neighbours.first()) {
            // The caption is a stored text, whose embedding was compared already.
            (Strategy::Text, Some(nearest)) => nearest.similarity,
            _ => {
                let mut asked = embedding.to_vec();
                normalize(&mut asked);
                dot(&asked, &self.embedded_caption(captioned)?)
            }
        };
        captioned.similarity = Some(similarity);
        let calibration = self.calibration.as_ref();
        let is_audible = captioned.level.is_none_or(|level| level.heard.is_audible());
        captioned.confidence = match is_audible {
            true => calibration.and_then(|known| known.confidence(captioned.strategy, similarity)),
            false => calibration.map(|_| 0.0),
        };
        captioned.timings.decode_ms += milliseconds(start);
        Ok(())
    }

    /// The embedding of a caption itself.
    pub(crate) fn embedded_caption(&self, captioned: &Captioned) -> Result<Vec<f32>> {
        let embedded = self.towers()?.embed_texts(&[&captioned.caption])?;
        embedded.row(0).map(<[f32]>::to_vec).ok_or_else(|| Error::Internal("no embedding of a caption".into()))
    }

    /// The caption of an embedding, and what the decoder was given for it.
    pub(crate) fn caption_and_prefix(
        &self,
        name: &str,
        embedding: &[f32],
        options: &CaptionOptions,
    ) -> Result<(Captioned, Vec<f32>)> {
        options.check()?;
        let start = Instant::now();
        let bridged = bridge(self.store(), embedding, options)?;
        let search_ms = milliseconds(start);
        let start = Instant::now();
        let caption = self.write(&bridged, options)?;
        let Bridged { prefix, neighbours, lost_mass } = bridged;
        let captioned = Captioned {
            path: name.to_owned(),
            row: None,
            seconds: None,
            start: None,
            end: None,
            windows: None,
            level: None,
            caption,
            withheld: None,
            similarity: None,
            confidence: None,
            strategy: options.strategy,
            neighbours,
            lost_mass,
            timings: Timings { embed_ms: 0.0, search_ms, decode_ms: milliseconds(start) },
            parameters: self.parameters(options),
        };
        Ok((captioned, prefix))
    }

    /// The caption of what was bridged.
    pub(crate) fn write(&self, bridged: &Bridged, options: &CaptionOptions) -> Result<String> {
        match (options.strategy, bridged.neighbours.first()) {
            (Strategy::Text, Some(nearest)) => Ok(nearest.caption.clone()),
            _ => Ok(self.chosen(&bridged.prefix, options)?.1.text),
        }
    }

    /// The candidate that is taken, and its place among the decoder's own.
    pub(crate) fn chosen(&self, prefix: &[f32], options: &CaptionOptions) -> Result<(usize, Generated)> {
        let mut candidates = self.decoder()?.candidates(prefix, &options.generate)?;
        let place = match self.ranks(options) {
            Some(clap) if candidates.len() > 1 => {
                best(&candidates, &similarities(clap, &candidates, prefix)?, options.rerank)
            }
            _ => 0,
        };
        Ok((place, candidates.swap_remove(place)))
    }

    /// The tower by which candidates are ranked, where they are.
    fn ranks(&self, options: &CaptionOptions) -> Option<&Clap> {
        let is_asked = options.rerank > 0.0 && options.strategy != Strategy::Text && self.has_decoder();
        // What is drawn, or written greedily, has no rival.
        let has_rivals = options.generate.temperature == 0.0 && options.generate.beam > 1;
        self.clap.as_deref().filter(|_| is_asked && has_rivals)
    }

    /// What captions made with `options` depend on, as each of them tells.
    pub fn parameters(&self, options: &CaptionOptions) -> Parameters {
        let CaptionOptions { strategy, retrieval, generate, .. } = options;
        let origin = self.origin.clone().filter(|_| *strategy != Strategy::Text);
        let (decoder, decoder_sha256) = origin.unzip();
        Parameters {
            decoder,
            decoder_sha256,
            commit: self.commit,
            temperature: retrieval.temperature,
            k: retrieval.k,
            mass: retrieval.k.is_none().then_some(retrieval.mass),
            report: retrieval.report,
            exact: retrieval.effort.exact,
            recall: retrieval.effort.recall,
            ef: retrieval.effort.ef,
            domains: retrieval.scope.names().map(<[String]>::to_vec),
            max_tokens: generate.max_tokens,
            beam: generate.beam,
            sample: generate.temperature,
            top_p: generate.top_p,
            seed: generate.seed,
            no_repeat: generate.no_repeat,
            unique_words: generate.unique_words,
            rerank: if self.ranks(options).is_some() { options.rerank } else { 0.0 },
        }
    }

    pub(crate) fn decoder(&self) -> Result<&Decoder> {
        self.decoder.as_deref().ok_or_else(|| {
            Error::input("the store", "no decoder", "a store with a trained decoder")
                .with_hint(Hint::about(Topic::Train, "train one from the stored texts"))
        })
    }

    /// The towers that embed sounds and captions.
    ///
    /// # Errors
    /// [`Error::Input`] where there are none.
    pub fn towers(&self) -> Result<&Clap> {
        self.clap.as_deref().ok_or_else(|| no_tower(self.store.space()))
    }
}

/// An audio embedding on the texts' side of the gap.
pub(crate) struct Bridged {
    pub prefix: Vec<f32>,
    pub neighbours: Vec<Provenance>,
    pub lost_mass: f32,
}

/// What the decoder is given for an audio embedding. Only the projection looks at more texts than are reported.
pub(crate) fn bridge(store: &dyn TextStore, embedding: &[f32], options: &CaptionOptions) -> Result<Bridged> {
    match options.strategy {
        Strategy::Projection => {
            let found = retrieve(store, embedding, &options.retrieval)?;
            Ok(Bridged { prefix: found.projection, neighbours: found.neighbours, lost_mass: found.lost_mass })
        }
        Strategy::Nearest | Strategy::Text => {
            let (mut neighbours, prefix) = nearest(store, embedding, &options.retrieval)?;
            neighbours.iter_mut().take(1).for_each(|first| first.weight = 1.0);
            Ok(Bridged { prefix, neighbours, lost_mass: 0.0 })
        }
        Strategy::Direct => {
            let (neighbours, _) = nearest(store, embedding, &options.retrieval)?;
            let mut prefix = embedding.to_vec();
            normalize(&mut prefix);
            Ok(Bridged { prefix, neighbours, lost_mass: 0.0 })
        }
    }
}

/// The error of a store whose embeddings come from outside, asked to embed something itself.
pub fn no_tower(space: &EmbeddingSpace) -> Error {
    let found = format!("a store of {} embeddings, which has no tower of its own", space.model);
    Error::input("the store", found, "precomputed embeddings")
        .with_hint(Hint::about(Topic::Embeddings, "give an embedding of your own"))
}

/// Since `start`.
pub(crate) fn milliseconds(start: Instant) -> f64 {
    // Tenths of a microsecond are noise; fewer digits read better.
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Embeddings;
    use crate::decoder::GenerateOptions;
    use crate::memory::{Effort, RowKey, Scope};
    use crate::retrieval::RetrievalOptions;

    /// A captioner without a decoder, of a store of one text.
    fn captioner(folder: &Path) -> Captioner {
        let store = Store::create(folder.join("store"), EmbeddingSpace::external(2)).unwrap();
        let mut writer = store.writer().unwrap();
        let plan = writer.plan("d", &[RowKey::new("Rain falls.")]).unwrap();
        writer.append("d", plan, &Embeddings::from_vec(2, vec![1.0, 0.0]).unwrap()).unwrap();
        Captioner::of(store.snapshot().unwrap(), None).unwrap()
    }

    #[test]
    fn parameters_lead_back_to_the_options_that_they_came_from() {
        let folder = tempfile::tempdir().unwrap();
        let captioner = captioner(folder.path());
        let plain = RetrievalOptions::default();
        let retrievals = [
            plain.clone(),
            plain.clone().k(7).temperature(0.05),
            plain.clone().k(7).report(3).scope(Scope::domains(["d", "e"])),
            plain.clone().mass(0.875).effort(Effort::recall(0.9)),
            plain.clone().effort(Effort::ef(40)),
            plain.effort(Effort::EXACT),
        ];
        let words = GenerateOptions::default();
        let generates = [
            words.clone(),
            words.clone().beam(1).no_repeat(0).unique_words(false).max_tokens(9),
            words.temperature(0.7).top_p(0.9).seed(u64::MAX),
        ];
        for strategy in Strategy::ALL {
            for (retrieval, generate) in retrievals.iter().flat_map(|r| generates.iter().map(move |g| (r, g))) {
                let options =
                    CaptionOptions { strategy, retrieval: retrieval.clone(), generate: generate.clone(), rerank: 0.0 };
                let told = serde_json::to_string(&captioner.parameters(&options)).unwrap();
                let read: Parameters = serde_json::from_str(&told).unwrap();
                assert_eq!(CaptionOptions::of(strategy, &read), options);
                assert_eq!(captioner.parameters(&CaptionOptions::of(strategy, &read)), read);
            }
        }
    }

    #[test]
    fn a_caption_from_before_there_was_a_guard_on_words_is_written_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let captioner = captioner(folder.path());
        let mut told = serde_json::to_value(captioner.parameters(&CaptionOptions::default())).unwrap();
        let told = told.as_object_mut().unwrap();
        // No tower embeds texts here, so nothing was ranked, whatever was asked.
        assert_eq!((&told["unique_words"], &told["rerank"]), (&true.into(), &0.0.into()));
        for name in ["unique_words", "rerank"] {
            told.remove(name);
        }
        let read: Parameters = serde_json::from_value(serde_json::Value::Object(told.clone())).unwrap();
        let options = CaptionOptions::of(Strategy::Projection, &read);
        assert_eq!((options.generate.unique_words, options.rerank), (false, 0.0));
    }

    #[test]
    fn a_weight_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let captioner = captioner(folder.path());
        for weight in [-1.0, f32::NAN, f32::INFINITY] {
            let options = CaptionOptions::default().strategy(Strategy::Text).rerank(weight);
            assert!(matches!(captioner.caption_embedding("x", &[1.0, 0.0], &options), Err(Error::Input { .. })));
        }
    }
}

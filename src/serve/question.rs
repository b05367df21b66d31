//! What is asked: the options of `caption`, `audit` and `search`, from the address or from a document.

use axum::http::Uri;
use serde_json::Value;

use super::body::sound_name;
use super::limits::Limits;
use super::refusal::Refusal;
use crate::audit::Parts;
use crate::bridge::{PAPER_TEMPERATURE, Strategy};
use crate::captioner::{CaptionOptions, Captioner};
use crate::decoder::GenerateOptions;
use crate::error::Missing;
use crate::memory::{Effort, Scope};
use crate::retrieval::RetrievalOptions;
use crate::{Error, Result, Snapshot};

/// What can be said of a question.
const NAMES: &str = "text, name, strategy, k, mass, temperature, domain, decoder, exact, recall, ef, beam, sample, top_p, seed, \
    no_repeat, unique_words, max_tokens, rerank, min_confidence, only";
/// What of it may be said several times.
const LISTS: [&str; 2] = ["domain", "only"];

/// What a question is about: not all can be said of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A caption, or its audit.
    Caption,
    /// The texts near to something.
    Search,
}

/// What is asked, and how it is to be answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// The words that are looked for.
    pub text: Option<String>,
    /// What the sound is called.
    pub name: Option<String>,
    /// The decoder that is to write.
    pub decoder: Option<String>,
    strategy: Option<Strategy>,
    k: Option<usize>,
    mass: Option<f32>,
    temperature: Option<f32>,
    domains: Vec<String>,
    exact: bool,
    recall: Option<f32>,
    ef: Option<usize>,
    beam: Option<usize>,
    sample: Option<f32>,
    top_p: Option<f32>,
    seed: Option<u64>,
    no_repeat: Option<usize>,
    unique_words: Option<bool>,
    max_tokens: Option<usize>,
    rerank: Option<f32>,
    min_confidence: Option<f32>,
    only: Vec<String>,
}

impl Question {
    /// What stands behind the `?` of an address.
    pub fn of(uri: &Uri, about: About) -> Result<Self, Refusal> {
        let mut question = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            question.set(&name, &value)?;
        }
        question.checked(about)
    }

    /// The same with what a document adds: an object of the same names.
    pub fn with(mut self, document: &Value) -> Result<Self, Refusal> {
        let Value::Object(named) = document else { return Err(Refusal::question("the document is no JSON object")) };
        for (name, value) in named {
            match value {
                Value::Array(_) if !LISTS.contains(&name.as_str()) => {
                    return Err(Refusal::question(format!("{name} is a list, and may be one value only")));
                }
                Value::Array(values) => values.iter().try_for_each(|value| self.set(name, &plain(name, value)?))?,
                Value::Null => {}
                value => self.set(name, &plain(name, value)?)?,
            }
        }
        self.checked(About::Search)
    }

    /// Refuses what the memory does not have, before a sound is taken in.
    pub fn check_names(&self, memory: &Snapshot) -> Result<()> {
        memory.blocks(&self.scope())?;
        let names = || memory.decoders().iter().map(|decoder| decoder.name.clone());
        match &self.decoder {
            Some(name) if !names().any(|known| known == *name) => {
                Err(Error::NotFound { kind: Missing::Decoder, name: name.clone(), known: names().collect() })
            }
            _ => Ok(()),
        }
    }

    fn scope(&self) -> Scope {
        if self.domains.is_empty() { Scope::all() } else { Scope::domains(&self.domains) }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "text" => self.text = Some(value.to_owned()),
            "name" => self.name = Some(sound_name(value)),
            "decoder" => self.decoder = Some(value.to_owned()),
            "strategy" => self.strategy = Some(value.parse().map_err(Refusal::of_question)?),
            "k" => self.k = Some(number(name, value)?),
            "mass" => self.mass = Some(number(name, value)?),
            "temperature" => self.temperature = Some(number(name, value)?),
            "recall" => self.recall = Some(number(name, value)?),
            "ef" => self.ef = Some(number(name, value)?),
            "beam" => self.beam = Some(number(name, value)?),
            "sample" => self.sample = Some(number(name, value)?),
            "top_p" => self.top_p = Some(number(name, value)?),
            "seed" => self.seed = Some(number(name, value)?),
            "no_repeat" => self.no_repeat = Some(number(name, value)?),
            "unique_words" => self.unique_words = Some(number(name, value)?),
            "rerank" => self.rerank = Some(number(name, value)?),
            "min_confidence" => self.min_confidence = Some(number(name, value)?),
            "max_tokens" => self.max_tokens = Some(number(name, value)?),
            "exact" => self.exact = number(name, if value.is_empty() { "true" } else { value })?,
            "domain" => self.domains.push(value.to_owned()),
            "only" => self.only.extend(value.split(',').map(|part| part.trim().to_owned())),
            _ => {
                return Err(
                    Refusal::question(format!("nothing is called '{name}' here")).hint(format!("there are: {NAMES}"))
                );
            }
        }
        Ok(())
    }

    /// Refuses what cannot be meant together, as the command line does.
    fn checked(self, about: About) -> Result<Self, Refusal> {
        let efforts = [self.exact, self.recall.is_some(), self.ef.is_some()];
        let widths = [self.exact, self.k.is_some(), self.mass.is_some()];
        let several = |all: [bool; 3]| all.into_iter().filter(|given| *given).count() > 1;
        if several(efforts) {
            return Err(Refusal::question("give one of exact, recall and ef"));
        }
        if about == About::Caption && several(widths) {
            return Err(Refusal::question("give one of exact, k and mass"));
        }
        if self.text.as_ref().is_some_and(|text| text.len() > Limits::TEXT_BYTES) {
            return Err(Refusal::question(format!("text has more than {} bytes", Limits::TEXT_BYTES)));
        }
        self.check_numbers()?;
        let ranges = [
            ("k", self.k, Limits::NEIGHBOURS),
            ("ef", self.ef, Limits::NEIGHBOURS),
            ("beam", self.beam, Limits::BEAM),
            ("max_tokens", self.max_tokens, Limits::TOKENS),
        ];
        for (name, value, most) in ranges {
            if value.is_some_and(|value| value == 0 || value > most) {
                return Err(Refusal::question(format!("{name} is a number from 1 to {most}")));
            }
        }
        if self.sample.is_some() && self.beam.is_some() {
            return Err(Refusal::question("give one of beam and sample"));
        }
        if self.sample.is_none() && (self.top_p.is_some() || self.seed.is_some()) {
            return Err(Refusal::question("top_p and seed are for sample, which is not given"));
        }
        if let Some(part) = self.only.iter().find(|part| !PARTS.contains(&part.as_str())) {
            return Err(Refusal::question(format!("'{part}' is no part of an audit"))
                .hint(format!("there are: {}", PARTS.join(", "))));
        }
        Ok(self)
    }

    /// Refuses numbers out of their range.
    fn check_numbers(&self) -> Result<(), Refusal> {
        type Number = (&'static str, Option<f32>, &'static str, fn(f32) -> bool);
        let above_0 = |number: f32| number.is_finite() && number > 0.0;
        let numbers: [Number; 7] = [
            ("mass", self.mass, "a share of at least 0 and below 1", |mass| (0.0..1.0).contains(&mass)),
            ("temperature", self.temperature, "a number above 0", above_0),
            (
                "sample",
                self.sample,
                "a temperature of at least 0.000001; without it the likeliest words are taken",
                |t| t.is_finite() && t >= 1e-6,
            ),
            ("recall", self.recall, "a share above 0 and at most 1", |recall| recall > 0.0 && recall <= 1.0),
            ("rerank", self.rerank, "a number of at least 0", |weight| weight.is_finite() && weight >= 0.0),
            ("top_p", self.top_p, "a share above 0 and at most 1", |share| share > 0.0 && share <= 1.0),
            ("min_confidence", self.min_confidence, "a number from 0 to 1", |least| (0.0..=1.0).contains(&least)),
        ];
        for (name, value, expected, fits) in numbers {
            if value.is_some_and(|value| !fits(value)) {
                return Err(Refusal::question(format!("{name} is {expected}")));
            }
        }
        Ok(())
    }

    /// How a caption is to be made.
    pub fn caption_options(&self, captioner: &Captioner) -> CaptionOptions {
        let retrieval = self.retrieval().k(self.k);
        let retrieval = retrieval.clone().mass(self.mass.unwrap_or(retrieval.mass));
        CaptionOptions::default()
            .strategy(self.strategy.unwrap_or_else(|| captioner.usual_strategy()))
            .retrieval(retrieval)
            .generate(self.generate_options())
            .rerank(self.rerank.unwrap_or(CaptionOptions::RERANK))
    }

    /// The confidence below which a caption is withheld, if any.
    ///
    /// # Errors
    /// Where nobody knows how much confidence there is in such captions.
    pub fn least_confidence(&self, captioner: &Captioner, strategy: Strategy) -> Result<Option<f32>> {
        if self.min_confidence.is_some() {
            captioner.check_confidence(strategy)?;
        }
        Ok(self.min_confidence)
    }

    fn generate_options(&self) -> GenerateOptions {
        let usual = GenerateOptions::default();
        GenerateOptions {
            beam: self.beam.unwrap_or(usual.beam),
            temperature: self.sample.unwrap_or(usual.temperature),
            top_p: self.top_p.unwrap_or(usual.top_p),
            seed: self.seed.unwrap_or(usual.seed),
            max_tokens: self.max_tokens,
            no_repeat: self.no_repeat.unwrap_or(usual.no_repeat),
            unique_words: self.unique_words.unwrap_or(usual.unique_words),
        }
    }

    /// How texts are to be looked for.
    pub fn search_options(&self) -> RetrievalOptions {
        self.retrieval().report(self.k.unwrap_or(RetrievalOptions::REPORTED))
    }

    fn retrieval(&self) -> RetrievalOptions {
        let effort = match (self.exact, self.recall, self.ef) {
            (true, _, _) => Effort::EXACT,
            (_, Some(recall), _) => Effort::recall(recall),
            (_, _, Some(ef)) => Effort::ef(ef),
            _ => Effort::default(),
        };
        let temperature = self.temperature.unwrap_or(PAPER_TEMPERATURE);
        RetrievalOptions::default().temperature(temperature).scope(self.scope()).effort(effort)
    }

    /// What an audit is to look into.
    pub fn parts(&self) -> Parts {
        if self.only.is_empty() {
            return Parts::ALL;
        }
        let is_asked = |part: &str| self.only.iter().any(|asked| asked == part);
        Parts {
            strategies: is_asked("strategies"),
            tokens: is_asked("words"),
            influence: is_asked("influence"),
            windows: is_asked("windows"),
        }
    }
}

/// The parts of an audit.
const PARTS: [&str; 5] = ["neighbours", "strategies", "words", "influence", "windows"];

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Refusal> {
    value.parse().map_err(|_| Refusal::question(format!("'{value}' is no value for {name}")))
}

/// A value of a document as it would stand in an address.
fn plain(name: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(Refusal::question(format!("{name} is no text, number, or list of them"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Question, Refusal> {
        Question::of(&format!("/api/caption?{query}").parse().unwrap(), About::Caption)
    }

    #[test]
    fn an_address_and_a_document_say_the_same() {
        let address = asked("strategy=nearest&k=5&domain=a&domain=b%20c&temperature=0.02").unwrap();
        let document =
            serde_json::json!({ "strategy": "nearest", "k": 5, "domain": ["a", "b c"], "temperature": 0.02 });
        assert_eq!(address, Question::default().with(&document).unwrap());
        assert_eq!(address.domains, ["a", "b c"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for query in [
            "k=0",
            "k=x",
            "k=1001",
            "ef=0",
            "path=/etc/passwd",
            "exact=true&ef=3",
            "k=3&mass=0.5",
            "only=everything",
            "strategy=best",
            "beam=65",
            "sample=0",
            "sample=nan",
            "sample=1e-45",
            "mass=1",
            "temperature=-1",
            "recall=2",
            "top_p=0&sample=1",
            "sample=0.7&beam=2",
            "seed=3",
            "max_tokens=0",
            "no_repeat=-1",
            "unique_words=perhaps",
            "rerank=-1",
            "rerank=inf",
            "min_confidence=1.5",
            "min_confidence=nan",
        ] {
            assert!(asked(query).is_err(), "{query}");
        }
        assert!(Question::default().with(&serde_json::json!(["rain"])).is_err());
        assert!(Question::default().with(&serde_json::json!({ "text": ["rain", "wind"] })).is_err());
        assert!(Question::default().with(&serde_json::json!({ "text": "rain ".repeat(1_000) })).is_err());
        assert!(Question::of(&"/api/search?k=3&exact".parse().unwrap(), About::Search).is_ok());
        assert_eq!(asked("name=a%0a%1b[31mb").unwrap().name.as_deref(), Some("a[31mb"));
        assert!(Question::default().with(&serde_json::json!({ "text": { "a": 1 } })).is_err());
    }
}

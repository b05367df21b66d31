//! How one of two compared ways to caption is written: `k=5,strategy=nearest`, a decoder's name, a store's folder.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use echoic::bridge::Strategy;

use crate::cli::how::How;
use crate::cli::search::Effort;

/// A way to caption, as far as it differs from what the other options say.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    text: String,
    store: Option<PathBuf>,
    decoder: Option<String>,
    strategy: Option<Strategy>,
    domains: Vec<String>,
    k: Option<usize>,
    mass: Option<f32>,
    temperature: Option<f32>,
    beam: Option<usize>,
    unique_words: Option<bool>,
    rerank: Option<f32>,
    exact: bool,
}

impl Spec {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The store, where it is another.
    pub fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    /// The options with what this way sets.
    pub fn applied(&self, how: &How) -> How {
        let mut how = how.clone();
        how.decoder = self.decoder.clone().or(how.decoder);
        how.strategy = self.strategy.or(how.strategy);
        if !self.domains.is_empty() {
            how.domains.clone_from(&self.domains);
        }
        if self.mass.is_some() {
            how.k = None;
        }
        how.k = self.k.or(how.k);
        how.mass = self.mass.unwrap_or(how.mass);
        how.temperature = self.temperature.unwrap_or(how.temperature);
        how.writing.beam = self.beam.unwrap_or(how.writing.beam);
        how.writing.unique_words = self.unique_words.unwrap_or(how.writing.unique_words);
        how.rerank = self.rerank.unwrap_or(how.rerank);
        if self.exact {
            how.effort = Effort::EXACT;
            how.k = self.k;
        }
        how
    }

    /// Takes one setting.
    fn set(&mut self, setting: &str) -> Result<(), String> {
        let Some((key, value)) = setting.split_once('=') else {
            self.set_by_itself(setting);
            return Ok(());
        };
        match key {
            "store" => self.store = Some(value.into()),
            "decoder" => self.decoder = Some(value.into()),
            "strategy" => self.strategy = Some(value.parse().map_err(|error: echoic::Error| error.to_string())?),
            "domain" => self.domains.push(value.into()),
            "k" => self.k = Some(number(key, value, |k| *k > 0)?),
            "mass" => self.mass = Some(number(key, value, |mass| (0.0..1.0).contains(mass))?),
            "temperature" => self.temperature = Some(number(key, value, |temperature| *temperature > 0.0)?),
            "beam" => self.beam = Some(number(key, value, |beam| *beam > 0)?),
            "unique_words" => self.unique_words = Some(number(key, value, |_| true)?),
            "rerank" => self.rerank = Some(number(key, value, |weight| *weight >= 0.0)?),
            _ => {
                let known = "store, decoder, strategy, domain, k, mass, temperature, beam, unique_words, rerank";
                return Err(format!("no setting named '{key}'; there are {known}"));
            }
        }
        Ok(())
    }

    /// A setting that tells by itself what it is.
    fn set_by_itself(&mut self, word: &str) {
        match (word, word.parse()) {
            ("exact", _) => self.exact = true,
            (_, Ok(strategy)) => self.strategy = Some(strategy),
            _ if Path::new(word).is_dir() => self.store = Some(word.into()),
            _ => self.decoder = Some(word.into()),
        }
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("an empty way; name a store, a decoder, a strategy, or settings such as k=5".into());
        }
        let mut spec = Self { text: text.to_owned(), ..Self::default() };
        text.split(',').map(str::trim).try_for_each(|setting| spec.set(setting))?;
        Ok(spec)
    }
}

fn number<N: FromStr>(key: &str, value: &str, allowed: impl Fn(&N) -> bool) -> Result<N, String> {
    value.parse().ok().filter(allowed).ok_or_else(|| format!("{key}={value} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_written_as_one_says_it() {
        let spec: Spec = "k=5,strategy=nearest,domain=a,domain=b".parse().expect("a way");
        assert_eq!((spec.k, spec.strategy, spec.domains.len()), (Some(5), Some(Strategy::Nearest), 2));
        let spec: Spec = "direct".parse().expect("a strategy");
        assert_eq!(spec.strategy, Some(Strategy::Direct));
        let spec: Spec = "mine".parse().expect("a decoder");
        assert_eq!(spec.decoder.as_deref(), Some("mine"));
        let spec: Spec = "/".parse().expect("a store");
        assert_eq!(spec.store(), Some(Path::new("/")));
        for bad in ["", "k=0", "k=x", "colour=red", "strategy=nearby", "mass=1"] {
            assert!(bad.parse::<Spec>().is_err(), "{bad}");
        }
    }
}

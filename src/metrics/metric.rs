//! The metrics by their names, their scores, and why one may be absent.

use std::str::FromStr;

use crate::{Error, Result};

/// What captions are measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// BLEU of single words.
    Bleu1,
    /// BLEU of runs of one and two words.
    Bleu2,
    /// BLEU of runs of one to three words.
    Bleu3,
    /// BLEU of runs of one to four words.
    Bleu4,
    /// The longest common subsequence of words.
    RougeL,
    /// METEOR 1.5.
    Meteor,
    /// CIDEr-D, which papers on captions also call CIDEr.
    CiderD,
    /// CIDEr as its authors first defined it.
    Cider,
    /// SPICE, by its official program.
    Spice,
    /// The mean of CIDEr-D and SPICE.
    Spider,
    /// SPIDEr with a penalty for errors of fluency.
    SpiderFl,
    /// Likeness of sentence embeddings with a penalty for errors of fluency.
    Fense,
    /// How many different words were predicted.
    Vocabulary,
    /// How many words a predicted caption has.
    MeanLength,
    /// Different words as a share of all that were predicted.
    Distinct,
    /// Different pairs of words as a share of all that were predicted.
    Distinct2,
    /// The share of predicted captions in which a content word stands twice.
    Repetition,
    /// Likeness of sound and predicted caption to a CLAP model.
    ClapSimilarity,
}

impl Metric {
    /// All of them, by the names that reports have.
    pub const NAMES: [(&'static str, Metric); 18] = [
        ("bleu_1", Metric::Bleu1),
        ("bleu_2", Metric::Bleu2),
        ("bleu_3", Metric::Bleu3),
        ("bleu_4", Metric::Bleu4),
        ("rouge_l", Metric::RougeL),
        ("meteor", Metric::Meteor),
        ("cider_d", Metric::CiderD),
        ("cider", Metric::Cider),
        ("spice", Metric::Spice),
        ("spider", Metric::Spider),
        ("spider_fl", Metric::SpiderFl),
        ("fense", Metric::Fense),
        ("vocabulary", Metric::Vocabulary),
        ("mean_length", Metric::MeanLength),
        ("distinct", Metric::Distinct),
        ("distinct_2", Metric::Distinct2),
        ("repetition", Metric::Repetition),
        ("clap_similarity", Metric::ClapSimilarity),
    ];

    /// The name that reports have.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, metric)| *metric == self).map_or("", |(name, _)| name)
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::NAMES.map(|(known, _)| known).join(", ");
        let found = Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, metric)| *metric);
        found.ok_or_else(|| Error::input("the metric", format!("'{name}'"), format!("one of {}", known())))
    }
}

/// A metric: of all clips, and of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Of all clips together; where a metric adds counts up first, no mean.
    pub corpus: f64,
    /// Of each clip, in their order; empty for what only all together have.
    pub clips: Vec<f64>,
}

impl Score {
    /// A metric whose score of all clips is the mean of theirs.
    pub fn mean(clips: Vec<f64>) -> Self {
        Self { corpus: clips.iter().sum::<f64>() / clips.len().max(1) as f64, clips }
    }
}

/// Whose rules hold where the reference tools differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Rules {
    /// Those of `pycocoevalcap` 1.2.
    #[default]
    Coco,
    /// Those of `aac-metrics` 0.6.0.
    AacMetrics,
}

impl FromStr for Rules {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "pycocoevalcap" => Ok(Self::Coco),
            "aac-metrics" => Ok(Self::AacMetrics),
            _ => Err(Error::input("the rules", format!("'{name}'"), "pycocoevalcap or aac-metrics")),
        }
    }
}

/// Why a metric was not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absence {
    /// Its data are not on this machine.
    Data,
    /// The program that computes it was not named.
    Program,
    /// The networks that it needs are not built yet.
    Networks,
    /// The sounds were not given.
    Audio,
    /// A metric that it is made from is absent.
    Without(Metric),
    /// Fewer than two clips: it weighs words by how few clips have them.
    OneClip,
}

impl std::fmt::Display for Absence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data => f.write_str("its data are not installed"),
            Self::Program => f.write_str("it is computed by its official program, which was not named"),
            Self::Networks => f.write_str("this version does not run the networks that it needs"),
            Self::Audio => f.write_str("the sounds were not given"),
            Self::Without(metric) => write!(f, "it is made from {metric}, which was not computed"),
            Self::OneClip => f.write_str("it needs two clips: it weighs words by how few clips have them"),
        }
    }
}

//! The metrics by their names, their scores, and why one may be absent.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
    /// The share of predicted captions with an error of fluency.
    Fer,
    /// Likeness of sentence embeddings.
    SbertSim,
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
    pub const NAMES: [(&'static str, Metric); 20] = [
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
        ("fer", Metric::Fer),
        ("sbert_sim", Metric::SbertSim),
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

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
#[derive(Clone)]
pub struct Score {
    /// Of all clips together; where a metric adds counts up first, no mean.
    pub corpus: f64,
    /// Of each clip, in their order; empty for what only all together have.
    pub clips: Vec<f64>,
    whole: Whole,
}

/// What a metric gives for clips by their numbers, each as often as it is named.
type OfClips = dyn Fn(&[u32]) -> f64 + Send + Sync;

/// How the score of clips follows from that of each.
#[derive(Clone)]
enum Whole {
    Mean,
    Joint(Arc<OfClips>),
    /// It does not: a clip more often is no more to it.
    Apart,
}

impl Score {
    /// A metric whose score of all clips is the mean of theirs.
    pub fn mean(clips: Vec<f64>) -> Self {
        Self { corpus: clips.iter().sum::<f64>() / clips.len().max(1) as f64, clips, whole: Whole::Mean }
    }

    /// A metric that adds up what it counts in clips first, as `of_clips` does for any of them.
    pub(super) fn joint(
        corpus: f64,
        clips: Vec<f64>,
        of_clips: impl Fn(&[u32]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self { corpus, clips, whole: Whole::Joint(Arc::new(of_clips)) }
    }

    /// A figure of all clips that no one clip has.
    pub(super) fn apart(corpus: f64) -> Self {
        Self { corpus, clips: Vec::new(), whole: Whole::Apart }
    }

    /// The score of these clips alone, by their numbers, each as often as it is named; `None` for figures that do not follow from those of
    /// clips. How rare CIDEr-D takes words to be stays that of all clips.
    pub fn over(&self, clips: &[u32]) -> Option<f64> {
        match &self.whole {
            Whole::Mean => {
                let sum: f64 = clips.iter().filter_map(|clip| self.clips.get(*clip as usize)).sum();
                Some(sum / clips.len().max(1) as f64)
            }
            Whole::Joint(of_clips) => Some(of_clips(clips)),
            Whole::Apart => None,
        }
    }
}

impl fmt::Debug for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Score").field("corpus", &self.corpus).field("clips", &self.clips).finish_non_exhaustive()
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.corpus == other.corpus && self.clips == other.clips
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
    /// The network that embeds sentences was not named.
    SentenceEncoder,
    /// The network that finds errors of fluency was not named.
    ErrorDetector,
    /// The sounds were not given.
    Audio,
    /// There is no model to embed captions with.
    Model,
    /// A metric that it is made from is absent.
    Without(Metric),
    /// Fewer than two clips: it weighs words by how few clips have them.
    OneClip,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str("its data are not installed"),
            Self::Program => f.write_str("it is computed by its official program, which was not named"),
            Self::SentenceEncoder => f.write_str("it needs a network that embeds sentences, which was not found"),
            Self::ErrorDetector => f.write_str("it needs a network that finds errors of fluency, which was not found"),
            Self::Audio => f.write_str("the sounds were not given"),
            Self::Model => f.write_str("the store has no model to embed captions with"),
            Self::Without(metric) => write!(f, "it is made from {metric}, which was not computed"),
            Self::OneClip => f.write_str("it needs two clips: it weighs words by how few clips have them"),
        }
    }
}

//! All metrics of clips at once.

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::bleu::bleu;
use super::cider::cider;
use super::fense::{ErrorDetector, Fluency, SentenceEncoder, Sentences, penalized};
use super::meteor::Meteor;
use super::ngrams::{Runs, Words};
use super::rouge::rouge_l;
use super::spice::Spice;
use super::wording::Wording;
use super::{Absence, Clip, Metric, Rules, Score, Tokenized};
use crate::progress::Control;
use crate::{Error, Result};

/// What is to be computed, and with what.
#[derive(Debug, Clone, Default)]
pub struct Scorer {
    only: Option<Vec<Metric>>,
    rules: Rules,
    meteor: Option<PathBuf>,
    spice: Option<Spice>,
    sentences: Option<Sentences>,
    fluency: Option<Fluency>,
}

/// The scores of some clips, and why others are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    scores: Vec<(Metric, Score)>,
    absent: Vec<(Metric, Absence)>,
}

impl Report {
    /// A score, if it was computed.
    pub fn score(&self, metric: Metric) -> Option<&Score> {
        self.scores.iter().find(|(known, _)| *known == metric).map(|(_, score)| score)
    }

    /// Why a score was not computed; `None` for one that was, and for one that was not asked for.
    pub fn absence(&self, metric: Metric) -> Option<Absence> {
        self.absent.iter().find(|(known, _)| *known == metric).map(|(_, absence)| *absence)
    }

    /// Adds a score that was computed elsewhere.
    pub fn put(&mut self, metric: Metric, score: Score) {
        self.absent.retain(|(known, _)| *known != metric);
        self.scores.push((metric, score));
    }

    /// Says otherwise why a score is absent.
    pub fn lack(&mut self, metric: Metric, absence: Absence) {
        self.absent.retain(|(known, _)| *known != metric);
        self.absent.push((metric, absence));
    }
}

impl Scorer {
    /// The same that computes these metrics alone.
    #[must_use]
    pub fn only(self, metrics: impl Into<Option<Vec<Metric>>>) -> Self {
        Self { only: metrics.into(), ..self }
    }

    /// The same by these rules.
    #[must_use]
    pub fn rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The same with METEOR, whose data lie in this folder.
    #[must_use]
    pub fn meteor(self, folder: impl Into<Option<PathBuf>>) -> Self {
        Self { meteor: folder.into(), ..self }
    }

    /// The same with SPICE by this program.
    #[must_use]
    pub fn spice(self, program: impl Into<Option<Spice>>) -> Self {
        Self { spice: program.into(), ..self }
    }

    /// The same with the likeness of sentences, and FENSE where errors are found, too. What it made of a text is remembered.
    #[must_use]
    pub fn sentences(self, encoder: Option<Arc<dyn SentenceEncoder>>) -> Self {
        Self { sentences: encoder.map(Sentences::new), ..self }
    }

    /// The same with errors of fluency, which FENSE and SPIDEr-FL penalize. What it made of a text is remembered.
    #[must_use]
    pub fn fluency(self, detector: Option<Arc<dyn ErrorDetector>>) -> Self {
        Self { fluency: detector.map(Fluency::new), ..self }
    }

    /// Scores clips. Their order may show: what follows an abbreviation at the end of a caption decides how it is cut, and is the next caption.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no clip, or one has no reference; else as [`Meteor::score`], [`Spice::score`],
    /// [`SentenceEncoder::embed`] and [`ErrorDetector::probabilities`].
    pub fn score(&self, clips: &[Clip], control: &Control<'_>) -> Result<Report> {
        if let Some(bare) = clips.iter().find(|clip| clip.references.is_empty()) {
            return Err(Error::input(&bare.name, "no reference", "a reference caption for each clip"));
        }
        if clips.is_empty() {
            return Err(Error::input("the clips", "none", "a clip to score"));
        }
        let written = clips;
        let clips = Tokenized::of(clips);
        // METEOR spends half its time on reading its data, which leaves other threads to the rest.
        let (meteor, mut report) = rayon::join(|| self.by_meteor(&clips, control), || self.by_words(&clips));
        report.scores.extend(meteor?.map(|score| (Metric::Meteor, score)));
        if self.wants(&[Metric::Meteor]) && self.meteor.is_none() {
            report.absent.push((Metric::Meteor, Absence::Data));
        }
        self.by_spice(&clips, &mut report, control)?;
        self.by_networks(written, &clips, &mut report, control)?;
        self.lacks(Metric::ClapSimilarity, Absence::Audio, &mut report);
        Ok(report)
    }

    fn by_meteor(&self, clips: &Tokenized, control: &Control<'_>) -> Result<Option<Score>> {
        let folder = self.meteor.as_ref().filter(|_| self.wants(&[Metric::Meteor]));
        folder.map(|folder| Meteor::open(folder)?.score(clips, control)).transpose()
    }

    /// What follows from the words alone.
    fn by_words(&self, clips: &Tokenized) -> Report {
        let mut report = Report::default();
        self.by_runs(clips, &mut report);
        if self.wants(&[Metric::RougeL]) {
            let aac = self.rules == Rules::AacMetrics;
            let score = |clip: &super::TokenizedClip| rouge_l(&clip.predicted, &clip.references, aac);
            report.put(Metric::RougeL, Score::mean(clips.clips.par_iter().map(score).collect()));
        }
        let words = [Metric::Vocabulary, Metric::MeanLength, Metric::Distinct, Metric::Distinct2, Metric::Repetition];
        if self.wants(&words) {
            let Wording { vocabulary, length, distinct: [words_, pairs], repetition } = Wording::of(clips);
            let scores = [vocabulary, length, words_, pairs, repetition];
            words.into_iter().zip(scores).for_each(|(metric, score)| self.keep(metric, score, &mut report));
        }
        report
    }

    /// BLEU, CIDEr-D and CIDEr.
    fn by_runs(&self, clips: &Tokenized, report: &mut Report) {
        let of_bleu = [Metric::Bleu1, Metric::Bleu2, Metric::Bleu3, Metric::Bleu4];
        let of_cider = [Metric::CiderD, Metric::Cider, Metric::Spider, Metric::SpiderFl];
        if !self.wants(&of_bleu) && !self.wants(&of_cider) {
            return;
        }
        let mut words = Words::new();
        type Numbers = (Vec<u32>, Vec<Vec<u32>>);
        let numbers: Vec<Numbers> = clips
            .clips
            .iter()
            .map(|clip| (words.of(&clip.predicted), clip.references.iter().map(|text| words.of(text)).collect()))
            .collect();
        let runs = |(predicted, references): &Numbers| {
            (Runs::of(predicted), references.iter().map(|words| Runs::of(words)).collect())
        };
        let runs: Vec<(Runs, Vec<Runs>)> = numbers.par_iter().map(runs).collect();
        if self.wants(&of_bleu) {
            of_bleu.into_iter().zip(bleu(&runs)).for_each(|(metric, score)| self.keep(metric, score, report));
        }
        if self.wants(&of_cider) {
            if runs.len() < 2 && self.rules == Rules::AacMetrics {
                report.absent.extend([Metric::CiderD, Metric::Cider].map(|metric| (metric, Absence::OneClip)));
                return;
            }
            let (clipped, plain) = cider(&runs);
            report.put(Metric::CiderD, clipped);
            self.keep(Metric::Cider, plain, report);
        }
    }

    /// SPICE and SPIDEr.
    fn by_spice(&self, clips: &Tokenized, report: &mut Report, control: &Control<'_>) -> Result<()> {
        if !self.wants(&[Metric::Spice, Metric::Spider, Metric::SpiderFl]) {
            return Ok(());
        }
        let Some(program) = &self.spice else {
            report.absent.push((Metric::Spice, Absence::Program));
            report.absent.push((Metric::Spider, Absence::Without(Metric::Spice)));
            return Ok(());
        };
        let spice = program.score(clips, control)?;
        match report.score(Metric::CiderD) {
            Some(cider) => {
                let clips = cider.clips.iter().zip(&spice.clips).map(|(a, b)| (a + b) / 2.0).collect();
                let mut spider = Score::mean(clips);
                // Of the means, to the last bit, as the tools have it.
                spider.corpus = (cider.corpus + spice.corpus) / 2.0;
                report.put(Metric::Spider, spider);
            }
            None => report.absent.push((Metric::Spider, Absence::Without(Metric::CiderD))),
        }
        report.put(Metric::Spice, spice);
        Ok(())
    }

    /// Likeness of sentences, errors of fluency, and what is made of them. The networks read captions as they were written, as FENSE's own
    /// program has it, and the words of the tokenizer by the rules of `aac-metrics`.
    fn by_networks(
        &self,
        clips: &[Clip],
        tokenized: &Tokenized,
        report: &mut Report,
        control: &Control<'_>,
    ) -> Result<()> {
        if !self.wants(&[Metric::SbertSim, Metric::Fer, Metric::Fense, Metric::SpiderFl]) {
            return Ok(());
        }
        let captions: Vec<(&str, Vec<&str>)> = match self.rules {
            Rules::Coco => clips.iter().map(|clip| borrowed(&clip.predicted, &clip.references)).collect(),
            Rules::AacMetrics => {
                tokenized.clips.iter().map(|clip| borrowed(&clip.predicted, &clip.references)).collect()
            }
        };
        let wanted = |network| self.wants(network);
        let sentences = self.sentences.as_ref().filter(|_| wanted(&[Metric::SbertSim, Metric::Fense]));
        let alike = sentences.map(|sentences| sentences.similarity(&captions, control)).transpose()?;
        let fluency = self.fluency.as_ref().filter(|_| wanted(&[Metric::Fer, Metric::Fense, Metric::SpiderFl]));
        let predicted: Vec<&str> = captions.iter().map(|(predicted, _)| *predicted).collect();
        let errors = fluency.map(|fluency| fluency.errors(&predicted, control)).transpose()?;
        match (&alike, &errors) {
            (Some(alike), Some(errors)) => self.keep(Metric::Fense, penalized(alike, errors), report),
            (None, _) => self.lacks(Metric::Fense, Absence::SentenceEncoder, report),
            (_, None) => self.lacks(Metric::Fense, Absence::ErrorDetector, report),
        }
        match (report.score(Metric::Spider), &errors) {
            (Some(spider), Some(errors)) => {
                let score = penalized(spider, errors);
                self.keep(Metric::SpiderFl, score, report);
            }
            (None, _) => self.lacks(Metric::SpiderFl, Absence::Without(Metric::Spider), report),
            (_, None) => self.lacks(Metric::SpiderFl, Absence::ErrorDetector, report),
        }
        match alike {
            Some(alike) => self.keep(Metric::SbertSim, alike, report),
            None => self.lacks(Metric::SbertSim, Absence::SentenceEncoder, report),
        }
        match errors {
            Some(errors) => self.keep(Metric::Fer, errors, report),
            None => self.lacks(Metric::Fer, Absence::ErrorDetector, report),
        }
        Ok(())
    }

    /// Whether any of these was asked for.
    fn wants(&self, metrics: &[Metric]) -> bool {
        self.only.as_ref().is_none_or(|only| metrics.iter().any(|metric| only.contains(metric)))
    }

    fn keep(&self, metric: Metric, score: Score, report: &mut Report) {
        if self.wants(&[metric]) {
            report.put(metric, score);
        }
    }

    fn lacks(&self, metric: Metric, why: Absence, report: &mut Report) {
        if self.wants(&[metric]) {
            report.lack(metric, why);
        }
    }
}

/// A clip's captions where they lie.
fn borrowed<'a>(predicted: &'a str, references: &'a [String]) -> (&'a str, Vec<&'a str>) {
    (predicted, references.iter().map(String::as_str).collect())
}

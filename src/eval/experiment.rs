//! A way to caption, measured.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Questions;
use crate::captioner::{CaptionOptions, Captioner};
use crate::embedding::dot;
use crate::metrics::{Absence, Bootstrap, Clip, Metric, Report, Score, Scorer};
use crate::progress::Control;
use crate::towers::Clap;
use crate::{Embeddings, Error, Result};

/// Questions with the embeddings that ask them, and how answers are measured.
#[derive(Debug)]
pub struct Experiment<'a> {
    questions: &'a Questions,
    embeddings: &'a Embeddings,
    scorer: Scorer,
    bootstrap: Bootstrap,
    /// Whose caption each question is given in place of its own.
    others: Option<Vec<usize>>,
}

/// How good captions are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// Their scores.
    pub report: Report,
    /// The scores of what silence is captioned with, given for every sound; `None` where there is none.
    pub silence: Option<Report>,
    /// The scores when every sound is given the caption of another one; `None` where there is only one.
    pub shuffled: Option<Report>,
}

impl<'a> Experiment<'a> {
    /// Row i of `embeddings` asks question i; `seed` is that of the draws of clips and of whose caption is given to whom.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no question, or not a row for each.
    pub fn new(questions: &'a Questions, embeddings: &'a Embeddings, scorer: Scorer, seed: u64) -> Result<Self> {
        if questions.is_empty() {
            return Err(Error::input("the questions", "none", "a sound or caption with references"));
        }
        if questions.len() != embeddings.len() {
            let found = format!("{} embeddings", embeddings.len());
            return Err(Error::input("the questions", found, format!("{}, one a question", questions.len())));
        }
        let clips = questions.clips();
        let (bootstrap, others) = (Bootstrap::of(&clips, seed), others(&clips, seed));
        Ok(Self { questions, embeddings, scorer, bootstrap, others })
    }

    /// The draws of clips behind every interval.
    pub fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    /// Captions every question, in their order.
    ///
    /// # Errors
    /// As [`Captioner::caption_embedding`]; [`Error::Interrupted`].
    pub fn predict(
        &self,
        captioner: &Captioner,
        options: &CaptionOptions,
        control: &Control<'_>,
    ) -> Result<Vec<String>> {
        let rows: Vec<&[f32]> = self.embeddings.rows().collect();
        let caption = |row: &&[f32]| {
            control.check()?;
            let (captioned, _) = captioner.caption_and_prefix("", row, options)?;
            control.advance(1);
            Ok(captioned.caption)
        };
        rows.par_iter().map(caption).collect()
    }

    /// Measures captions of every question, and the controls. `silence` is what silence is captioned with.
    ///
    /// # Errors
    /// As [`Scorer::score`]; [`Error::Input`] when there is not one caption a question; [`Error::Interrupted`].
    pub fn measure(
        &self,
        captioner: &Captioner,
        predictions: &[String],
        silence: Option<&str>,
        control: &Control<'_>,
    ) -> Result<Measured> {
        if predictions.len() != self.questions.len() {
            let expected = format!("{}, one a question", self.questions.len());
            return Err(Error::input("the captions", predictions.len(), expected));
        }
        let shuffled = self.others.as_ref().map(|others| {
            let given = others.iter().filter_map(|other| predictions.get(*other));
            given.map(String::as_str).collect::<Vec<_>>()
        });
        let silent = silence.map(|caption| vec![caption; predictions.len()]);
        let own: Vec<&str> = predictions.iter().map(String::as_str).collect();
        let check = |captions: Vec<&str>| self.score(captioner, &captions, control);
        Ok(Measured {
            report: self.score(captioner, &own, control)?,
            silence: silent.map(check).transpose()?,
            shuffled: shuffled.map(check).transpose()?,
        })
    }

    fn score(&self, captioner: &Captioner, captions: &[&str], control: &Control<'_>) -> Result<Report> {
        let pairs = self.questions.iter().zip(captions);
        let clips: Vec<Clip> = pairs
            .map(|(question, caption)| Clip::new(&question.name, *caption, question.references.iter().cloned()))
            .collect();
        let mut report = self.scorer.score(&clips, control)?;
        if report.absence(Metric::ClapSimilarity).is_none() {
            return Ok(report); // it was not asked for
        }
        match captioner.towers() {
            Ok(clap) => report.put(Metric::ClapSimilarity, self.similarity(clap, captions, control)?),
            Err(_) => report.lack(Metric::ClapSimilarity, Absence::Model),
        }
        Ok(report)
    }

    /// How near each caption comes to what asked for it.
    fn similarity(&self, clap: &Clap, captions: &[&str], control: &Control<'_>) -> Result<Score> {
        control.check()?;
        // Many questions have one caption.
        let mut different = captions.to_vec();
        different.sort_unstable();
        different.dedup();
        let texts = clap.embed_texts(&different)?;
        let cosines = self.embeddings.rows().zip(captions).map(|(asked, caption)| {
            let text = different.binary_search(caption).ok().and_then(|place| texts.row(place)).unwrap_or_default();
            f64::from(cosine(asked, text))
        });
        Ok(Score::mean(cosines.collect()))
    }
}

/// The cosine of an embedding of any length to one of unit length.
fn cosine(asked: &[f32], text: &[f32]) -> f32 {
    dot(asked, text) / dot(asked, asked).sqrt().max(f32::MIN_POSITIVE)
}

/// For each question one of another clip, by chance; `None` where all are of one clip.
fn others(clips: &[usize], seed: u64) -> Option<Vec<usize>> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); clips.iter().max()? + 1];
    clips.iter().enumerate().for_each(|(question, clip)| members[*clip].push(question));
    members.retain(|questions| !questions.is_empty());
    if members.len() < 2 {
        return None;
    }
    members.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut others = vec![0; clips.len()];
    for (index, questions) in members.iter().enumerate() {
        let next = &members[(index + 1) % members.len()];
        for (place, question) in questions.iter().enumerate() {
            others[*question] = next[place % next.len()];
        }
    }
    Some(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_question_is_given_a_caption_of_its_own_clip() {
        let clips = [0, 0, 0, 4, 4, 5];
        for seed in 0..50 {
            let others = others(&clips, seed).unwrap();
            assert!(others.iter().enumerate().all(|(question, other)| clips[question] != clips[*other]));
        }
        assert!((1..50).any(|seed| others(&clips, seed) != others(&clips, 0)), "the seed decides");
        assert_eq!(others(&[3, 3], 0), None);
    }
}

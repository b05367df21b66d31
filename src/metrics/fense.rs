//! FENSE and SPIDEr-FL: likeness in meaning, and a penalty for errors of fluency, by networks that judge.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use super::Score;
use crate::embedding::dot;
use crate::progress::Control;
use crate::{Embeddings, Error, Result};

/// How probable an error must be to count (`error_threshold` of both reference tools).
const THRESHOLD: f32 = 0.9;

/// The share of a score that an error costs (`penalty` of both reference tools).
const PENALTY: f64 = 0.9;

/// Captions that a network is given at once: between them work can be stopped.
const BATCH: usize = 256;

/// What turns captions into vectors whose cosine says how alike they are in meaning.
pub trait SentenceEncoder: Debug + Send + Sync {
    /// A row of unit length for each text, in order.
    ///
    /// # Errors
    /// Whatever the network returns.
    fn embed(&self, texts: &[&str]) -> Result<Embeddings>;
}

/// What finds errors of fluency in captions.
pub trait ErrorDetector: Debug + Send + Sync {
    /// For each text, in order, how probable it is that it has an error: 0 to 1.
    ///
    /// # Errors
    /// Whatever the network returns.
    fn probabilities(&self, texts: &[&str]) -> Result<Vec<f32>>;
}

/// What a network made of each text: references come again with every score, and many clips have one caption.
#[derive(Debug)]
struct Judged<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Judged<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Judged<T> {
    /// What the network makes of each text, in order; `judge` asks it about those that are new.
    fn of(
        &self,
        texts: &[&str],
        phase: &str,
        control: &Control<'_>,
        judge: impl Fn(&[&str]) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh: Vec<&str> = texts.iter().filter(|text| !known.contains_key(**text)).copied().collect();
        // By length, so that texts of a batch cost alike.
        fresh.sort_unstable_by_key(|text| (text.len(), *text));
        fresh.dedup();
        let _phase = (!fresh.is_empty()).then(|| control.begin(phase, Some(fresh.len() as u64)));
        for batch in fresh.chunks(BATCH) {
            control.check()?;
            let judged = judge(batch)?;
            if judged.len() != batch.len() {
                return Err(Error::Internal(format!("{} answers to {} captions", judged.len(), batch.len())));
            }
            known.extend(batch.iter().map(|text| (*text).to_owned()).zip(judged));
            control.advance(batch.len() as u64);
        }
        let answer = |text: &&str| known.get(*text).cloned().ok_or_else(|| Error::Internal("a caption lost".into()));
        texts.iter().map(answer).collect()
    }
}

/// What embeds sentences, and what it made of them.
#[derive(Debug, Clone)]
pub(super) struct Sentences {
    network: Arc<dyn SentenceEncoder>,
    known: Arc<Judged<Arc<[f32]>>>,
}

impl Sentences {
    pub(super) fn new(network: Arc<dyn SentenceEncoder>) -> Self {
        Self { network, known: Arc::default() }
    }

    /// The mean cosine of each caption and its references.
    pub(super) fn similarity(&self, clips: &[(&str, Vec<&str>)], control: &Control<'_>) -> Result<Score> {
        let mut texts: Vec<&str> = Vec::new();
        for (predicted, references) in clips {
            texts.push(predicted);
            texts.extend(references);
        }
        let embed = |texts: &[&str]| Ok(self.network.embed(texts)?.rows().map(Arc::from).collect());
        let mut rows = self.known.of(&texts, "embedding sentences", control, embed)?.into_iter();
        let mut cosines = Vec::with_capacity(clips.len());
        for (_, references) in clips {
            let predicted = rows.next().ok_or_else(|| Error::Internal("a sentence lost".into()))?;
            let sum: f64 = rows.by_ref().take(references.len()).map(|row| f64::from(dot(&predicted, &row))).sum();
            cosines.push(sum / references.len().max(1) as f64);
        }
        Ok(Score::mean(cosines))
    }
}

/// What finds errors of fluency, and what it found.
#[derive(Debug, Clone)]
pub(super) struct Fluency {
    network: Arc<dyn ErrorDetector>,
    known: Arc<Judged<f32>>,
}

impl Fluency {
    pub(super) fn new(network: Arc<dyn ErrorDetector>) -> Self {
        Self { network, known: Arc::default() }
    }

    /// 1 for each caption with an error, else 0.
    pub(super) fn errors(&self, captions: &[&str], control: &Control<'_>) -> Result<Score> {
        let judge = |texts: &[&str]| self.network.probabilities(texts);
        let found = self.known.of(captions, "looking for errors of fluency", control, judge)?;
        Ok(Score::mean(found.into_iter().map(|probability| f64::from(u8::from(probability > THRESHOLD))).collect()))
    }
}

/// A score less what errors cost.
pub(super) fn penalized(score: &Score, errors: &Score) -> Score {
    let each = score.clips.iter().zip(&errors.clips).map(|(score, error)| score * (1.0 - PENALTY * error));
    Score::mean(each.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Looks at the first letter only, and counts what it is asked.
    #[derive(Debug, Default)]
    struct Letters(AtomicUsize);

    impl SentenceEncoder for Letters {
        fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
            self.0.fetch_add(texts.len(), Ordering::Relaxed);
            let row = |text: &&str| if text.starts_with('a') { [1.0, 0.0] } else { [0.6, 0.8] };
            Embeddings::from_vec(2, texts.iter().flat_map(row).collect())
        }
    }

    impl ErrorDetector for Letters {
        fn probabilities(&self, texts: &[&str]) -> Result<Vec<f32>> {
            Ok(texts.iter().map(|text| if text.ends_with("and") { 0.91 } else { 0.9 }).collect())
        }
    }

    #[test]
    fn a_caption_is_as_good_as_it_is_like_all_references_and_loses_nine_tenths_by_an_error() {
        let letters = Arc::new(Letters::default());
        let sentences = Sentences::new(Arc::clone(&letters) as Arc<dyn SentenceEncoder>);
        let clips = [("a bell", vec!["a bell", "the bell"]), ("rain and", vec!["rain"])];
        let control = Control::default();
        let like = sentences.similarity(&clips, &control).unwrap();
        assert!((like.clips[0] - 0.8).abs() < 1e-6 && (like.clips[1] - 1.0).abs() < 1e-6, "{like:?}");
        assert_eq!(letters.0.load(Ordering::Relaxed), 4, "one text is embedded once");
        let again = sentences.clone().similarity(&clips, &control).unwrap();
        assert_eq!((again, letters.0.load(Ordering::Relaxed)), (like.clone(), 4));
        let errors = Fluency::new(letters).errors(&["a bell", "rain and"], &control).unwrap();
        assert_eq!(errors.clips, [0.0, 1.0], "0.9 itself is no error");
        let fense = penalized(&like, &errors);
        assert!((fense.clips[1] - 0.1).abs() < 1e-6 && (fense.corpus - 0.45).abs() < 1e-6, "{fense:?}");
    }
}

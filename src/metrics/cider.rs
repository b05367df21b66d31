//! CIDEr and CIDEr-D (Vedantam, Zitnick, Parikh 2015).
//!
//! Runs of one to four words are weighed by how few clips have them among their references, and captions compared by the cosine. CIDEr-D
//! clips the counts of the prediction to those of the reference, and takes off for another length, which it measures in pairs of words.
//! Both are ten times the mean over lengths of runs and references, as the authors' own program has them.

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use super::Score;
use super::ngrams::{LONGEST, Run, Runs};

/// The standard deviation of the penalty for another length.
const SIGMA: f64 = 6.0;
/// What cosines are multiplied by.
const SCALE: f64 = 10.0;

/// How many clips have each run among their references.
struct Frequencies {
    by_length: Vec<HashMap<Run, u32>>,
    clips: f64,
}

impl Frequencies {
    fn of(clips: &[(Runs, Vec<Runs>)]) -> Self {
        let count = |length: usize| {
            let mut counts: HashMap<Run, u32> = HashMap::new();
            for (_, references) in clips {
                let mut runs: Vec<&Run> =
                    references.iter().flat_map(|reference| reference.of_length(length)).map(|(run, _)| run).collect();
                runs.sort_unstable();
                runs.dedup();
                for run in runs {
                    *counts.entry(*run).or_default() += 1;
                }
            }
            counts
        };
        let by_length = (1..=LONGEST).into_par_iter().map(count).collect();
        Self { by_length, clips: (clips.len() as f64).ln() }
    }

    /// A caption's runs of `length` words with their weights, and the length of that vector.
    fn weighed(&self, runs: &Runs, length: usize) -> (Vec<(Run, f64)>, f64) {
        let counts = &self.by_length[length - 1];
        let weight = |run: &Run, count: u32| {
            let clips = f64::from(counts.get(run).copied().unwrap_or(0).max(1));
            f64::from(count) * (self.clips - clips.ln())
        };
        let weights: Vec<(Run, f64)> =
            runs.of_length(length).iter().map(|(run, count)| (*run, weight(run, *count))).collect();
        let norm = weights.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        (weights, norm)
    }
}

/// CIDEr-D and CIDEr.
pub(super) fn cider(clips: &[(Runs, Vec<Runs>)]) -> (Score, Score) {
    let frequencies = Frequencies::of(clips);
    let scores: Vec<(f64, f64)> =
        clips.par_iter().map(|(predicted, references)| clip(&frequencies, predicted, references)).collect();
    let (clipped, plain): (Vec<f64>, Vec<f64>) = scores.into_iter().unzip();
    (Score::mean(clipped), Score::mean(plain))
}

/// Both scores of one clip.
fn clip(frequencies: &Frequencies, predicted: &Runs, references: &[Runs]) -> (f64, f64) {
    let (mut clipped, mut plain) = (0.0, 0.0);
    // What the authors' program calls the length of a caption is how many pairs of words it has.
    let pairs = |runs: &Runs| runs.words.saturating_sub(1) as f64;
    for length in 1..=LONGEST {
        let (weights, norm) = frequencies.weighed(predicted, length);
        for reference in references {
            let (others, other_norm) = frequencies.weighed(reference, length);
            let norms = if norm != 0.0 && other_norm != 0.0 { norm * other_norm } else { 1.0 };
            let (mut smaller, mut product) = (0.0, 0.0);
            for (one, other) in shared(&weights, &others) {
                smaller += one.min(other) * other;
                product += one * other;
            }
            let difference = pairs(predicted) - pairs(reference);
            clipped += smaller / norms * (-(difference * difference) / (2.0 * SIGMA * SIGMA)).exp();
            plain += product / norms;
        }
    }
    let scale = SCALE / (LONGEST * references.len().max(1)) as f64;
    (clipped * scale, plain * scale)
}

/// The weights of the runs that both have.
fn shared<'a>(ones: &'a [(Run, f64)], others: &'a [(Run, f64)]) -> impl Iterator<Item = (f64, f64)> + 'a {
    ones.iter().filter_map(|(run, weight)| {
        let at = others.binary_search_by_key(run, |(run, _)| *run).ok()?;
        Some((*weight, others[at].1))
    })
}

//! The search for the caption that is likeliest, and drawing.

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use rand::RngCore;

use super::draft::{Draft, read_all};
use super::generate_options::GenerateOptions;
use super::inference::Weights;
use super::packing::rng;
use crate::{Result, tensor::Fault};

/// Beam search for several captions at once, greedy where the beam is 1: of each caption those that were kept, best first. They go on word by
/// word together, so that a step is one product of matrices for all of them.
pub(super) fn searched<'a>(
    weights: &Weights,
    begun: Vec<Draft<'a>>,
    limit: usize,
    options: &GenerateOptions,
) -> Vec<Vec<Draft<'a>>> {
    let mut searches: Vec<Vec<Draft<'a>>> = begun.into_iter().map(|draft| vec![draft]).collect();
    loop {
        read_all(weights, searches.iter_mut().flatten());
        let mut goes_on = false;
        for drafts in &mut searches {
            if let Some(wider) = widened(drafts, limit, options) {
                (*drafts, goes_on) = (wider, true);
            }
        }
        if !goes_on {
            break;
        }
    }
    searches.iter_mut().for_each(|drafts| drafts.sort_by(|a, b| b.score().total_cmp(&a.score())));
    searches
}

/// The likeliest of the captions that have a token more; `None` where all have ended, or the guards leave no token.
fn widened<'a>(drafts: &[Draft<'a>], limit: usize, options: &GenerateOptions) -> Option<Vec<Draft<'a>>> {
    if drafts.iter().all(|draft| draft.ended) {
        return None;
    }
    let mut choices: Vec<(&Draft<'a>, Option<u32>, f64)> = Vec::new();
    for draft in drafts {
        if draft.ended {
            choices.push((draft, None, draft.log_prob));
            continue;
        }
        for token in draft.likeliest(options.beam, options) {
            choices.push((draft, Some(token), draft.log_prob_with(token)));
        }
    }
    choices.sort_by(|a, b| b.2.total_cmp(&a.2));
    choices.truncate(options.beam);
    let taken = |(draft, token, _): &(&Draft<'a>, Option<u32>, f64)| match token {
        Some(token) => draft.with(*token, limit),
        None => (*draft).clone(),
    };
    Some(choices.iter().map(taken).collect::<Vec<_>>()).filter(|wider| !wider.is_empty())
}

/// Draws one token after the other.
pub(super) fn drawn<'a>(
    weights: &Weights,
    mut draft: Draft<'a>,
    limit: usize,
    options: &GenerateOptions,
    index: usize,
) -> Result<Draft<'a>> {
    let sampling = Sampling::All { temperature: f64::from(options.temperature) };
    let mut processor = LogitsProcessor::from_sampling(rng(options.seed, 6, index, 0).next_u64(), sampling);
    loop {
        read_all(weights, [&mut draft]);
        if draft.ended {
            break;
        }
        // Weights that overflow on the way leave numbers that nothing can be drawn by.
        let allowed = |(token, logit): (usize, &f32)| match draft.allows(token as u32, options) {
            true if logit.is_finite() => *logit,
            _ => f32::NEG_INFINITY,
        };
        let logits: Vec<f32> = draft.next.iter().enumerate().map(allowed).collect();
        if logits.iter().all(|logit| *logit == f32::NEG_INFINITY) {
            break; // no token is left: keep what there is
        }
        let count = logits.len();
        let token = Tensor::from_vec(logits, count, &Device::Cpu)
            .and_then(|logits| processor.sample_f(&logits, |shares| keep_nucleus(shares, options.top_p)))
            .map_err(Fault::from)?;
        draft.take(token, limit);
    }
    Ok(draft)
}

/// Leaves the likeliest tokens that together hold `top_p` of the probability, at least one, and clears the others: what candle's
/// [`Sampling::TopP`] leaves, to the bit, but that sorts the whole vocabulary.
fn keep_nucleus(shares: &mut [f32], top_p: f32) {
    if top_p <= 0.0 || top_p >= 1.0 {
        return;
    }
    // All that hold less than this hold less than is left out. Half of it, so that rounding has room.
    let least = (1.0 - top_p) / shares.len() as f32 / 2.0;
    let likely: Vec<usize> = (0..shares.len()).filter(|token| shares[*token] >= least).collect();
    let kept = nucleus(likely, shares, top_p).or_else(|| nucleus((0..shares.len()).collect(), shares, top_p));
    let Some(kept) = kept else { return }; // rounding took away so much that all are needed
    let kept: Vec<(usize, f32)> = kept.into_iter().map(|token| (token, shares[token])).collect();
    shares.fill(0.0);
    kept.into_iter().for_each(|(token, share)| shares[token] = share);
}

/// The likeliest of `tokens` until they hold `top_p`, if they do.
fn nucleus(mut tokens: Vec<usize>, shares: &[f32], top_p: f32) -> Option<Vec<usize>> {
    tokens.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let mut held = 0.0;
    let enough = tokens.iter().position(|token| {
        held += shares[*token];
        held >= top_p
    })?;
    tokens.truncate(enough + 1);
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits as a decoder makes them: few that are likely, many that are not, some ruled out, some equal.
    fn logits(case: u64) -> Vec<f32> {
        let mut rng = rng(case, 0, 0, 0);
        let spread = [0.0, 1.0, 5.0, 20.0][case as usize % 4];
        let count = 1 + rng.next_u32() as usize % 3_000;
        let draw = |_| match rng.next_u32() {
            number if number % 5 == 0 => f32::NEG_INFINITY,
            number => (spread * f64::from(number / 5) / f64::from(u32::MAX / 5)).round() as f32 / 2.0,
        };
        let mut logits: Vec<f32> = (0..count).map(draw).collect();
        logits[0] = 1.0;
        logits
    }

    #[test]
    fn the_nucleus_draws_what_candle_draws() {
        for case in 0..400 {
            let logits = Tensor::new(logits(case), &Device::Cpu).unwrap();
            let top_p = [0.05, 0.5, 0.9, 0.999, 0.999_999, 1.0][case as usize % 6];
            let (p, temperature) = (f64::from(top_p), 0.7);
            let mut theirs = LogitsProcessor::from_sampling(case, Sampling::TopP { p, temperature });
            let mut ours = LogitsProcessor::from_sampling(case, Sampling::All { temperature });
            for draw in 0..20 {
                let token = ours.sample_f(&logits, |shares| keep_nucleus(shares, top_p)).unwrap();
                assert_eq!(token, theirs.sample(&logits).unwrap(), "case {case}, draw {draw}");
            }
        }
    }
}

//! The decoder's candidates ranked anew, by what they say.

use crate::Result;
use crate::decoder::Generated;
use crate::embedding::dot;
use crate::towers::Clap;

/// How near each candidate comes to what the decoder was given: the cosine between its embedding and `prefix`, which has unit length.
pub(super) fn similarities(clap: &Clap, candidates: &[Generated], prefix: &[f32]) -> Result<Vec<f32>> {
    let texts: Vec<&str> = candidates.iter().map(|candidate| candidate.text.as_str()).collect();
    Ok(clap.embed_texts(&texts)?.rows().map(|row| dot(row, prefix)).collect())
}

/// The place of the candidate with the highest score and `weight` times its similarity, the first among equals.
pub(super) fn best(candidates: &[Generated], similarities: &[f32], weight: f32) -> usize {
    let worth = |place: usize| candidates[place].score() + f64::from(weight * similarities[place]);
    (1..candidates.len()).fold(0, |best, place| if worth(place) > worth(best) { place } else { best })
}

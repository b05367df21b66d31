//! Validation: do held-out clips find their captions among all captions of held-out clips?

use rayon::prelude::*;
use serde::Serialize;

use super::pairs::{Relation, Sets, Usable};
use crate::embedding::dot;
use crate::towers::adapter::Adapter;
use crate::{Embeddings, Error, Result, embedding};

/// How well held-out clips find their captions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Retrieval {
    /// Clips asked.
    pub clips: usize,
    /// Distinct captions to choose from.
    pub captions: usize,
    /// Share of clips with a right caption in the first place.
    pub recall_at_1: f64,
    /// The same among the first 5 places.
    pub recall_at_5: f64,
    /// The same among the first 10 places.
    pub recall_at_10: f64,
    /// Median over the clips of the place of the first right caption, from 1.
    pub median_rank: usize,
}

/// The held-out clips and the captions to choose from.
///
/// Right is a clip's own caption, and any of the same concepts. Captions that share some of the clip's concepts but not all do not compete.
pub(super) struct Validation<'a> {
    dim: usize,
    clips: &'a [Usable],
    /// Distinct captions: their embedding and set.
    candidates: Vec<(&'a [f32], usize)>,
    sets: &'a Sets,
}

impl<'a> Validation<'a> {
    /// `None` where no clip is held out.
    pub fn new(clips: &'a [Usable], captions: &'a Embeddings, sets: &'a Sets, dim: usize) -> Option<Self> {
        let mut wanted: Vec<(usize, usize)> = clips.iter().flat_map(|(clip, _)| clip.captions.clone()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let candidates = wanted.iter().filter_map(|(text, set)| Some((captions.row(*text)?, *set))).collect();
        (!clips.is_empty()).then_some(Self { dim, clips, candidates, sets })
    }

    /// Features of all windows of all clips, in order, `[windows, dim]`.
    pub fn windows(&self) -> impl Iterator<Item = &[f32]> {
        self.clips.iter().flat_map(|(_, features)| features.chunks_exact(self.dim))
    }

    /// Asks with an adapter.
    pub fn ask_adapter(&self, adapter: &Adapter) -> Result<Retrieval> {
        let rows = self.windows().map(|window| adapter.apply(window)).collect::<Result<Vec<_>>>()?;
        self.ask(&rows.concat())
    }

    /// Asks with the embeddings of all windows, `[windows, outputs]`.
    pub fn ask(&self, windows: &[f32]) -> Result<Retrieval> {
        let outputs = self.candidates.first().map_or(1, |(embedding, _)| embedding.len());
        let mut rest = windows;
        let mut embeddings = Vec::new();
        for (_, features) in self.clips {
            let (own, behind) = rest
                .split_at_checked(features.len() / self.dim * outputs)
                .ok_or_else(|| Error::Internal("too few embeddings of held-out clips".into()))?;
            rest = behind;
            let mut mean = vec![0.0; outputs];
            own.chunks_exact(outputs).for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
            embedding::normalize(&mut mean);
            embeddings.push(mean);
        }
        let mut ranks: Vec<usize> = (self.clips.par_iter().zip(&embeddings))
            .map(|((clip, _), audio)| self.rank(&clip.captions, audio))
            .collect();
        ranks.sort_unstable();
        let within = |k: usize| ranks.iter().filter(|rank| **rank <= k).count() as f64 / ranks.len().max(1) as f64;
        Ok(Retrieval {
            clips: ranks.len(),
            captions: self.candidates.len(),
            recall_at_1: within(1),
            recall_at_5: within(5),
            recall_at_10: within(10),
            median_rank: ranks.get(ranks.len() / 2).copied().unwrap_or(0),
        })
    }

    /// The place of the first right caption.
    fn rank(&self, own: &[(usize, usize)], audio: &[f32]) -> usize {
        let mut right = f32::NEG_INFINITY;
        let mut wrong = Vec::new();
        for (caption, set) in &self.candidates {
            let score = dot(audio, caption);
            let relations = || own.iter().map(|(_, own)| self.sets.relation(*own, *set));
            if relations().any(|relation| relation == Relation::Same) {
                right = right.max(score);
            } else if relations().all(|relation| relation == Relation::Other) {
                wrong.push(score);
            }
        }
        1 + wrong.iter().filter(|score| **score >= right).count()
    }
}

//! What a batch teaches: its loss and gradients, worked out in two halves at once.
//!
//! The operations of a step are small, and between them threads wait for each other. Halves of a batch have nothing to wait for until their
//! gradients are added, so two cores are busy where one and a half were. A batch has the same halves on every machine, so a training has the same bits
//! with any number of threads.

use rand::RngCore;

use super::{
    config::DecoderConfig,
    model::Parameters,
    network::{Dropout, Gradients, Network},
    packing::{Example, Packed},
};
use crate::{Result, nn::ops, tensor::Fault};

/// Numbers of the largest decoder that learns in halves. Beyond it, gradients that lie in memory twice weigh more than the quarter of the time that they
/// save: see decision 39.
const LARGEST: usize = 8_000_000;

/// What every batch of a training is learned with.
pub(super) struct Lesson<'a> {
    pub parameters: &'a Parameters,
    pub config: &'a DecoderConfig,
    pub smoothing: f32,
    /// The share of numbers that is dropped.
    pub dropout: f32,
}

/// What was learned.
pub(super) struct Learned {
    /// Tokens that were predicted.
    pub tokens: usize,
    /// The mean cross-entropy in nats a token.
    pub loss: f64,
    /// Its gradients.
    pub gradients: Gradients,
}

impl Lesson<'_> {
    /// The loss and gradients of `examples`, whose `embeddings` lie one behind the other; `rng` draws what is dropped.
    pub(super) fn learn(
        &self,
        examples: &[&Example],
        mut embeddings: Vec<f32>,
        rng: &mut impl RngCore,
    ) -> Result<Learned> {
        let pack = |examples: &[&Example]| Packed::new(examples.iter().copied(), self.config);
        let mut dropout = || Dropout { rate: self.dropout, seed: rng.next_u64() };
        let (one, other) = (dropout(), dropout());
        if self.parameters.count() > LARGEST {
            return self.part(&pack(examples), embeddings, one);
        }
        // A half has no more examples than the whole, and each has its embedding.
        let (first, second) = examples.split_at(half(examples));
        let rest = embeddings.split_off(first.len() * self.config.dim);
        let (first, second) = (pack(first), pack(second));
        if first.targets.is_empty() || second.targets.is_empty() {
            // Texts of unknown words alone predict nothing, and one text has no halves.
            embeddings.extend(rest);
            return self.part(&pack(examples), embeddings, one);
        }
        let (one, other) = rayon::join(|| self.part(&first, embeddings, one), || self.part(&second, rest, other));
        one?.and(&other?)
    }

    fn part(&self, batch: &Packed, embeddings: Vec<f32>, dropout: Dropout) -> Result<Learned> {
        let network = Network { parameters: self.parameters, config: self.config, batch, dropout };
        let (loss, gradients) = network.loss_and_gradients(embeddings, self.smoothing)?;
        Ok(Learned { tokens: batch.targets.len(), loss, gradients })
    }
}

impl Learned {
    /// What both teach: each counts by its tokens.
    fn and(self, other: &Self) -> Result<Self> {
        let tokens = self.tokens + other.tokens;
        let [own, others] = [self.tokens, other.tokens].map(|part| part as f64 / tokens as f64);
        for (name, gradient) in &self.gradients {
            if let Some(more) = other.gradients.get(name) {
                ops::blend(gradient, more, [own as f32, others as f32]).map_err(Fault::from)?;
            }
        }
        Ok(Self { tokens, loss: own * self.loss + others * other.loss, gradients: self.gradients })
    }
}

/// How many of the examples make the half with fewer tokens, or as many.
fn half(examples: &[&Example]) -> usize {
    let total: usize = examples.iter().map(|example| example.tokens.len()).sum();
    let mut seen = 0;
    let within = |example: &&&Example| {
        seen += example.tokens.len();
        2 * seen <= total
    };
    examples.iter().take_while(within).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_about_as_many_tokens() {
        let examples: Vec<Example> = [3, 5, 2, 4, 6, 1, 9]
            .map(|length| Example { row: 0, tokens: vec![7; length], ended: true, repeats: 1 })
            .into();
        let all: Vec<&Example> = examples.iter().collect();
        assert_eq!(half(&all), 4, "14 of 30 tokens");
        assert_eq!(half(&all[..2]), 1, "3 of 8");
        assert_eq!(half(&all[..1]), 0);
        assert_eq!(half(&[]), 0);
    }
}

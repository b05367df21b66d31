//! The training loop: weighted draws, AdamW with warm-up and a cosine to zero, dropout; the last weights are kept.
//!
//! There is no early stopping: with the rate falling to zero, the end is where the weights settle, and no choice by validation makes the
//! reported retrieval look better than it is.

use std::time::Instant;

use candle_core::{Device, Tensor};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::loss::Targets;
use super::network::Network;
use super::options::AlignOptions;
use super::pairs::{Relation, Sets, Usable};
use super::retrieval::{Retrieval, Validation};
use crate::error::{Hint, Topic};
use crate::nn::ops::{AdamW, floats};
use crate::progress::Control;
use crate::tensor::Result;
use crate::towers::adapter::{AdapterLayer, standardise};
use crate::{Embeddings, Error};

/// Share of the features, and of the hidden layer, that a step does without.
const INPUT_DROPOUT: f64 = 0.1;
const HIDDEN_DROPOUT: f64 = 0.3;

const WEIGHT_DECAY: f64 = 0.02;

/// Steps in which the rate rises; a tenth of all where there are few.
const WARM_UP: usize = 100;

/// A feature's deviation counts for at least this part of the deviation over all: rare ones are not blown up.
const LEAST_DEVIATION: f64 = 0.05;

/// Windows that go through the network together in validation.
const WINDOWS: usize = 256;

/// What is learned from.
pub(super) struct Examples<'a> {
    clips: Vec<Usable>,
    /// Running sums of the clips' weights.
    weights: Vec<f64>,
    captions: &'a Embeddings,
    sets: &'a Sets,
    dim: usize,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl<'a> Examples<'a> {
    /// Standardises the features of `clips`.
    pub fn new(mut clips: Vec<Usable>, captions: &'a Embeddings, sets: &'a Sets, dim: usize) -> Self {
        clips.retain(|(clip, _)| clip.weight > 0.0);
        let (mean, scale) = moments(&clips, dim);
        for (_, features) in &mut clips {
            *features = features.chunks_exact(dim).flat_map(|window| standardise(window, &mean, &scale)).collect();
        }
        let weights = clips.iter().scan(0.0, |sum, (clip, _)| {
            *sum += clip.weight;
            Some(*sum)
        });
        Self { weights: weights.collect(), clips, captions, sets, dim, mean, scale }
    }

    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    pub fn clips(&self) -> usize {
        self.clips.len()
    }

    /// A clip by its weight, one of its captions, one of its windows.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Draw<'_> {
        let total = self.weights.last().copied().unwrap_or(1.0);
        let at = rng.random_range(0.0..total);
        let clip = self.weights.partition_point(|sum| *sum <= at).min(self.clips.len() - 1);
        let (paired, features) = &self.clips[clip];
        let (text, set) = paired.captions[rng.random_range(0..paired.captions.len())];
        let window = rng.random_range(0..features.len() / self.dim);
        Draw { clip, text, set, features: &features[window * self.dim..][..self.dim] }
    }
}

struct Draw<'a> {
    clip: usize,
    text: usize,
    set: usize,
    features: &'a [f32],
}

/// Mean of each feature, and 1 / its deviation.
fn moments(clips: &[Usable], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let windows = || clips.iter().flat_map(|(_, features)| features.chunks_exact(dim));
    let count = windows().count().max(1) as f64;
    let mut means = vec![0f64; dim];
    windows().for_each(|window| means.iter_mut().zip(window).for_each(|(sum, x)| *sum += f64::from(*x)));
    means.iter_mut().for_each(|sum| *sum /= count);
    let over_all = means.iter().sum::<f64>() / dim as f64;
    let (mut squares, mut all) = (vec![0f64; dim], 0f64);
    for window in windows() {
        for ((square, x), mean) in squares.iter_mut().zip(window).zip(&means) {
            *square += (f64::from(*x) - mean).powi(2);
            all += (f64::from(*x) - over_all).powi(2);
        }
    }
    let least = (LEAST_DEVIATION * (all / (count * dim as f64)).sqrt()).max(1e-6);
    let scales = squares.iter().map(|square| (1.0 / ((square / count).sqrt() + least)) as f32);
    (means.iter().map(|mean| *mean as f32).collect(), scales.collect())
}

/// One epoch in the log.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Entry {
    pub epoch: usize,
    pub steps: usize,
    pub learning_rate: f64,
    pub loss: f64,
    pub validation: Option<Retrieval>,
    pub seconds: f64,
}

/// A training in progress.
pub(super) struct Trainer<'a> {
    examples: &'a Examples<'a>,
    options: &'a AlignOptions,
    network: Network,
    rng: ChaCha8Rng,
}

impl<'a> Trainer<'a> {
    pub fn new(examples: &'a Examples<'a>, options: &'a AlignOptions) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let network = Network::new(examples.dim, options.hidden, examples.captions.dim(), &mut rng)?;
        Ok(Self { examples, options, network, rng })
    }

    fn steps_per_epoch(&self) -> usize {
        (self.examples.clips() / self.options.batch).max(1)
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> usize {
        self.steps_per_epoch() * self.options.epochs
    }

    /// The learning rate of a step, from 0.
    fn rate(&self, step: usize) -> f64 {
        let steps = self.steps();
        let warm_up = WARM_UP.min(steps / 10).max(1);
        let rise = ((step + 1) as f64 / warm_up as f64).min(1.0);
        self.options.learning_rate * rise * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
    }

    /// Trains to the end.
    pub fn run(&mut self, validation_set: Option<&Validation<'_>>, control: &Control<'_>) -> Result<Vec<Entry>> {
        let (beta1, beta2, epsilon, decay) = (0.9, 0.999, 1e-8, WEIGHT_DECAY);
        let mut optimizer = AdamW { rate: 0.0, beta1, beta2, epsilon, decay, scale: 1.0, step: 0 };
        let begun = Instant::now();
        let mut entries: Vec<Entry> = Vec::new();
        for epoch in 1..=self.options.epochs {
            let steps = self.steps_per_epoch();
            let (mut sum, mut rate) = (0.0, 0.0);
            for step in 0..steps {
                control.check()?;
                rate = self.rate((epoch - 1) * steps + step);
                (optimizer.rate, optimizer.step) = (rate, optimizer.step + 1);
                sum += self.step(&optimizer)?;
                control.advance(1);
            }
            let validation = validation_set.map(|validation_set| self.validate(validation_set)).transpose()?;
            let (loss, seconds) = (sum / steps as f64, begun.elapsed().as_secs_f64());
            let recall = validation.as_ref().map(|v| format!(", recall at 10 {:.3}", v.recall_at_10));
            control.note(&format!("epoch {epoch}, loss {loss:.3}{}", recall.unwrap_or_default()));
            entries.push(Entry { epoch, steps: epoch * steps, learning_rate: rate, loss, validation, seconds });
        }
        Ok(entries)
    }

    /// Learns from a new batch; its loss.
    fn step(&mut self, optimizer: &AdamW) -> Result<f64> {
        let (examples, batch) = (self.examples, self.options.batch);
        let draws: Vec<Draw> = (0..batch).map(|_| examples.draw(&mut self.rng)).collect();
        let mut features = Vec::with_capacity(batch * examples.dim);
        let mut captions = Vec::with_capacity(batch * examples.captions.dim());
        for draw in &draws {
            features.extend_from_slice(draw.features);
            captions.extend_from_slice(examples.captions.row(draw.text).unwrap_or_default());
        }
        let kept = dropout(features.len(), INPUT_DROPOUT, &mut self.rng);
        features.iter_mut().zip(kept).for_each(|(x, kept)| *x *= kept);
        let kept = dropout(batch * self.options.hidden, HIDDEN_DROPOUT, &mut self.rng);
        let tensor = |data: Vec<f32>| Tensor::from_vec(data.clone(), (batch, data.len() / batch), &Device::Cpu);
        let targets = Targets::new(batch, |row, column| {
            let (clip, caption) = (&draws[row], &draws[column]);
            if clip.clip == caption.clip { Relation::Same } else { examples.sets.relation(clip.set, caption.set) }
        });
        let kept = tensor(kept)?;
        let pass = self.network.forward(tensor(features)?, Some(&kept))?;
        let (loss, gradient) = targets.loss(&pass.out, &tensor(captions)?, 1.0 / self.options.temperature)?;
        if !loss.is_finite() {
            return Err(Error::input("training", "a loss that is not finite", "a finite loss")
                .with_hint(Hint::about(Topic::LearningRate, "lower the learning rate"))
                .into());
        }
        self.network.learn(&pass, &kept, &gradient, optimizer)?;
        Ok(loss)
    }

    fn validate(&self, validation_set: &Validation<'_>) -> Result<Retrieval> {
        let (mean, scale, dim) = (&self.examples.mean, &self.examples.scale, self.examples.dim);
        let windows: Vec<&[f32]> = validation_set.windows().collect();
        let mut embeddings = Vec::new();
        for some in windows.chunks(WINDOWS) {
            let features: Vec<f32> = some.iter().flat_map(|window| standardise(window, mean, scale)).collect();
            let features = Tensor::from_vec(features, (some.len(), dim), &Device::Cpu)?;
            embeddings.extend_from_slice(&floats(&self.network.forward(features, None)?.out)?);
        }
        Ok(validation_set.ask(&embeddings)?)
    }

    /// The layers, the mean and the scale.
    pub fn finish(self) -> Result<(Vec<AdapterLayer>, Vec<f32>, Vec<f32>)> {
        Ok((self.network.layers()?, self.examples.mean.clone(), self.examples.scale.clone()))
    }
}

/// Zeros with the probability `rate`, and else what keeps the mean: `1 / (1 − rate)`.
fn dropout(count: usize, rate: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut bytes = vec![0u8; count * 2];
    rng.fill_bytes(&mut bytes);
    let (below, kept) = ((rate * 65_536.0) as u16, (1.0 / (1.0 - rate)) as f32);
    bytes.as_chunks::<2>().0.iter().map(|b| if u16::from_le_bytes(*b) < below { 0.0 } else { kept }).collect()
}

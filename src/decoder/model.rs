//! The decoder's parameters and its forward pass for training (WSAC, section 2.1).

use std::{collections::BTreeMap, sync::Arc};

use candle_core::{Device, Tensor, Var};
use rand::Rng;

use super::{
    config::DecoderConfig,
    ops,
    packing::{Packed, rng},
};
use crate::{Error, Result};

/// Every parameter by name, in a fixed order.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    vars: BTreeMap<String, Var>,
}

/// How a parameter begins.
enum Start {
    /// Normal with this standard deviation.
    Normal(f64),
    Constant(f32),
}

/// Names, shapes and beginnings of all parameters: GPT-2's, with the residual branches scaled down by their number.
fn layout(config: &DecoderConfig) -> Vec<(String, Vec<usize>, Start)> {
    let (width, hidden, dim) = (config.width, config.hidden(), config.dim);
    let branch = 0.02 / (2.0 * config.layers as f64).sqrt();
    let mut all = Vec::new();
    let mut affine = |name: &str, out: usize, inner: usize, deviation: f64| {
        all.push((format!("{name}.weight"), vec![out, inner], Start::Normal(deviation)));
        all.push((format!("{name}.bias"), vec![out], Start::Constant(0.0)));
    };
    // Embeddings have unit length, so a component is about 1/sqrt(dim): deviation 1 gives the hidden layer unit variance.
    affine("mapper.0", width, dim, 1.0);
    affine("mapper.1", config.prefix_tokens * width, width, 0.3 / (width as f64).sqrt());
    for layer in 0..config.layers {
        affine(&format!("layers.{layer}.attention.in"), 3 * width, width, 0.02);
        affine(&format!("layers.{layer}.attention.out"), width, width, branch);
        affine(&format!("layers.{layer}.mlp.up"), hidden, width, 0.02);
        affine(&format!("layers.{layer}.mlp.down"), width, hidden, branch);
    }
    let mut norm = |name: String| {
        all.push((format!("{name}.gain"), vec![width], Start::Constant(1.0)));
        all.push((format!("{name}.bias"), vec![width], Start::Constant(0.0)));
    };
    for layer in 0..config.layers {
        norm(format!("layers.{layer}.norm1"));
        norm(format!("layers.{layer}.norm2"));
    }
    norm("norm".into());
    all.push(("tokens".into(), vec![config.vocabulary, width], Start::Normal(0.02)));
    all.push(("positions".into(), vec![config.positions(), width], Start::Normal(0.01)));
    all
}

/// The shapes of all parameters by name.
pub(super) fn shapes(config: &DecoderConfig) -> BTreeMap<String, Vec<usize>> {
    layout(config).into_iter().map(|(name, shape, _)| (name, shape)).collect()
}

impl Parameters {
    /// Fresh parameters, a function of shape and seed.
    pub(super) fn new(config: &DecoderConfig, seed: u64) -> Result<Self> {
        let mut vars = BTreeMap::new();
        for (index, (name, shape, start)) in layout(config).into_iter().enumerate() {
            let len = shape.iter().product();
            let data = match start {
                Start::Constant(value) => vec![value; len],
                Start::Normal(deviation) => normal(len, deviation, &mut rng(seed, 2, index, 0)),
            };
            vars.insert(name, Var::from_vec(data, shape, &Device::Cpu)?);
        }
        Ok(Self { vars })
    }

    /// Overwrites the parameters with `data`, which holds every one in its shape.
    pub(super) fn load(&self, data: &BTreeMap<String, Vec<f32>>) -> Result<()> {
        for (name, var) in &self.vars {
            let Some(data) = data.get(name).filter(|d| d.len() == var.elem_count()) else {
                return Err(Error::Internal(format!("no parameter {name} of shape {:?}", var.shape())));
            };
            var.set(&Tensor::from_slice(data, var.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// The parameters in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.vars.iter()
    }

    /// Numbers in all parameters.
    pub(super) fn count(&self) -> usize {
        self.vars.values().map(|v| v.elem_count()).sum()
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        self.vars.get(name).map(Var::as_tensor).ok_or_else(|| Error::Internal(format!("no parameter {name}")))
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        Ok(ops::linear(x, self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?)?)
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        Ok(ops::layer_norm(x, self.get(&format!("{name}.gain"))?, self.get(&format!("{name}.bias"))?)?)
    }

    /// The logits `[scored rows, vocabulary]` of a packed batch whose embeddings are `embeddings` `[sequences, dim]`.
    pub(super) fn logits(
        &self,
        config: &DecoderConfig,
        batch: &Packed,
        embeddings: Vec<f32>,
        dropout: &Dropout,
    ) -> Result<Tensor> {
        let sequences = batch.embeddings.len();
        let embeddings = Tensor::from_vec(embeddings, (sequences, config.dim), &Device::Cpu)?;
        // The paper's mapping network has two layers (the authors' code has one); tanh between them, as in ClipCap.
        let hidden = self.linear("mapper.0", &embeddings)?.tanh()?;
        let prefixes = self.linear("mapper.1", &hidden)?.reshape((sequences * config.prefix_tokens, config.width))?;
        let tokens = self.get("tokens")?;
        let mut x =
            ops::embed(tokens, self.get("positions")?, &prefixes, batch.tokens.clone(), batch.positions.clone())?;
        x = dropout.add(&x.zeros_like()?, &x, 0)?;
        for layer in 0..config.layers {
            let name = format!("layers.{layer}");
            let inner = self.linear(&format!("{name}.attention.in"), &self.norm(&format!("{name}.norm1"), &x)?)?;
            let mixed = ops::attention(&inner, batch.offsets.clone(), config.heads)?;
            x = dropout.add(&x, &self.linear(&format!("{name}.attention.out"), &mixed)?, 2 * layer + 1)?;
            let inner = self.linear(&format!("{name}.mlp.up"), &self.norm(&format!("{name}.norm2"), &x)?)?;
            x = dropout.add(&x, &self.linear(&format!("{name}.mlp.down"), &ops::gelu(&inner)?)?, 2 * layer + 2)?;
        }
        let x = self.norm("norm", &ops::select_rows(&x, batch.scored.clone())?)?;
        // The output embedding is the input embedding, as in GPT-2.
        Ok(x.matmul(&tokens.t()?)?)
    }

    /// The mean cross-entropy of a batch in nats a token, a scalar.
    pub(super) fn loss(
        &self,
        config: &DecoderConfig,
        batch: &Packed,
        embeddings: Vec<f32>,
        dropout: &Dropout,
        smoothing: f32,
    ) -> Result<Tensor> {
        let logits = self.logits(config, batch, embeddings, dropout)?;
        Ok(ops::cross_entropy(&logits, Arc::clone(&batch.targets), smoothing)?)
    }
}

/// Which numbers a step drops.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropout {
    pub rate: f32,
    pub seed: u64,
}

impl Dropout {
    /// No dropout: validation and generation.
    pub(super) const NONE: Self = Self { rate: 0.0, seed: 0 };

    fn add(&self, x: &Tensor, y: &Tensor, site: usize) -> Result<Tensor> {
        Ok(ops::dropout_add(
            x,
            y,
            self.rate,
            self.seed.wrapping_add((site as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        )?)
    }
}

fn normal(len: usize, deviation: f64, rng: &mut impl Rng) -> Vec<f32> {
    let draw = |_| {
        // Irwin-Hall: the sum of twelve uniform numbers has variance 1 and is near enough to normal to begin with.
        let sum: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
        (deviation * (sum - 6.0)) as f32
    };
    (0..len).map(draw).collect()
}

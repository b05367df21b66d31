//! The decoder's parameters: names, shapes, how they begin.

use std::{collections::BTreeMap, ops::Deref};

use candle_core::{Device, Tensor, Var};
use rand::Rng;

use super::{
    config::DecoderConfig,
    options::Rows,
    packing::{Example, rng},
};
use crate::{
    Error,
    embedding::{dot, normalize},
    nn::ops,
    tensor::Result,
};

/// Every parameter by name, in a fixed order.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    vars: BTreeMap<String, Var>,
}

/// A parameter in place; as long as it is held, nobody changes it.
pub(super) struct Held<'a, D> {
    pub name: &'a str,
    pub shape: &'a [usize],
    pub data: D,
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
    if !config.tied {
        all.push(("output".into(), vec![config.vocabulary, width], Start::Normal(0.02)));
    }
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
                return Err(Error::Internal(format!("no parameter {name} of shape {:?}", var.shape())).into());
            };
            var.set(&Tensor::from_slice(data, var.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// The parameters in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.vars.iter()
    }

    /// The parameters in place, in the order of their names.
    pub(super) fn held(&self) -> Result<Vec<Held<'_, impl Deref<Target = [f32]>>>> {
        self.vars
            .iter()
            .map(|(name, var)| Ok(Held { name, shape: var.dims(), data: ops::floats(var.as_tensor())? }))
            .collect()
    }

    /// Numbers in all parameters.
    pub(super) fn count(&self) -> usize {
        self.vars.values().map(|v| v.elem_count()).sum()
    }

    /// A parameter by name, outside candle's autograd.
    pub(super) fn get(&self, name: &str) -> Result<Tensor> {
        let var = self.vars.get(name).ok_or_else(|| Error::Internal(format!("no parameter {name}")))?;
        Ok(var.as_detached_tensor())
    }
}

/// Lets token embeddings and mapping network begin in one geometry, that of the text embeddings.
///
/// A token's row begins as half noise, half the mean direction of the texts that hold it (seen from the mean of all texts)
/// under a random projection to the decoder's width; the mapping network begins as the same projection. So a prefix lies
/// near the words of its topic from the first step on, and a few epochs suffice where a random start needs many.
pub(super) fn informed_start(
    config: &DecoderConfig,
    parameters: &Parameters,
    examples: &[Example],
    embeddings: &dyn Rows,
    seed: u64,
) -> Result<()> {
    let (dim, width) = (config.dim, config.width);
    let rows = || examples.iter().filter_map(|e| Some((e, embeddings.row(e.row)?)));
    let mut mean = vec![0f32; dim];
    rows().for_each(|(_, row)| mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / examples.len() as f32));
    let mut sums = vec![0f32; config.vocabulary * dim];
    let mut counts = vec![0f32; config.vocabulary];
    for (example, row) in rows() {
        let mut tokens = example.tokens.clone();
        tokens.sort_unstable();
        tokens.dedup();
        for token in tokens {
            counts[token as usize] += 1.0;
            let sum = &mut sums[token as usize * dim..][..dim];
            sum.iter_mut().zip(row).zip(&mean).for_each(|((sum, x), mean)| *sum += x - mean);
        }
    }
    // Rows of the projection have length about 1, so that it keeps lengths.
    let projection = normal(width * dim, 1.0 / (width as f64).sqrt(), &mut rng(seed, 7, 0, 0));
    let project = |x: &[f32]| -> Vec<f32> { projection.chunks_exact(dim).map(|row| dot(row, x)).collect() };
    let mut start: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (name, var) in parameters.iter() {
        start.insert(name.clone(), ops::floats(var.as_tensor())?.to_vec());
    }
    let mut update = |name: &str, change: &dyn Fn(&mut [f32])| {
        if let Some(data) = start.get_mut(name) {
            change(data);
        }
    };
    let scale = 0.02 * (width as f32).sqrt();
    let words = |data: &mut [f32]| {
        for ((row, sum), count) in data.chunks_exact_mut(width).zip(sums.chunks_exact(dim)).zip(&counts) {
            let mut direction = sum.to_vec();
            normalize(&mut direction);
            // A mean over few texts says little.
            let trust = 0.7 * scale * count / (count + 2.0);
            row.iter_mut().zip(project(&direction)).for_each(|(x, d)| *x = 0.7 * *x + trust * d);
        }
    };
    update("tokens", &words);
    // There only where the two are not one.
    update("output", &words);
    let gain = (width as f32).sqrt();
    update("mapper.0.weight", &|data| data.iter_mut().zip(&projection).for_each(|(x, p)| *x = gain * p));
    update("mapper.0.bias", &|data| data.iter_mut().zip(project(&mean)).for_each(|(x, p)| *x = -gain * p));
    update("mapper.1.weight", &|data| {
        for (index, row) in data.chunks_exact_mut(width).enumerate() {
            row[index % width] += 0.3;
        }
    });
    parameters.load(&start)
}

fn normal(len: usize, deviation: f64, rng: &mut impl Rng) -> Vec<f32> {
    let draw = |_| {
        // Irwin-Hall: the sum of twelve uniform numbers has variance 1 and is near enough to normal to begin with.
        let sum: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
        (deviation * (sum - 6.0)) as f32
    };
    (0..len).map(draw).collect()
}

//! The network that is trained: two layers with GELU between them, and unit length at the end.

use candle_core::{D, Device, Tensor, Var};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::tensor::Result;
use crate::towers::adapter::AdapterLayer;

/// Kept small numbers from dividing by zero.
const EPSILON: f64 = 1e-12;

pub(super) struct Network {
    layers: [(Var, Var); 2],
}

impl Network {
    /// Weights from the uniform distribution on ±1/√inputs, as PyTorch's linear layers begin.
    pub fn new(inputs: usize, hidden: usize, outputs: usize, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut draw = |rows: usize, columns: usize, inputs: usize| {
            let bound = 1.0 / (inputs as f32).sqrt();
            (0..rows * columns).map(|_| rng.random_range(-bound..bound)).collect::<Vec<f32>>()
        };
        let device = Device::Cpu;
        let mut layer = |inputs: usize, outputs: usize| {
            let weight = Var::from_vec(draw(outputs, inputs, inputs), (outputs, inputs), &device)?;
            Ok::<_, crate::tensor::Fault>((weight, Var::from_vec(draw(outputs, 1, inputs), outputs, &device)?))
        };
        let layers = [layer(inputs, hidden)?, layer(hidden, outputs)?];
        Ok(Self { layers })
    }

    /// What is learned.
    pub fn weights(&self) -> Vec<Var> {
        self.layers.iter().flat_map(|(weight, bias)| [weight.clone(), bias.clone()]).collect()
    }

    /// Unit vectors `[rows, outputs]` for standardised features `[rows, inputs]`; `dropout` multiplies the hidden layer.
    pub fn forward(&self, features: &Tensor, dropout: Option<&Tensor>) -> Result<Tensor> {
        let [(first, first_bias), (second, second_bias)] = &self.layers;
        let mut hidden = features.matmul(&first.t()?)?.broadcast_add(first_bias)?.gelu_erf()?;
        if let Some(dropout) = dropout {
            hidden = (hidden * dropout)?;
        }
        let out = hidden.matmul(&second.t()?)?.broadcast_add(second_bias)?;
        let length = (out.sqr()?.sum_keepdim(D::Minus1)? + EPSILON)?.sqrt()?;
        Ok(out.broadcast_div(&length)?)
    }

    /// The layers as the adapter's file keeps them.
    pub fn layers(&self) -> Result<Vec<AdapterLayer>> {
        let layers = self
            .layers
            .iter()
            .map(|(weight, bias)| Ok(AdapterLayer { weight: weight.flatten_all()?.to_vec1()?, bias: bias.to_vec1()? }));
        layers.collect()
    }
}

//! The network that is trained: two layers with GELU between them, and unit length at the end.
//!
//! Its backward pass is written out, as the decoder's is: through candle's autograd and optimizer a step took three times as long.

use candle_core::{Device, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::nn::functions::{gelu, gelu_all, gelu_slope};
use crate::nn::ops::{AdamW, Moments, floats, linear, linear_backward, linear_parameters_backward, map2};
use crate::tensor::Result;
use crate::towers::adapter::AdapterLayer;

/// Kept small numbers from dividing by zero.
const EPSILON: f32 = 1e-12;

/// A layer's weight `[outputs, inputs]` and bias `[outputs]`.
type Layer = [Tensor; 2];

pub(super) struct Network {
    layers: [Layer; 2],
    moments: [Moments; 4],
}

/// A pass through the network, with what its way back needs.
pub(super) struct Pass {
    features: Tensor,
    /// Before GELU.
    hidden: Tensor,
    /// Behind GELU and dropout.
    active: Tensor,
    /// What each row of the second layer was divided by.
    lengths: Vec<f32>,
    /// Unit vectors `[rows, outputs]`.
    pub out: Tensor,
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
            let weight = Tensor::from_vec(draw(outputs, inputs, inputs), (outputs, inputs), &device)?;
            Ok::<_, crate::tensor::Fault>([weight, Tensor::from_vec(draw(outputs, 1, inputs), outputs, &device)?])
        };
        let layers = [layer(inputs, hidden)?, layer(hidden, outputs)?];
        let moments = [inputs * hidden, hidden, hidden * outputs, outputs].map(Moments::new);
        Ok(Self { layers, moments })
    }

    /// Unit vectors for standardised features `[rows, inputs]`; `dropout` `[rows, hidden]` multiplies the hidden layer.
    pub fn forward(&self, features: Tensor, dropout: Option<&Tensor>) -> Result<Pass> {
        let [[first, first_bias], [second, second_bias]] = &self.layers;
        let hidden = linear(&features, first, first_bias)?;
        let active = match dropout {
            Some(dropout) => map2(
                &hidden,
                dropout,
                #[inline(always)]
                |x, kept| gelu(x) * kept,
            )?,
            None => {
                let mut active = floats(&hidden)?.to_vec();
                gelu_all(&mut active);
                Tensor::from_vec(active, hidden.shape(), &Device::Cpu)?
            }
        };
        let out = linear(&active, second, second_bias)?;
        let (shape, width) = (out.shape().clone(), out.dim(1)?);
        let mut rows = floats(&out)?.to_vec();
        let scale = |row: &mut [f32]| {
            let length = (row.iter().map(|x| x * x).sum::<f32>() + EPSILON).sqrt();
            row.iter_mut().for_each(|x| *x /= length);
            length
        };
        let lengths = rows.chunks_exact_mut(width).map(scale).collect();
        let out = Tensor::from_vec(rows, shape, &Device::Cpu)?;
        Ok(Pass { features, hidden, active, lengths, out })
    }

    /// One step against the gradient `grad` of a pass's unit vectors; `dropout` as it was on the way.
    pub fn learn(&mut self, pass: &Pass, dropout: &Tensor, grad: &Tensor, optimizer: &AdamW) -> Result<()> {
        let [_, [second, _]] = &self.layers;
        let (unit, width) = (floats(&pass.out)?, pass.out.dim(1)?);
        // Along a unit vector nothing changes: only what stands at right angles to it goes on.
        let mut rows = floats(grad)?.to_vec();
        for ((row, unit), length) in rows.chunks_exact_mut(width).zip(unit.chunks_exact(width)).zip(&pass.lengths) {
            let along: f32 = row.iter().zip(unit).map(|(g, y)| g * y).sum();
            row.iter_mut().zip(unit).for_each(|(g, y)| *g = (*g - along * y) / length);
        }
        let grad = Tensor::from_vec(rows, pass.out.shape(), &Device::Cpu)?;
        let (grad, second, second_bias) = linear_backward(&pass.active, second, &grad)?;
        let grad = map2(
            &grad,
            dropout,
            #[inline(always)]
            |grad, kept| grad * kept,
        )?;
        let grad = map2(
            &pass.hidden,
            &grad,
            #[inline(always)]
            |x, grad| grad * gelu_slope(x),
        )?;
        let (first, first_bias) = linear_parameters_backward(&pass.features, &grad)?;
        let gradients = [first, first_bias, second, second_bias];
        for ((parameter, gradient), moments) in self.layers.iter().flatten().zip(gradients).zip(&mut self.moments) {
            optimizer.apply(parameter, &gradient, moments)?;
        }
        Ok(())
    }

    /// The layers as the adapter's file keeps them.
    pub fn layers(&self) -> Result<Vec<AdapterLayer>> {
        let layers = self.layers.iter();
        let layer = |[weight, bias]: &Layer| {
            Ok(AdapterLayer { weight: floats(weight)?.to_vec(), bias: floats(bias)?.to_vec() })
        };
        layers.map(layer).collect()
    }
}

//! Layers that the towers are made of. Every sum has one order: a row's result has the same bits whatever rows come with it.

use pulp::{Arch, NullaryFnOnce};

use super::functions::{add, lanes_sum};
use super::gemm::{Packed, multiply_inline, multiply_spread};
use super::tensors::Tensors;
use crate::Result;

/// A linear layer: `x · Wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Packed,
    bias: Vec<f32>,
}

impl Linear {
    /// A layer from its `weight` `[bias.len(), inputs]`.
    pub fn new(weight: &[f32], bias: Vec<f32>, inputs: usize) -> Self {
        Self { weight: Packed::from_linear(weight, bias.len(), inputs), bias }
    }

    /// Reads `NAME.weight` `[outputs, inputs]` and `NAME.bias` `[outputs]`.
    pub fn load(file: &dyn Tensors, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        Self::side_by_side(file, &[name], inputs, outputs)
    }

    /// Several layers of the same input as one, whose outputs lie side by side.
    pub fn side_by_side(file: &dyn Tensors, names: &[&str], inputs: usize, outputs: usize) -> Result<Self> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            weight.extend(file.get(&format!("{name}.weight"), &[outputs, inputs])?);
            bias.extend(file.get(&format!("{name}.bias"), &[outputs])?);
        }
        Ok(Self::new(&weight, bias, inputs))
    }

    /// Reads `NAME.weight` `[outputs, inputs]` of a layer without a bias.
    pub fn unbiased(file: &dyn Tensors, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = file.get(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Self::new(&weight, vec![0.0; outputs], inputs))
    }

    /// Reads a layer whose weight lies the other way round, `[inputs, outputs]`: GPT-2's `Conv1D`.
    pub fn transposed(file: &dyn Tensors, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = file.get(&format!("{name}.weight"), &[inputs, outputs])?;
        let bias = file.get(&format!("{name}.bias"), &[outputs])?;
        Ok(Self { weight: Packed::from_fn(inputs, outputs, |k, n| weight[k * outputs + n]), bias })
    }

    /// Components of the input.
    pub fn inputs(&self) -> usize {
        self.weight.inner()
    }

    /// Components of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `[rows, inputs]` to `[rows, outputs]`, on the calling thread.
    pub fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        Arch::new().dispatch(Apply { layer: self, input, out: &mut out });
        out
    }

    /// [`Linear::apply`] by all threads where it is large, with the same bits.
    pub fn apply_spread(&self, input: &[f32]) -> Vec<f32> {
        let mut out = multiply_spread(input, &self.weight);
        out.chunks_exact_mut(self.outputs()).for_each(|row| add(row, &self.bias));
        out
    }

    /// [`Linear::apply`] into `out`, for callers that are already inside a dispatch to the instruction set.
    #[inline(always)]
    pub fn apply_inline(&self, input: &[f32], out: &mut Vec<f32>) {
        out.resize(input.len() / self.inputs() * self.outputs(), 0.0);
        multiply_inline(input, &self.weight, out);
        out.chunks_exact_mut(self.outputs()).for_each(|row| add(row, &self.bias));
    }
}

/// [`Linear::apply`] as `pulp` dispatches it.
struct Apply<'a> {
    layer: &'a Linear,
    input: &'a [f32],
    out: &'a mut Vec<f32>,
}

impl NullaryFnOnce for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.layer.apply_inline(self.input, self.out);
    }
}

/// Layer norm with a gain and a bias.
#[derive(Debug)]
pub(crate) struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    /// Reads `NAME.weight` and `NAME.bias`, each `[width]`.
    pub fn load(file: &dyn Tensors, name: &str, width: usize, epsilon: f32) -> Result<Self> {
        let gain = file.get(&format!("{name}.weight"), &[width])?;
        Ok(Self { gain, bias: file.get(&format!("{name}.bias"), &[width])?, epsilon })
    }

    /// Normalises each row of `[rows, width]`.
    #[inline(always)]
    pub fn apply(&self, state: &mut [f32]) {
        let width = self.gain.len();
        for row in state.chunks_exact_mut(width) {
            let mean = lanes_sum(row, |x| x) / width as f32;
            let variance = lanes_sum(row, |x| (x - mean) * (x - mean)) / width as f32;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            for ((x, gain), bias) in row.iter_mut().zip(&self.gain).zip(&self.bias) {
                *x = (*x - mean) * scale * gain + bias;
            }
        }
    }
}

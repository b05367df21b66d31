//! Layers that the towers are made of. Every sum has one order: a row's result has the same bits whatever rows come with it.

use pulp::{Arch, NullaryFnOnce};

use crate::Result;
use crate::clap::checkpoint::Tensors;
use crate::clap::gemm::{Packed, multiply};

/// A linear layer: `x · Wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Packed,
    bias: Vec<f32>,
}

impl Linear {
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
        Ok(Self { weight: Packed::from_linear(&weight, bias.len(), inputs), bias })
    }

    /// Components of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `[rows, inputs]` to `[rows, outputs]`, on the calling thread.
    pub fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; input.len() / self.weight.inner() * self.weight.columns()];
        multiply(input, &self.weight, &mut out);
        out.chunks_exact_mut(self.bias.len()).for_each(|row| add(row, &self.bias));
        out
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

/// The sum of `value` over a row in eight running sums, which vectorise; the order is fixed.
fn lanes_sum(row: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += value(*x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane += value(*x));
    lanes.iter().sum()
}

/// `to += what`.
pub(crate) fn add(to: &mut [f32], what: &[f32]) {
    to.iter_mut().zip(what).for_each(|(x, y)| *x += y);
}

/// `exp(x) / Σ exp` over a row, in place.
#[inline(always)]
pub(crate) fn softmax(row: &mut [f32]) {
    let max = row.iter().fold(f32::NEG_INFINITY, |max, x| max.max(*x));
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|x| *x /= sum);
}

/// [`gelu`] of every number, in place.
pub(crate) fn gelu_all(numbers: &mut [f32]) {
    Arch::new().dispatch(Gelu(numbers));
}

/// `x · Φ(x)`, by the error function, not its tanh approximation.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// [`gelu_all`] as `pulp` dispatches it.
struct Gelu<'a>(&'a mut [f32]);

impl NullaryFnOnce for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for x in self.0.iter_mut() {
            *x = gelu(*x);
        }
    }
}

/// The error function as a ratio of polynomials (Eigen's and XLA's coefficients), within 3e-7; it vectorises, unlike libm's.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] =
        [-2.726_142_4e-10, 2.770_681_3e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_3e-2];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut above = ABOVE[0];
    for c in &ABOVE[1..] {
        above = above.mul_add(square, *c);
    }
    let mut below = BELOW[0];
    for c in &BELOW[1..] {
        below = below.mul_add(square, *c);
    }
    x * above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_agrees_with_tabulated_values() {
        let table = [
            (0.0, 0.0),
            (0.1, 0.112_462_9),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (1.5, 0.966_105_1),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
            (6.0, 1.0),
        ];
        for (x, wanted) in table {
            assert!((erf(x) - wanted).abs() < 5e-7, "erf({x}) = {}", erf(x));
            assert!((erf(-x) + wanted).abs() < 5e-7, "erf(-{x})");
        }
    }
}

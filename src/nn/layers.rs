//! Layers that the towers are made of. Every sum has one order: a row's result has the same bits whatever rows come with it.

use pulp::{Arch, NullaryFnOnce};

use super::gemm::{Packed, multiply_inline};
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

/// The sum of `value` over a row in eight running sums, which vectorise; the order is fixed.
#[inline(always)]
pub(crate) fn lanes_sum(row: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += value(*x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane += value(*x));
    lanes.iter().sum()
}

/// `to += what`.
#[inline(always)]
pub(crate) fn add(to: &mut [f32], what: &[f32]) {
    to.iter_mut().zip(what).for_each(|(x, y)| *x += y);
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

/// [`gelu_tanh`] of every number, in place.
pub(crate) fn gelu_tanh_all(numbers: &mut [f32]) {
    Arch::new().dispatch(GeluTanh(numbers));
}

/// GELU in the tanh form that GPT-2 was trained with: `x · (1 + tanh u) / 2`, `u = √(2/π) · (x + 0.044715 x³)`.
#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    const TWICE: f32 = 1.595_769; // 2·√(2/π)
    // (1 + tanh u) / 2 = 1 / (1 + e^-2u), of which the power is taken for a negative exponent only: `exp` knows no other.
    let twice = TWICE * x * (0.044_715 * x).mul_add(x, 1.0);
    let power = exp(-twice.abs());
    let above = if twice < 0.0 { power } else { 1.0 };
    x * above / (1.0 + power)
}

/// [`gelu_tanh_all`] as `pulp` dispatches it.
struct GeluTanh<'a>(&'a mut [f32]);

impl NullaryFnOnce for GeluTanh<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for x in self.0.iter_mut() {
            *x = gelu_tanh(*x);
        }
    }
}

/// `eˣ` for `x ≤ 0`, within 2e-7 of itself: `2ⁿ` times a polynomial (Cephes' coefficients). It vectorises, unlike libm's.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: what is added to it is rounded to a whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const TERMS: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = x.max(-87.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = rounded - ROUND;
    // ln 2 in two parts, of which the first has few bits: its product with a whole number is exact.
    let rest = whole.mul_add(2.121_944_4e-4, whole.mul_add(-0.693_359_4, x));
    let mut sum = TERMS[0];
    for term in &TERMS[1..] {
        sum = sum.mul_add(rest, *term);
    }
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (sum * rest).mul_add(rest, rest + 1.0) * power
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

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for x in (0..=8_700).map(|i| -(i as f32) / 100.0) {
            let wanted = f64::from(x).exp();
            assert!((f64::from(exp(x)) / wanted - 1.0).abs() < 3e-7, "exp({x}) = {}", exp(x));
        }
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn gelu_in_its_tanh_form_agrees_with_the_standard_library() {
        for x in (-1_200..=1_200).map(|i| i as f32 / 100.0) {
            let wide = f64::from(x);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            let wanted = 0.5 * wide * (1.0 + u.tanh());
            assert!((f64::from(gelu_tanh(x)) - wanted).abs() < 1e-6 * wide.abs().max(1.0), "{x}: {}", gelu_tanh(x));
        }
        assert_eq!((gelu_tanh(0.0), gelu_tanh(1e30)), (0.0, 1e30));
        assert!(gelu_tanh(-1e30).abs() < 1e-6);
    }
}

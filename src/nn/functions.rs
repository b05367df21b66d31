//! Exponentials, GELU, softmax and sums, each in one place.
//!
//! There are two exponentials and two softmaxes, on purpose: they differ in the last bits, and what is stored depends on the bits. Embeddings in
//! stores were made with the fused exponential, trained decoders with the other.

use pulp::{Arch, NullaryFnOnce};

/// Runs `work` compiled for the best instruction set of this machine. `work` must be inlined to profit.
#[inline(always)]
pub(crate) fn simd<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
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

/// `eˣ` for x in [-87, 88] (clamped), without fused multiply-adds, relative error below 2e-7; branch-free, so that loops over it use SIMD.
#[inline(always)]
pub(crate) fn exp_unfused(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer that then stands in the low bits
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let k = shifted - MAGIC;
    let r = x - k * 0.693_359_4 + k * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let p = p * r * r + r + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
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

/// The slope of [`gelu`]: `Φ(x) + x · φ(x)`.
#[inline(always)]
pub(crate) fn gelu_slope(x: f32) -> f32 {
    const DENSITY: f32 = 0.398_942_3; // 1/√(2π)
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)) + x * DENSITY * exp(-0.5 * x * x)
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

/// GELU in its tanh form, as GPT-2 has it, and its derivative.
#[inline(always)]
pub(crate) fn gelu_tanh_and_slope(x: f32) -> (f32, f32) {
    const A: f32 = 1.595_769; // 2·sqrt(2/π): x·sigmoid(2u) = x·(1 + tanh u)/2
    const B: f32 = 0.044_715;
    let square = x * x;
    let gate = 1.0 / (1.0 + exp_unfused(-A * x * (1.0 + B * square)));
    (x * gate, gate + x * gate * (1.0 - gate) * A * (1.0 + 3.0 * B * square))
}

/// `exp(x) / Σ exp` over a row, in place, with the standard library's exponential and one running sum: the text towers' form.
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

/// `exp(x) / Σ exp` over a row, in place, with [`exp`] and eight running sums, which vectorise: the audio towers' form.
#[inline(always)]
pub(crate) fn softmax_in_lanes(row: &mut [f32]) {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = lane.max(*x));
    }
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, x| max.max(*x));
    row.iter_mut().for_each(|x| *x = exp(*x - max));
    let scale = 1.0 / lanes_sum(row, |x| x);
    row.iter_mut().for_each(|x| *x *= scale);
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

/// `out += factor · x`; call it inside [`simd`].
#[inline(always)]
pub(crate) fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
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
    fn the_slope_of_gelu_agrees_with_finite_differences() {
        for x in (-600..=600).map(|i| i as f32 / 100.0) {
            let step = 1e-2;
            let slope = (gelu(x + step) - gelu(x - step)) / (2.0 * step);
            assert!((slope - gelu_slope(x)).abs() < 2e-4, "at {x}: {slope}, {}", gelu_slope(x));
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

    #[test]
    fn exponential_is_accurate_over_its_range() {
        for i in -86_000..=88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_unfused(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}): relative error {error}");
        }
        assert!(exp_unfused(-1000.0) < 1e-37 && exp_unfused(1000.0).is_finite());
    }

    #[test]
    fn gelu_derivative_agrees_with_finite_differences() {
        for i in -600..=600 {
            let x = i as f32 / 100.0;
            let step = 1e-2;
            let slope = (gelu_tanh_and_slope(x + step).0 - gelu_tanh_and_slope(x - step).0) / (2.0 * step);
            assert!((slope - gelu_tanh_and_slope(x).1).abs() < 2e-4, "at {x}");
        }
    }
}

//! Activations, and dropout fused with the residual sum.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::kernels::{change, floats};
use crate::nn::functions::{add, gelu_tanh_and_slope, simd};

/// Numbers of one parallel task.
const BLOCK: usize = 1 << 14;

/// `f(x)` for every number.
fn map(x: &Tensor, f: impl Fn(f32) -> f32 + Sync) -> Result<Tensor> {
    let xs = floats(x)?;
    let xs: &[f32] = &xs;
    let mut out = vec![0f32; xs.len()];
    out.par_chunks_mut(BLOCK).zip(xs.par_chunks(BLOCK)).for_each(|(out, x)| {
        simd(|| out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x)));
    });
    Tensor::from_vec(out, x.shape(), x.device())
}

/// `f(x, y)` for every pair of numbers.
pub(crate) fn map2(x: &Tensor, y: &Tensor, f: impl Fn(f32, f32) -> f32 + Sync) -> Result<Tensor> {
    if x.shape() != y.shape() {
        bail!("shapes {:?} and {:?} differ", x.shape(), y.shape());
    }
    let (xs, ys) = (floats(x)?, floats(y)?);
    let (xs, ys): (&[f32], &[f32]) = (&xs, &ys);
    let mut out = vec![0f32; xs.len()];
    out.par_chunks_mut(BLOCK).zip(xs.par_chunks(BLOCK)).zip(ys.par_chunks(BLOCK)).for_each(|((out, x), y)| {
        simd(|| out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = f(*x, *y)));
    });
    Tensor::from_vec(out, x.shape(), x.device())
}

/// `x · (1 + tanh(sqrt(2/π)(x + 0.044715 x³))) / 2`, GPT-2's activation.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    map(
        x,
        #[inline(always)]
        |x| gelu_tanh_and_slope(x).0,
    )
}

/// The gradient of x, given that of `gelu(x)`.
pub fn gelu_backward(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    map2(
        x,
        grad,
        #[inline(always)]
        |x, grad| grad * gelu_tanh_and_slope(x).1,
    )
}

/// `a · x + b · y`, which takes the place of x.
pub fn blend(x: &Tensor, y: &Tensor, [a, b]: [f32; 2]) -> Result<()> {
    if x.shape() != y.shape() {
        bail!("shapes {:?} and {:?} differ", x.shape(), y.shape());
    }
    let y = floats(y)?;
    let y: &[f32] = &y;
    change(x, |data| {
        data.par_chunks_mut(BLOCK).zip(y.par_chunks(BLOCK)).for_each(|(x, y)| {
            simd(move || x.iter_mut().zip(y).for_each(|(x, y)| *x = a * *x + b * y));
        });
    })
}

/// The hyperbolic tangent.
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    map(x, f32::tanh)
}

/// The gradient of x, given `tanh(x)` and the gradient of that.
pub fn tanh_backward(out: &Tensor, grad: &Tensor) -> Result<Tensor> {
    map2(out, grad, |out, grad| grad * (1.0 - out * out))
}

/// Which numbers are dropped: a function of seed and index alone.
#[derive(Clone, Copy)]
struct Mask {
    /// Numbers are dropped where their 32-bit hash is below this.
    threshold: u32,
    scale: f32,
    seed: u64,
}

impl Mask {
    fn new(rate: f32, seed: u64) -> Self {
        Self { threshold: (f64::from(rate) * 4_294_967_296.0) as u32, scale: 1.0 / (1.0 - rate), seed }
    }

    /// The factor of number `index`: 0 or `scale`.
    #[inline(always)]
    fn factor(self, index: u32) -> f32 {
        // The finaliser of MurmurHash3, over index and both halves of the seed.
        let mut hash = index.wrapping_mul(0x9e37_79b9) ^ self.seed as u32;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b) ^ (self.seed >> 32) as u32;
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^= hash >> 16;
        if hash < self.threshold { 0.0 } else { self.scale }
    }

    /// `y = x + dropout(y)`, or `dropout(y)` alone where there is no x.
    fn apply(self, y: &mut [f32], x: Option<&[f32]>) {
        y.par_chunks_mut(BLOCK).enumerate().for_each(|(block, y)| {
            let begin = block * BLOCK;
            simd(move || {
                if self.threshold > 0 {
                    y.iter_mut().enumerate().for_each(|(i, y)| *y *= self.factor((begin + i) as u32));
                }
                if let Some(x) = x {
                    add(y, &x[begin..]);
                }
            });
        });
    }
}

/// `x + dropout(y)` in the place of y, the residual connection; `dropout(y)` alone where x is `None`.
///
/// Each number of y is zeroed with probability `rate` in [0, 1) and the others are scaled by `1 / (1 - rate)`. Which ones
/// is a function of `seed` and the index.
pub fn dropout_add(x: Option<&Tensor>, y: Tensor, rate: f32, seed: u64) -> Result<Tensor> {
    if let Some(x) = x.filter(|x| x.shape() != y.shape()) {
        bail!("shapes {:?} and {:?} differ", x.shape(), y.shape());
    }
    let x = x.map(floats).transpose()?;
    change(&y, |y| Mask::new(rate, seed).apply(y, x.as_deref()))?;
    Ok(y)
}

/// The gradient of y, given that of `dropout_add`; the gradient of x is the latter itself.
pub fn dropout_backward(grad: &Tensor, rate: f32, seed: u64) -> Result<Tensor> {
    if rate == 0.0 { Ok(grad.clone()) } else { dropout_add(None, grad.copy()?, rate, seed) }
}

//! GELU, and dropout fused with the residual sum.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::kernels::{floats, gelu_scalar, simd, slice};

/// Numbers of one parallel task.
const BLOCK: usize = 1 << 14;

struct Gelu;

/// `x · (1 + tanh(sqrt(2/π)(x + 0.044715 x³))) / 2`, GPT-2's activation, for every number.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Gelu)
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, layout)?;
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(out, x)| {
            simd(|| out.iter_mut().zip(x).for_each(|(out, x)| *out = gelu_scalar(*x).0));
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (xs, grads) = (floats(x)?, floats(&grad)?);
        let (xs, grads): (&[f32], &[f32]) = (&xs, &grads);
        let mut dx = vec![0f32; xs.len()];
        dx.par_chunks_mut(BLOCK).zip(xs.par_chunks(BLOCK)).zip(grads.par_chunks(BLOCK)).for_each(|((dx, x), grad)| {
            simd(|| dx.iter_mut().zip(x).zip(grad).for_each(|((dx, x), grad)| *dx = grad * gelu_scalar(*x).1));
        });
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

struct DropoutAdd {
    /// Numbers are dropped where their 32-bit hash is below this.
    threshold: u32,
    scale: f32,
    seed: u64,
}

/// `x + dropout(y)`, the residual connection: each number of y is zeroed with probability `rate` in [0, 1) and the others
/// are scaled by `1 / (1 - rate)`. Which ones is a function of `seed` and the index alone.
pub fn dropout_add(x: &Tensor, y: &Tensor, rate: f32, seed: u64) -> Result<Tensor> {
    let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
    x.apply_op2(y, DropoutAdd { threshold, scale: 1.0 / (1.0 - rate), seed })
}

impl DropoutAdd {
    /// The factor of number `index`: 0 or `scale`.
    #[inline(always)]
    fn factor(&self, index: u32) -> f32 {
        // The finaliser of MurmurHash3, over index and both halves of the seed.
        let mut hash = index.wrapping_mul(0x9e37_79b9) ^ self.seed as u32;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b) ^ (self.seed >> 32) as u32;
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^= hash >> 16;
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

impl CustomOp2 for DropoutAdd {
    fn name(&self) -> &'static str {
        "dropout-add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y) = (slice(x, x_layout)?, slice(y, y_layout)?);
        let mut out = vec![0f32; x.len()];
        let blocks = out.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).zip(y.par_chunks(BLOCK)).enumerate();
        blocks.for_each(|(block, ((out, x), y))| {
            simd(|| {
                if self.threshold == 0 {
                    out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = x + y);
                    return;
                }
                for (i, ((out, x), y)) in out.iter_mut().zip(x).zip(y).enumerate() {
                    *out = x + y * self.factor((block * BLOCK + i) as u32);
                }
            });
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        if self.threshold == 0 {
            return Ok((Some(grad.clone()), Some(grad)));
        }
        let mut dy = floats(&grad)?.to_vec();
        dy.par_chunks_mut(BLOCK).enumerate().for_each(|(block, dy)| {
            simd(|| {
                for (i, dy) in dy.iter_mut().enumerate() {
                    *dy *= self.factor((block * BLOCK + i) as u32);
                }
            });
        });
        Ok((Some(grad), Some(Tensor::from_vec(dy, y.shape(), y.device())?)))
    }
}

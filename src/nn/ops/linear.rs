//! Affine maps.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::kernels::{BLOCK_ROWS, column_sums, floats, into_vec};
use crate::nn::functions::{add_scaled, simd};

/// `x · weightᵀ + bias`: x `[rows, in]`, weight `[out, in]`, bias `[out]`, result `[rows, out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let product = x.matmul(&weight.t()?)?;
    let shape = product.shape().clone();
    let bias = floats(bias)?;
    let bias: &[f32] = &bias;
    let mut out = into_vec(product)?;
    out.par_chunks_mut(BLOCK_ROWS * bias.len()).for_each(|block| {
        simd(|| block.chunks_exact_mut(bias.len()).for_each(|row| add_scaled(row, 1.0, bias)));
    });
    Tensor::from_vec(out, shape, x.device())
}

/// The gradients of x, weight and bias, given that of the result.
pub fn linear_backward(x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let dbias = column_sums(&floats(grad)?, weight.dim(0)?);
    let dbias = Tensor::from_vec(dbias, weight.dim(0)?, x.device())?;
    Ok((grad.matmul(weight)?, grad.t()?.matmul(x)?, dbias))
}

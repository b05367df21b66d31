//! Affine maps.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::kernels::{BLOCK_ROWS, change, column_sums, floats};
use crate::nn::functions::{add_scaled, simd};

/// `x · weightᵀ + bias`: x `[rows, in]`, weight `[out, in]`, bias `[out]`, result `[rows, out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let product = x.matmul(&weight.t()?)?;
    let bias = floats(bias)?;
    let bias: &[f32] = &bias;
    change(&product, |out| {
        out.par_chunks_mut(BLOCK_ROWS * bias.len()).for_each(|block| {
            simd(|| block.chunks_exact_mut(bias.len()).for_each(|row| add_scaled(row, 1.0, bias)));
        });
    })?;
    Ok(product)
}

/// The gradients of x, weight and bias, given that of the result.
pub fn linear_backward(x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let (dweight, dbias) = linear_parameters_backward(x, grad)?;
    Ok((grad.matmul(weight)?, dweight, dbias))
}

/// The gradients of weight and bias alone, for a first layer: nothing learns from that of x.
pub fn linear_parameters_backward(x: &Tensor, grad: &Tensor) -> Result<(Tensor, Tensor)> {
    let outputs = grad.dim(1)?;
    let dbias = column_sums(&floats(grad)?, outputs);
    Ok((grad.t()?.matmul(x)?, Tensor::from_vec(dbias, outputs, x.device())?))
}

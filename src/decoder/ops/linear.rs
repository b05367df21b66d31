//! Affine maps.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage, bail};
use rayon::prelude::*;

use super::kernels::{BLOCK_ROWS, column_sums, floats, simd, slice};

struct Linear;

/// `x · weightᵀ + bias`: x `[rows, in]`, weight `[out, in]`, bias `[out]`, result `[rows, out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3(weight, bias, Linear)
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inner) = x_layout.shape().dims2()?;
        let (columns, _) = weight_layout.shape().dims2()?;
        let bias = slice(bias, bias_layout)?;
        let product = x.matmul(weight, (1, rows, columns, inner), x_layout, &weight_layout.transpose(0, 1)?)?;
        let CpuStorage::F32(mut out) = product else { bail!("expected an f32 product") };
        out.par_chunks_mut(BLOCK_ROWS * columns).for_each(|block| {
            simd(|| {
                for row in block.chunks_exact_mut(columns) {
                    row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
                }
            });
        });
        Ok((CpuStorage::F32(out), (rows, columns).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let dx = grad.matmul(&weight.detach())?;
        let dweight = grad.t()?.matmul(&x.detach())?;
        let dbias = column_sums(&floats(&grad)?, bias.elem_count());
        Ok((Some(dx), Some(dweight), Some(Tensor::from_vec(dbias, bias.shape(), bias.device())?)))
    }
}

//! What the fused operations share: access to a tensor's numbers, SIMD dispatch, a vectorisable exponential.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Result, Storage, Tensor, bail};
use rayon::prelude::*;

/// Rows of one parallel task.
pub(super) const BLOCK_ROWS: usize = 64;

/// Runs `work` compiled for the best instruction set of this machine. `work` must be inlined to profit.
#[inline(always)]
pub(in crate::decoder) fn simd<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}

/// `e^x` for x in [-87, 88] (clamped), relative error below 2e-7; branch-free, so that loops over it use SIMD.
#[inline(always)]
pub(in crate::decoder) fn exp(x: f32) -> f32 {
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

/// GELU in its tanh form, as GPT-2 has it, and its derivative.
#[inline(always)]
pub(in crate::decoder) fn gelu_scalar(x: f32) -> (f32, f32) {
    const A: f32 = 1.595_769; // 2·sqrt(2/π): x·sigmoid(2u) = x·(1 + tanh u)/2
    const B: f32 = 0.044_715;
    let square = x * x;
    let gate = 1.0 / (1.0 + exp(-A * x * (1.0 + B * square)));
    (x * gate, gate + x * gate * (1.0 - gate) * A * (1.0 + 3.0 * B * square))
}

/// The dot product with eight running sums; call it inside [`simd`].
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

/// `out += factor · x`; call it inside [`simd`].
#[inline(always)]
pub(super) fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

/// Column sums of a row-major matrix, in a fixed order.
pub(super) fn column_sums(data: &[f32], columns: usize) -> Vec<f32> {
    let parts: Vec<Vec<f32>> = data
        .par_chunks(BLOCK_ROWS * columns)
        .map(|block| {
            let mut sums = vec![0f32; columns];
            simd(|| block.chunks_exact(columns).for_each(|row| add_scaled(&mut sums, 1.0, row)));
            sums
        })
        .collect();
    let mut sums = vec![0f32; columns];
    parts.iter().for_each(|part| add_scaled(&mut sums, 1.0, part));
    sums
}

/// The numbers of a contiguous f32 tensor on the CPU, in place; `G` is candle's lock on them.
pub(in crate::decoder) struct Floats<G> {
    storage: G,
    range: Range<usize>,
}

/// Borrows the numbers of a contiguous f32 tensor on the CPU.
pub(in crate::decoder) fn floats(tensor: &Tensor) -> Result<Floats<impl Deref<Target = Storage> + '_>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("the tensor is not contiguous") };
    if !matches!(&*storage, Storage::Cpu(CpuStorage::F32(data)) if end <= data.len()) {
        bail!("expected an f32 tensor on the CPU, found {:?} on {:?}", tensor.dtype(), tensor.device());
    }
    Ok(Floats { storage, range: start..end })
}

impl<G: Deref<Target = Storage>> Deref for Floats<G> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(data)) => &data[self.range.clone()],
            _ => &[], // ruled out by `floats`
        }
    }
}

/// The numbers of a tensor as a vector: its own where nobody else holds it.
pub(super) fn into_vec(tensor: Tensor) -> Result<Vec<f32>> {
    Ok(floats(&tensor)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_accurate_over_its_range() {
        for i in -86_000..=88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}): relative error {error}");
        }
        assert!(exp(-1000.0) < 1e-37 && exp(1000.0).is_finite());
    }

    #[test]
    fn gelu_derivative_agrees_with_finite_differences() {
        for i in -600..=600 {
            let x = i as f32 / 100.0;
            let step = 1e-2;
            let slope = (gelu_scalar(x + step).0 - gelu_scalar(x - step).0) / (2.0 * step);
            assert!((slope - gelu_scalar(x).1).abs() < 2e-4, "at {x}");
        }
    }
}

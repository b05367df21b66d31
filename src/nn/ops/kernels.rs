//! What the fused operations share: access to a tensor's numbers, blocks of rows, column sums.

use std::{
    cell::Cell,
    ops::{Deref, Range},
};

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use rayon::prelude::*;

use crate::nn::functions::{add_scaled, simd};

/// Rows of one parallel task.
pub(super) const BLOCK_ROWS: usize = 64;

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
pub(crate) struct Floats<G> {
    storage: G,
    range: Range<usize>,
}

/// Borrows the numbers of a contiguous f32 tensor on the CPU.
pub(crate) fn floats(tensor: &Tensor) -> Result<Floats<impl Deref<Target = Storage> + '_>> {
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

/// Changes the numbers of a contiguous f32 tensor on the CPU where they lie. Whoever shares the tensor sees the change.
pub(super) fn change(tensor: &Tensor, work: impl FnOnce(&mut [f32])) -> Result<()> {
    tensor.inplace_op1(&Change(Cell::new(Some(work))))
}

/// [`change`] as candle calls it: once.
struct Change<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for Change<F> {
    fn name(&self) -> &'static str {
        "change"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("expected a contiguous f32 tensor");
        };
        let (Some(work), Some(data)) = (self.0.take(), data.get_mut(start..end)) else {
            bail!("a tensor whose layout reaches beyond its numbers");
        };
        work(data);
        Ok(())
    }
}

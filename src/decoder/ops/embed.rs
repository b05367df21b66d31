//! The input rows of packed sequences, and the choice of the rows that are scored.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::kernels::{add_scaled, floats, slice};

struct Embed {
    /// For each row the token, or `None` for the next row of the prefixes.
    tokens: Arc<[Option<u32>]>,
    positions: Arc<[u32]>,
}

/// The input rows `[rows, width]`: for each row the next prefix row (where `tokens` has `None`) or the token's row of
/// `table` `[vocabulary, width]`, plus its position's row of `places` `[positions, width]`.
pub fn embed(
    table: &Tensor,
    places: &Tensor,
    prefixes: &Tensor,
    tokens: Arc<[Option<u32>]>,
    positions: Arc<[u32]>,
) -> Result<Tensor> {
    let prefix_rows = tokens.iter().filter(|t| t.is_none()).count();
    let (vocabulary, longest) = (table.dim(0)?, places.dim(0)?);
    if tokens.len() != positions.len()
        || prefix_rows != prefixes.dim(0)?
        || tokens.iter().flatten().any(|t| *t as usize >= vocabulary)
        || positions.iter().any(|p| *p as usize >= longest)
    {
        bail!("tokens, positions or prefixes do not fit the tables");
    }
    table.apply_op3(places, prefixes, Embed { tokens, positions })
}

impl CustomOp3 for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(
        &self,
        table: &CpuStorage,
        table_layout: &Layout,
        places: &CpuStorage,
        places_layout: &Layout,
        prefixes: &CpuStorage,
        prefixes_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = table_layout.shape().dims2()?;
        let (table, places) = (slice(table, table_layout)?, slice(places, places_layout)?);
        let mut prefixes = slice(prefixes, prefixes_layout)?.chunks_exact(width);
        let mut out = Vec::with_capacity(self.tokens.len() * width);
        for (token, position) in self.tokens.iter().zip(self.positions.iter()) {
            let row = match token {
                Some(token) => &table[*token as usize * width..][..width],
                None => prefixes.next().unwrap_or(&[]),
            };
            let place = &places[*position as usize * width..][..width];
            out.extend(row.iter().zip(place).map(|(x, p)| x + p));
        }
        Ok((CpuStorage::F32(out), (self.tokens.len(), width).into()))
    }

    fn bwd(
        &self,
        table: &Tensor,
        places: &Tensor,
        prefixes: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let grads = floats(&grad)?;
        let width = table.dim(1)?;
        let mut dtable = vec![0f32; table.elem_count()];
        let mut dplaces = vec![0f32; places.elem_count()];
        let mut dprefixes = Vec::with_capacity(prefixes.elem_count());
        for ((token, position), row) in self.tokens.iter().zip(self.positions.iter()).zip(grads.chunks_exact(width)) {
            match token {
                Some(token) => add_scaled(&mut dtable[*token as usize * width..][..width], 1.0, row),
                None => dprefixes.extend_from_slice(row),
            }
            add_scaled(&mut dplaces[*position as usize * width..][..width], 1.0, row);
        }
        Ok((
            Some(Tensor::from_vec(dtable, table.shape(), table.device())?),
            Some(Tensor::from_vec(dplaces, places.shape(), places.device())?),
            Some(Tensor::from_vec(dprefixes, prefixes.shape(), prefixes.device())?),
        ))
    }
}

struct SelectRows(Arc<[u32]>);

/// The rows `indices` of x `[rows, width]`, in that order; each may occur once only.
pub fn select_rows(x: &Tensor, indices: Arc<[u32]>) -> Result<Tensor> {
    let rows = x.dim(0)?;
    if indices.iter().any(|i| *i as usize >= rows) {
        bail!("a row beyond {rows}");
    }
    x.apply_op1(SelectRows(indices))
}

impl CustomOp1 for SelectRows {
    fn name(&self) -> &'static str {
        "select-rows"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let x = slice(x, layout)?;
        let mut out = Vec::with_capacity(self.0.len() * width);
        self.0.iter().for_each(|index| out.extend_from_slice(&x[*index as usize * width..][..width]));
        Ok((CpuStorage::F32(out), (self.0.len(), width).into()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let grads = floats(&grad)?;
        let width = x.dim(1)?;
        let mut out = vec![0f32; x.elem_count()];
        for (index, row) in self.0.iter().zip(grads.chunks_exact(width)) {
            out[*index as usize * width..][..width].copy_from_slice(row);
        }
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}

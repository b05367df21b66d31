//! The input rows of packed sequences, and the choice of the rows that are scored.

use candle_core::{Result, Tensor, bail};

use super::kernels::{change, floats};
use crate::nn::functions::add_scaled;

/// The input rows `[rows, width]`: for each row the next prefix row (where `tokens` has `None`) or the token's row of
/// `table` `[vocabulary, width]`, plus its position's row of `places` `[positions, width]`.
pub fn embed(
    table: &Tensor,
    places: &Tensor,
    prefixes: &Tensor,
    tokens: &[Option<u32>],
    positions: &[u32],
) -> Result<Tensor> {
    let prefix_rows = tokens.iter().filter(|t| t.is_none()).count();
    let (vocabulary, width) = table.dims2()?;
    let longest = places.dim(0)?;
    if tokens.len() != positions.len()
        || prefix_rows != prefixes.dim(0)?
        || tokens.iter().flatten().any(|t| *t as usize >= vocabulary)
        || positions.iter().any(|p| *p as usize >= longest)
    {
        bail!("tokens, positions or prefixes do not fit the tables");
    }
    let (rows, places, prefixes) = (floats(table)?, floats(places)?, floats(prefixes)?);
    let mut prefixes = prefixes.chunks_exact(width);
    let mut out = Vec::with_capacity(tokens.len() * width);
    for (token, position) in tokens.iter().zip(positions) {
        let row = match token {
            Some(token) => &rows[*token as usize * width..][..width],
            None => prefixes.next().unwrap_or(&[]),
        };
        out.extend(row.iter().zip(&places[*position as usize * width..]).map(|(x, p)| x + p));
    }
    Tensor::from_vec(out, (tokens.len(), width), table.device())
}

/// The gradient of the prefixes, given that of [`embed`]'s result. Those of table and places are added to `dtable` and
/// `dplaces`, which have their shapes, in place.
pub fn embed_backward(
    grad: &Tensor,
    tokens: &[Option<u32>],
    positions: &[u32],
    dtable: &Tensor,
    dplaces: &Tensor,
) -> Result<Tensor> {
    let grads = floats(grad)?;
    let grads: &[f32] = &grads;
    let width = grad.dim(1)?;
    change(dtable, |table| {
        for (token, row) in tokens.iter().zip(grads.chunks_exact(width)) {
            if let Some(token) = token {
                add_scaled(&mut table[*token as usize * width..][..width], 1.0, row);
            }
        }
    })?;
    change(dplaces, |places| {
        for (position, row) in positions.iter().zip(grads.chunks_exact(width)) {
            add_scaled(&mut places[*position as usize * width..][..width], 1.0, row);
        }
    })?;
    let rows = tokens.iter().zip(grads.chunks_exact(width));
    let prefixes: Vec<f32> = rows.filter(|(token, _)| token.is_none()).flat_map(|(_, row)| row).copied().collect();
    let prefix_rows = prefixes.len() / width;
    Tensor::from_vec(prefixes, (prefix_rows, width), grad.device())
}

/// The rows `indices` of x `[rows, width]`, in that order; each may occur once only.
pub fn select_rows(x: &Tensor, indices: &[u32]) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    if indices.iter().any(|i| *i as usize >= rows) {
        bail!("a row beyond {rows}");
    }
    let data = floats(x)?;
    let mut out = Vec::with_capacity(indices.len() * width);
    indices.iter().for_each(|index| out.extend_from_slice(&data[*index as usize * width..][..width]));
    Tensor::from_vec(out, (indices.len(), width), x.device())
}

/// The gradient `[rows, width]` of x, given that of [`select_rows`]' result.
pub fn select_rows_backward(grad: &Tensor, indices: &[u32], rows: usize) -> Result<Tensor> {
    let data = floats(grad)?;
    let width = grad.dim(1)?;
    let mut out = vec![0f32; rows * width];
    for (index, row) in indices.iter().zip(data.chunks_exact(width)) {
        out[*index as usize * width..][..width].copy_from_slice(row);
    }
    Tensor::from_vec(out, (rows, width), grad.device())
}

//! The input rows of packed sequences, and the choice of the rows that are scored.

use candle_core::{Result, Tensor, bail};

use super::kernels::floats;
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

/// The gradients of table, places and prefixes, given that of [`embed`]'s result. `dtable` and `dplaces` are added to, and
/// have the shapes of table and places.
pub fn embed_backward(
    grad: &Tensor,
    tokens: &[Option<u32>],
    positions: &[u32],
    dtable: &Tensor,
    dplaces: &Tensor,
) -> Result<(Tensor, Tensor, Tensor)> {
    let grads = floats(grad)?;
    let width = grad.dim(1)?;
    let (mut table, mut places) = (floats(dtable)?.to_vec(), floats(dplaces)?.to_vec());
    let mut prefixes = Vec::new();
    for ((token, position), row) in tokens.iter().zip(positions).zip(grads.chunks_exact(width)) {
        match token {
            Some(token) => add_scaled(&mut table[*token as usize * width..][..width], 1.0, row),
            None => prefixes.extend_from_slice(row),
        }
        add_scaled(&mut places[*position as usize * width..][..width], 1.0, row);
    }
    let prefix_rows = prefixes.len() / width;
    Ok((
        Tensor::from_vec(table, dtable.shape(), grad.device())?,
        Tensor::from_vec(places, dplaces.shape(), grad.device())?,
        Tensor::from_vec(prefixes, (prefix_rows, width), grad.device())?,
    ))
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

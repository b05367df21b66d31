//! The matrix product that both towers spend their time in.
//!
//! candle's product picks its blocking by shape and thread count; this one runs on the calling thread and adds the terms of every output
//! in one fixed order, so that an embedding has the same bits whatever batch it was computed in. Callers spread batches over
//! threads. The code is plain Rust that the compiler vectorises for the instruction set that `pulp` finds at run time.

use std::ops::Range;

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

/// Columns a panel of the packed matrix holds: two AVX2 registers.
const COLUMNS: usize = 16;

/// Rows that the kernel keeps in registers: 4 × 2 sums hide the latency of a fused multiply-add. With 6 rows the registers of AVX2 would
/// just suffice, but the compiler then writes sums to memory in every step (measured: 90 GFLOP/s a thread with 4, 50 with 6).
const ROWS: usize = 4;

/// Terms of a sum that are added in one go: 128 KB of a panel.
const BLOCK: usize = 2048;

/// Products of fewer multiplications are not worth a second thread.
const WORTH_THREADS: usize = 4 << 20;

/// A matrix `[inner, columns]`, packed for [`multiply`]: panels of 16 columns, each row after row.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    inner: usize,
    columns: usize,
    panels: Vec<f32>,
}

impl Packed {
    /// Packs `weight` of shape `[columns, inner]`, the layout of a linear layer's weight.
    pub fn from_linear(weight: &[f32], columns: usize, inner: usize) -> Self {
        assert_eq!(weight.len(), columns * inner);
        Self::from_fn(inner, columns, |k, n| weight[n * inner + k])
    }

    /// Packs the matrix whose element in row `k` and column `n` is `value(k, n)`.
    pub fn from_fn(inner: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let mut packed = Self::zeros(inner, columns);
        packed.fill(value);
        packed
    }

    /// Room for a matrix that [`Packed::fill`] packs.
    pub fn zeros(inner: usize, columns: usize) -> Self {
        Self { inner, columns, panels: vec![0.0; columns.div_ceil(COLUMNS) * inner * COLUMNS] }
    }

    /// Packs another matrix of the same shape in place of this one.
    #[inline(always)]
    pub fn fill(&mut self, value: impl Fn(usize, usize) -> f32) {
        for (panel, chunk) in self.panels.chunks_exact_mut(self.inner * COLUMNS).enumerate() {
            for (k, row) in chunk.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate() {
                let width = COLUMNS.min(self.columns - panel * COLUMNS);
                for (j, x) in row[..width].iter_mut().enumerate() {
                    *x = value(k, panel * COLUMNS + j);
                }
            }
        }
    }

    /// Number of panels that the columns are packed in.
    pub fn panels(&self) -> usize {
        self.columns.div_ceil(COLUMNS)
    }

    /// Number of columns that lie in `panels`.
    pub fn width(&self, panels: &Range<usize>) -> usize {
        (panels.end * COLUMNS).min(self.columns) - panels.start * COLUMNS
    }

    /// Number of terms that each element of the product sums.
    pub fn inner(&self) -> usize {
        self.inner
    }
}

/// `out = left · right`, where `left` has shape `[rows, right.inner]` and `out` `[rows, right.columns]`.
pub(crate) fn multiply(left: &[f32], right: &Packed, out: &mut [f32]) {
    Arch::new().dispatch(Multiply { left, right, out });
}

/// A call of [`multiply`] as `pulp` dispatches it. A closure would do the same but for `FnOnce::call_once`, which the compiler does not
/// inline into the function that has the instruction set enabled.
struct Multiply<'a> {
    left: &'a [f32],
    right: &'a Packed,
    out: &'a mut [f32],
}

impl NullaryFnOnce for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        multiply_inline(self.left, self.right, self.out);
    }
}

/// [`multiply`] for callers that are already inside a dispatch to the instruction set.
#[inline(always)]
pub(crate) fn multiply_inline(left: &[f32], right: &Packed, out: &mut [f32]) {
    multiply_part_inline(left, right, 0..right.inner, 0..right.panels(), out);
}

/// `out = left · right[terms, columns of panels]`: a part of the matrix, for callers that spread it over threads or know terms to be zero.
/// `left` has shape `[rows, terms]`, `out` `[rows, right.width(panels)]`.
pub(crate) fn multiply_part(left: &[f32], right: &Packed, terms: Range<usize>, panels: Range<usize>, out: &mut [f32]) {
    Arch::new().dispatch(MultiplyPart { left, right, terms, panels, out });
}

/// A call of [`multiply_part`] as `pulp` dispatches it.
struct MultiplyPart<'a> {
    left: &'a [f32],
    right: &'a Packed,
    terms: Range<usize>,
    panels: Range<usize>,
    out: &'a mut [f32],
}

impl NullaryFnOnce for MultiplyPart<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        multiply_part_inline(self.left, self.right, self.terms, self.panels, self.out);
    }
}

/// `rows · matrix`, by all threads where it is large. Each number is the same sum, however many rows and threads there are.
pub(crate) fn multiply_spread(rows: &[f32], matrix: &Packed) -> Vec<f32> {
    let (count, columns) = (rows.len() / matrix.inner, matrix.columns);
    let mut out = vec![0f32; count * columns];
    let threads = rayon::current_num_threads().min(matrix.panels());
    if threads < 2 || rows.len() * columns < WORTH_THREADS {
        multiply(rows, matrix, &mut out);
        return out;
    }
    let step = matrix.panels().div_ceil(threads);
    let shares: Vec<_> =
        (0..matrix.panels()).step_by(step).map(|from| from..matrix.panels().min(from + step)).collect();
    let parts: Vec<Vec<f32>> = shares
        .into_par_iter()
        .map(|panels| {
            let mut part = vec![0f32; count * matrix.width(&panels)];
            multiply_part(rows, matrix, 0..matrix.inner, panels, &mut part);
            part
        })
        .collect();
    let mut from = 0;
    for part in parts {
        let width = part.len() / count;
        for (row, part) in out.chunks_exact_mut(columns).zip(part.chunks_exact(width)) {
            row[from..][..width].copy_from_slice(part);
        }
        from += width;
    }
    out
}

#[inline(always)]
fn multiply_part_inline(left: &[f32], right: &Packed, terms: Range<usize>, panels: Range<usize>, out: &mut [f32]) {
    let (depth, columns) = (terms.len(), right.width(&panels));
    assert!(left.len().is_multiple_of(depth));
    assert_eq!(out.len() / columns, left.len() / depth);
    for (index, panel) in panels.enumerate() {
        let first = index * COLUMNS;
        let width = COLUMNS.min(columns - first);
        let panel = &right.panels[(panel * right.inner + terms.start) * COLUMNS..][..depth * COLUMNS];
        // Blocks of terms that stay in the second-level cache while all rows pass by. A sum goes on from where it was left in `out`.
        for (block, panel) in panel.chunks(BLOCK * COLUMNS).enumerate() {
            let from = block * BLOCK;
            for (left, out) in left.chunks(ROWS * depth).zip(out.chunks_mut(ROWS * columns)) {
                let place = Place { depth, from, columns, first, width };
                match left.len() / depth {
                    1 => kernel::<1>(left, panel, out, place),
                    2 => kernel::<2>(left, panel, out, place),
                    3 => kernel::<3>(left, panel, out, place),
                    _ => kernel::<ROWS>(left, panel, out, place),
                }
            }
        }
    }
}

/// Where a block of a panel lies in the product: terms `from..` of `depth`, columns `first..first + width` of `columns`.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    from: usize,
    columns: usize,
    first: usize,
    width: usize,
}

/// `R` rows by one block of a panel. Every sum runs over the terms in order with fused multiply-adds, whatever `R` is.
#[inline(always)]
fn kernel<const R: usize>(left: &[f32], panel: &[f32], out: &mut [f32], place: Place) {
    let Place { depth, from, columns, first, width } = place;
    let (panel, _) = panel.as_chunks::<COLUMNS>();
    let terms = panel.len();
    let rows: [&[f32]; R] = std::array::from_fn(|r| &left[r * depth + from..][..terms]);
    let mut sums = [[0f32; COLUMNS]; R];
    if from > 0 {
        sums = std::array::from_fn(|r| {
            let at = &out[r * columns + first..][..width];
            at.first_chunk().copied().unwrap_or_else(|| std::array::from_fn(|j| at.get(j).copied().unwrap_or(0.0)))
        });
    }
    // Indices and a copy of the sums, where iterators and updates in place would read better: so the compiler keeps all sums in registers
    // and drops the checks of bounds, which is worth a factor of two.
    #[allow(clippy::needless_range_loop)]
    for k in 0..terms {
        let right = &panel[k];
        let mut next = sums;
        for r in 0..R {
            let x = rows[r][k];
            for j in 0..COLUMNS {
                next[r][j] = x.mul_add(right[j], next[r][j]);
            }
        }
        sums = next;
    }
    // Number by number where a panel is not full: a copy of variable length would need the sums in memory, and the compiler then keeps them
    // there all along.
    for (r, sums) in sums.into_iter().enumerate() {
        let at = &mut out[r * columns + first..][..width];
        match at.first_chunk_mut() {
            Some(full) => *full = sums,
            None => at.iter_mut().zip(sums).for_each(|(x, sum)| *x = sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn agrees_with_the_plain_product_at_every_remainder() {
        for (rows, inner, columns) in [(1, 1, 1), (5, 7, 3), (4, 16, 16), (7, 33, 17), (13, 64, 48), (24, 100, 40)] {
            let (left, weight) = (noise(rows * inner, 1), noise(columns * inner, 2));
            let packed = Packed::from_linear(&weight, columns, inner);
            let mut out = vec![f32::NAN; rows * columns];
            multiply(&left, &packed, &mut out);
            for r in 0..rows {
                for n in 0..columns {
                    let wanted: f64 =
                        (0..inner).map(|k| f64::from(left[r * inner + k]) * f64::from(weight[n * inner + k])).sum();
                    assert!((f64::from(out[r * columns + n]) - wanted).abs() < 1e-4, "{rows}×{inner}×{columns}");
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_every_batch() {
        let (inner, columns) = (384, 1152);
        let left = noise(29 * inner, 3);
        let packed = Packed::from_linear(&noise(columns * inner, 4), columns, inner);
        let mut whole = vec![0.0; 29 * columns];
        multiply(&left, &packed, &mut whole);
        for batch in [1, 2, 5, 7, 28] {
            let mut out = Vec::new();
            for rows in left.chunks(batch * inner) {
                let mut part = vec![0.0; rows.len() / inner * columns];
                multiply(rows, &packed, &mut part);
                out.extend(part);
            }
            assert!(out == whole, "batches of {batch}");
        }
    }

    #[test]
    fn parts_make_up_the_whole() {
        let (rows, inner, columns) = (5, 2 * BLOCK + 100, 50);
        let left = noise(rows * inner, 5);
        let packed = Packed::from_linear(&noise(columns * inner, 6), columns, inner);
        let mut whole = vec![0.0; rows * columns];
        multiply(&left, &packed, &mut whole);
        for panels in [0..1, 1..3, 2..4] {
            let width = packed.width(&panels);
            let mut part = vec![0.0; rows * width];
            multiply_part(&left, &packed, 0..inner, panels.clone(), &mut part);
            for (part, whole) in part.chunks(width).zip(whole.chunks(columns)) {
                assert!(part == &whole[panels.start * COLUMNS..][..width], "{panels:?}");
            }
        }
        // Terms that are left out count as zeros.
        let terms = 100..BLOCK + 200;
        let zeroed: Vec<f32> =
            left.iter().enumerate().map(|(i, x)| if terms.contains(&(i % inner)) { *x } else { 0.0 }).collect();
        let kept: Vec<f32> = left.chunks(inner).flat_map(|row| row[terms.clone()].to_vec()).collect();
        let (mut wanted, mut got) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
        multiply(&zeroed, &packed, &mut wanted);
        multiply_part(&kept, &packed, terms, 0..packed.panels(), &mut got);
        assert!(got == wanted);
    }

    /// Prints the speed: `cargo test --release gemm_speed -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn gemm_speed() {
        for (rows, inner, columns) in
            [(24, 64, 64), (156, 128, 128), (144, 512, 512), (256, 384, 1536), (256, 1536, 384)]
        {
            let left = noise(rows * inner, 3);
            let packed = Packed::from_linear(&noise(columns * inner, 4), columns, inner);
            let mut out = vec![0.0; rows * columns];
            let times = 1_000_000_000 / (rows * inner * columns);
            let seconds = || {
                let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
                stat.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
            };
            let start = seconds();
            for _ in 0..times {
                multiply(&left, &packed, &mut out);
            }
            let macs = (times * rows * inner * columns) as f64 / (seconds() - start);
            println!("{rows} × {inner} × {columns}: {:.1} GFLOP/s", macs * 2e-9);
        }
    }
}

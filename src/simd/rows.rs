//! How rows pass by: four at a time, for which each part of the query is loaded once, then one by one what is left over.
//!
//! The kernels of every instruction set come through here with loops of their own.

use super::prefetch::prefetch;

/// The loops of an instruction set for `R` rows at once, each as long as the query. A row's sum has the same bits whatever `R` is.
pub(super) trait Loops {
    fn dots<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R];

    fn code_dots<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R];
}

pub(super) fn dot<L: Loops>(a: &[f32], b: &[f32]) -> f32 {
    L::dots(a, [b])[0]
}

pub(super) fn dots<L: Loops>(query: &[f32], rows: &[f32], out: &mut [f32]) {
    let dim = query.len();
    for (index, (out, four)) in out.chunks_mut(4).zip(rows.chunks(4 * dim)).enumerate() {
        // The processor's own prefetching stops at the end of each page of 4 KiB, and mapped files have no larger ones.
        prefetch(rows.get((index + 1) * 4 * dim..(index + 2) * 4 * dim).unwrap_or_default());
        let row = |r: usize| &four[r * dim..][..dim];
        if out.len() == 4 {
            out.copy_from_slice(&L::dots(query, [row(0), row(1), row(2), row(3)]));
        } else {
            (0..out.len()).for_each(|r| out[r] = dot::<L>(query, row(r)));
        }
    }
}

pub(super) fn code_dots<L: Loops>(query: &[i16], codes: &[i8], out: &mut [i32]) {
    let dim = query.len();
    for (out, rows) in out.chunks_mut(4).zip(codes.chunks(4 * dim)) {
        let row = |r: usize| &rows[r * dim..][..dim];
        if out.len() == 4 {
            out.copy_from_slice(&L::code_dots(query, [row(0), row(1), row(2), row(3)]));
        } else {
            (0..out.len()).for_each(|r| out[r] = L::code_dots(query, [row(r)])[0]);
        }
    }
}

pub(super) fn gather<L: Loops>(query: &[i16], codes: &[i8], rows: &[u32], out: &mut [i32]) {
    let dim = query.len();
    let row = |row: u32| &codes[row as usize * dim..][..dim];
    let (fours, rest) = rows.as_chunks::<4>();
    let (out_fours, out_rest) = out.as_chunks_mut::<4>();
    for (out, four) in out_fours.iter_mut().zip(fours) {
        *out = L::code_dots(query, four.map(row));
    }
    for (out, one) in out_rest.iter_mut().zip(rest) {
        *out = L::code_dots(query, [row(*one)])[0];
    }
}

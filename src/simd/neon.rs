//! The kernels for NEON. Each does what its twin in `plain.rs` does; the tests of `choose.rs` compare them.
//!
//! The functions that have instructions enabled are private and reached through [`kernels`] alone, which asks the processor first.
#![allow(unsafe_code)]
// Indices keep sums in registers where iterators over them would not, and read as the tables that they are.
#![allow(clippy::needless_range_loop)]

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::kernels::{Kernels, TILE_QUERIES, TILE_ROWS, Tile};
use super::plain;
use super::rows::{self, Loops};

/// Widening is the plain twin's, which every compiler for this processor turns into NEON.
const NEON: Kernels = Kernels {
    name: "NEON",
    dot: rows::dot::<Neon>,
    dots: rows::dots::<Neon>,
    code_dots: rows::code_dots::<Neon>,
    gather: rows::gather::<Neon>,
    widen: plain::widen,
    tile,
    add_scaled,
};

struct Neon;

/// These kernels, on a processor that has the instructions, as all that run a usual system have.
pub(super) fn kernels() -> Option<&'static Kernels> {
    is_aarch64_feature_detected!("neon").then_some(&NEON)
}

impl Loops for Neon {
    fn dots<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R] {
        // SAFETY: `kernels` found the instructions.
        unsafe { dots_of(query, rows) }
    }

    fn code_dots<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R] {
        // SAFETY: `kernels` found the instructions.
        unsafe { code_dots_of(query, rows) }
    }
}

/// Four registers of sums a row, whatever the number of rows: so the order of additions is always the same.
#[target_feature(enable = "neon")]
#[inline]
fn dots_of<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let dim = query.len();
    assert!(rows.iter().all(|row| row.len() == dim));
    let mut sums = [[vdupq_n_f32(0.0); 4]; R];
    let whole = dim / 16 * 16;
    for at in (0..whole).step_by(16) {
        for quarter in 0..4 {
            // SAFETY: `at + 16 <= dim`, the length of the query and of each row.
            let q = unsafe { vld1q_f32(query.as_ptr().add(at + 4 * quarter)) };
            for r in 0..R {
                // SAFETY: as above.
                let x = unsafe { vld1q_f32(rows[r].as_ptr().add(at + 4 * quarter)) };
                sums[r][quarter] = vfmaq_f32(sums[r][quarter], q, x);
            }
        }
    }
    std::array::from_fn(|r| {
        let [a, b, c, d] = sums[r];
        let rest: f32 = query[whole..].iter().zip(&rows[r][whole..]).map(|(q, x)| q * x).sum();
        vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d))) + rest
    })
}

#[target_feature(enable = "neon")]
#[inline]
fn code_dots_of<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R] {
    let dim = query.len();
    assert!(rows.iter().all(|row| row.len() == dim));
    let mut sums = [[vdupq_n_s32(0); 2]; R];
    let whole = dim / 16 * 16;
    for at in (0..whole).step_by(16) {
        // SAFETY: `at + 16 <= dim`, the length of the query and of each row.
        let q = unsafe { [vld1q_s16(query.as_ptr().add(at)), vld1q_s16(query.as_ptr().add(at + 8))] };
        for r in 0..R {
            // SAFETY: as above.
            let c = unsafe { vld1q_s8(rows[r].as_ptr().add(at)) };
            sums[r] = add_products(sums[r], vmovl_s8(vget_low_s8(c)), q[0]);
            sums[r] = add_products(sums[r], vmovl_high_s8(c), q[1]);
        }
    }
    std::array::from_fn(|r| {
        let rest: i32 = query[whole..].iter().zip(&rows[r][whole..]).map(|(q, c)| i32::from(*q) * i32::from(*c)).sum();
        vaddvq_s32(vaddq_s32(sums[r][0], sums[r][1])) + rest
    })
}

/// The sums plus the eight products of `x` and `y`.
#[target_feature(enable = "neon")]
#[inline]
fn add_products(sums: [int32x4_t; 2], x: int16x8_t, y: int16x8_t) -> [int32x4_t; 2] {
    [vmlal_s16(sums[0], vget_low_s16(x), vget_low_s16(y)), vmlal_high_s16(sums[1], x, y)]
}

fn tile(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    // SAFETY: `kernels` found the instructions.
    unsafe { tile_inner(queries, rows, dim) }
}

/// Twenty-four sums, three rows and a query fill most of the thirty-two registers.
#[target_feature(enable = "neon")]
fn tile_inner(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    assert!(queries.len() == TILE_QUERIES * dim && rows.len() == TILE_ROWS * dim);
    let mut sums = [[[vdupq_n_s32(0); 2]; TILE_QUERIES]; TILE_ROWS];
    let whole = dim / 8 * 8;
    for at in (0..whole).step_by(8) {
        // SAFETY: `at + 8 <= dim`, and there are that many rows and queries of `dim`.
        let x: [int16x8_t; TILE_ROWS] = std::array::from_fn(|r| unsafe { vld1q_s16(rows.as_ptr().add(r * dim + at)) });
        for q in 0..TILE_QUERIES {
            // SAFETY: as above.
            let query = unsafe { vld1q_s16(queries.as_ptr().add(q * dim + at)) };
            for r in 0..TILE_ROWS {
                sums[r][q] = add_products(sums[r][q], x[r], query);
            }
        }
    }
    let rest = |r: usize, q: usize| -> i32 {
        let pairs = rows[r * dim + whole..(r + 1) * dim].iter().zip(&queries[q * dim + whole..(q + 1) * dim]);
        pairs.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
    };
    std::array::from_fn(|r| std::array::from_fn(|q| vaddvq_s32(vaddq_s32(sums[r][q][0], sums[r][q][1])) + rest(r, q)))
}

/// The compiler turns this into NEON; it differs from the plain twin in that products are not rounded.
fn add_scaled(sum: &mut [f64], weight: f64, row: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(row) {
        *sum = weight.mul_add(f64::from(*x), *sum);
    }
}

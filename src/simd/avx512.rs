//! The kernels for AVX-512 with VNNI. Each does what its twin in `plain.rs` does; the tests of `choose.rs` compare them.
//!
//! The functions that have instructions enabled are private and reached through [`kernels`] alone, which asks the processor first.
#![allow(unsafe_code)]
// Indices keep sums in registers where iterators over them would not, and read as the tables that they are.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::avx2;
use super::kernels::{Kernels, TILE_QUERIES, TILE_ROWS, Tile};
use super::rows::{self, Loops};

/// Widening and scaled sums are AVX2's, which the compiler makes of plain loops.
const AVX512: Kernels = Kernels {
    name: "AVX-512",
    dot: rows::dot::<Avx512>,
    dots: rows::dots::<Avx512>,
    code_dots: rows::code_dots::<Avx512>,
    gather: rows::gather::<Avx512>,
    widen: avx2::widen,
    tile,
    add_scaled: avx2::add_scaled,
};

struct Avx512;

/// These kernels, on a processor that has the instructions and is not known to slow down for them.
///
/// VBMI2 is asked for as the mark of Ice Lake, Zen 4 and what came after: no kernel needs it. The processors before,
/// Skylake-X and Cascade Lake, lower their clock for products of 512 bits, for all that the core runs then and for a
/// while after; they keep AVX2.
pub(super) fn kernels() -> Option<&'static Kernels> {
    let found = avx2::kernels().is_some()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vbmi2");
    found.then_some(&AVX512)
}

impl Loops for Avx512 {
    fn dots<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R] {
        // SAFETY: `kernels` found the instructions.
        unsafe { dots_of(query, rows) }
    }

    fn code_dots<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R] {
        // SAFETY: `kernels` found the instructions.
        unsafe { code_dots_of(query, rows) }
    }
}

/// Numbers that one step takes.
const STEP: usize = 32;

/// The mask of the first `count` numbers of a step. The others are not read and count as zeros.
fn first(count: usize) -> __mmask32 {
    (1 << count) - 1
}

/// Two registers of sums a row, whatever the number of rows: so the order of additions is always the same.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn dots_of<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let dim = query.len();
    assert!(rows.iter().all(|row| row.len() == dim));
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let mut add = |at: usize, there: __mmask32| {
        for half in 0..2 {
            let there = (there >> (16 * half)) as __mmask16;
            // SAFETY: the numbers that are there end at `dim` at the latest, the length of the query and of each row.
            let q = unsafe { _mm512_maskz_loadu_ps(there, query.as_ptr().wrapping_add(at + 16 * half)) };
            for r in 0..R {
                // SAFETY: as above.
                let x = unsafe { _mm512_maskz_loadu_ps(there, rows[r].as_ptr().wrapping_add(at + 16 * half)) };
                sums[r][half] = _mm512_fmadd_ps(q, x, sums[r][half]);
            }
        }
    };
    let whole = dim / STEP * STEP;
    for at in (0..whole).step_by(STEP) {
        add(at, !0);
    }
    if whole < dim {
        add(whole, first(dim - whole));
    }
    std::array::from_fn(|r| {
        let sum = _mm512_castps_pd(_mm512_add_ps(sums[r][0], sums[r][1]));
        let (low, high) = (_mm512_castpd512_pd256(sum), _mm512_extractf64x4_pd::<1>(sum));
        avx2::sum(_mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high)))
    })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn code_dots_of<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R] {
    let dim = query.len();
    assert!(rows.iter().all(|row| row.len() == dim));
    let mut sums = [_mm512_setzero_si512(); R];
    let mut add = |at: usize, there: __mmask32| {
        // SAFETY: the numbers that are there end at `dim` at the latest, the length of the query and of each row.
        let q = unsafe { _mm512_maskz_loadu_epi16(there, query.as_ptr().wrapping_add(at)) };
        for r in 0..R {
            // SAFETY: as above.
            let c = unsafe { _mm256_maskz_loadu_epi8(there, rows[r].as_ptr().wrapping_add(at)) };
            sums[r] = _mm512_dpwssd_epi32(sums[r], _mm512_cvtepi8_epi16(c), q);
        }
    };
    let whole = dim / STEP * STEP;
    for at in (0..whole).step_by(STEP) {
        add(at, !0);
    }
    if whole < dim {
        add(whole, first(dim - whole));
    }
    sums.map(|sum| _mm512_reduce_add_epi32(sum))
}

fn tile(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    // SAFETY: `kernels` found the instructions.
    unsafe { tile_inner(queries, rows, dim) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn tile_inner(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    assert!(queries.len() == TILE_QUERIES * dim && rows.len() == TILE_ROWS * dim);
    let mut sums = [[_mm512_setzero_si512(); TILE_QUERIES]; TILE_ROWS];
    let mut add = |at: usize, there: __mmask32| {
        // SAFETY: the numbers that are there end at `dim` at the latest, and there are that many rows and queries of `dim`.
        let load = |from: &[i16], which: usize| unsafe {
            _mm512_maskz_loadu_epi16(there, from.as_ptr().wrapping_add(which * dim + at))
        };
        let x: [__m512i; TILE_ROWS] = std::array::from_fn(|r| load(rows, r));
        for q in 0..TILE_QUERIES {
            let query = load(queries, q);
            for r in 0..TILE_ROWS {
                sums[r][q] = _mm512_dpwssd_epi32(sums[r][q], x[r], query);
            }
        }
    };
    let whole = dim / STEP * STEP;
    for at in (0..whole).step_by(STEP) {
        add(at, !0);
    }
    if whole < dim {
        add(whole, first(dim - whole));
    }
    sums.map(|row| row.map(|sum| _mm512_reduce_add_epi32(sum)))
}

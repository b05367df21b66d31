//! The kernels for AVX2 with FMA. Each does what its twin in `plain.rs` does; the tests of `choose.rs` compare them.
//!
//! The functions that have instructions enabled are private and reached through [`kernels`] alone, which asks the processor first.
//! The kernels for AVX-512 take two of these over and ask it, too.
#![allow(unsafe_code)]
// Indices keep sums in registers where iterators over them would not, and read as the tables that they are.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::kernels::{Kernels, TILE_QUERIES, TILE_ROWS, Tile};
use super::rows::{self, Loops};

const AVX2: Kernels = Kernels {
    name: "AVX2",
    dot: rows::dot::<Avx2>,
    dots: rows::dots::<Avx2>,
    code_dots: rows::code_dots::<Avx2>,
    gather: rows::gather::<Avx2>,
    widen,
    tile,
    add_scaled,
};

struct Avx2;

/// These kernels, on a processor that has the instructions.
pub(super) fn kernels() -> Option<&'static Kernels> {
    (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(&AVX2)
}

impl Loops for Avx2 {
    fn dots<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R] {
        // SAFETY: `kernels` found the instructions.
        unsafe { dots_of(query, rows) }
    }

    fn code_dots<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R] {
        // SAFETY: `kernels` found the instructions.
        unsafe { code_dots_of(query, rows) }
    }
}

/// Two registers of sums a row, whatever the number of rows: so the order of additions is always the same.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dots_of<const R: usize>(query: &[f32], rows: [&[f32]; R]) -> [f32; R] {
    let dim = query.len();
    assert!(rows.iter().all(|row| row.len() == dim));
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    let whole = dim / 16 * 16;
    for at in (0..whole).step_by(16) {
        for half in 0..2 {
            // SAFETY: `at + 16 <= dim`, the length of the query and of each row.
            let q = unsafe { _mm256_loadu_ps(query.as_ptr().add(at + 8 * half)) };
            for r in 0..R {
                // SAFETY: as above.
                let x = unsafe { _mm256_loadu_ps(rows[r].as_ptr().add(at + 8 * half)) };
                sums[r][half] = _mm256_fmadd_ps(q, x, sums[r][half]);
            }
        }
    }
    std::array::from_fn(|r| {
        let rest: f32 = query[whole..].iter().zip(&rows[r][whole..]).map(|(q, x)| q * x).sum();
        sum(_mm256_add_ps(sums[r][0], sums[r][1])) + rest
    })
}

/// The sum of eight numbers, added in one order.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn sum(sums: __m256) -> f32 {
    let sum = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
    let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps::<1>(sum, sum)))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn code_dots_of<const R: usize>(query: &[i16], rows: [&[i8]; R]) -> [i32; R] {
    let dim = query.len();
    assert!(rows.iter().all(|row| row.len() == dim));
    let mut sums = [_mm256_setzero_si256(); R];
    let whole = dim / 16 * 16;
    for at in (0..whole).step_by(16) {
        // SAFETY: `at + 16 <= dim`, the length of the query and of each row.
        let q = unsafe { _mm256_loadu_si256(query.as_ptr().add(at).cast()) };
        for r in 0..R {
            // SAFETY: as above.
            let c = unsafe { _mm_loadu_si128(rows[r].as_ptr().add(at).cast()) };
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(_mm256_cvtepi8_epi16(c), q));
        }
    }
    std::array::from_fn(|r| {
        let rest: i32 = query[whole..].iter().zip(&rows[r][whole..]).map(|(q, c)| i32::from(*q) * i32::from(*c)).sum();
        total(sums[r]) + rest
    })
}

/// The sum of eight integers.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn total(sums: __m256i) -> i32 {
    let sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
    _mm_cvtsi128_si32(sum)
}

pub(super) fn widen(codes: &[i8], out: &mut [i16]) {
    // SAFETY: `kernels` found the instructions.
    unsafe { widen_inner(codes, out) }
}

#[target_feature(enable = "avx2,fma")]
fn widen_inner(codes: &[i8], out: &mut [i16]) {
    for (out, code) in out.iter_mut().zip(codes) {
        *out = i16::from(*code);
    }
}

fn tile(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    // SAFETY: `kernels` found the instructions.
    unsafe { tile_inner(queries, rows, dim) }
}

/// Twelve sums, three rows and a product fill the sixteen registers.
#[target_feature(enable = "avx2,fma")]
fn tile_inner(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    assert!(queries.len() == TILE_QUERIES * dim && rows.len() == TILE_ROWS * dim);
    let mut sums = [[_mm256_setzero_si256(); TILE_QUERIES]; TILE_ROWS];
    let whole = dim / 16 * 16;
    for at in (0..whole).step_by(16) {
        // SAFETY: `at + 16 <= dim`, and there are that many rows and queries of `dim`.
        let x: [__m256i; TILE_ROWS] =
            std::array::from_fn(|r| unsafe { _mm256_loadu_si256(rows.as_ptr().add(r * dim + at).cast()) });
        for q in 0..TILE_QUERIES {
            // SAFETY: as above.
            let query = unsafe { _mm256_loadu_si256(queries.as_ptr().add(q * dim + at).cast()) };
            for r in 0..TILE_ROWS {
                sums[r][q] = _mm256_add_epi32(sums[r][q], _mm256_madd_epi16(x[r], query));
            }
        }
    }
    let rest = |r: usize, q: usize| -> i32 {
        let pairs = rows[r * dim + whole..(r + 1) * dim].iter().zip(&queries[q * dim + whole..(q + 1) * dim]);
        pairs.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
    };
    std::array::from_fn(|r| std::array::from_fn(|q| total(sums[r][q]) + rest(r, q)))
}

pub(super) fn add_scaled(sum: &mut [f64], weight: f64, row: &[f32]) {
    // SAFETY: `kernels` found the instructions.
    unsafe { add_scaled_inner(sum, weight, row) }
}

#[target_feature(enable = "avx2,fma")]
fn add_scaled_inner(sum: &mut [f64], weight: f64, row: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(row) {
        *sum = weight.mul_add(f64::from(*x), *sum);
    }
}

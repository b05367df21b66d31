//! The plain twins of the kernels.

use super::kernels::{Kernels, Tile};
use crate::embedding::dot_in_lanes;

pub(super) const KERNELS: Kernels = Kernels { name: "plain", dot, dots, code_dots, gather, widen, tile, add_scaled };

fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_in_lanes::<16>(a, b)
}

fn dots(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        *out = dot(query, row);
    }
}

fn code_dot(query: &[i16], codes: &[i8]) -> i32 {
    query.iter().zip(codes).map(|(q, c)| i32::from(*q) * i32::from(*c)).sum()
}

fn code_dots(query: &[i16], codes: &[i8], out: &mut [i32]) {
    for (out, row) in out.iter_mut().zip(codes.chunks_exact(query.len())) {
        *out = code_dot(query, row);
    }
}

fn gather(query: &[i16], codes: &[i8], rows: &[u32], out: &mut [i32]) {
    let dim = query.len();
    for (out, row) in out.iter_mut().zip(rows) {
        *out = code_dot(query, &codes[*row as usize * dim..][..dim]);
    }
}

pub(super) fn widen(codes: &[i8], out: &mut [i16]) {
    for (out, code) in out.iter_mut().zip(codes) {
        *out = i16::from(*code);
    }
}

fn tile(queries: &[i16], rows: &[i16], dim: usize) -> Tile {
    let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
    std::array::from_fn(|r| std::array::from_fn(|q| dot(&queries[q * dim..][..dim], &rows[r * dim..][..dim])))
}

fn add_scaled(sum: &mut [f64], weight: f64, row: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(row) {
        *sum += weight * f64::from(*x);
    }
}

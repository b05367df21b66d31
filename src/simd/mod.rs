//! The few loops that a search spends its time in, chosen at run time for the instruction set at hand.
//!
//! They are written by hand for AVX-512 (`avx512.rs`), for AVX2 with FMA (`avx2.rs`) and for NEON (`neon.rs`); elsewhere the plain twin
//! (`plain.rs`) serves, of which compilers make what they can. Each adds in one fixed order, so a similarity has the same bits alone, in a
//! batch and on any thread; between instruction sets it may differ by rounding.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod choose;
mod kernels;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
mod prefetch;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod rows;

pub(crate) use kernels::{Kernels, TILE_QUERIES, TILE_ROWS};
pub(crate) use prefetch::prefetch;

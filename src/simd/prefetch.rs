//! Asking for memory ahead of its use: a hint, which changes nothing.

#![allow(unsafe_code, reason = "the instructions have no safe form; a processor may ignore them, so they need no twin")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the cache lines of `bytes`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn prefetch<T>(bytes: &[T]) {
    let start = bytes.as_ptr().cast::<i8>();
    for offset in (0..size_of_val(bytes)).step_by(LINE) {
        // SAFETY: a prefetch of any address is allowed, and the address lies inside the slice. SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(offset)) };
    }
}

/// Asks for the cache lines of `bytes`.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn prefetch<T>(bytes: &[T]) {
    let start = bytes.as_ptr().cast::<u8>();
    for offset in (0..size_of_val(bytes)).step_by(LINE) {
        // SAFETY: a prefetch of any address is allowed, and the address lies inside the slice; `prfm` changes no register and no memory.
        // The compiler's own function for it is not stable yet.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{}]", in(reg) start.add(offset), options(readonly, nostack, preserves_flags))
        };
    }
}

/// Nothing, where it is not known how to ask.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub(crate) fn prefetch<T>(_bytes: &[T]) {}

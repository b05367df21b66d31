//! What the unit tests of several rooms need.

/// Numbers in -1..1 that are the same in every run.
pub(crate) fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(step).take(len).collect()
}
